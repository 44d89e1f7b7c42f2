//! Format-preserving encryption FF1 of NIST SP 800-38G, on integers.

use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser};

/// FF1 over a block cipher of 16 bytes.
pub(crate) struct Ff1<C> {
    cipher: C,
}

/// The two halves of the numeral strings of one radix and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halves {
    radix: u32,
    left_length: u32,
    right_length: u32,
    left_modulus: u128,
    right_modulus: u128,
}

impl Halves {
    /// Strings of `length` numerals. `None` when a half would not fit into 96 bits, which keeps the
    /// standard's S inside one block.
    pub(crate) fn new(radix: u32, length: u32) -> Option<Self> {
        if !(2..=65_536).contains(&radix) || length < 2 {
            return None;
        }
        let left_length = length / 2;
        let right_length = length - left_length;
        let left_modulus = u128::from(radix).checked_pow(left_length)?;
        let right_modulus = u128::from(radix).checked_pow(right_length)?;
        (right_modulus <= 1 << 96).then_some(Self {
            radix,
            left_length,
            right_length,
            left_modulus,
            right_modulus,
        })
    }

    /// Bytes of the standard's b: as many as hold the right half.
    fn number_bytes(&self) -> u32 {
        (u128::BITS - (self.right_modulus - 1).leading_zeros()).div_ceil(8)
    }
}

/// FF1 made ready for one tweak: everything that does not depend on the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tweaked {
    halves: Halves,
    /// The chain over P and all blocks of Q but the last.
    state: u128,
    /// The last block of Q without round and number.
    last: u128,
    number_bits: u32,
    /// Bits by which a block is shifted to keep the standard's first d bytes.
    drop_bits: u32,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Ff1<C> {
    pub(crate) fn new(cipher: C) -> Self {
        Self { cipher }
    }

    /// Steps 1 to 5 of the standard, and the part of step 6 that is the same in each round.
    pub(crate) fn tweaked(&self, halves: Halves, tweak: &[u8]) -> Tweaked {
        let number_bytes = halves.number_bytes();
        let tweak_length = u32::try_from(tweak.len()).unwrap_or(u32::MAX);
        let length = halves.left_length + halves.right_length;
        let first = (1u128 << 120)
            | (2 << 112)
            | (1 << 104)
            | (u128::from(halves.radix) << 80)
            | (10 << 72)
            | (u128::from(halves.left_length % 256) << 64)
            | (u128::from(length) << 32)
            | u128::from(tweak_length);
        let mut state = self.encrypt(first);

        // Q = tweak, zeros, round, number: its last block holds round and number, as the number has
        // 12 bytes at most.
        let number_length = usize::try_from(number_bytes).unwrap_or(12);
        let length = (tweak.len() + 1 + number_length).next_multiple_of(16);
        let mut q = tweak.to_vec();
        q.resize(length, 0);
        let mut blocks = q.chunks_exact(16).map(|block| {
            block
                .iter()
                .fold(0u128, |number, byte| (number << 8) | u128::from(*byte))
        });
        let last = blocks.next_back().unwrap_or(0);
        for block in blocks {
            state = self.encrypt(state ^ block);
        }
        let kept_bytes = 4 * number_bytes.div_ceil(4) + 4;
        Tweaked {
            halves,
            state,
            last,
            number_bits: number_bytes * 8,
            drop_bits: 128 - kept_bytes * 8,
        }
    }

    /// Ten rounds forward.
    pub(crate) fn forward(&self, tweaked: &Tweaked, left: u128, right: u128) -> (u128, u128) {
        let (mut a, mut b) = (left, right);
        for round in 0..10 {
            let modulus = tweaked.modulus(round);
            let number = self.round(tweaked, round, b);
            // Of bit strings the remainder is a mask; a division of 128 bits would cost more than
            // the cipher.
            let c = if tweaked.halves.radix == 2 {
                (a + (number & (modulus - 1))) & (modulus - 1)
            } else {
                (a + number % modulus) % modulus
            };
            (a, b) = (b, c);
        }
        (a, b)
    }

    /// Ten rounds backward.
    #[cfg(test)]
    pub(crate) fn backward(&self, tweaked: &Tweaked, left: u128, right: u128) -> (u128, u128) {
        let (mut a, mut b) = (left, right);
        for round in (0..10).rev() {
            let modulus = tweaked.modulus(round);
            let c = (b + modulus - self.round(tweaked, round, a) % modulus) % modulus;
            (b, a) = (a, c);
        }
        (a, b)
    }

    fn round(&self, tweaked: &Tweaked, round: u32, number: u128) -> u128 {
        let block = tweaked.last | (u128::from(round) << tweaked.number_bits) | number;
        self.encrypt(tweaked.state ^ block) >> tweaked.drop_bits
    }

    fn encrypt(&self, block: u128) -> u128 {
        let mut bytes = Array::<u8, U16>::from(block.to_be_bytes());
        self.cipher.encrypt_block(&mut bytes);
        u128::from_be_bytes(bytes.into())
    }
}

