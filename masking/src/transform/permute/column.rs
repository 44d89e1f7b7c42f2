//! Columns of identifiers permuted, a thousand values at a time.

use std::collections::HashMap;

use aes::Aes256;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit};
use arrow::array::{Array, StringArray, StringBuilder};
use sm4::Sm4;

use crate::key::{CipherSuite, PermutationKey, ValueDomain};
use crate::transform::ff1::{Ff1, Permutation, Walk, walk};
use crate::transform::permute::Permute;
use crate::transform::permute::split::{Kept, Split};

/// Version of the tables and rules that a tweak is bound to: another version is another
/// permutation.
const TABLES_VERSION: &str = "2023-06";
/// Permutations that are kept ready, one per different kept part.
const READY_MAX: usize = 8192;
/// Values that are permuted together: enough to keep the cipher's lanes full, few enough to stay
/// near the processor (about 100 KB).
const CHUNK: usize = 1024;

/// Permutes the values of one column under one key.
pub(crate) struct Permuter {
    permute: Permute,
    /// The value domain whose canonical form the values have.
    domain: ValueDomain,
    cipher: Cipher,
    ready: Ready,
}

enum Cipher {
    Aes256(Box<Ff1<Aes256>>),
    Sm4(Box<Ff1<Sm4>>),
}

impl Permuter {
    pub(crate) fn new(permute: Permute, key: &PermutationKey) -> Self {
        let cipher = match key {
            PermutationKey::Aes256(key) => {
                Cipher::Aes256(Box::new(Ff1::new(Aes256::new((&**key).into()))))
            }
            PermutationKey::Sm4(key) => Cipher::Sm4(Box::new(Ff1::new(Sm4::new((&**key).into())))),
        };
        Self {
            permute,
            domain: permute.value_domain(),
            cipher,
            ready: Ready::default(),
        }
    }

    /// The identifiers in place of valid ones; null in place of any other value, and of a card so
    /// short that fewer than 10⁶ could stand in its place.
    pub(crate) fn column(&mut self, values: &StringArray) -> StringArray {
        let mut images =
            StringBuilder::with_capacity(values.len(), values.value_data().len().min(1 << 26));
        let mut at = 0;
        while at < values.len() {
            let chunk = values.slice(at, CHUNK.min(values.len() - at));
            self.chunk(&chunk, &mut images);
            at += CHUNK;
        }
        images.finish()
    }

    fn chunk(&mut self, values: &StringArray, images: &mut StringBuilder) {
        match &self.cipher {
            Cipher::Aes256(ff1) => self.ready.chunk(
                ff1,
                (CipherSuite::International, self.permute, &self.domain),
                values,
                images,
            ),
            Cipher::Sm4(ff1) => self.ready.chunk(
                ff1,
                (CipherSuite::Sm, self.permute, &self.domain),
                values,
                images,
            ),
        }
    }
}

/// Permutations by kept part and size; `None` where there are too few values.
#[derive(Default)]
struct Ready {
    places: HashMap<(Kept, u64), usize>,
    permutations: Vec<Option<Permutation>>,
}

impl Ready {
    fn chunk<C>(
        &mut self,
        ff1: &Ff1<C>,
        (suite, permute, domain): (CipherSuite, Permute, &ValueDomain),
        values: &StringArray,
        images: &mut StringBuilder,
    ) where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    {
        if self.permutations.len() >= READY_MAX {
            *self = Self::default();
        }
        let mut splits: Vec<(usize, usize, Split)> = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            if let Some(split) = value.and_then(|value| permute.split(domain, value)) {
                let ready = self.place(ff1, suite, permute, &split);
                splits.push((row, ready, split));
            }
        }
        // A number outside would walk for ever; no valid identifier has one.
        splits.retain(|(_, _, split)| permute.is_inside(split, split.number));
        let mut rows = Vec::with_capacity(splits.len());
        let mut walks = Vec::with_capacity(splits.len());
        for (row, ready, split) in &splits {
            let permutation = self.permutations.get(*ready).and_then(Option::as_ref);
            if let Some(walk) = permutation.and_then(|ready| Walk::new(ready, split.number)) {
                rows.push((*row, split));
                walks.push(walk);
            }
        }
        walk(ff1, &mut walks, |place, number| {
            permute.is_inside(rows[place].1, number)
        });
        write(permute, &rows, &walks, values.len(), images);
    }

    fn place<C>(
        &mut self,
        ff1: &Ff1<C>,
        suite: CipherSuite,
        permute: Permute,
        split: &Split,
    ) -> usize
    where
        C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
    {
        *self
            .places
            .entry((split.kept, split.size))
            .or_insert_with(|| {
                let tweak = tweak(suite, permute, split);
                self.permutations
                    .push(Permutation::new(ff1, split.size, &tweak));
                self.permutations.len() - 1
            })
    }
}

/// The images in their rows, null in all others.
fn write(
    permute: Permute,
    rows: &[(usize, &Split)],
    walks: &[Walk<'_>],
    length: usize,
    images: &mut StringBuilder,
) {
    let mut text = String::with_capacity(32);
    let mut arrived = rows.iter().zip(walks).peekable();
    for row in 0..length {
        let here = arrived.next_if(|((at, _), _)| *at == row);
        text.clear();
        let joined =
            here.and_then(|((_, split), walk)| permute.join(split, walk.number(), &mut text));
        match joined {
            Some(()) => images.append_value(&text),
            None => images.append_null(),
        }
    }
}

/// The digest of kind, table version and what is kept, cut to one block.
fn tweak(suite: CipherSuite, permute: Permute, split: &Split) -> [u8; 16] {
    let digest = suite.digest(&[
        b"egret permute v1|",
        permute.name().as_bytes(),
        b"|",
        TABLES_VERSION.as_bytes(),
        b"|",
        split.kept.as_bytes(),
    ]);
    let mut tweak = [0; 16];
    tweak.copy_from_slice(&digest[..16]);
    tweak
}
