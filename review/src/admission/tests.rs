//! What is admitted and what is refused, as one table of programs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use proptest::prelude::*;

use super::*;
use crate::finding::{Severity, Span};
use crate::sample::{admitted, refused, scope};

/// The text where `«` and `»` mark the place is refused by a rule at that place.
fn check(marked: &str, rule: &str) {
    let start = marked.find('«');
    let sql = marked.replace(['«', '»'], "");
    let findings = refused(&sql);
    let finding = findings
        .iter()
        .find(|finding| finding.rule == rule)
        .unwrap_or_else(|| panic!("{sql}\nwants {rule}: {findings:#?}"));
    assert_eq!(finding.severity, Severity::Refuse);
    assert!(!finding.reason.zh.is_empty() && !finding.reason.en.is_empty());
    assert!(!finding.remedy.zh.is_empty() && !finding.remedy.en.is_empty());
    if start.is_some() {
        assert_eq!(finding.place, Some(place(marked)), "{sql}");
    }
}

fn place(marked: &str) -> Span {
    let position = |mark: char, others: usize| {
        let before: String = marked.split(mark).next().unwrap().to_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1 - others;
        (u64::try_from(line).unwrap(), u64::try_from(column).unwrap())
    };
    let (line, column) = position('«', 0);
    let one_line = !marked
        .split('«')
        .nth(1)
        .unwrap()
        .split('»')
        .next()
        .unwrap()
        .contains('\n');
    let (end_line, end_column) = position('»', usize::from(one_line));
    Span {
        line,
        column,
        end_line,
        end_column,
    }
}

#[test]
fn programs_of_the_proved_lane_are_admitted() {
    for sql in [
        "select count(*) from claims",
        "SELECT plan, COUNT(*) AS n, sum(charges), avg(visits) FROM claims GROUP BY plan",
        "select region, stddev(charges), var_pop(price), stddev_pop(visits) from claims group by region",
        "select region, count(distinct person) p, count(distinct hospital) h from claims group by 1",
        "select region, count(charges), count(day), count(hospital) from claims group by region",
        "select date_part('year', day) y, count(*) from claims group by date_part('year', day)",
        "select extract(month from at) m, count(*) from claims group by m order by m",
        "select substr(region, 1, 2) d, upper(plan), count(*) from claims group by d, upper(plan)",
        "select plan, sum(charges) s from claims where year in (1, 2) and region like '3502%' \
         and day between '2020-01-01' and '2020-12-31' and not (disease = 'a' or disease is null) \
         group by plan having count(*) > 20 order by s desc limit 10 offset 2",
        "select plan, sum(charges) / count(distinct person) as per_head, \
         case when count(*) > 100 then 'many' else 'few' end size from claims group by plan",
        "select c.plan, l.kind, avg(l.value) from claims c join labs l on c.person = l.person \
         group by c.plan, l.kind",
        "select c.plan, p.segment, count(*), sum(c.charges) from claims c \
         join clients p on c.person = p.person where p.city = 'x' group by c.plan, p.segment",
        "select p.segment, count(*) from claims c, clients p where c.person = p.person group by p.segment",
        "select segment, count(*) from claims natural join clients group by segment",
        "select segment, count(*) from claims join clients using (person) group by segment",
        "select district, avg(charges) from claims c join places p on c.region = p.region group by district",
        "select f.level, count(distinct c.person) from claims c join firms f on c.hospital = f.hospital \
         group by f.level",
        "select sum(people), district from claims c join places p on c.region = p.region group by district",
        "with recent as (select person, plan, charges from claims where year >= 2) \
         select plan, avg(charges) from recent group by plan",
        "select t.plan, t.n from (select plan, count(*) as n from claims group by plan) t where t.n > 50",
        "select plan from claims group by plan",
        "select plan, count(*), count(1), sum(charges), sum(charges) again from claims group by plan, plan",
        "select plan, count(*) from claims where true and 1 = 1 group by plan",
        "select \"plan\", count(1) from claims where at >= '2020-01-01 00:00:00' group by \"plan\"",
        "select count(*) from claims where at between timestamp '2020-01-01 00:00:00' and '2021-01-01' \
         and at in ('2020-05-05 01:02:03') and date '2020-01-01' <= day",
        "select count(*) from claims -- 注释 ; drop table\n",
        "select count(*) from claims;",
        "select year + 1 as y, count(*) from (select year from claims) group by year",
    ] {
        let governed = admitted(sql);
        assert_eq!(governed.plan_digest.len(), 64);
        assert_eq!(governed.output.len(), governed.lineage.len());
        let again = admitted(sql);
        assert_eq!(governed, again, "{sql}");
    }
}

