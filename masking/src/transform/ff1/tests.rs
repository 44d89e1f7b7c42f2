#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use aes::cipher::KeyInit;
use aes::{Aes128, Aes192, Aes256};
use fpe::ff1::{FF1, FlexibleNumeralString};
use proptest::prelude::*;
use sm4::Sm4;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn number(numerals: &str, radix: u32) -> u64 {
    numerals.chars().fold(0, |number, char| {
        number * u64::from(radix) + u64::from(char.to_digit(36).unwrap())
    })
}

fn forward<C>(ff1: &Ff1<C>, tweaked: &Tweaked, left: u64, right: u64) -> (u64, u64)
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut lanes = [Lane {
        tweaked,
        left,
        right,
    }];
    ff1.forward(&mut lanes);
    (lanes[0].left, lanes[0].right)
}

fn image<C>(ff1: &Ff1<C>, permutation: &Permutation, number: u64) -> u64
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut walks = [Walk::new(permutation, number).unwrap()];
    walk(ff1, &mut walks, |_, _| true);
    walks[0].number()
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
    assert_eq!(forward(&ff1, &tweaked, left, right), split(cipher));
    let (left, right) = split(cipher);
    assert_eq!(ff1.backward(&tweaked, left, right), split(plain));
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

/// Example 1 of GB/T 32907-2016 (GM/T 0002-2012).
#[test]
fn sm4_gives_the_vector_of_gb_t_32907() {
    let key = bytes("0123456789abcdeffedcba9876543210");
    let ff1 = Ff1::new(Sm4::new_from_slice(&key).unwrap());
    let plain = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
    assert_eq!(
        ff1.encrypt(plain),
        0x681e_df34_d206_965e_86b3_e94f_536e_4246
    );
}

fn permutes_a_million<C>(ff1: &Ff1<C>)
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let permutation = Permutation::new(ff1, DOMAIN_MIN, b"tweak").unwrap();
    let mut walks: Vec<Walk<'_>> = (0..DOMAIN_MIN)
        .map(|number| Walk::new(&permutation, number).unwrap())
        .collect();
    walk(ff1, &mut walks, |_, _| true);
    let mut seen = vec![false; 1_000_000];
    let mut fixed = 0;
    for (number, walk) in (0..).zip(&walks) {
        let place = usize::try_from(walk.number()).unwrap();
        assert!(!seen[place], "{number}");
        seen[place] = true;
        fixed += u32::from(walk.number() == number);
    }
    // A random permutation has one fixed point on average.
    assert!(fixed < 10, "{fixed}");
}

#[test]
fn a_domain_of_a_million_is_permuted_one_to_one() {
    permutes_a_million(&Ff1::new(Aes256::new(&[9; 32].into())));
    permutes_a_million(&Ff1::new(Sm4::new(&[9; 16].into())));
}

#[test]
fn small_and_huge_domains_are_refused() {
    let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
    for size in [0, DOMAIN_MIN - 1, (1 << 62) + 1, u64::MAX] {
        assert!(Permutation::new(&ff1, size, b"").is_none());
    }
    let permutation = Permutation::new(&ff1, DOMAIN_MIN, b"").unwrap();
    assert!(Walk::new(&permutation, DOMAIN_MIN).is_none());
    assert!(Halves::new(10, 60).is_none() && Halves::new(1, 6).is_none());
}

/// What the crate `fpe` (big integers, written by others) makes of the numerals of two halves.
fn by_fpe<C>(cipher: &[u8], halves: &Halves, tweak: &[u8], left: u64, right: u64) -> (u64, u64)
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Clone,
{
    let radix = u64::from(halves.radix);
    let numerals = |mut number: u64, length: u32| {
        let mut numerals: Vec<u16> = (0..length)
            .map(|_| {
                let numeral = u16::try_from(number % radix).unwrap();
                number /= radix;
                numeral
            })
            .collect();
        numerals.reverse();
        numerals
    };
    let mut text = numerals(left, halves.left_length);
    text.extend(numerals(right, halves.right_length));
    let ff1 = FF1::<C>::new(cipher, halves.radix).unwrap();
    let image = ff1
        .encrypt(tweak, &FlexibleNumeralString::from(text))
        .unwrap();
    let image = Vec::<u16>::from(image);
    let (left, right) = image.split_at(usize::try_from(halves.left_length).unwrap());
    let number = |numerals: &[u16]| {
        numerals
            .iter()
            .fold(0, |number, numeral| number * radix + u64::from(*numeral))
    };
    (number(left), number(right))
}

/// Radix and length of domains of 10⁶ values and more, which alone `fpe` takes.
fn domains() -> impl Strategy<Value = Halves> {
    (2u32..=65_535, 2u32..60).prop_filter_map("domain", |(radix, length)| {
        let halves = Halves::new(radix, length)?;
        let values = u128::from(halves.left_modulus) * u128::from(halves.right_modulus);
        (values >= u128::from(DOMAIN_MIN)).then_some(halves)
    })
}

proptest! {
    #[test]
    fn agrees_with_another_implementation(halves in prop_oneof![domains(), (20u32..62).prop_map(|bits| Halves::new(2, bits).unwrap())], a in any::<u64>(), b in any::<u64>(), tweak in proptest::collection::vec(any::<u8>(), 0..40), key in any::<[u8; 32]>()) {
        let (left, right) = (a % halves.left_modulus, b % halves.right_modulus);
        let aes = Ff1::new(Aes256::new(&key.into()));
        let tweaked = aes.tweaked(halves, &tweak);
        let image = forward(&aes, &tweaked, left, right);
        prop_assert_eq!(image, by_fpe::<Aes256>(&key, &halves, &tweak, left, right));
        prop_assert_eq!(aes.backward(&tweaked, image.0, image.1), (left, right));
        let sm4 = Ff1::new(Sm4::new_from_slice(&key[..16]).unwrap());
        let tweaked = sm4.tweaked(halves, &tweak);
        prop_assert_eq!(forward(&sm4, &tweaked, left, right), by_fpe::<Sm4>(&key[..16], &halves, &tweak, left, right));
    }

    #[test]
    fn lanes_do_not_touch_each_other(numbers in proptest::collection::vec(0..5_000_000u64, 0..200)) {
        let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
        let permutations = [b"a", b"b"].map(|tweak| Permutation::new(&ff1, 5_000_000, tweak).unwrap());
        let mut walks: Vec<Walk<'_>> = numbers
            .iter()
            .enumerate()
            .map(|(place, number)| Walk::new(&permutations[place % 2], *number).unwrap())
            .collect();
        walk(&ff1, &mut walks, |_, _| true);
        for (place, (number, walk)) in numbers.iter().zip(&walks).enumerate() {
            prop_assert_eq!(walk.number(), image(&ff1, &permutations[place % 2], *number));
        }
    }

    #[test]
    fn a_narrowed_permutation_stays_inside(number in 0u64..2_500_000) {
        let ff1 = Ff1::new(Aes256::new(&[9; 32].into()));
        let permutation = Permutation::new(&ff1, 5_000_000, b"t").unwrap();
        let mut walks = [Walk::new(&permutation, number * 2).unwrap()];
        walk(&ff1, &mut walks, |_, number| number.is_multiple_of(2));
        prop_assert!(walks[0].number().is_multiple_of(2) && walks[0].number() < 5_000_000);
    }
}
