//! The words of refusals: one constructor per rule, so that a rule says the same everywhere.

use crate::contract::ColumnRole;
use crate::expression::Fault;
use crate::finding::{Finding, Span};
use crate::scope::{Scope, Table};

/// Suggestions that a finding names at most.
const SUGGESTIONS_MAX: usize = 3;

/// A refusal as an error.
pub(super) fn err<T>(finding: Finding) -> Result<T, Box<Finding>> {
    Err(Box::new(finding))
}

pub(super) fn table_outside(name: &str, scope: &Scope, place: Option<Span>) -> Finding {
    let names = nearest(name, scope.tables.iter().map(|table| table.name.as_str()));
    let (zh, en) = try_instead(&names, "场景授权的表", "tables of this scenario");
    Finding::refuse(
        "table_outside_scenario",
        name,
        (
            format!("表 {name} 不在场景授权范围内"),
            format!("the scenario does not grant a table {name}"),
        ),
        (zh, en),
    )
    .at(place)
}

pub(super) fn column_outside<'a>(
    name: &str,
    tables: impl Iterator<Item = &'a Table>,
    place: Option<Span>,
) -> Finding {
    let tables: Vec<&Table> = tables.collect();
    let private = !tables.is_empty() && tables.iter().all(|table| table.private);
    let granted = tables
        .iter()
        .flat_map(|table| table.roles.iter().map(|c| c.name.as_str()));
    let bare = name.rsplit('.').next().unwrap_or(name);
    let names = nearest(bare, granted);
    let (zh, en) = try_instead(&names, "场景授权的列", "columns of this scenario");
    let (rule, because_zh, because_en) = if private {
        (
            "column_unknown",
            "自有数据表中没有该列",
            "the private table has no such column",
        )
    } else {
        (
            "column_outside_scenario",
            "该列不在场景授权范围内",
            "the scenario does not grant this column",
        )
    };
    Finding::refuse(
        rule,
        name,
        (
            format!("{name}：{because_zh}"),
            format!("{name}: {because_en}"),
        ),
        (zh, en),
    )
    .at(place)
}

pub(super) fn function(name: &str, place: Option<Span>) -> Finding {
    let (zh, en) = match name {
        "min"
        | "max"
        | "first"
        | "last"
        | "first_value"
        | "last_value"
        | "nth_value"
        | "median"
        | "percentile_cont"
        | "approx_median"
        | "approx_percentile_cont"
        | "quantile"
        | "mode"
        | "any_value" => (
            "改用 avg、stddev 或按维度分组的 count",
            "use avg, stddev, or count grouped by a dimension",
        ),
        "array_agg" | "string_agg" | "group_concat" | "listagg" => {
            ("改用 count(distinct 键)", "use count(distinct key)")
        }
        "approx_distinct" => ("改用 count(distinct 键)", "use count(distinct key)"),
        _ => (
            "聚合可用 count、sum、avg、stddev、var；维度可用 lower、upper、btrim、substr、date_part、nullif",
            "aggregates: count, sum, avg, stddev, var; on dimensions: lower, upper, btrim, substr, \
             date_part, nullif",
        ),
    };
    Finding::refuse(
        "function_not_admitted",
        name,
        (
            format!("函数 {name} 不在许可清单内"),
            format!("the function {name} is not on the list of admitted functions"),
        ),
        (zh, en),
    )
    .at(place)
}

/// A form of SQL that is not admitted at all.
pub(super) fn form(rule: &str, subject: &str, place: Option<Span>) -> Finding {
    let (because, remedy) = form_words(rule);
    Finding::refuse(rule, subject, because, remedy).at(place)
}

type Words = (&'static str, &'static str);

