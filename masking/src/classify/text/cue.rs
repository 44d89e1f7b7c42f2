//! Plates, and names that a word like 姓名 or 先生 gives away.

use std::ops::Range;

use crate::classify::identifier::Identifier;
use crate::classify::table::{PLATE_PROVINCES, Tables, ends_no_name, is_given_name, is_han};
use crate::classify::text::{Found, is_word, kind, kinds};

/// Words before a name.
const BEFORE: &[&str] = &[
    "姓名",
    "患者",
    "病人",
    "联系人",
    "申请人",
    "户主",
    "法定代表人",
    "法人代表",
    "经办人",
    "当事人",
    "负责人",
    "收件人",
    "投诉人",
    "举报人",
    "家属",
    "监护人",
    "参保人",
    "持卡人",
    "本人",
];
/// Words after a name.
const AFTER: &[&str] = &["先生", "女士", "小姐", "同志", "老师", "医生", "大夫"];
/// Characters that go on with the sentence after a name of two.
const GOES_ON: &str = "的于在今已因为和与到来电称说同是有被把将向等及或者也就都很不未可要去住男女系现之其从给打办提报等就前后已需请";

/// The characters that plates and cue words begin with.
pub(super) fn first_characters() -> Vec<char> {
    let words = BEFORE
        .iter()
        .chain(AFTER)
        .filter_map(|word| word.chars().next());
    words.chain(PLATE_PROVINCES.chars()).collect()
}

/// Finds plates and names.
pub(super) fn find(tables: &Tables, chars: &[char], found: &mut Vec<Found>) {
    for (at, char) in chars.iter().enumerate() {
        // Few characters begin a cue word; the rest of a long text is passed over.
        if !is_han(*char) || kinds(*char) & kind::CUE == 0 {
            continue;
        }
        if PLATE_PROVINCES.contains(*char)
            && !ends_word(chars, at)
            && let Some(end) = plate(chars, at)
        {
            found.push((Identifier::Plate, at..end));
        }
        if let Some(length) = word_at(chars, at, BEFORE)
            && let Some(range) = name_after(tables, chars, at + length)
        {
            found.push((Identifier::Name, range));
        }
        if let Some(range) = word_at(chars, at, AFTER).and_then(|_| name_before(tables, chars, at))
        {
            found.push((Identifier::Name, range));
        }
    }
}

fn word_at(chars: &[char], at: usize, words: &[&str]) -> Option<usize> {
    words.iter().find_map(|word| {
        let length = word.chars().count();
        let here = chars.get(at..at + length)?;
        here.iter().copied().eq(word.chars()).then_some(length)
    })
}

/// Whether a province's character ends a word, as in 最新 or 阿里云, that a model's name may follow.
fn ends_word(chars: &[char], at: usize) -> bool {
    const WORDS: &[&str] = &[
        "最新", "全新", "更新", "创新", "刷新", "里云", "讯云", "度云", "为云",
    ];
    let from = at.saturating_sub(1);
    WORDS
        .iter()
        .any(|word| chars[from..=at].iter().copied().eq(word.chars()))
}

/// Where the plate that begins at a place ends.
fn plate(chars: &[char], at: usize) -> Option<usize> {
    let letter = chars.get(at + 1)?.to_ascii_uppercase();
    if !is_plate_letter(letter) {
        return None;
    }
    let mut start = at + 2;
    if matches!(chars.get(start), Some('·' | '•' | '.' | '・' | '-' | ' ')) {
        start += 1;
    }
    let run = chars[start..]
        .iter()
        .take(7)
        .take_while(|char| is_word(**char))
        .count();
    let body: String = chars[start..start + run]
        .iter()
        .map(char::to_ascii_uppercase)
        .collect();
    let special = matches!(
        chars.get(start + run),
        Some('挂' | '学' | '警' | '港' | '澳' | '领')
    );
    let valid = match run {
        4 if special => is_plate_body(&body),
        5 => is_plate_body(&body),
        6 => is_energy_body(&body),
        _ => false,
    };
    valid.then_some(start + run + usize::from(run == 4))
}

