//! Administrative divisions: codes, names, and the place that a text speaks of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use crate::classify::table::lines;

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
pub(crate) struct Regions {
    /// Six-digit code to name.
    names: BTreeMap<&'static str, &'static str>,
    /// First character of a name to the names that begin with it, longest first, with their codes.
    by_first: HashMap<char, Vec<(Vec<char>, &'static str)>>,
    /// Codes that stand for real divisions, per province, in order.
    assigned: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The table, read once.
pub(crate) fn regions() -> &'static Regions {
    static REGIONS: OnceLock<Regions> = OnceLock::new();
    REGIONS.get_or_init(Regions::read)
}

impl Regions {
    fn read() -> Self {
        let mut names = BTreeMap::new();
        for line in lines(include_str!("../data/regions.tsv")) {
            if let Some((code, name)) = line.split_once('\t') {
                names.insert(code, name);
            }
        }
        let mut assigned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for code in names.keys() {
            assigned.entry(&code[..2]).or_default().push(code);
        }
        let mut by_first: HashMap<char, Vec<(Vec<char>, &str)>> = HashMap::new();
        for (code, name) in &names {
            for form in forms(code, name) {
                if let Some(first) = form.first() {
                    by_first.entry(*first).or_default().push((form, code));
                }
            }
        }
        for forms in by_first.values_mut() {
            forms.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.1.cmp(b.1)));
        }
        Self {
            names,
            by_first,
            assigned,
        }
    }

    /// Whether two digits begin the code of a province.
    pub(crate) fn has_province(&self, digits: &str) -> bool {
        digits
            .get(..2)
            .is_some_and(|province| self.assigned.contains_key(province))
    }

    /// The name of a division, with those above it, down to a level.
    pub(crate) fn name(&self, code: &str) -> Option<String> {
        let mut name = String::new();
        let mut seen = HashSet::new();
        for digits in [2, 4, 6] {
            let head = format!("{:0<6}", code.get(..digits)?);
            if head.as_str() <= code
                && let Some(part) = self.names.get(head.as_str())
                && seen.insert(*part)
                && !is_filler(part)
            {
                name.push_str(part);
            }
        }
        (!name.is_empty()).then_some(name)
    }

    /// The codes of real divisions in a province.
    pub(crate) fn assigned(&self, province: &str) -> &[&'static str] {
        self.assigned.get(province).map_or(&[], Vec::as_slice)
    }

    /// Whether a code stands for a real division.
    pub(crate) fn is_assigned(&self, code: &str) -> bool {
        self.names.contains_key(code)
    }

    /// The divisions whose name begins at a place of the text, the longest name: its length and
    /// codes.
    pub(crate) fn named_at(&self, chars: &[char]) -> Option<(usize, Vec<&'static str>)> {
        let forms = self.by_first.get(chars.first()?)?;
        let length = forms
            .iter()
            .find(|(form, _)| chars.starts_with(form))?
            .0
            .len();
        let codes = forms
            .iter()
            .filter(|(form, _)| form.len() == length && chars.starts_with(form))
            .map(|(_, code)| *code)
            .collect();
        Some((length, codes))
    }

    /// The code of the place that a text names, as finely as it can be told without doubt.
    pub(crate) fn resolve(&self, text: &str) -> Option<&'static str> {
        let chars: Vec<char> = text.chars().take(200).collect();
        let mut found: Option<&'static str> = None;
        let mut at = 0;
        while at < chars.len() {
            let Some((length, codes)) = self.named_at(&chars[at..]) else {
                at += 1;
                continue;
            };
            let inside: Vec<&'static str> = codes
                .into_iter()
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
        assert!(regions().names.len() > 3000);
        assert_eq!(regions().assigned.len(), 35);
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