fn form_words(rule: &str) -> (Words, Words) {
    match rule {
        "statement_not_select" => (
            (
                "只接受一条 SELECT 语句",
                "only one SELECT statement is admitted",
            ),
            (
                "提交单条 SELECT … GROUP BY …",
                "submit a single SELECT … GROUP BY …",
            ),
        ),
        "row_level_output" => (
            (
                "结果为逐行数据，不能自动出域",
                "the result is row by row and never leaves automatically",
            ),
            (
                "按维度列分组并使用聚合函数，如 SELECT 维度, count(*) … GROUP BY 维度",
                "group by dimensions and aggregate: SELECT dimension, count(*) … GROUP BY dimension",
            ),
        ),
        "subquery" => (
            (
                "表达式中不允许子查询",
                "subqueries inside expressions are not admitted",
            ),
            ("改写为内连接", "write an inner join instead"),
        ),
        "window_function" => (
            ("不允许窗口函数", "window functions are not admitted"),
            ("改用 GROUP BY 聚合", "aggregate with GROUP BY instead"),
        ),
        "set_operation" => (
            (
                "不允许 UNION、INTERSECT、EXCEPT",
                "UNION, INTERSECT and EXCEPT are not admitted",
            ),
            ("分别提交各个查询", "submit the queries one by one"),
        ),
        "recursive_query" => (
            ("不允许递归查询", "recursive queries are not admitted"),
            ("去掉 RECURSIVE", "remove RECURSIVE"),
        ),
        "outer_join" => (
            ("只允许内连接", "only inner joins are admitted"),
            ("改用 INNER JOIN", "use INNER JOIN"),
        ),
        "cross_join" => (
            (
                "各表之间须以等值条件连接",
                "every table must be joined by an equality",
            ),
            ("添加 ON 左表.键 = 右表.键", "add ON left.key = right.key"),
        ),
        "self_join" => (
            (
                "同一张公共表不能与自身连接",
                "a public table is not joined with itself",
            ),
            ("只引用该表一次", "refer to the table once"),
        ),
        "grouping_sets" => (
            (
                "不允许 GROUPING SETS、ROLLUP、CUBE",
                "GROUPING SETS, ROLLUP and CUBE are not admitted",
            ),
            (
                "使用普通 GROUP BY，在结果上自行汇总",
                "use a plain GROUP BY and add up the released result",
            ),
        ),
        "distinct_rows" => (
            ("不允许 SELECT DISTINCT", "SELECT DISTINCT is not admitted"),
            ("改用 GROUP BY 并附 count(*)", "use GROUP BY, with count(*)"),
        ),
        "nested_aggregate" => (
            (
                "聚合之上不能再聚合",
                "an aggregate above an aggregate is not admitted",
            ),
            ("只保留一层聚合", "keep a single level of aggregation"),
        ),
        "aggregate_modifier" => (
            (
                "聚合函数不允许 FILTER、ORDER BY、WITHIN GROUP 等修饰",
                "aggregates take no FILTER, ORDER BY or WITHIN GROUP",
            ),
            (
                "把条件写入 WHERE 或作为维度分组",
                "put the condition into WHERE, or group by it",
            ),
        ),
        "case_in_aggregate" => (
            (
                "聚合参数中不允许 CASE：可用于指向个体",
                "CASE inside an aggregate is not admitted: it can point at one person",
            ),
            ("按维度分组代替", "group by the dimension instead"),
        ),
        "expression_in_aggregate" => (
            (
                "聚合参数须为单独的列：算式可把多个值打包在一起",
                "an aggregate takes a plain column: arithmetic can pack several values into one",
            ),
            (
                "直接对列聚合，在聚合结果上做运算",
                "aggregate the column itself and calculate with the aggregates",
            ),
        ),
        "limit_not_literal" => (
            (
                "LIMIT 与 OFFSET 须为整数常量",
                "LIMIT and OFFSET take whole numbers",
            ),
            ("写成 LIMIT 100", "write LIMIT 100"),
        ),
        "filter_across_tables" => (
            (
                "一个过滤条件只能涉及一张表的列",
                "one filter condition may only use columns of one table",
            ),
            (
                "把条件按表拆开并用 AND 连接",
                "split the condition by table and join the parts with AND",
            ),
        ),
        "sensitive_with_others" => (
            (
                "一个条件或分组表达式不能同时使用敏感列与其他列",
                "one condition or group may not use sensitive columns and others at once",
            ),
            (
                "敏感列单独写成一个条件，用 AND 连接；分组时各列分开",
                "write the sensitive column as a condition of its own, joined with AND; group by each column by itself",
            ),
        ),
        "filter_constant" => (
            ("过滤条件恒不为真", "the filter is never true"),
            ("去掉该条件", "remove the condition"),
        ),
        "join_units" => (
            (
                "涉及隐私单元的表之间须以其键相等连接",
                "tables with privacy units must be joined by equality of their keys",
            ),
            ("添加 ON a.键 = b.键", "add ON a.key = b.key"),
        ),
        "private_join_chain" => (
            (
                "自有数据表的连接列须直接与公共表的列相等",
                "the columns that join a private table must equal columns of a public table directly",
            ),
            (
                "让自有数据表直接与公共表连接",
                "join the private table with the public table directly",
            ),
        ),
        "no_privacy_unit" => (
            (
                "查询未涉及任何有隐私单元的公共表，无从核对阈值",
                "no table of the query has a privacy unit, so no threshold can be checked",
            ),
            (
                "连接一张声明了隐私单元的公共表，或走人工审核",
                "join a public table that declares a privacy unit, or use the reviewed lane",
            ),
        ),
        "private_aggregated" => (
            (
                "不能聚合自有数据表的列：自带的权重可以还原个体",
                "columns of a private table are not aggregated: weights of one's own can single out a person",
            ),
            (
                "用自有列分组或过滤，聚合公共表的列",
                "group or filter by private columns and aggregate public columns",
            ),
        ),
        "group_not_dimension" => (
            (
                "分组须为一张表的维度列或其许可函数",
                "a group is a dimension of one table, or an admitted function of it",
            ),
            ("按维度列分组", "group by a dimension"),
        ),
        "operation_not_allowed" => (
            (
                "场景未许可 SQL 作业",
                "the scenario does not allow SQL programs",
            ),
            (
                "申请许可 SQL 的场景",
                "apply for a scenario that allows SQL",
            ),
        ),
        "planner_failed" => (
            (
                "查询无法在限制内规划",
                "the query cannot be planned within the limits",
            ),
            ("简化查询", "simplify the query"),
        ),
        _ => (
            (
                "该写法不在许可清单内",
                "this form is not on the list of admitted forms",
            ),
            (
                "写成 SELECT 维度, 聚合 FROM 表 JOIN 表 ON 键 = 键 WHERE 维度条件 GROUP BY 维度",
                "write SELECT dimensions, aggregates FROM table JOIN table ON key = key WHERE \
                 conditions on dimensions GROUP BY dimensions",
            ),
        ),
    }
}