impl Tweaked {
    fn modulus(&self, round: u32) -> u128 {
        if round.is_multiple_of(2) {
            self.halves.left_modulus
        } else {
            self.halves.right_modulus
        }
    }
}

/// A permutation of the numbers below `size`: FF1 on bit strings, walked along its cycle until it
/// is inside.
///
/// The walk ends, because the number itself lies inside and on the same cycle; on average it takes
/// fewer than two steps.
pub(crate) struct Permutation {
    tweaked: Tweaked,
    size: u128,
}

impl Permutation {
    /// `None` when `size` is below the 10⁶ of NIST SP 800-38G or above 2¹²⁶.
    pub(crate) fn new<C>(ff1: &Ff1<C>, size: u128, tweak: &[u8]) -> Option<Self>
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    {
        if !(DOMAIN_MIN..=1 << 126).contains(&size) {
            return None;
        }
        let bits = u128::BITS - (size - 1).leading_zeros();
        Some(Self {
            tweaked: ff1.tweaked(Halves::new(2, bits)?, tweak),
            size,
        })
    }

    /// Where a number goes; `allowed` narrows the permutation to a part of the numbers that holds
    /// the given one.
    pub(crate) fn of<C>(
        &self,
        ff1: &Ff1<C>,
        number: u128,
        allowed: impl Fn(u128) -> bool,
    ) -> Option<u128>
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    {
        if number >= self.size || !allowed(number) {
            return None;
        }
        let right_bits = self.tweaked.halves.right_length;
        let mask = self.tweaked.halves.right_modulus - 1;
        let mut walked = number;
        loop {
            let (left, right) = ff1.forward(&self.tweaked, walked >> right_bits, walked & mask);
            walked = (left << right_bits) | right;
            if walked < self.size && allowed(walked) {
                return Some(walked);
            }
        }
    }
}

