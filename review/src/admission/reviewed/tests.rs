//! What is admitted with functions of modules, what is refused, and what is staged for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use proptest::prelude::*;

use super::*;
use crate::sample::scope;

fn column(name: &str, data_type: ColumnType) -> OutputColumn {
    OutputColumn {
        name: name.to_owned(),
        data_type,
    }
}

fn modules() -> Vec<QueryModule> {
    vec![QueryModule {
        name: "m".to_owned(),
        functions: vec![
            QueryFunction::Scalar {
                name: "score".to_owned(),
                arguments: vec![ColumnType::Float64, ColumnType::Int64],
                returns: ColumnType::Float64,
            },
            QueryFunction::Aggregate {
                name: "middle".to_owned(),
                arguments: vec![ColumnType::Float64],
                returns: ColumnType::Float64,
            },
            QueryFunction::Table {
                name: "bands".to_owned(),
                inputs: vec![vec![
                    column("charges", ColumnType::Float64),
                    column("year", ColumnType::Int32),
                ]],
                arguments: vec![ColumnType::Int64, ColumnType::Utf8],
                columns: vec![
                    column("band", ColumnType::Int32),
                    column("n", ColumnType::Int64),
                ],
            },
        ],
    }]
}

fn ask(sql: &str) -> ReviewedAdmission {
    admit_reviewed(sql, &scope(), &modules(), &SqlLimits::default())
}

fn admitted(sql: &str) -> ReviewedQuery {
    match ask(sql) {
        ReviewedAdmission::Admitted(query) => *query,
        ReviewedAdmission::Refused(findings) => panic!("{sql}\n{findings:#?}"),
    }
}

fn refused(sql: &str) -> Vec<Finding> {
    match ask(sql) {
        ReviewedAdmission::Refused(findings) => findings,
        ReviewedAdmission::Admitted(_) => panic!("admitted: {sql}"),
    }
}

fn reads(query: &ReviewedQuery) -> Vec<(&str, Vec<&str>)> {
    let tables = query.tables.iter();
    tables
        .map(|used| {
            assert!(!used.control, "people decide: nothing is counted");
            let columns = used.columns.iter().map(String::as_str);
            (used.table.as_str(), columns.collect())
        })
        .collect()
}

#[test]
fn what_is_read_is_what_is_used() {
    let query = admitted("SELECT M.Score(charges, visits) AS s FROM claims WHERE region = 'north'");
    assert_eq!(
        reads(&query),
        [("claims", vec!["region", "charges", "visits"])]
    );
    assert_eq!(query.functions, ["m.score"]);
    assert_eq!(query.output, [column("s", ColumnType::Float64)]);
    let two = admitted(
        "SELECT a.region, max(m.score(b.charges, 1)) AS most, count(*) AS n FROM claims a \
         LEFT JOIN claims b ON a.person = b.person GROUP BY a.region ORDER BY n DESC LIMIT 3",
    );
    assert_eq!(
        reads(&two),
        [("claims", vec!["person", "region", "charges"])]
    );
}

#[test]
fn forms_that_the_proved_lane_refuses_are_taken_where_people_decide() {
    for sql in [
        "SELECT DISTINCT round(m.score(charges, visits), 1) AS s FROM claims",
        "SELECT region, m.middle(charges) AS x FROM claims GROUP BY region HAVING count(*) > 3",
        "SELECT m.middle(CASE WHEN year > 2020 THEN charges END) AS x FROM claims",
        "SELECT row_number() OVER (PARTITION BY region ORDER BY charges) AS r, \
         m.score(charges, visits) AS s FROM claims",
        "SELECT region, year, m.middle(charges) AS x FROM claims GROUP BY ROLLUP (region, year)",
        "WITH scored AS (SELECT region, m.score(price, visits) AS s FROM claims) \
         SELECT region, avg(s) AS s FROM scored GROUP BY region",
        "SELECT m.score(1, 2) + charges AS s FROM claims",
    ] {
        admitted(sql);
    }
}

#[test]
fn a_table_function_reads_the_columns_that_it_declares() {
    let query = admitted(
        "SELECT b.band, b.n, count(*) AS c FROM m.bands('claims', -3, 'x') AS b \
         JOIN places p ON p.people = b.n GROUP BY 1, 2",
    );
    assert_eq!(query.functions, ["m.bands"]);
    assert_eq!(
        reads(&query),
        [
            ("claims", vec!["year", "charges"]),
            ("places", vec!["people"])
        ]
    );
    let plan = String::from_utf8_lossy(&query.plan).into_owned();
    let call = r#"egret-call:{"function":"m.bands","tables":["claims"],"constants":[-3,"x"]}"#;
    assert!(plan.contains(call), "{plan}");
    // What the query itself reads of the same table is staged beside it.
    let both = admitted(
        "SELECT c.region, b.n FROM m.bands('claims', 1, NULL) b JOIN claims c ON c.visits = b.n",
    );
    assert_eq!(
        reads(&both),
        [("claims", vec!["region", "year", "charges", "visits"])]
    );
}