/// Letters of plates: without I and O.
fn is_plate_letter(char: char) -> bool {
    char.is_ascii_uppercase() && char != 'I' && char != 'O'
}

/// Characters of an ordinary plate after province and letter; some digit is among them.
fn is_plate_body(body: &str) -> bool {
    body.chars()
        .all(|char| char.is_ascii_digit() || is_plate_letter(char))
        && body.chars().any(|char| char.is_ascii_digit())
}

/// The six characters of a new-energy plate: small vehicles begin with the energy's letter, large
/// ones end with it (GA 36: A to E and F to K without I for pure and other electric vehicles).
pub(crate) fn is_energy_body(body: &str) -> bool {
    let bytes = body.as_bytes();
    let energy = |byte: &u8| matches!(byte, b'A'..=b'H' | b'J' | b'K');
    let digits = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_digit);
    match bytes {
        [first, second, rest @ ..] if rest.len() == 4 && energy(first) && digits(rest) => {
            second.is_ascii_digit() || is_plate_letter(char::from(*second))
        }
        [rest @ .., last] => rest.len() == 5 && digits(rest) && energy(last),
        [] => false,
    }
}

/// Whether a whole value, folded and without separators, is a plate.
pub(crate) fn is_plate(value: &str) -> bool {
    let chars: Vec<char> = value.chars().take(10).collect();
    chars
        .first()
        .is_some_and(|first| PLATE_PROVINCES.contains(*first))
        && plate(&chars, 0) == Some(chars.len())
}

/// The name after a cue word, a colon or blank or 为/是 between them.
fn name_after(tables: &Tables, chars: &[char], mut at: usize) -> Option<Range<usize>> {
    let mut marked = false;
    while matches!(
        chars.get(at),
        Some(':' | ' ' | '为' | '是' | ',' | '(' | '"' | '“')
    ) {
        marked |= chars[at] == ':';
        at += 1;
    }
    let run = chars[at..]
        .iter()
        .take(5)
        .take_while(|char| is_han(**char))
        .count();
    let surname = tables.surname_length(&chars[at..at + run])?;
    // After a colon a short run of Han characters is the whole name.
    if marked && (2..=4).contains(&run) && run > surname && run <= surname + 3 {
        let ends = (surname + 1..=run).find(|end| {
            chars
                .get(at + end)
                .is_some_and(|next| GOES_ON.contains(*next))
                && *end > surname + 1
        });
        return Some(at..at + ends.unwrap_or(run).min(surname + 2));
    }
    let end = at + surname + given_length(chars, at + surname)?;
    let given = &chars[at + surname..end];
    // 患者高血压 speaks of a disease, and so does 患者严重贫血: a name that the sentence seems to go on
    // from ends with a character that names end with.
    let open = chars
        .get(end)
        .is_some_and(|next| is_han(*next) && !GOES_ON.contains(*next));
    let named = given.last().is_some_and(|last| is_given_name(*last));
    let fits = !given.iter().any(|char| ends_no_name(*char)) && (!open || named);
    fits.then_some(at..end)
}

/// How many characters belong to the given name: two, or one when the next goes on with the
/// sentence.
fn given_length(chars: &[char], at: usize) -> Option<usize> {
    let is_given = |place: usize| {
        chars
            .get(place)
            .is_some_and(|char| is_han(*char) && !GOES_ON.contains(*char))
    };
    match (is_given(at), is_given(at + 1)) {
        (true, true) => Some(2),
        (true, false) => Some(1),
        _ => None,
    }
}

/// The name before a title: the longest run of up to three characters that begins with a surname.
fn name_before(tables: &Tables, chars: &[char], title: usize) -> Option<Range<usize>> {
    (1..=4).rev().find_map(|length| {
        let start = title.checked_sub(length)?;
        let name = &chars[start..title];
        let surname = tables.surname_length(name)?;
        let fits = name.iter().all(|char| is_han(*char))
            && (surname..=surname + 2).contains(&length)
            && !name[surname..].iter().any(|char| GOES_ON.contains(*char));
        fits.then_some(start..title)
    })
}
