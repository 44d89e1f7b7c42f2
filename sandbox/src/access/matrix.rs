//! The access matrix, read from the text that people review.

use std::sync::LazyLock;

use super::{Operation, Role};

/// The matrix as it is checked in.
pub const MATRIX_TEXT: &str = include_str!("matrix.txt");

/// How far a role reaches with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// It may not.
    Never,
    /// Objects of its own organisation.
    Own,
    /// All objects.
    Any,
}

type Row = [Reach; Role::ALL.len()];

/// A text that cannot be read makes an empty matrix: nobody may do anything, and a test fails.
static MATRIX: LazyLock<Vec<(&str, Row)>> =
    LazyLock::new(|| parse(MATRIX_TEXT).unwrap_or_default());

/// How far a role reaches; an operation without a row reaches nowhere.
pub(super) fn reach(operation: Operation, role: Role) -> Reach {
    let column = Role::ALL.iter().position(|known| *known == role);
    MATRIX
        .iter()
        .find(|(name, _)| *name == operation.name())
        .zip(column)
        .and_then(|((_, row), column)| row.get(column).copied())
        .unwrap_or(Reach::Never)
}

fn parse(text: &str) -> Option<Vec<(&str, Row)>> {
    let mut lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let header: Vec<&str> = lines.next()?.split_whitespace().collect();
    let roles = Role::ALL.iter().map(|role| role.name());
    if header.first() != Some(&"operation") || !roles.eq(header.get(1..)?.iter().copied()) {
        return None;
    }
    lines.map(row).collect()
}

fn row(line: &str) -> Option<(&str, Row)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let cells = words.map(|word| match word {
        "any" => Some(Reach::Any),
        "own" => Some(Reach::Own),
        "-" => Some(Reach::Never),
        _ => None,
    });
    let row: Row = cells.collect::<Option<Vec<Reach>>>()?.try_into().ok()?;
    Some((name, row))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn every_operation_has_one_row_and_every_row_an_operation() {
        let rows = parse(MATRIX_TEXT).expect("the matrix can be read");
        let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        let operations: Vec<&str> = Operation::ALL
            .iter()
            .map(|operation| operation.name())
            .collect();
        assert_eq!(names, operations);
    }

    #[test]
    fn a_damaged_matrix_permits_nothing() {
        assert!(parse("operation developer\nme any\n").is_none());
        assert!(parse(&MATRIX_TEXT.replace(" any", " all")).is_none());
    }

    #[test]
    fn nobody_who_runs_the_platform_votes_or_reads_results() {
        for role in [Role::SystemAdmin, Role::SecurityAdmin, Role::Auditor] {
            for operation in [
                Operation::VoteScenario,
                Operation::VoteRelease,
                Operation::DownloadRelease,
                Operation::SubmitJob,
            ] {
                assert_eq!(
                    reach(operation, role),
                    Reach::Never,
                    "{role:?} {operation:?}"
                );
            }
        }
        let acts = |role| {
            Operation::ALL
                .iter()
                .filter(move |operation| reach(**operation, role) != Reach::Never)
        };
        let changes = [
            "register_dataset",
            "set_policy",
            "set_roles",
            "revoke_scenario",
            "request_key_act",
            "confirm_key_request",
            "submit_job",
        ];
        assert!(acts(Role::Auditor).all(|operation| !changes.contains(&operation.name())));
    }
}