#[test]
fn what_is_outside_is_refused_with_its_place() {
    let outside = refused("SELECT m.score(salary, visits) AS s FROM claims");
    assert_eq!(outside[0].rule, "column_outside_scenario");
    assert_eq!(outside[0].place.map(|place| place.column), Some(16));
    assert_eq!(
        refused("SELECT m.score(1, 2) AS s FROM wages")[0].rule,
        "table_outside_scenario"
    );
    let unknown = refused("SELECT m.scores(charges, visits) AS s FROM claims");
    assert_eq!(unknown[0].rule, "function_not_admitted");
    assert!(
        unknown[0].remedy.en.contains("m.score, m.middle, m.bands"),
        "{unknown:?}"
    );
    for (sql, rule) in [
        ("SELECT region FROM claims", "module_not_called"),
        (
            "SELECT m.score(charges) AS s FROM claims",
            "function_arguments",
        ),
        (
            "SELECT m.score(region, visits) AS s FROM claims",
            "function_arguments",
        ),
        (
            "SELECT m.score(charges, 1) AS s FROM claims UNION ALL SELECT charges FROM claims",
            "set_operation",
        ),
        (
            "SELECT m.score(charges, (SELECT 1)) AS s FROM claims",
            "subquery",
        ),
        (
            "SELECT m.middle(DISTINCT charges) AS s FROM claims",
            "aggregate_modifier",
        ),
        (
            "SELECT a.region, b.region, m.score(a.charges, 1) FROM claims a JOIN claims b ON a.year = b.year",
            "column_name",
        ),
        (
            "SELECT now(), m.score(charges, 1) AS s FROM claims",
            "function_not_admitted",
        ),
        (
            "SELECT egret_units(1), m.score(charges, 1) AS s FROM claims",
            "function_not_admitted",
        ),
        (
            "SELECT m.score(charges, __egret_unit) AS s FROM claims",
            "column_outside_scenario",
        ),
        (
            "SELECT * FROM m.bands('wages', 1, 'x')",
            "table_outside_scenario",
        ),
        (
            "SELECT * FROM m.bands('places', 1, 'x')",
            "column_outside_scenario",
        ),
        (
            "SELECT * FROM m.bands('claims', 'x', 'x')",
            "table_function_arguments",
        ),
        (
            "SELECT * FROM m.bands('claims', 1)",
            "table_function_arguments",
        ),
        (
            "SELECT * FROM m.bands(claims, 1, 'x')",
            "table_function_arguments",
        ),
        ("SELECT * FROM m.score('claims')", "form_not_admitted"),
        ("SELECT * FROM generate_series(1, 5)", "form_not_admitted"),
        ("DELETE FROM claims", "statement_not_select"),
    ] {
        let findings = refused(sql);
        assert!(
            findings.iter().any(|f| f.rule == rule),
            "{sql}\n{findings:#?}"
        );
        for finding in findings {
            assert!(!finding.reason.zh.is_empty() && !finding.remedy.zh.is_empty());
        }
    }
}

#[test]
fn a_small_text_that_would_grow_is_refused() {
    let mut sql = "SELECT m.score(charges, visits) AS x FROM claims".to_owned();
    for _ in 0..30 {
        let x = "CASE WHEN x > x THEN x WHEN x < x THEN x ELSE x END";
        sql = format!("SELECT {x} AS x FROM ({sql}) AS q");
    }
    // Nothing is put in place of a column here; a plan of this depth cannot be written down.
    assert_eq!(refused(&sql)[0].rule, "sql_not_plannable");
    let mut with = "WITH a0 AS (SELECT m.score(charges, visits) AS x FROM claims)".to_owned();
    for step in 1..8 {
        let before = step - 1;
        with = format!(
            "{with}, a{step} AS (SELECT p.x FROM a{before} p JOIN a{before} q ON p.x = q.x)"
        );
    }
    let doubled = format!("{with} SELECT x FROM a7");
    assert_eq!(refused(&doubled)[0].rule, "program_too_large");
}

#[test]
fn both_operations_have_to_be_granted() {
    for text in ["wasm = false", "sql = false"] {
        let (what, _) = text.split_once(' ').unwrap();
        let mut scope = scope();
        match what {
            "wasm" => scope.contract.operations.wasm = false,
            _ => scope.contract.operations.sql = false,
        }
        let sql = "SELECT m.score(charges, visits) AS s FROM claims";
        let answer = admit_reviewed(sql, &scope, &modules(), &SqlLimits::default());
        let ReviewedAdmission::Refused(findings) = answer else {
            panic!("admitted without {what}");
        };
        assert_eq!(findings[0].rule, "operation_not_allowed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_text_is_answered(sql in "(SELECT|select|m\\.score|m\\.bands|\\(|\\)|claims|'claims'|,|charges|FROM| |\\*|1|\\.|\"m\"\\.\"x\"){0,24}") {
        let _ = ask(&sql);
    }
}
