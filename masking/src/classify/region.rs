//! Administrative divisions: codes, names, and the place that a text speaks of.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use crate::classify::table::{HanMap, Tables, rows};
use crate::error::TableError;

/// How finely a region is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RegionLevel {
    Province,
    City,
    County,
}

impl RegionLevel {
    /// Digits of a six-digit code that this level keeps.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Province => 2,
            Self::City => 4,
            Self::County => 6,
        }
    }
}

/// The table of divisions.
#[derive(Debug)]
pub(crate) struct Regions {
    /// Those in force, by code.
    divisions: BTreeMap<String, String>,
    /// Codes that were in force once.
    historic: HashSet<String>,
    /// First character of a name to the place of its list in `forms`, from one.
    by_first: HanMap,
    /// Names that begin with one character, longest first.
    forms: Vec<Vec<Form>>,
}

/// One way to write a division's name.
#[derive(Debug)]
struct Form {
    chars: Vec<char>,
    code: String,
}

/// The table in use.
pub(crate) fn regions() -> &'static Regions {
    &Tables::in_use().regions
}

impl Regions {
    /// Reads the divisions in force and those of the past.
    pub(crate) fn read(text: &str, historic: &str) -> Result<Self, TableError> {
        let mut divisions = BTreeMap::new();
        for row in rows("regions.csv", text)? {
            let [code, name] = row.fields()?;
            divisions.insert(row.digits(code, 6..=6)?.to_owned(), name.to_owned());
        }
        let mut past = HashSet::new();
        for row in rows("regions_historic.csv", historic)? {
            let [code, _] = row.fields()?;
            past.insert(row.digits(code, 6..=6)?.to_owned());
        }
        let mut by_char: BTreeMap<char, Vec<Form>> = BTreeMap::new();
        for (code, name) in &divisions {
            for chars in forms(code, name) {
                if let Some(first) = chars.first().copied() {
                    let code = code.clone();
                    by_char.entry(first).or_default().push(Form { chars, code });
                }
            }
        }
        let mut by_first = HanMap::default();
        let mut lists = Vec::new();
        for (first, mut forms) in by_char {
            forms.sort_by(|a, b| {
                let longest = b.chars.len().cmp(&a.chars.len());
                longest.then_with(|| (&a.chars, &a.code).cmp(&(&b.chars, &b.code)))
            });
            lists.push(forms);
            by_first.set(first, u16::try_from(lists.len()).unwrap_or(0));
        }
        Ok(Self {
            divisions,
            historic: past,
            by_first,
            forms: lists,
        })
    }

    /// Whether two digits begin the code of a province.
    pub(crate) fn has_province(&self, digits: &str) -> bool {
        digits
            .get(..2)
            .is_some_and(|province| self.in_province(province).next().is_some())
    }

    /// Whether a code stands for a division or once did.
    pub(crate) fn was_assigned(&self, code: &str) -> bool {
        self.is_assigned(code) || self.historic.contains(code)
    }

    /// The name of a division, with those above it, down to a level.
    pub(crate) fn name(&self, code: &str) -> Option<String> {
        let mut name = String::new();
        let mut seen = HashSet::new();
        for digits in [2, 4, 6] {
            let head = format!("{:0<6}", code.get(..digits)?);
            if head.as_str() <= code
                && let Some(part) = self.divisions.get(head.as_str())
                && seen.insert(part)
                && !is_filler(part)
            {
                name.push_str(part);
            }
        }
        (!name.is_empty()).then_some(name)
    }

