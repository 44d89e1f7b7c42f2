//! The only randomness that a guest has: numbers from its seed.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static PLANTED: AtomicBool = AtomicBool::new(false);
static SEED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

pub(crate) fn plant(seed: [u8; 32]) {
    for (word, state) in SEED.iter().zip(words(seed)) {
        word.store(state, Relaxed);
    }
    PLANTED.store(true, Relaxed);
}

fn words(seed: [u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(seed.chunks_exact(8)) {
        *word = bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// Numbers by xoshiro256** (Blackman, Vigna: Scrambled linear pseudorandom number generators, 2021).
///
/// The same program on the same data gets the same seed: a run that is repeated draws the same numbers.
/// They are for sampling and starting values, not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of the host's seed; none in a guest that was not made with `guest!(…, seeded)`.
    #[must_use]
    pub fn seeded() -> Option<Self> {
        PLANTED.load(Relaxed).then(|| Self {
            state: SEED.each_ref().map(|word| word.load(Relaxed)),
        })
    }

    /// The generator of another seed. One of zeros alone would answer zeros for ever.
    #[must_use]
    pub fn of(seed: [u8; 32]) -> Self {
        Self { state: words(seed) }
    }

    /// The next number, of all 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let answer = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        answer
    }

    /// A number from 0 up to 1 and without it, in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers from the state 1, 2, 3, 4, as the algorithm's paper gives it.
    #[test]
    fn the_numbers_are_those_of_xoshiro256starstar() {
        let mut seed = [0; 32];
        for (at, word) in seed.chunks_exact_mut(8).zip(1u8..) {
            at[0] = word;
        }
        let mut random = Random::of(seed);
        let first: [u64; 4] = core::array::from_fn(|_| random.bits());
        assert_eq!(first, [11520, 0, 1509978240, 1215971899390074240]);
        let unit = random.unit();
        assert!((0.0..1.0).contains(&unit));
    }

    #[test]
    fn what_is_planted_is_what_is_drawn_from() {
        assert!(Random::seeded().is_none());
        plant([7; 32]);
        let drawn = Random::seeded().map(|mut random| random.bits());
        assert_eq!(drawn, Some(Random::of([7; 32]).bits()));
    }
}