/// The smallest domain that NIST SP 800-38G (2019 draft of revision 1) admits.
pub(crate) const DOMAIN_MIN: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use aes::cipher::KeyInit;
    use aes::{Aes128, Aes192, Aes256};
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn number(numerals: &str, radix: u32) -> u128 {
        numerals.chars().fold(0, |number, char| {
            number * u128::from(radix) + u128::from(char.to_digit(36).unwrap())
        })
    }

    fn check<C>(radix: u32, tweak: &str, plain: &str, cipher: &str, key: &str)
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
    {
        let ff1 = Ff1::new(C::new_from_slice(&bytes(key)).unwrap());
        let halves = Halves::new(radix, u32::try_from(plain.len()).unwrap()).unwrap();
        let tweaked = ff1.tweaked(halves, &bytes(tweak));
        let split = |text: &str| {
            let (left, right) = text.split_at(text.len() / 2);
            (number(left, radix), number(right, radix))
        };
        let (left, right) = split(plain);
        assert_eq!(
            ff1.forward(&tweaked, left, right),
            split(cipher),
            "{cipher}"
        );
        let (left, right) = split(cipher);
        assert_eq!(
            ff1.backward(&tweaked, left, right),
            split(plain),
            "{cipher}"
        );
    }

    /// Samples 1 to 9 of NIST's FF1 examples.
    #[test]
    fn samples_of_nist() {
        const TEN: &str = "0123456789";
        const NINETEEN: &str = "0123456789abcdefghi";
        const TWEAK: &str = "39383736353433323130";
        const TWEAK_36: &str = "3737373770717273373737";
        const K128: &str = "2b7e151628aed2a6abf7158809cf4f3c";
        const K192: &str = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f";
        const K256: &str = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94";
        check::<Aes128>(10, "", TEN, "2433477484", K128);
        check::<Aes128>(10, TWEAK, TEN, "6124200773", K128);
        check::<Aes128>(36, TWEAK_36, NINETEEN, "a9tv40mll9kdu509eum", K128);
        check::<Aes192>(10, "", TEN, "2830668132", K192);
        check::<Aes192>(10, TWEAK, TEN, "2496655549", K192);
        check::<Aes192>(36, TWEAK_36, NINETEEN, "xbj3kv35jrawxv32ysr", K192);
        check::<Aes256>(10, "", TEN, "6657667009", K256);
        check::<Aes256>(10, TWEAK, TEN, "1001623463", K256);
        check::<Aes256>(36, TWEAK_36, NINETEEN, "xs8a0azh2avyalyzuwd", K256);
    }

    #[test]
    fn a_domain_of_a_million_is_permuted_one_to_one() {
        let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
        let permutation = Permutation::new(&ff1, DOMAIN_MIN, b"tweak").unwrap();
        let mut seen = vec![false; 1_000_000];
        let mut fixed = 0;
        for number in 0..1_000_000 {
            let image = permutation.of(&ff1, number, |_| true).unwrap();
            let place = usize::try_from(image).unwrap();
            assert!(!seen[place], "{number}");
            seen[place] = true;
            fixed += u32::from(image == number);
        }
        // A random permutation has one fixed point on average.
        assert!(fixed < 10, "{fixed}");
    }

    #[test]
    fn small_domains_are_refused() {
        let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
        assert!(Permutation::new(&ff1, DOMAIN_MIN - 1, b"").is_none());
        assert!(Permutation::new(&ff1, 0, b"").is_none());
        assert!(Permutation::new(&ff1, u128::MAX, b"").is_none());
        assert!(Halves::new(10, 60).is_none() && Halves::new(1, 6).is_none());
    }

    proptest! {
        #[test]
        fn backward_undoes_forward(radix in 2u32..=65_536, length in 2u32..8, a in any::<u64>(), b in any::<u64>(), tweak in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assume!(Halves::new(radix, length).is_some());
            let halves = Halves::new(radix, length).unwrap();
            let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
            let tweaked = ff1.tweaked(halves, &tweak);
            let (left, right) = (u128::from(a) % halves.left_modulus, u128::from(b) % halves.right_modulus);
            let (c, d) = ff1.forward(&tweaked, left, right);
            prop_assert!(c < halves.left_modulus && d < halves.right_modulus);
            prop_assert_eq!(ff1.backward(&tweaked, c, d), (left, right));
        }

        #[test]
        fn a_narrowed_permutation_stays_inside(number in 0u128..5_000_000) {
            let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
            let permutation = Permutation::new(&ff1, 5_000_000, b"t").unwrap();
            let even = |number: u128| number.is_multiple_of(2);
            match permutation.of(&ff1, number, even) {
                Some(image) => prop_assert!(even(number) && even(image) && image < 5_000_000),
                None => prop_assert!(!even(number)),
            }
        }
    }
}
