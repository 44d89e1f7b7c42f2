//! All the randomness of a command: SHA-256 over its seed and a counter.

use ring::digest::{Context, SHA256};

const BLOCK_BYTES: usize = 32;

/// A stream of bytes that depends on the seed alone.
pub(super) struct SeededRandom {
    seed: [u8; 32],
    blocks: u64,
    block: [u8; BLOCK_BYTES],
    used: usize,
}

impl SeededRandom {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            blocks: 0,
            block: [0; BLOCK_BYTES],
            used: BLOCK_BYTES,
        }
    }

    /// Fills a buffer with the next bytes.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        let mut rest = buffer;
        while !rest.is_empty() {
            if self.used == BLOCK_BYTES {
                self.advance();
            }
            let take = rest.len().min(BLOCK_BYTES - self.used);
            let (now, later) = rest.split_at_mut(take);
            now.copy_from_slice(&self.block[self.used..self.used + take]);
            self.used += take;
            rest = later;
        }
    }

    fn advance(&mut self) {
        let mut context = Context::new(&SHA256);
        context.update(b"egret random|");
        context.update(&self.seed);
        context.update(&self.blocks.to_le_bytes());
        self.block.copy_from_slice(context.finish().as_ref());
        self.blocks = self.blocks.wrapping_add(1);
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_seeds_and_does_not_depend_on_how_it_is_cut() {
        let drawn = |seed: u8, cuts: &[usize]| {
            let mut random = SeededRandom::new([seed; 32]);
            let mut drawn = Vec::new();
            for cut in cuts {
                let mut part = vec![0; *cut];
                random.fill(&mut part);
                drawn.extend(part);
            }
            drawn
        };
        let whole = drawn(1, &[100]);
        assert_eq!(drawn(1, &[1, 31, 32, 33, 0, 3]), whole);
        assert_ne!(drawn(2, &[100]), whole);
        assert_ne!(whole[..32], whole[32..64]);
    }
}