#[test]
fn the_layout_names_every_control_column() {
    let governed = admitted(
        "select c.plan, count(*), sum(c.charges), stddev(l.value) from claims c \
         join labs l on c.person = l.person group by c.plan",
    );
    let cells = &governed.cells;
    assert_eq!(cells.groups[0].source, "claims.plan");
    let universes: Vec<_> = cells
        .universes
        .iter()
        .map(|u| (u.universe.as_str(), u.dataset.as_str()))
        .collect();
    assert_eq!(
        universes,
        [("person-id", "health_claims"), ("person-id", "lab_results")]
    );
    let held: Vec<_> = cells
        .holdings
        .iter()
        .map(|h| (h.held.as_str(), h.universe))
        .collect();
    assert_eq!(
        held,
        [
            ("rows", 0),
            ("rows", 1),
            ("value:health_claims.charges", 0),
            ("value:health_claims.charges", 1),
            ("missing:health_claims.charges", 0),
            ("missing:health_claims.charges", 1),
            ("value:lab_results.value", 0),
            ("value:lab_results.value", 1),
            ("square:lab_results.value", 0),
            ("square:lab_results.value", 1),
            ("missing:lab_results.value", 0),
            ("missing:lab_results.value", 1),
        ]
    );
    assert_eq!(cells.aggregates[2].holdings, [0, 1, 6, 7, 8, 9, 10, 11]);
    assert_eq!(cells.rows_position, 1 + 3 + 2 + 12);
    assert!(governed.tables.iter().all(|used| used.control));
    assert_eq!(governed.tables[0].columns, ["person", "plan", "charges"]);
    assert_eq!(governed.lineage[2].inputs, ["claims.charges"]);
}

#[test]
fn a_private_table_is_staged_without_control() {
    let governed = admitted(
        "select p.segment, count(*) n from claims c join clients p on c.person = p.person \
         group by p.segment",
    );
    let controls: Vec<_> = governed
        .tables
        .iter()
        .map(|t| (t.table.as_str(), t.control))
        .collect();
    assert_eq!(controls, [("claims", true), ("clients", false)]);
    assert_eq!(governed.lineage[0].inputs, ["clients.segment"]);
    assert_eq!(governed.output[1].name, "n");
}

#[test]
fn names_outside_the_scenario_are_refused_at_their_place() {
    check(
        "select plan, avg(«salary») from claims group by plan",
        "column_outside_scenario",
    );
    check(
        "select plan,\n  avg(«c.salary»)\nfrom claims c group by plan",
        "column_outside_scenario",
    );
    check(
        "select count(*) from claims where «no_such» = 1",
        "column_outside_scenario",
    );
    check(
        "select count(*) from claims where «__egret_unit» = 1",
        "column_outside_scenario",
    );
    check("select count(*) from «salaries»", "table_outside_scenario");
    check(
        "select count(*) from «information_schema.tables»",
        "table_outside_scenario",
    );
    check(
        "select count(*) from claims c join labs l on c.person = l.person where «l.plan» = 'a'",
        "column_outside_scenario",
    );
    check(
        "select 费用, «薪水» from (select plan as 费用 from claims)",
        "column_outside_scenario",
    );
    check(
        "select p.«nothing» from clients p"
            .replace("p.«nothing»", "«p.nothing»")
            .as_str(),
        "column_unknown",
    );
    check(
        "select sum(«salary») as salary from claims",
        "column_outside_scenario",
    );
    check(
        "select count(*) from claims c join labs l on c.person = l.person where «region» = 'a'",
        "column_ambiguous",
    );
}

#[test]
fn suggestions_name_granted_columns_only() {
    let findings = refused("select avg(salry) from claims");
    let text = format!("{findings:?}");
    assert!(!text.contains("salary"), "{text}");
    assert!(findings[0].remedy.en.contains("charges") || findings[0].remedy.en.contains("day"));
    let two = refused("select avg(salary), sum(income) from claims");
    assert_eq!(two.len(), 2);
}