/// A column used against its role.
pub(super) fn role(rule: &str, subject: &str, role: ColumnRole, place: Option<Span>) -> Finding {
    let (because, remedy) = match role {
        ColumnRole::Key => (
            (
                "键列只能用于等值连接和 count(distinct)，不能输出、分组或与常量比较",
                "a key is only joined by equality and counted distinct; it is not output, grouped or \
                 compared with literals",
            ),
            ("改用维度列", "use a dimension"),
        ),
        ColumnRole::Measure => (
            (
                "度量列只能作为聚合参数，不能分组、过滤或连接",
                "a measure is only an argument of aggregates; it is not grouped, filtered or joined",
            ),
            (
                "对该列使用 sum、avg 等聚合，按维度列过滤",
                "aggregate it with sum or avg, and filter by dimensions",
            ),
        ),
        ColumnRole::Dimension => (
            (
                "维度列用于分组和过滤，不能求和、求均值或与键相等",
                "a dimension is grouped and filtered; it is not summed, averaged or equated with a key",
            ),
            (
                "用 count 统计，或申请以度量列授权",
                "count it, or ask for it as a measure",
            ),
        ),
    };
    Finding::refuse(rule, subject, because, remedy).at(place)
}

/// An expression that the positive list does not hold.
pub(super) fn fault(found: Fault, place: Option<Span>) -> Finding {
    let finding = match found {
        Fault::Function(name) => return function(&name, place),
        Fault::Types(text) => Finding::refuse(
            "types_do_not_fit",
            text.clone(),
            (
                format!("类型不匹配：{text}"),
                format!("the types do not fit: {text}"),
            ),
            (
                "比较相同类型的列与常量",
                "compare columns and literals of the same type",
            ),
        ),
        Fault::Constant(text) => Finding::refuse(
            "literal_invalid",
            text.clone(),
            (
                format!("常量无法计算：{text}"),
                format!("a constant cannot be computed: {text}"),
            ),
            ("改正该常量", "correct the literal"),
        ),
        Fault::Cast(from, to) => Finding::refuse(
            "cast_can_fail",
            format!("{from} -> {to}"),
            (
                format!("从 {from} 到 {to} 的转换可能因数据而失败，会泄露信息"),
                format!("a cast from {from} to {to} can fail on data, which would tell something"),
            ),
            (
                "用与列同类型的常量比较，例如文本列用 '…'",
                "compare with a literal of the column's type, for example '…' for text",
            ),
        ),
        Fault::Form(form) => Finding::refuse(
            "expression_not_admitted",
            form.clone(),
            (
                format!("{form} 不能用于聚合之前的表达式"),
                format!("{form} is not admitted in an expression before aggregation"),
            ),
            (
                "可用 = <> < <= > >= IN BETWEEN LIKE IS NULL AND OR NOT；运算放在聚合结果上",
                "use = <> < <= > >= IN BETWEEN LIKE IS NULL AND OR NOT; calculate with the aggregates",
            ),
        ),
    };
    finding.at(place)
}

/// A limit that was exceeded.
pub(super) fn limit(subject: &str, zh: String, en: String, place: Option<Span>) -> Finding {
    Finding::refuse(
        "program_too_large",
        subject,
        (zh, en),
        ("缩短或拆分程序", "shorten the program or split it"),
    )
    .at(place)
}

fn try_instead(names: &[&str], zh: &str, en: &str) -> Words2 {
    if names.is_empty() {
        (format!("只使用{zh}"), format!("use only {en}"))
    } else {
        let list = names.join(", ");
        (
            format!("{zh}中相近的有：{list}"),
            format!("the nearest {en}: {list}"),
        )
    }
}

type Words2 = (String, String);

/// The nearest granted names by edit distance, nearest first.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = candidates
        .map(|candidate| (edit_distance(&wanted, &candidate.to_lowercase()), candidate))
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked
        .into_iter()
        .take(SUGGESTIONS_MAX)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Levenshtein distance over at most the first 64 characters.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_and_ranking() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("费用", "费"), 1);
        let names = ["charges", "plan", "person", "changes"];
        assert_eq!(
            nearest("charge", names.into_iter()),
            ["charges", "changes", "plan"]
        );
    }
}
