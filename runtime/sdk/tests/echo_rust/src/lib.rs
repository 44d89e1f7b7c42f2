//! Writes what it reads, batch by batch: every type in and out, with nulls, and the seed.
//!
//! Input 0: boolean, int64, float64, utf8, date32, timestamp. Output: the same, and the int64 once more as int32.

#![cfg_attr(target_arch = "wasm32", no_std)]

use egret_guest::{Batch, Builder, Days, Failure, Input, Kind, Micros, Random, emit, guest};

fn copied<K: Kind + ?Sized>(batch: &Batch, position: usize) -> Result<Builder<K>, Failure> {
    let mut builder = Builder::new();
    for value in batch.column::<K>(position)?.values() {
        builder.push(value);
    }
    Ok(builder)
}

fn run() -> Result<(), Failure> {
    for batch in Input::new(0) {
        let mut small = Builder::<i32>::new();
        for value in batch.column::<i64>(1)?.values() {
            small.push(value.map(|value| value as i32));
        }
        emit(&[
            &copied::<bool>(&batch, 0)?,
            &copied::<i64>(&batch, 1)?,
            &copied::<f64>(&batch, 2)?,
            &copied::<str>(&batch, 3)?,
            &copied::<Days>(&batch, 4)?,
            &copied::<Micros>(&batch, 5)?,
            &small,
        ])?;
    }
    let mut random = Random::seeded().ok_or(Failure::new("there is no seed"))?;
    if (0..4).all(|_| random.bits() == 0) {
        return Err(Failure::new("the seed is all zeros"));
    }
    Ok(())
}

guest!(run, seeded);