#[test]
fn functions_that_are_not_listed_are_refused_at_their_place() {
    for function in [
        "min(charges)",
        "max(day)",
        "first_value(charges)",
        "last_value(charges)",
        "nth_value(charges, 2)",
        "median(charges)",
        "approx_percentile_cont(charges, 0.99)",
        "array_agg(person)",
        "string_agg(person, ',')",
        "approx_distinct(person)",
        "bit_xor(visits)",
        "corr(charges, visits)",
        "covar_pop(charges, visits)",
        "bool_and(charges > 1)",
        "random()",
        "now()",
        "uuid()",
        "input_file_name()",
        "current_date()",
        "version()",
        "repeat('a', 2000000000)",
        "lpad('a', 2000000000)",
        "arrow_cast(charges, 'Int8')",
        "sha256(person)",
        "md5(person)",
        "power(charges, 2)",
        "egret_units(1)",
        "grouping(plan)",
    ] {
        let name = function.split('(').next().unwrap();
        let marked = format!(
            "select plan, {} from claims group by plan",
            function.replacen(name, &format!("«{name}»"), 1)
        );
        check(&marked, "function_not_admitted");
    }
    check(
        "select count(*) from claims where «random»() < 0.5",
        "function_not_admitted",
    );
    check("select «generate_series»(1, 10)", "function_not_admitted");
}

