//! What the host keeps for a command, and the calls that concern the process itself.

use super::descriptors::Descriptors;
use super::errno::{Errno, Refusal};
use super::random::SeededRandom;
use super::tree::Tree;
use super::view::View;
use crate::guest::play::{Common, Host};
use crate::outcome::{Fault, Outcome};

/// The answer of a call.
pub(super) type Answer = Result<(), Refusal>;

/// All arguments of a command, each ended by a zero byte: its name.
const ARGUMENTS: &[u8] = b"program\0";
const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_THREAD_CPU: u32 = 3;
/// What the wall clock shows, always: 1970-01-01.
const REALTIME_NS: u64 = 0;
const RESOLUTION_NS: u64 = 1;
/// Most subscriptions of one poll.
const SUBSCRIPTIONS_MAX: u32 = 256;
const SUBSCRIPTION_BYTES: u32 = 48;
const EVENT_BYTES: u32 = 32;
const EVENT_CLOCK: u8 = 0;
const EVENT_READ: u8 = 1;
const EVENT_WRITE: u8 = 2;

/// A command as its host sees it.
pub(super) struct Command {
    pub(super) common: Common,
    pub(super) descriptors: Descriptors,
    pub(super) tree: Tree,
    pub(super) random: SeededRandom,
    /// How often the monotonic clock was read.
    pub(super) ticks: u64,
}

impl Host for Command {
    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl Command {
    pub(super) fn args_get(&mut self, memory: &mut View<'_>, list: u32, text: u32) -> Answer {
        memory.write_u32(list, text)?;
        Ok(memory.write(text, ARGUMENTS)?)
    }

    pub(super) fn args_sizes_get(
        &mut self,
        memory: &mut View<'_>,
        count: u32,
        bytes: u32,
    ) -> Answer {
        memory.write_u32(count, 1)?;
        let length = u32::try_from(ARGUMENTS.len()).map_err(|_| Errno::Overflow)?;
        Ok(memory.write_u32(bytes, length)?)
    }

    /// There are none.
    pub(super) fn environ_get(&mut self, memory: &mut View<'_>, list: u32, text: u32) -> Answer {
        memory.span(list, 0)?;
        memory.span(text, 0)?;
        Ok(())
    }

    pub(super) fn environ_sizes_get(
        &mut self,
        memory: &mut View<'_>,
        count: u32,
        bytes: u32,
    ) -> Answer {
        memory.write_u32(count, 0)?;
        Ok(memory.write_u32(bytes, 0)?)
    }

    pub(super) fn clock_res_get(&mut self, memory: &mut View<'_>, clock: u32, at: u32) -> Answer {
        known(clock)?;
        Ok(memory.write_u64(at, RESOLUTION_NS)?)
    }

    /// The wall clock stands; the monotonic one counts how often it is read.
    pub(super) fn clock_time_get(
        &mut self,
        memory: &mut View<'_>,
        clock: u32,
        _precision: u64,
        at: u32,
    ) -> Answer {
        known(clock)?;
        let time = if clock == CLOCK_REALTIME {
            REALTIME_NS
        } else {
            self.ticks = self.ticks.wrapping_add(1);
            self.ticks
        };
        Ok(memory.write_u64(at, time)?)
    }

    /// Answers every subscription at once: a clock has rung, and of files nothing can be awaited.
    pub(super) fn poll_oneoff(
        &mut self,
        memory: &mut View<'_>,
        subscriptions: u32,
        events: u32,
        count: u32,
        answered: u32,
    ) -> Answer {
        if count == 0 || count > SUBSCRIPTIONS_MAX {
            return Err(Errno::Invalid.into());
        }
        let asked = memory.span(subscriptions, count * SUBSCRIPTION_BYTES)?;
        let told = memory.span(events, count * EVENT_BYTES)?;
        // The two may overlap: everything is read before anything is written.
        let events = memory
            .bytes(asked)
            .chunks_exact(SUBSCRIPTION_BYTES as usize)
            .map(event)
            .collect::<Result<Vec<_>, _>>()?;
        memory.bytes_mut(told).copy_from_slice(&events.concat());
        Ok(memory.write_u32(answered, count)?)
    }

    pub(super) fn random_get(&mut self, memory: &mut View<'_>, at: u32, length: u32) -> Answer {
        let span = memory.span(at, length)?;
        self.random.fill(memory.bytes_mut(span));
        Ok(())
    }

    /// There is nobody to yield to.
    pub(super) fn sched_yield(&mut self, _: &mut View<'_>) -> Answer {
        Ok(())
    }

    /// How the run ends with an exit code.
    pub(super) fn exit(&self, code: u32) -> Outcome {
        if code == 0 {
            Outcome::Finished
        } else {
            Outcome::Faulted(Fault::GuestFailed)
        }
    }
}

/// The clocks of the process and the thread would tell how fast the host is.
fn known(clock: u32) -> Result<(), Errno> {
    match clock {
        CLOCK_REALTIME | CLOCK_MONOTONIC => Ok(()),
        ..=CLOCK_THREAD_CPU => Err(Errno::NotSupported),
        _ => Err(Errno::Invalid),
    }
}

/// The event that answers a subscription: its user data, an error number, its kind.
fn event(subscription: &[u8]) -> Result<[u8; EVENT_BYTES as usize], Errno> {
    let (user_data, rest) = subscription.split_first_chunk::<8>().ok_or(Errno::Fault)?;
    let (kind, rest) = rest.split_first().ok_or(Errno::Fault)?;
    let errno = match *kind {
        EVENT_CLOCK => {
            let clock = rest.get(7..).and_then(<[u8]>::first_chunk);
            let clock = clock.map(|bytes| u32::from_le_bytes(*bytes));
            known(clock.ok_or(Errno::Fault)?).map_or_else(|errno| errno as u16, |()| 0)
        }
        EVENT_READ | EVENT_WRITE => Errno::NotSupported as u16,
        _ => return Err(Errno::Invalid),
    };
    let mut event = [0; EVENT_BYTES as usize];
    event[..8].copy_from_slice(user_data);
    event[8..10].copy_from_slice(&errno.to_le_bytes());
    event[10] = *kind;
    Ok(event)
}
