//! The data set Adult and its hierarchies; see `tests/data/adult/README.md`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use masking::Hierarchy;

const ROWS: &str = include_str!("../data/adult/rows.txt");

/// Nine quasi-identifiers with their hierarchies, in the order in which results are published.
const QUASI: [(&str, &str); 9] = [
    ("sex", include_str!("../data/adult/sex.csv")),
    ("age", include_str!("../data/adult/age.csv")),
    ("race", include_str!("../data/adult/race.csv")),
    (
        "marital-status",
        include_str!("../data/adult/marital-status.csv"),
    ),
    ("education", include_str!("../data/adult/education.csv")),
    (
        "native-country",
        include_str!("../data/adult/native-country.csv"),
    ),
    ("workclass", include_str!("../data/adult/workclass.csv")),
    ("occupation", include_str!("../data/adult/occupation.csv")),
    (
        "salary-class",
        include_str!("../data/adult/salary-class.csv"),
    ),
];

/// All rows, or those without a value that is not known.
pub(crate) fn rows(is_whole_only: bool) -> RecordBatch {
    let (head, body) = ROWS.split_once("\n\n").expect("a head");
    let columns: Vec<(&str, Vec<&str>)> = head
        .lines()
        .map(|line| line.split_once('=').expect("a column"))
        .map(|(name, values)| (name, values.split('|').collect()))
        .collect();
    let mut ages = Vec::new();
    let mut texts: Vec<Vec<&str>> = vec![Vec::new(); columns.len()];
    for line in body.lines() {
        let (age, rest) = line.split_at(2);
        let (letters, times) = rest.split_at(columns.len());
        let values: Vec<&str> = (letters.bytes().zip(&columns))
            .map(|(letter, (_, values))| values[place(letter)])
            .collect();
        if is_whole_only && values.contains(&"?") {
            continue;
        }
        for _ in 0..times.parse().unwrap_or(1) {
            ages.push(age.parse::<i64>().expect("an age"));
            for (texts, value) in texts.iter_mut().zip(&values) {
                texts.push(value);
            }
        }
    }
    let age: ArrayRef = Arc::new(Int64Array::from(ages));
    let texts = texts
        .into_iter()
        .map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
    let named = columns.iter().map(|(name, _)| *name).zip(texts);
    RecordBatch::try_from_iter([("age", age)].into_iter().chain(named)).expect("a batch")
}

fn place(letter: u8) -> usize {
    match letter {
        b'A'..=b'Z' => usize::from(letter - b'A'),
        _ => usize::from(letter - b'a') + 26,
    }
}

/// The quasi-identifiers with their hierarchies, with or without the occupation.
pub(crate) fn quasi(has_occupation: bool) -> Vec<(String, Hierarchy)> {
    QUASI
        .iter()
        .filter(|(name, _)| has_occupation || *name != "occupation")
        .map(|(name, text)| {
            (
                (*name).to_owned(),
                Hierarchy::table(text).expect("a hierarchy"),
            )
        })
        .collect()
}
