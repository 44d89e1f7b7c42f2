//! Format-preserving encryption FF1 of NIST SP 800-38G, on integers, many values at a time.
//!
//! The halves of a value are numbers of 64 bits, so a round costs one block of the cipher and a few
//! instructions. Values do not depend on each other: a round is done for [`LANES`] of them before
//! the next one, and the cipher works on their blocks side by side.

use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser};

mod walk;

pub(crate) use walk::{DOMAIN_MIN, Permutation, Walk, walk};

/// Values that go through a round together: eight blocks fill the pipeline of AES instructions, and
/// eight times eight the wide registers of processors that have them.
const LANES: usize = 64;

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
    left_modulus: u64,
    right_modulus: u64,
}

impl Halves {
    /// Strings of `length` numerals. `None` when a half has more than 2⁶⁴ - 1 values.
    pub(crate) fn new(radix: u32, length: u32) -> Option<Self> {
        if !(2..=65_536).contains(&radix) || length < 2 {
            return None;
        }
        let left_length = length / 2;
        let right_length = length - left_length;
        Some(Self {
            radix,
            left_length,
            right_length,
            left_modulus: u64::from(radix).checked_pow(left_length)?,
            right_modulus: u64::from(radix).checked_pow(right_length)?,
        })
    }

    /// Bytes of the standard's b: as many as hold the right half, eight at most.
    fn number_bytes(&self) -> u32 {
        (u64::BITS - (self.right_modulus - 1).leading_zeros()).div_ceil(8)
    }
}

/// FF1 made ready for one tweak: everything that does not depend on the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tweaked {
    halves: Halves,
    /// The chain over P and all blocks of Q but the last, and the last block without round and
    /// number.
    base: u128,
    number_bits: u32,
    /// Bits by which a block is shifted to keep the standard's first d bytes.
    drop_bits: u32,
}

/// A value on its way through the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane<'a> {
    pub(crate) tweaked: &'a Tweaked,
    pub(crate) left: u64,
    pub(crate) right: u64,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Ff1<C> {
    pub(crate) fn new(cipher: C) -> Self {
        Self { cipher }
    }

    /// Steps 1 to 5 of the standard, and the part of step 6 that is the same in each round.
    pub(crate) fn tweaked(&self, halves: Halves, tweak: &[u8]) -> Tweaked {
        let number_bytes = halves.number_bytes();
        let mut state = self.encrypt(first_block(&halves, tweak.len()));
        // Q = tweak, zeros, round, number: its last block holds round and number, as the number has
        // eight bytes at most.
        let number_length = usize::try_from(number_bytes).unwrap_or(8);
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
            base: state ^ last,
            number_bits: number_bytes * 8,
            drop_bits: 128 - kept_bytes * 8,
        }
    }

    /// Ten rounds forward on every lane.
    pub(crate) fn forward(&self, lanes: &mut [Lane<'_>]) {
        let mut blocks = [Array::<u8, U16>::default(); LANES];
        for lanes in lanes.chunks_mut(LANES) {
            let blocks = &mut blocks[..lanes.len()];
            for round in 0..10 {
                for (block, lane) in blocks.iter_mut().zip(lanes.iter()) {
                    *block = lane.tweaked.block(round, lane.right).to_be_bytes().into();
                }
                self.cipher.encrypt_blocks(blocks);
                for (lane, block) in lanes.iter_mut().zip(blocks.iter()) {
                    let block = u128::from_be_bytes((*block).into());
                    let next = lane.tweaked.added(round, lane.left, block);
                    (lane.left, lane.right) = (lane.right, next);
                }
            }
        }
    }

    /// Ten rounds backward.
    #[cfg(test)]
    fn backward(&self, tweaked: &Tweaked, left: u64, right: u64) -> (u64, u64) {
        let (mut a, mut b) = (left, right);
        for round in (0..10).rev() {
            let modulus = u128::from(tweaked.modulus(round));
            let number = self.encrypt(tweaked.block(round, a)) >> tweaked.drop_bits;
            let c = (u128::from(b) + modulus - number % modulus) % modulus;
            (b, a) = (a, u64::try_from(c).unwrap());
        }
        (a, b)
    }

    fn encrypt(&self, block: u128) -> u128 {
        let mut bytes = Array::<u8, U16>::from(block.to_be_bytes());
        self.cipher.encrypt_block(&mut bytes);
        u128::from_be_bytes(bytes.into())
    }
}

/// The standard's P.
fn first_block(halves: &Halves, tweak_length: usize) -> u128 {
    let tweak_length = u32::try_from(tweak_length).unwrap_or(u32::MAX);
    (1u128 << 120)
        | (2 << 112)
        | (1 << 104)
        | (u128::from(halves.radix) << 80)
        | (10 << 72)
        | (u128::from(halves.left_length % 256) << 64)
        | (u128::from(halves.left_length + halves.right_length) << 32)
        | u128::from(tweak_length)
}

impl Tweaked {
    /// The cipher's input in a round.
    fn block(&self, round: u32, number: u64) -> u128 {
        self.base ^ (u128::from(round) << self.number_bits) ^ u128::from(number)
    }

    /// Step 6 vi: the left half and the standard's y, modulo the half's size.
    fn added(&self, round: u32, left: u64, block: u128) -> u64 {
        let modulus = self.modulus(round);
        let number = block >> self.drop_bits;
        if self.halves.radix == 2 {
            // Of bit strings the remainder is a mask; a division of 128 bits would cost more than
            // the cipher.
            return left.wrapping_add(low(number)) & (modulus - 1);
        }
        let modulus = u128::from(modulus);
        low((u128::from(left) + number % modulus) % modulus)
    }

    fn modulus(&self, round: u32) -> u64 {
        if round.is_multiple_of(2) {
            self.halves.left_modulus
        } else {
            self.halves.right_modulus
        }
    }
}

/// The low 64 bits.
fn low(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