#[test]
fn forms_that_are_not_listed_are_refused() {
    for (sql, rule) in [
        ("select * from claims", "row_level_output"),
        ("select person from claims", "row_level_output"),
        (
            "select plan, charges from claims order by charges limit 1",
            "row_level_output",
        ),
        (
            "select «sum»(charges) over (partition by plan) from claims",
            "window_function",
        ),
        (
            "select count(*) from claims union all select count(*) from labs",
            "set_operation",
        ),
        (
            "select count(*) from claims except select count(*) from labs",
            "set_operation",
        ),
        (
            "select count(*) from claims where person in (select person from labs)",
            "subquery",
        ),
        (
            "select count(*) from claims where exists (select 1 from labs)",
            "subquery",
        ),
        (
            "select count(*) from claims where year = (select 1)",
            "subquery",
        ),
        (
            "select count(*) from claims where year = any (select 1)",
            "subquery",
        ),
        (
            "«with» recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
            "recursive_query",
        ),
        ("select distinct plan from claims", "distinct_rows"),
        (
            "select distinct on (plan) plan from claims",
            "distinct_rows",
        ),
        (
            "select count(*) from claims c left join labs l on c.person = l.person",
            "outer_join",
        ),
        (
            "select count(*) from claims c full join labs l on c.person = l.person",
            "outer_join",
        ),
        (
            "select count(*) from claims c right join labs l on c.person = l.person",
            "outer_join",
        ),
        (
            "select count(*) from claims c left semi join labs l on c.person = l.person",
            "outer_join",
        ),
        (
            "select count(*) from claims cross join places",
            "cross_join",
        ),
        ("select count(*) from claims, labs", "cross_join"),
        (
            "select count(*) from claims a join claims b on a.person = b.person",
            "self_join",
        ),
        (
            "select plan, count(*) from claims group by rollup(plan)",
            "grouping_sets",
        ),
        (
            "select plan, count(*) from claims group by cube(plan, region)",
            "grouping_sets",
        ),
        (
            "select plan, count(*) from claims group by grouping sets ((plan), ())",
            "grouping_sets",
        ),
        (
            "select avg(n) from (select plan, count(*) n from claims group by plan)",
            "nested_aggregate",
        ),
        (
            "select «sum»(charges) filter (where plan = 'a') from claims",
            "aggregate_modifier",
        ),
        (
            "select «sum»(charges order by day) from claims",
            "aggregate_modifier",
        ),
        (
            "select sum(«case» when plan = 'a' then charges else 0 end) from claims",
            "case_in_aggregate",
        ),
        (
            "select sum(charges * 1e9 + visits) from claims",
            "expression_in_aggregate",
        ),
        (
            "select sum(charges + visits) from claims",
            "expression_in_aggregate",
        ),
        (
            "select sum(-charges) from claims",
            "expression_in_aggregate",
        ),
        (
            "select sum(distinct charges) from claims",
            "function_not_admitted",
        ),
        (
            "select count(distinct plan) from claims",
            "role_not_aggregated",
        ),
        (
            "select count(distinct charges) from claims",
            "role_not_aggregated",
        ),
        ("select sum(year) from claims", "role_not_aggregated"),
        ("select avg(person) from claims", "types_do_not_fit"),
        (
            "select count(*) from claims where at > timestamp '2020-01-01 00:00:00.5'",
            "cast_can_fail",
        ),
        (
            "select person, count(*) from claims group by «person»",
            "key_grouped",
        ),
        (
            "select lower(person), count(*) from claims group by lower(person)",
            "key_grouped",
        ),
        (
            "select charges, count(*) from claims group by charges",
            "measure_grouped",
        ),
        (
            "select count(*) from claims where «person» = 'abc'",
            "key_compared",
        ),
        (
            "select count(*) from claims where person like 'a%'",
            "key_compared",
        ),
        (
            "select count(*) from claims where person is not null",
            "key_compared",
        ),
        (
            "select count(*) from claims where «charges» > 100000",
            "measure_filtered",
        ),
        (
            "select count(*) from claims c join labs l on c.person = l.person and c.charges > 5",
            "measure_filtered",
        ),
        (
            "select count(*) from claims c join places p on c.visits = p.people",
            "measure_joined",
        ),
        (
            "select count(*) from claims c join places p on c.person = p.region",
            "key_joined_with_dimension",
        ),
        (
            "select count(*) from claims c join firms f on c.person = f.hospital",
            "key_domains_differ",
        ),
        (
            "select count(*) from claims c join labs l on c.region = l.region",
            "join_units",
        ),
        (
            "select count(*) from claims c join labs l on c.person <> l.person",
            "filter_across_tables",
        ),
        (
            "select count(*) from claims c join labs l on c.person = l.person or true",
            "filter_across_tables",
        ),
        (
            "select count(*) from claims where plan = 'a' or disease = 'nothing'",
            "sensitive_with_others",
        ),
        (
            "select nullif(region, disease), count(*) from claims group by nullif(region, disease)",
            "sensitive_with_others",
        ),
        (
            "select count(*) from claims c join clients p on c.person = p.person where c.plan = 'a' or p.weight = 1",
            "filter_across_tables",
        ),
        (
            "select sum(p.weight) from claims c join clients p on c.person = p.person",
            "private_aggregated",
        ),
        (
            "select count(distinct p.person) from claims c join clients p on c.person = p.person",
            "private_aggregated",
        ),
        ("select count(*) from clients", "no_privacy_unit"),
        (
            "select district, count(*) from places group by district",
            "no_privacy_unit",
        ),
        (
            "select count(*) from claims c join clients p on c.person = p.person join places r on p.city = r.region",
            "private_join_chain",
        ),
        (
            "select count(*) from claims where 1 / (year - 42) > 0",
            "expression_not_admitted",
        ),
        (
            "select count(*) from claims where year + 1 = 2",
            "expression_not_admitted",
        ),
        (
            "select count(*) from claims where region ~ '^3'",
            "expression_not_admitted",
        ),
        (
            "select count(*) from claims where case when plan = 'a' then true else false end",
            "expression_not_admitted",
        ),
        (
            "select count(*) from claims where cast(region as int) = 1",
            "cast_can_fail",
        ),
        (
            "select count(*) from claims where region = 1",
            "cast_can_fail",
        ),
        (
            "select count(*) from claims where day = 'no day'",
            "literal_invalid",
        ),
        ("select count(*) from claims where false", "filter_constant"),
        (
            "select count(*) from claims where plan",
            "sql_not_plannable",
        ),
        (
            "select 1, count(*) from claims group by 'a'",
            "group_not_dimension",
        ),
        (
            "select count(*) from claims group by plan || region",
            "expression_not_admitted",
        ),
        (
            "select count(*) from claims tablesample (1)",
            "form_not_admitted",
        ),
        ("select 1", "form_not_admitted"),
        ("values (1)", "statement_not_select"),
        (
            "insert into claims select * from claims",
            "statement_not_select",
        ),
        (
            "explain select count(*) from claims",
            "statement_not_select",
        ),
        (
            "explain analyze select count(*) from claims",
            "statement_not_select",
        ),
        ("copy claims to 'x'", "statement_not_select"),
        ("set a = 1", "statement_not_select"),
        (
            "create table t as select * from claims",
            "statement_not_select",
        ),
        ("drop table claims", "statement_not_select"),
        ("describe claims", "statement_not_select"),
        (
            "select count(*) from claims; select count(*) from labs",
            "statement_not_select",
        ),
        ("", "statement_not_select"),
        ("-- nothing", "statement_not_select"),
        ("select count(* from claims", "sql_syntax"),
        ("select 'abc", "sql_syntax"),
        (
            "select 'x«\u{0}»y' as n, count(*) from claims",
            "sql_syntax",
        ),
        (
            "select count(*) from claims\nwhere plan = 'a«\u{202e}»'",
            "sql_syntax",
        ),
        (
            "select count(*) from claims c«\u{200b}» where true",
            "sql_syntax",
        ),
        (
            "select count(*) from '/etc/passwd'",
            "table_outside_scenario",
        ),
        ("select", "sql_syntax"),
        (";", "statement_not_select"),
        ("select count(*) from claims limit (select 1)", "subquery"),
    ] {
        check(sql, rule);
    }
}

