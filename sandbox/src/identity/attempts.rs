//! Failed sign-ins, counted so that guessing is slow and nobody can shut anybody else out.
//!
//! What fails is counted for a name from an address, for a name, and for an address; known and unknown
//! names alike, so that no answer tells them apart. Whoever signed in from an address before is not
//! touched by what fails elsewhere. Counts are kept in tables of a fixed size by keyed hash: names that
//! are made up fill no memory, and two names in one place are at worst slowed together.
//!
//! This node alone knows them; a restart forgets them.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Failures for one name from one address.
const PAIR_MAX: u32 = 5;
/// Failures for one name from all addresses together.
const NAME_MAX: u32 = 50;
/// Failures from one address for all names together.
const ADDRESS_MAX: u32 = 100;
/// How long what has failed counts, and how long it stays shut: a quarter of an hour.
const WINDOW_MICROS: i64 = 15 * 60 * 1_000_000;
/// How long an address is known from which somebody signed in: thirty days.
const KNOWN_MICROS: i64 = 30 * 86_400 * 1_000_000;
/// Places of a table; a power of two.
const PLACES: usize = 1 << 16;

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    /// When the first of them was, or when the last one shut it.
    since: i64,
    /// Until when the pair is known to have signed in.
    known_until: i64,
}

impl Count {
    fn is_shut(&self, max: u32, now: i64) -> bool {
        self.failures >= max && now < self.since.saturating_add(WINDOW_MICROS)
    }

    fn add(&mut self, max: u32, now: i64) {
        if now >= self.since.saturating_add(WINDOW_MICROS) {
            self.failures = 0;
        }
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == max {
            self.since = now;
        }
    }
}

struct Tables {
    pairs: Vec<Count>,
    names: Vec<Count>,
    addresses: Vec<Count>,
}

/// The failed sign-ins that this node saw.
pub(crate) struct Attempts {
    keys: RandomState,
    tables: Mutex<Tables>,
}

impl Default for Attempts {
    fn default() -> Self {
        let table = || vec![Count::default(); PLACES];
        Self {
            keys: RandomState::new(),
            tables: Mutex::new(Tables {
                pairs: table(),
                names: table(),
                addresses: table(),
            }),
        }
    }
}

impl Attempts {
    fn place(&self, value: impl Hash) -> usize {
        usize::try_from(self.keys.hash_one(value)).unwrap_or(0) % PLACES
    }

    /// Begins an attempt: it counts as failed until [`Attempts::succeeded`] says otherwise, so that guesses at
    /// once count like guesses one by one. None may be made while too many have failed.
    pub(crate) fn begin(&self, name: &str, from: IpAddr, now: i64) -> bool {
        let (pair, name, address) = self.places(name, from);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = now < tables.pairs[pair].known_until;
        let shut = tables.pairs[pair].is_shut(PAIR_MAX, now)
            || (!known
                && (tables.names[name].is_shut(NAME_MAX, now)
                    || tables.addresses[address].is_shut(ADDRESS_MAX, now)));
        if shut {
            return false;
        }
        tables.pairs[pair].add(PAIR_MAX, now);
        if !known {
            tables.names[name].add(NAME_MAX, now);
            tables.addresses[address].add(ADDRESS_MAX, now);
        }
        true
    }

    /// Takes back what an attempt counted, and what its name from its address failed before.
    pub(crate) fn succeeded(&self, name: &str, from: IpAddr, now: i64) {
        let (pair, name, address) = self.places(name, from);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let known = now < tables.pairs[pair].known_until;
        tables.pairs[pair] = Count {
            failures: 0,
            since: 0,
            known_until: now.saturating_add(KNOWN_MICROS),
        };
        if !known {
            let named = &mut tables.names[name];
            named.failures = named.failures.saturating_sub(1);
            let addressed = &mut tables.addresses[address];
            addressed.failures = addressed.failures.saturating_sub(1);
        }
    }

    fn places(&self, name: &str, from: IpAddr) -> (usize, usize, usize) {
        (
            self.place((name, from)),
            self.place((name, "name")),
            self.place((from, "address")),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_stranger_shuts_a_name_for_himself_alone() {
        let attempts = Attempts::default();
        let now = 1;
        for _ in 0..5 {
            assert!(attempts.begin("anna", address(1), now));
        }
        assert!(!attempts.begin("anna", address(1), now));
        assert!(
            attempts.begin("anna", address(2), now),
            "shut out by a stranger"
        );
        assert!(attempts.begin("berta", address(1), now));
        assert!(!attempts.begin("anna", address(1), now + WINDOW_MICROS - 1));
        assert!(attempts.begin("anna", address(1), now + WINDOW_MICROS));
    }

    #[test]
    fn many_addresses_are_slowed_and_a_known_one_goes_on() {
        let attempts = Attempts::default();
        let now = 1;
        assert!(attempts.begin("anna", address(200), now));
        attempts.succeeded("anna", address(200), now);
        let tried = (0..100_u8)
            .filter(|last| attempts.begin("anna", address(*last), now))
            .count();
        assert_eq!(tried, 50);
        assert!(
            attempts.begin("anna", address(200), now),
            "shut out by many"
        );
        attempts.succeeded("anna", address(200), now);
        assert!(!attempts.begin("anna", address(150), now));
    }

    #[test]
    fn one_address_tries_a_hundred_names_and_no_more() {
        let attempts = Attempts::default();
        let tried = (0..300)
            .filter(|number| attempts.begin(&format!("name-{number}"), address(1), 1))
            .count();
        assert_eq!(tried, 100);
        assert!(attempts.begin("name-1", address(2), 1));
    }

    #[test]
    fn a_success_takes_its_own_count_back() {
        let attempts = Attempts::default();
        for _ in 0..1_000 {
            assert!(attempts.begin("anna", address(1), 1));
            attempts.succeeded("anna", address(1), 1);
        }
        for _ in 0..5 {
            assert!(attempts.begin("anna", address(1), 1));
        }
        assert!(!attempts.begin("anna", address(1), 1));
    }
}