    /// The codes of real divisions in a province.
    pub(crate) fn assigned<'r>(&'r self, province: &str) -> Vec<&'r str> {
        self.in_province(province).collect()
    }

    fn in_province<'r>(&'r self, province: &str) -> impl Iterator<Item = &'r str> {
        self.divisions
            .range::<str, _>((Bound::Included(province), Bound::Unbounded))
            .map(|(code, _)| code.as_str())
            .take_while(move |code| code.starts_with(province))
    }

    /// Whether a code stands for a real division.
    pub(crate) fn is_assigned(&self, code: &str) -> bool {
        self.divisions.contains_key(code)
    }

    /// How many characters the longest name of a division takes that begins at a place of the text.
    pub(crate) fn length_at(&self, chars: &[char]) -> Option<usize> {
        Some(self.longest_at(chars)?.first()?.chars.len())
    }

    /// The divisions of the longest name that begins at a place of the text.
    fn longest_at(&self, chars: &[char]) -> Option<&[Form]> {
        let list = usize::from(self.by_first.at(*chars.first()?)).checked_sub(1)?;
        let forms = self.forms.get(list)?;
        let from = forms
            .iter()
            .position(|form| chars.starts_with(&form.chars))?;
        let longest = &forms[from].chars;
        let same = forms[from..]
            .iter()
            .take_while(|form| form.chars == *longest);
        let count = same.count();
        forms.get(from..from + count)
    }

    /// The code of the place that a text names, as finely as it can be told without doubt.
    pub(crate) fn resolve(&self, text: &str) -> Option<&str> {
        let chars: Vec<char> = text.chars().take(200).collect();
        let mut found: Option<&str> = None;
        let mut at = 0;
        while at < chars.len() {
            let Some(forms) = self.longest_at(&chars[at..]) else {
                at += 1;
                continue;
            };
            let length = forms[0].chars.len();
            let inside: Vec<&str> = forms
                .iter()
                .map(|form| form.code.as_str())
                .filter(|code| found.is_none_or(|outer| is_below(code, outer)))
                .collect();
            // A name that several places bear tells nothing before the place above it is known.
            if let [only] = inside.as_slice() {
                found = Some(only);
            }
            at += length;
        }
        found
    }
}

/// Whether a code lies below another one.
fn is_below(code: &str, outer: &str) -> bool {
    code != outer && code.starts_with(outer.trim_end_matches("00"))
}

/// The ways a division is written: its full name, and for provinces and cities the name without its
/// kind.
fn forms(code: &str, name: &str) -> Vec<Vec<char>> {
    if is_filler(name) || code.starts_with("83") {
        return Vec::new();
    }
    let full: Vec<char> = name.chars().collect();
    let mut forms = vec![full];
    if code.ends_with("00") {
        let short = [
            "维吾尔自治区",
            "壮族自治区",
            "回族自治区",
            "特别行政区",
            "自治区",
            "省",
            "市",
        ]
        .iter()
        .find_map(|kind| name.strip_suffix(kind));
        if let Some(short) = short
            && short.chars().count() >= 2
        {
            forms.push(short.chars().collect());
        }
    }
    forms
}

fn is_filler(name: &str) -> bool {
    matches!(
        name,
        "市辖区" | "县" | "省直辖县级行政区划" | "自治区直辖县级行政区划"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(regions().divisions.len() > 3000 && regions().historic.len() > 3000);
        assert!(regions().was_assigned("110103") && !regions().is_assigned("110103"));
        assert!(regions().has_province("3502") && !regions().has_province("99"));
    }

    #[test]
    fn places_are_told_from_texts() {
        let cases = [
            ("福建省厦门市思明区湖滨南路1号", Some("350203")),
            ("厦门思明区", Some("350203")),
            ("厦门市", Some("350200")),
            ("福建", Some("350000")),
            ("上海市浦东新区世纪大道", Some("310115")),
            ("家住鼓楼区", None),
            ("江苏省南京市鼓楼区", Some("320106")),
            ("没有地名", None),
        ];
        for (text, code) in cases {
            assert_eq!(regions().resolve(text), code, "{text}");
        }
    }

    #[test]
    fn names_hold_what_lies_above() {
        assert_eq!(regions().name("350203").unwrap(), "福建省厦门市思明区");
        assert_eq!(regions().name("350200").unwrap(), "福建省厦门市");
        assert_eq!(regions().name("310115").unwrap(), "上海市浦东新区");
        assert_eq!(regions().name("990000"), None);
        assert_eq!(regions().name("3"), None);
    }
}
