//! Sessions that nobody uses end early. When a session was last used is known to this node alone: writing each request down
//! would be a write without an act.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::clock::micros;

/// Sessions remembered before those that ended are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// When this node last saw each session.
pub(crate) struct LastUses {
    /// What was used before this node started is not known, so nothing is idle for longer than the node runs.
    started: i64,
    idle_max: i64,
    uses: Mutex<HashMap<String, i64>>,
}

impl LastUses {
    /// From now on, with the time that a session may stay unused.
    pub(crate) fn new(now: Timestamp, idle_max: SignedDuration) -> Self {
        let idle_max = i64::try_from(idle_max.as_micros()).unwrap_or(i64::MAX);
        Self {
            started: micros(now),
            idle_max,
            uses: Mutex::default(),
        }
    }

    /// Notes a use; answers whether the session was idle for too long, which it then stays.
    pub(crate) fn is_idle(&self, credential: &str, opened: i64, now: i64) -> bool {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses
            .get(credential)
            .copied()
            .unwrap_or(opened.max(self.started));
        if now.saturating_sub(last) > self.idle_max {
            // Kept as it is: a session that was idle once does not come back to life.
            uses.entry(credential.to_owned()).or_insert(last);
            return true;
        }
        uses.insert(credential.to_owned(), now.max(last));
        if uses.len() > REMEMBERED_MAX {
            // Whatever is idle now is found idle again by the time it was opened, or has ended by its own term.
            uses.retain(|_, last| now.saturating_sub(*last) <= self.idle_max);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn uses(idle_max: i64) -> LastUses {
        LastUses::new(
            Timestamp::from_microsecond(1_000).unwrap(),
            SignedDuration::from_micros(idle_max),
        )
    }

    #[test]
    fn each_use_begins_the_time_anew_and_an_idle_session_stays_idle() {
        let uses = uses(10);
        for now in [1_005, 1_015, 1_025] {
            assert!(!uses.is_idle("a", 1_000, now));
        }
        assert!(uses.is_idle("a", 1_000, 1_036));
        assert!(uses.is_idle("a", 1_000, 1_037));
        assert!(!uses.is_idle("b", 1_030, 1_037));
    }

    #[test]
    fn what_was_before_the_start_does_not_count() {
        let uses = uses(10);
        assert!(!uses.is_idle("a", 5, 1_009));
        assert!(uses.is_idle("b", 5, 1_011));
    }

    #[test]
    fn many_sessions_are_forgotten_when_they_are_idle() {
        let uses = uses(10);
        for n in 0..i64::try_from(REMEMBERED_MAX).unwrap() {
            assert!(!uses.is_idle(&n.to_string(), 1_000, 1_000));
        }
        assert!(!uses.is_idle("late", 1_020, 1_020));
        assert_eq!(uses.uses.lock().unwrap().len(), 1);
    }
}
