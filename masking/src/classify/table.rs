//! The tables under `data/`: prefixes, issuers, divisions, surnames, words of column names.

mod area;
mod card;
mod han;
mod prefix;
mod row;
mod surname;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::classify::hint::Hints;
use crate::classify::region::Regions;
use crate::error::TableError;
use crate::text::Bilingual;

use area::AreaCodes;
use card::Cards;
use prefix::Prefixes;
use surname::Surnames;

pub(crate) use card::Issuer;
pub(crate) use han::{HanMap, ends_no_name, is_han};
pub(crate) use row::{lines, rows};

/// Surnames, the hundred most frequent ones first.
pub(crate) const SURNAMES: &str = include_str!("../../data/surnames.txt");
/// Characters by how much likelier they are in given names than in other words.
const NAME_CHARACTERS: &str = include_str!("../../data/name_characters.tsv");
/// Characters of given names, by sex.
pub(crate) const GIVEN_NAMES: &str = include_str!("../../data/given_names.tsv");

/// The texts that [`Tables`] are read from; the default are those compiled in.
///
/// Lines that begin with `#` and empty lines say nothing. Fields are parted by commas and are not
/// quoted.
#[derive(Clone, Copy, Debug)]
pub struct TableTexts<'t> {
    /// `mobile.txt`: allotted prefixes of mobile numbers, one to five digits a line.
    pub mobile: &'t str,
    /// `machine.txt`: prefixes of machines' numbers of 13 digits, one to five digits a line.
    pub machine: &'t str,
    /// `bank_cards.csv`: first digits from, to, lengths parted by blanks, `bank` or `network`.
    pub bank_cards: &'t str,
    /// `area_codes.csv`: area code with its 0, lengths of local numbers parted by blanks, places.
    pub area_codes: &'t str,
    /// `regions.csv`: code of a division (GB/T 2260), its name.
    pub regions: &'t str,
    /// `regions_historic.csv`: the same for codes no longer in force.
    pub regions_historic: &'t str,
    /// `surnames.txt`: a surname of one or two characters a line, the hundred most frequent first.
    pub surnames: &'t str,
    /// `hints.csv`: a meaning, the words of column names and comments that tell it.
    pub hints: &'t str,
}

impl<'t> TableTexts<'t> {
    /// The files by name, each with the text that is read of it.
    pub fn files(&mut self) -> [(&'static str, &mut &'t str); 8] {
        [
            ("mobile.txt", &mut self.mobile),
            ("machine.txt", &mut self.machine),
            ("bank_cards.csv", &mut self.bank_cards),
            ("area_codes.csv", &mut self.area_codes),
            ("regions.csv", &mut self.regions),
            ("regions_historic.csv", &mut self.regions_historic),
            ("surnames.txt", &mut self.surnames),
            ("hints.csv", &mut self.hints),
        ]
    }
}

impl Default for TableTexts<'static> {
    fn default() -> Self {
        Self {
            mobile: include_str!("../../data/mobile.txt"),
            machine: include_str!("../../data/machine.txt"),
            bank_cards: include_str!("../../data/bank_cards.csv"),
            area_codes: include_str!("../../data/area_codes.csv"),
            regions: include_str!("../../data/regions.csv"),
            regions_historic: include_str!("../../data/regions_historic.csv"),
            surnames: SURNAMES,
            hints: include_str!("../../data/hints.csv"),
        }
    }
}

/// The tables that the process goes by, and how often they were replaced. Tables that were replaced are never freed: what began
/// with them goes on with them.
static IN_USE: RwLock<Option<&'static Arc<Tables>>> = RwLock::new(None);
static REPLACED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What this thread went by last, and as of which replacement: asked for each value, so it must cost nothing.
    static LAST: Cell<(u64, Option<&'static Arc<Tables>>)> = const { Cell::new((0, None)) };
}

/// What numbers are allotted, which places and surnames there are, and what columns are called.
#[derive(Debug)]
pub struct Tables {
    mobile: Prefixes,
    machine: Prefixes,
    cards: Cards,
    areas: AreaCodes,
    surnames: Surnames,
    pub(crate) regions: Regions,
    pub(crate) hints: Hints,
}

