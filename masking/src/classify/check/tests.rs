#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking and say where their files are"
)]

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use super::*;

/// splitmix64: the same values on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn of(&mut self, alphabet: &[u8], count: usize) -> String {
        let length = u64::try_from(alphabet.len()).unwrap();
        let mut place = || usize::try_from(self.below(length)).unwrap();
        (0..count).map(|_| char::from(alphabet[place()])).collect()
    }
}

const DIGITS: &[u8] = b"0123456789";

/// The right check character in one case of two, any other in the rest.
fn finished(draw: &mut Draw, body: String, right: u8, alphabet: &[u8]) -> String {
    let last = match draw.below(2) {
        0 => char::from(right).to_string(),
        _ => draw.of(alphabet, 1),
    };
    body + &last
}

fn resident(draw: &mut Draw) -> String {
    let (year, month, day) = (1800 + draw.below(300), draw.below(14), draw.below(33));
    let body = format!(
        "{}{}{year}{month:02}{day:02}{}",
        1 + draw.below(9),
        draw.of(DIGITS, 5),
        draw.of(DIGITS, 3)
    );
    let right = resident_check(body.as_bytes()).unwrap();
    finished(draw, body, right, b"0123456789X")
}

fn credit(draw: &mut Draw) -> String {
    let body = draw.of(DIGITS, 8) + &draw.of(CREDIT_ALPHABET, 9);
    let right = credit_check(body.as_bytes()).unwrap();
    finished(draw, body, right, CREDIT_ALPHABET)
}

fn card(draw: &mut Draw) -> String {
    let count = 11 + usize::try_from(draw.below(8)).unwrap();
    let body = draw.of(DIGITS, count);
    let right = luhn_check(body.as_bytes()).unwrap();
    finished(draw, body, right, DIGITS)
}

/// Writes `checks.csv` with a million values: kind, value, 1 or 0 as the checks here say.
#[test]
#[ignore = "writes a file for tests/peers/stdnum.py"]
fn checks_for_stdnum() {
    let folder = std::env::var_os("EGRET_PEERS").map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("checks.csv");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut draw = Draw(20_260);
    for place in 0..1_000_000 {
        let (kind, value, passes) = match place % 3 {
            0 => {
                let value = resident(&mut draw);
                let passes = is_resident_id(&value);
                ("ric", value, passes)
            }
            1 => {
                let value = credit(&mut draw);
                let passes = credit_check(&value.as_bytes()[..17]) == Some(value.as_bytes()[17]);
                ("uscc", value, passes)
            }
            _ => {
                let value = card(&mut draw);
                let (body, last) = value.split_at(value.len() - 1);
                let passes = luhn_check(body.as_bytes()) == Some(last.as_bytes()[0]);
                ("luhn", value, passes)
            }
        };
        writeln!(file, "{kind},{value},{}", u8::from(passes)).unwrap();
    }
    println!("{}", path.display());
}