#[test]
fn texts_beyond_the_caps_are_refused_before_planning() {
    let chain = |n: usize| {
        let ors = vec!["year = 1"; n].join(" or ");
        format!("select count(*) from claims where {ors}")
    };
    // The longest chain within the caps is planned, one beyond is refused; neither overflows.
    admitted(&chain(1_000));
    check(&chain(20_000), "program_too_large");
    check(&chain(1_200), "program_too_large");
    let pluses = format!("select count(*) {} from claims", "+ 1 ".repeat(1_500));
    let _ = admit_sql(&pluses, &scope(), &SqlLimits::default());
    let deep = format!(
        "select count(*) from claims where {}true{}",
        "(".repeat(500),
        ")".repeat(500)
    );
    check(&deep, "program_too_large");
    let nots = format!(
        "select count(*) from claims where {} true",
        "not ".repeat(3_000)
    );
    let _ = refused(&nots);
    let minus = format!(
        "select count(*) from claims where year = {}1",
        "- ".repeat(3_000)
    );
    let _ = refused(&minus);
    let nested = format!(
        "{}select plan from claims{}",
        "select * from (".repeat(60),
        ")".repeat(60)
    );
    let _ = refused(&nested);
    let doubling: String = (1..40)
        .map(|i| {
            format!(
                ", c{i} as (select a.* from c{} a join c{} b on a.plan = b.plan)",
                i - 1,
                i - 1
            )
        })
        .collect();
    check(
        &format!("with c0 as (select * from claims){doubling} select count(*) from c39"),
        "program_too_large",
    );
    let huge = format!(
        "select count(*) from claims where plan = '{}'",
        "x".repeat(100_000)
    );
    check(&huge, "program_too_large");
    let wide: String = (0..70)
        .map(|i| format!(", count(*) + {i} as n{i}"))
        .collect();
    check(
        &format!("select plan {wide} from claims group by plan"),
        "program_too_large",
    );
    let many = format!(
        "select count(*) from claims {}",
        (0..12)
            .map(|i| format!("join clients p{i} on claims.person = p{i}.person "))
            .collect::<String>()
    );
    check(&many, "program_too_large");
}

#[test]
fn a_scenario_without_sql_admits_none() {
    let mut scope = scope();
    scope.contract.operations.sql = false;
    let answer = admit_sql("select count(*) from claims", &scope, &SqlLimits::default());
    let Admission::Refused(findings) = answer else {
        panic!("admitted")
    };
    assert_eq!(findings[0].rule, "operation_not_allowed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_is_answered_the_same_twice(
        sql in r#"(select |plan|, |count\(\*\)|sum\(charges\)| from |claims| where | group by | and | or |=|'a'|1|2\.5|\(|\)|join labs on |claims\.person = labs\.person| having | order by | limit |null|case when | then | end| not | in |with x as |x|;|\*|/|::int| as y|"|'|--|/\*){0,20}"#
    ) {
        let scope = scope();
        let limits = SqlLimits::default();
        let first = admit_sql(&sql, &scope, &limits);
        prop_assert_eq!(&first, &admit_sql(&sql, &scope, &limits));
        if let Admission::Refused(findings) = first {
            prop_assert!(!findings.is_empty());
        }
    }

    #[test]
    fn bytes_that_are_no_sql_are_answered(sql in "\\PC{0,60}") {
        let answer = admit_sql(&sql, &scope(), &SqlLimits::default());
        prop_assert!(matches!(answer, Admission::Refused(_)));
    }
}

#[test]
fn what_cannot_be_read_is_said_in_one_language() {
    for (sql, expect) in [
        ("select", "语句没有写完"),
        ("select count(*) from claims group by )", "此处不应是 )"),
        ("select 'a", "引号或注释没有结束"),
        ("select plan, count(*) from claims", "GROUP BY"),
        ("select count(*) from claims \u{200b}", "不可见字符 U+200B"),
    ] {
        let finding = refused(sql).remove(0);
        assert!(finding.reason.zh.contains(expect), "{sql}: {finding:?}");
        assert!(
            !finding.reason.zh.contains("Expected"),
            "{sql}: {finding:?}"
        );
        assert!(
            !finding.reason.zh.contains("planning"),
            "{sql}: {finding:?}"
        );
    }
}