impl Tables {
    /// The tables compiled in; their files name their sources.
    pub fn built_in() -> &'static Arc<Self> {
        static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
        #[expect(clippy::expect_used, reason = "the files are compiled in and tested")]
        TABLES.get_or_init(|| {
            let tables = Self::from_texts(&TableTexts::default());
            Arc::new(tables.expect("tables compiled in"))
        })
    }

    /// Reads tables that replace those compiled in.
    ///
    /// # Errors
    /// `table_unreadable`, with file and line, when a line does not have its file's form;
    /// `table_empty` when a file says nothing.
    pub fn from_texts(texts: &TableTexts<'_>) -> Result<Self, TableError> {
        Ok(Self {
            mobile: Prefixes::read("mobile.txt", texts.mobile)?,
            machine: Prefixes::read("machine.txt", texts.machine)?,
            cards: Cards::read("bank_cards.csv", texts.bank_cards)?,
            areas: AreaCodes::read("area_codes.csv", texts.area_codes)?,
            surnames: Surnames::read("surnames.txt", texts.surnames)?,
            regions: Regions::read(texts.regions, texts.regions_historic)?,
            hints: Hints::read("hints.csv", texts.hints)?,
        })
    }

    /// The tables that this process goes by: those that it was given, or those compiled in.
    pub fn in_use() -> &'static Arc<Self> {
        let replaced = REPLACED.load(Ordering::Acquire);
        LAST.with(|last| match last.get() {
            (as_of, Some(tables)) if as_of == replaced => tables,
            _ => {
                let tables = Self::settled();
                last.set((replaced, Some(tables)));
                tables
            }
        })
    }

    /// The tables in use; from now on those compiled in, when there are none.
    fn settled() -> &'static Arc<Self> {
        let known = *IN_USE.read().unwrap_or_else(PoisonError::into_inner);
        known.unwrap_or_else(|| {
            let mut slot = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert_with(Self::built_in)
        })
    }

    /// Has the whole process go by these tables, in everything that takes none of its own: columns,
    /// texts, regions, masks. To be called once, before anything is looked at.
    ///
    /// Masks keep what the tables allot, so that other tables may mask a number as another number.
    ///
    /// # Errors
    /// `tables_in_use` when the process goes by some already.
    pub fn put_in_use(tables: Self) -> Result<(), TableError> {
        let mut slot = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Err(TableError::general(
                "tables_in_use",
                Bilingual::new("号段表已在使用", "the tables are in use already"),
                Bilingual::new("重启后更换", "start anew to change them"),
            ));
        }
        *slot = Some(Box::leak(Box::new(Arc::new(tables))));
        Ok(())
    }

    /// Has the process go by other tables from now on. To be called between two pieces of work: what is at work meanwhile may have
    /// gone by the old ones for its first rows.
    pub fn replace(tables: Self) {
        let mut slot = IN_USE.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Box::leak(Box::new(Arc::new(tables))));
        REPLACED.fetch_add(1, Ordering::Release);
    }

    /// Whether eleven digits begin with an allotted mobile prefix.
    pub(crate) fn is_mobile(&self, digits: &str) -> bool {
        digits.len() == 11 && is_digits(digits) && self.mobile.begin(digits)
    }

    /// Whether thirteen digits begin with a prefix of machines' numbers.
    pub(crate) fn is_machine_number(&self, digits: &str) -> bool {
        digits.len() == 13 && is_digits(digits) && self.machine.begin(digits)
    }

    /// Who issues cards that begin so and have this many digits.
    pub(crate) fn card_issuer(&self, digits: &str) -> Option<Issuer> {
        self.cards.issuer(digits)
    }

    /// Digits of the area code that a land line's number, written with its 0, begins with; `None`
    /// when the rest is no local number there.
    pub(crate) fn area_length(&self, digits: &str) -> Option<usize> {
        self.areas.length(digits)
    }

    /// Length in characters of the surname that a name begins with, the longer one first.
    pub(crate) fn surname_length(&self, name: &[char]) -> Option<usize> {
        self.surnames.length(name)
    }

    /// Whether a character is one of the hundred most frequent surnames, which 85 % of people
    /// bear.
    pub(crate) fn is_frequent_surname(&self, char: char) -> bool {
        self.surnames.is_frequent(char)
    }
}

/// Whether eleven digits begin with an allotted mobile prefix of the tables in use.
pub(crate) fn is_mobile(digits: &str) -> bool {
    Tables::in_use().is_mobile(digits)
}

/// Length in characters of the surname that a name begins with, by the tables in use.
pub(crate) fn surname_length(name: &[char]) -> Option<usize> {
    Tables::in_use().surname_length(name)
}

/// Whether a character is frequent in given names.
pub(crate) fn is_given_name(char: char) -> bool {
    static GIVEN: OnceLock<HanMap> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        let mut given = HanMap::default();
        for line in lines(GIVEN_NAMES) {
            let (_, chars) = line.split_once('\t').unwrap_or(("", line));
            chars.chars().for_each(|char| given.set(char, 1));
        }
        given
    });
    given.at(char) == 1
}

/// How much likelier a name is than another word that begins with a surname, by the characters after
/// the surname, by how many they are, and by how frequent the surname is: natural log of the ratio, in
/// halves, between [`NAME_SCORE_MIN`] and 8.
///
/// Four given names in five have two characters, where a short word has one as often; the surnames
/// count little, since a list may be of people who bear rare ones.
pub(crate) fn name_score(name: &[char], surname: usize, is_frequent: bool) -> i64 {
    static CHARACTERS: OnceLock<[HanMap; 2]> = OnceLock::new();
    let [first, last] = CHARACTERS.get_or_init(|| {
        ["first", "last"].map(|position| {
            let mut map = HanMap::default();
            for line in lines(NAME_CHARACTERS) {
                let mut fields = line.split('\t');
                if fields.next() != Some(position) {
                    continue;
                }
                let halves: i64 = fields
                    .next()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
                let stored = u16::try_from(halves + HALVES_FROM).unwrap_or(0);
                let chars = fields.next().unwrap_or("").chars();
                chars.for_each(|char| map.set(char, stored));
            }
            map
        })
    });
    let halves = |map: &HanMap, char: Option<&char>| match char.map_or(0, |char| map.at(*char)) {
        0 => 0,
        stored => i64::from(stored) - HALVES_FROM,
    };
    let given = name.get(surname..).unwrap_or_default();
    let (characters, length) = match given {
        [first_char, last_char] => (
            halves(first, Some(first_char)) + halves(last, Some(last_char)),
            1,
        ),
        _ => (halves(last, given.last()), -2),
    };
    let bearers = match (surname, is_frequent) {
        (1, true) => 1,
        (1, false) => -1,
        _ => 0,
    };
    characters.clamp(-6, 6) + length + bearers
}

/// What is added to a character's halves where they are kept, so that 0 stands for none.
const HALVES_FROM: i64 = 7;
/// The lowest score of a name.
pub(crate) const NAME_SCORE_MIN: i64 = -9;

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The character that a plate of each province begins with.
pub(crate) const PLATE_PROVINCES: &str =
    "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";

#[cfg(test)]
mod tests;
