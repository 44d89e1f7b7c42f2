//! Permutations of the numbers below any size: FF1 on bit strings, walked along its cycles.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser};

use crate::transform::ff1::{Ff1, Halves, Lane, Tweaked};

/// The smallest domain that NIST SP 800-38G (2019 draft of revision 1) admits.
pub(crate) const DOMAIN_MIN: u64 = 1_000_000;
/// The largest domain here; no identifier has more.
const DOMAIN_MAX: u64 = 1 << 62;

/// A permutation of the numbers below `size`: FF1 on bit strings, walked along its cycle until it
/// is inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    tweaked: Tweaked,
    size: u64,
}

impl Permutation {
    /// `None` when `size` is below the 10⁶ of NIST SP 800-38G or above 2⁶².
    pub(crate) fn new<C>(ff1: &Ff1<C>, size: u64, tweak: &[u8]) -> Option<Self>
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    {
        if !(DOMAIN_MIN..=DOMAIN_MAX).contains(&size) {
            return None;
        }
        let bits = u64::BITS - (size - 1).leading_zeros();
        Some(Self {
            tweaked: ff1.tweaked(Halves::new(2, bits)?, tweak),
            size,
        })
    }

    fn lane(&self, number: u64) -> Lane<'_> {
        let right_bits = self.tweaked.halves.right_length;
        Lane {
            tweaked: &self.tweaked,
            left: number >> right_bits,
            right: number & (self.tweaked.halves.right_modulus - 1),
        }
    }
}

/// A number and the permutation that it goes through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    permutation: &'a Permutation,
    number: u64,
}

impl<'a> Walk<'a> {
    /// `None` when the number does not lie below the permutation's size.
    pub(crate) fn new(permutation: &'a Permutation, number: u64) -> Option<Self> {
        (number < permutation.size).then_some(Self {
            permutation,
            number,
        })
    }

    /// The number, after [`walk`] its image.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Takes each number to its image. `inside` narrows the permutation to a part of the numbers that
/// must hold the given one; it gets the walk's place and a number.
///
/// Every walk ends, because the number itself lies inside and on the same cycle; on average it
/// takes fewer than two steps. Numbers that have arrived leave; those that have not go on together.
pub(crate) fn walk<C>(ff1: &Ff1<C>, walks: &mut [Walk<'_>], inside: impl Fn(usize, u64) -> bool)
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut waiting: Vec<usize> = (0..walks.len()).collect();
    let mut lanes = Vec::with_capacity(walks.len());
    while !waiting.is_empty() {
        lanes.clear();
        lanes.extend(waiting.iter().map(|place| {
            let Walk {
                permutation,
                number,
            } = walks[*place];
            permutation.lane(number)
        }));
        ff1.forward(&mut lanes);
        let mut arrived = lanes.iter();
        waiting.retain(|place| {
            let walk = &mut walks[*place];
            if let Some(lane) = arrived.next() {
                let right_bits = walk.permutation.tweaked.halves.right_length;
                walk.number = (lane.left << right_bits) | lane.right;
            }
            walk.number >= walk.permutation.size || !inside(*place, walk.number)
        });
    }
}
