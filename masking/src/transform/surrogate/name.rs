//! Invented names.

use std::sync::OnceLock;

use crate::classify::check::is_resident_id;
use crate::classify::table::{GIVEN_NAMES, SURNAMES, is_han, lines, surname_length};
use crate::fold::{compact, fold};
use crate::key::TokenKey;
use crate::transform::surrogate::{Draw, ROUNDS};

/// No name is longer, however it is spaced.
const TEXT_BYTES_MAX: usize = 256;

/// What names are made of.
struct Parts {
    /// The hundred most frequent surnames of one character.
    single: Vec<&'static str>,
    /// Surnames of two characters.
    double: Vec<&'static str>,
    male: Vec<char>,
    female: Vec<char>,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let surnames = || lines(SURNAMES);
        let given = |sex: &str| {
            lines(GIVEN_NAMES)
                .filter_map(|line| line.split_once('\t'))
                .filter(|(name, _)| *name == sex)
                .flat_map(|(_, chars)| chars.chars())
                .collect()
        };
        let of_length = |length| move |name: &&str| name.chars().count() == length;
        Parts {
            single: surnames().filter(of_length(1)).take(100).collect(),
            double: surnames().filter(of_length(2)).collect(),
            male: given("male"),
            female: given("female"),
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sex {
    Male,
    Female,
}

/// A name of the same length, with as long a surname, of the sex that is told.
pub(super) fn surrogate(
    text: &str,
    sex: Option<&str>,
    keep_surname: bool,
    key: &TokenKey,
) -> Option<String> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let name = compact(text);
    let chars: Vec<char> = name.chars().take(5).collect();
    if !(2..=4).contains(&chars.len()) || !chars.iter().all(|char| is_han(*char)) {
        return None;
    }
    let surname = surname_length(&chars).unwrap_or(1);
    let sex = sex.and_then(told);
    (0..ROUNDS)
        .filter_map(|round| {
            let mut draw = Draw::new(key, &name, round);
            let mut invented = if keep_surname {
                chars.iter().take(surname).collect()
            } else {
                let surnames = if surname == 2 {
                    &parts().double
                } else {
                    &parts().single
                };
                draw.from(surnames)?.to_owned()
            };
            let drawn = draw.from(&[Sex::Male, Sex::Female])?;
            let given = match sex.unwrap_or(drawn) {
                Sex::Male => &parts().male,
                Sex::Female => &parts().female,
            };
            for _ in surname..chars.len() {
                invented.push(draw.from(given)?);
            }
            Some(invented)
        })
        .find(|invented| *invented != name)
}

fn told(text: &str) -> Option<Sex> {
    match fold(text).to_lowercase().as_str() {
        "男" | "男性" | "m" | "male" | "1" => Some(Sex::Male),
        "女" | "女性" | "f" | "female" | "2" => Some(Sex::Female),
        _ => {
            let id = compact(text);
            let order = is_resident_id(&id).then(|| id.as_bytes().get(16).copied())??;
            Some(if order % 2 == 1 {
                Sex::Male
            } else {
                Sex::Female
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::key::RootKey;

    fn invented(name: &str, sex: Option<&str>, keep_surname: bool) -> Option<String> {
        let key = RootKey::from_bytes([1; 32]).surrogate("name", 1);
        surrogate(name, sex, keep_surname, &key)
    }

    #[test]
    fn length_and_surname_stay_and_the_name_does_not() {
        for name in ["王伟", "王小明", "欧阳娜", "欧阳小娜"] {
            let image = invented(name, None, false).unwrap();
            assert_eq!(image.chars().count(), name.chars().count());
            assert_ne!(image, name);
            assert_eq!(invented(name, None, false).unwrap(), image);
            let same = invented(name, None, true).unwrap();
            let kept = if name.starts_with("欧阳") {
                "欧阳"
            } else {
                "王"
            };
            assert!(same.starts_with(kept) && same != name);
        }
        assert_eq!(
            invented(" 王　伟", None, false),
            invented("王伟", None, false)
        );
        for other in ["Heron", "王", "", "阿卜杜拉·买买提", "王123"] {
            assert_eq!(invented(other, None, false), None);
        }
    }

    #[test]
    fn the_sex_is_that_of_the_other_column() {
        let male: HashSet<char> = parts().male.iter().copied().collect();
        for (sex, is_male) in [
            ("男", true),
            ("1", true),
            ("11010519491231002X", false),
            ("女", false),
            ("F", false),
        ] {
            for name in ["王伟", "李小红", "张一"] {
                let image = invented(name, Some(sex), false).unwrap();
                assert!(
                    image
                        .chars()
                        .skip(1)
                        .all(|char| male.contains(&char) == is_male)
                );
            }
        }
    }

    #[test]
    fn surrogates_are_many() {
        let names: HashSet<String> = parts()
            .male
            .iter()
            .flat_map(|given| {
                parts()
                    .single
                    .iter()
                    .map(move |surname| format!("{surname}{given}小"))
            })
            .filter_map(|name| invented(&name, None, false))
            .collect();
        assert!(names.len() > 6500, "{}", names.len());
    }

    #[test]
    fn the_parts_do_not_overlap() {
        let parts = parts();
        assert_eq!((parts.single.len(), parts.double.is_empty()), (100, false));
        assert!(parts.male.len() >= 60 && parts.female.len() >= 60);
        assert!(parts.male.iter().all(|char| !parts.female.contains(char)));
    }
}
