//! How much a tenant may ask for: closed defaults, one struct.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::error::Error;
use crate::id::OrganisationId;

/// Runs of one tenant that may be waiting or running: a tenant's batch, and no more than the others
/// can wait for.
pub(crate) const RUNS_ACTIVE_MAX: i64 = 200;
/// Programs that one tenant may have checked or submitted in a minute: ten a second is a script,
/// more is a search.
const PROGRAMS_PER_MINUTE: u32 = 1_200;
const WINDOW_US: i64 = 60_000_000;

/// Programs per tenant in the current minute, in this node's memory.
#[derive(Debug, Default)]
pub(crate) struct RateWindows(Mutex<HashMap<OrganisationId, (i64, u32)>>);

impl RateWindows {
    /// Counts one program, or says that there were too many.
    pub(crate) fn count(&self, organisation: OrganisationId, now: Timestamp) -> Result<(), Error> {
        let now = now.as_microsecond();
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.retain(|_, (begun, _)| now.saturating_sub(*begun) < WINDOW_US);
        let (_, count) = windows.entry(organisation).or_insert((now, 0));
        if *count >= PROGRAMS_PER_MINUTE {
            return Err(Error::unavailable(
                "too_many_programs",
                format!("每分钟最多提交 {PROGRAMS_PER_MINUTE} 个程序。"),
                format!("at most {PROGRAMS_PER_MINUTE} programs may be submitted in a minute."),
            )
            .with_remedy("稍后重试。", "try again in a minute."));
        }
        *count += 1;
        Ok(())
    }
}

/// What a tenant is told whose runs fill its share of the queue.
pub(crate) fn too_many_runs() -> Error {
    Error::unavailable(
        "too_many_runs",
        format!("每个二级开发主体最多有 {RUNS_ACTIVE_MAX} 个运行在排队或执行。"),
        format!("a tenant may have {RUNS_ACTIVE_MAX} runs waiting or running at most."),
    )
    .with_remedy("等待已有运行结束后重试。", "wait until some have ended.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};

    #[test]
    fn one_tenants_flood_ends_and_does_not_touch_another() {
        let rates = RateWindows::default();
        let [one, other] = [(); 2].map(|()| OrganisationId::new(&SystemClock, &SystemEntropy));
        let at = |us| Timestamp::from_microsecond(us).unwrap();
        for _ in 0..PROGRAMS_PER_MINUTE {
            rates.count(one, at(5)).unwrap();
        }
        assert_eq!(
            rates.count(one, at(6)).unwrap_err().code(),
            "too_many_programs"
        );
        rates.count(other, at(6)).unwrap();
        rates.count(one, at(5 + WINDOW_US)).unwrap();
    }
}
