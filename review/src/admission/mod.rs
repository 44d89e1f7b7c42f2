//! Admission: one SQL text becomes a governed plan, or findings that say what would pass.
//!
//! 1. Caps, then syntax ([`crate::text`]).
//! 2. A survey of the syntax: precise places for what can be refused by its look ([`survey`]).
//! 3. Planning over the scope's tables and the listed functions only ([`crate::names`]).
//! 4. The proof: the plan is an aggregate over a join of scans ([`source`], [`prove`], [`join`])
//!    below steps on the released table ([`post`]).
//! 5. The governed plan with its control columns ([`govern`]).
//!
//! ## What the proved lane admits
//! - `count(*)`, `count(x)`, `count(distinct key)`, `sum`, `avg`, `stddev`, `var` (sample and
//!   population) over plain columns of public tables;
//! - grouped by dimensions, or by `lower`, `upper`, `btrim`, `substr`, `date_part`, `nullif` of one;
//! - inner joins by equality: key to key, or dimension to dimension. Tables with units are joined by
//!   the unit's key. Private tables select and label rows; they are made distinct first, and their
//!   columns are not aggregated;
//! - filters on dimensions, each condition over one table. A filter on a measure is refused although
//!   the threshold would still hold: bisecting `salary > x` is the classical tracker. A condition or group
//!   over sensitive and other columns at once is refused: the people around a cell are counted ([`around`]);
//! - `HAVING`, calculations, `CASE`, `ORDER BY`, `LIMIT` on the released table.

mod argument;
mod around;
mod govern;
mod growth;
mod join;
pub(crate) mod layout;
mod pin;
pub(crate) mod post;
mod prove;
mod query;
mod refusal;
mod reviewed;
mod source;
mod survey;
mod types;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_proto::bytes::{
    logical_plan_from_bytes_with_extension_codec, logical_plan_to_bytes_with_extension_codec,
};
use ring::digest::{SHA256, digest};

pub use self::reviewed::{
    QueryFunction, QueryModule, ReviewedAdmission, ReviewedQuery, admit_reviewed,
};
use self::survey::Survey;
pub use self::types::{
    Admission, AggregateColumn, AggregateKind, CellLayout, ColumnLineage, ColumnType, Governed,
    GroupColumn, HoldingsColumn, OutputColumn, PinnedColumn, PostColumn, PostStep, PostSteps,
    SortKey, SqlLimits, TableUse, UniverseColumn,
};
use crate::egress::control::ScansByName;
use crate::expression;
use crate::finding::Finding;
use crate::names::Names;
use crate::scope::Scope;
use crate::text::{self, TextError, TextLimits};

/// Proves that one SQL text lies inside a scope.
///
/// The answer depends on the text, the scope and the limits alone. Any text is answered: one that is
/// too long, too deep or makes the planner fail is refused.
pub fn admit_sql(sql: &str, scope: &Scope, limits: &SqlLimits) -> Admission {
    if !scope.contract.operations.sql {
        return Admission::Refused(vec![refusal::form("operation_not_allowed", "SQL", None)]);
    }
    let admitted = text::on_big_stack(|| admit(sql, scope, limits));
    match admitted {
        Some(Ok(governed)) => Admission::Admitted(Box::new(governed)),
        Some(Err(findings)) => Admission::Refused(findings),
        None => Admission::Refused(vec![refusal::form("planner_failed", "SELECT", None)]),
    }
}

fn admit(sql: &str, scope: &Scope, limits: &SqlLimits) -> Result<Governed, Vec<Finding>> {
    let one = |finding: Finding| vec![finding];
    let boxed = |finding: Box<Finding>| vec![*finding];
    let statement = single_select(sql, limits).map_err(boxed)?;
    let names = Names::new(
        scope
            .tables
            .iter()
            .map(|t| (t.name.clone(), Arc::clone(&t.schema))),
    );
    let survey = Survey::of(&statement, scope, &names, limits.tables);
    if !survey.findings.is_empty() {
        return Err(survey.findings);
    }
    growth::check(&statement, limits).map_err(boxed)?;
    let plan = SqlToRel::new(&names)
        .sql_statement_to_plan(statement)
        .map_err(|error| one(planning(&error, scope, &survey)))?;
    let (above, aggregate) = post::above_aggregate(&plan).map_err(boxed)?;
    let source = source::reduce(&aggregate.input, scope, &survey, limits).map_err(boxed)?;
    let query = prove::prove(aggregate, source, scope, &survey)?;
    // The steps above name columns by position; a position that is off would name another column.
    if aggregate.schema.fields().len() != query.groups.len() + query.aggregates.len() {
        return Err(one(refusal::form("planner_failed", "GROUP BY", None)));
    }
    let rewritten = govern::rewrite(&query, scope).map_err(|error| one(unplannable(&error)))?;
    let released: Vec<ColumnType> = query
        .groups
        .iter()
        .map(|group| group.data_type)
        .chain(
            query
                .aggregates
                .iter()
                .map(|aggregated| aggregated.kind.column_type()),
        )
        .collect();
    let post = post::steps(&above, &released, aggregate, &survey).map_err(boxed)?;
    if post.output.is_empty() || post.output.len() > limits.columns_out {
        let max = limits.columns_out;
        return Err(one(refusal::limit(
            "SELECT",
            format!("结果最多 {max} 列"),
            format!("a result has at most {max} columns"),
            None,
        )));
    }
    let plan = encode(&rewritten.plan).map_err(|error| one(unplannable(&error)))?;
    let lineage = lineage(&post, &rewritten.cells);
    Ok(Governed {
        plan_digest: hex::encode(digest(&SHA256, &plan)),
        plan,
        tables: rewritten.tables,
        cells: rewritten.cells,
        post: PostSteps { steps: post.steps },
        output: post.output,
        lineage,
    })
}

fn single_select(sql: &str, limits: &SqlLimits) -> Result<Statement, Box<Finding>> {
    let caps = TextLimits {
        bytes: limits.sql_bytes,
        tokens: limits.tokens,
        depth: limits.depth,
    };
    let mut statements = text::statements(sql, caps).map_err(unreadable)?.into_iter();
    match (statements.next(), statements.next()) {
        (Some(query @ Statement::Query(_)), None) => Ok(query),
        (Some(Statement::Query(_)), Some(other)) => refusal::err(refusal::form(
            "statement_not_select",
            ";",
            statement_place(&other),
        )),
        (Some(other), _) => {
            let word: String = other
                .to_string()
                .chars()
                .take_while(|c| c.is_alphabetic())
                .collect();
            refusal::err(refusal::form(
                "statement_not_select",
                &word,
                statement_place(&other),
            ))
        }
        (None, _) => refusal::err(refusal::form("statement_not_select", "", None)),
    }
}

fn statement_place(statement: &Statement) -> Option<crate::finding::Span> {
    use datafusion::sql::sqlparser::ast::Spanned;
    text::span(statement.span())
}

fn unreadable(error: TextError) -> Finding {
    match error {
        TextError::Bytes { bytes, max } => refusal::limit(
            "SQL",
            format!("程序长 {bytes} 字节，最多 {max} 字节"),
            format!("the program has {bytes} bytes, at most {max} are read"),
            None,
        ),
        TextError::Tokens { max, place } => refusal::limit(
            "SQL",
            format!("程序最多 {max} 个词"),
            format!("a program has at most {max} tokens"),
            place,
        ),
        TextError::Depth { max, place } => refusal::limit(
            "SQL",
            format!("嵌套最多 {max} 层"),
            format!("a program is nested at most {max} deep"),
            place,
        ),
        TextError::Syntax { message, place } => Finding::refuse(
            "sql_syntax",
            "SQL",
            (
                format!("SQL 语法错误{}", syntax_chinese(&message)),
                format!("not SQL: {message}"),
            ),
            ("请检查该处的语法", "check the syntax at this place"),
        )
        .at(place),
    }
}

/// What the planner could not plan. Its words quote the program and the scope, never data.
fn planning(error: &DataFusionError, scope: &Scope, survey: &Survey) -> Finding {
    if let DataFusionError::SchemaError(schema, _) = error.find_root() {
        match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                let qualifier = field
                    .relation
                    .as_ref()
                    .map(|relation| relation.table().to_owned());
                let place = survey.place_of_column(qualifier.as_deref(), &field.name);
                let of = qualifier.as_deref().and_then(|q| survey.table_of(q, scope));
                let tables = match of {
                    Some(table) => vec![table],
                    None => survey.tables(scope),
                };
                let shown = match &qualifier {
                    Some(qualifier) => format!("{qualifier}.{}", field.name),
                    None => field.name.clone(),
                };
                return refusal::column_outside(&shown, tables.into_iter(), place);
            }
            SchemaError::AmbiguousReference { field } => {
                let place = survey.place_of_column(None, &field.name);
                return Finding::refuse(
                    "column_ambiguous",
                    field.name.clone(),
                    (
                        format!("列名 {} 在多张表中出现", field.name),
                        format!("more than one table has a column {}", field.name),
                    ),
                    ("写成 表.列", "write table.column"),
                )
                .at(place);
            }
            _ => {}
        }
    }
    let text = expression::first_line(error);
    if text.contains("failed to match any signature") {
        return refusal::fault(expression::Fault::Types(text), None);
    }
    unplannable(error)
}

/// What a parser found, in Chinese; words of the program stay as they are.
fn syntax_chinese(message: &str) -> String {
    let message = message.split(" at Line: ").next().unwrap_or(message);
    if let Some((_, found)) = message.rsplit_once("found: ") {
        return match found.trim() {
            "EOF" => "：语句没有写完".to_owned(),
            found => format!("：此处不应是 {found}"),
        };
    }
    for (english, zh) in [
        ("the invisible character ", "：不可见字符 "),
        ("unexpected ", "：多余的 "),
    ] {
        if let Some(rest) = message.strip_prefix(english) {
            return format!("{zh}{}", rest.trim_end_matches(" after the expression"));
        }
    }
    if message.to_lowercase().contains("unterminated") {
        return "：引号或注释没有结束".to_owned();
    }
    String::new()
}

/// What the planner could not do, in Chinese, where it is one of the common faults.
fn planning_chinese(text: &str) -> String {
    let lower = text.to_lowercase();
    for (english, zh) in [
        (
            "group by",
            "：SELECT 中的列须出现在 GROUP BY 中，或放在聚合函数里",
        ),
        ("unique expression names", "：结果列重名，请用 AS 命名"),
        ("duplicate", "：名称重复，请用 AS 命名"),
        ("not implemented", "：不支持该写法"),
        ("not supported", "：不支持该写法"),
        ("cannot coerce", "：类型不匹配"),
        ("cast", "：类型不匹配"),
        ("invalid function", "：没有这个函数"),
    ] {
        if lower.contains(english) {
            return zh.to_owned();
        }
    }
    String::new()
}

fn unplannable(error: &DataFusionError) -> Finding {
    let text = expression::first_line(error);
    Finding::refuse(
        "sql_not_plannable",
        "SELECT",
        (
            format!("查询无法规划{}", planning_chinese(&text)),
            format!("the query cannot be planned: {text}"),
        ),
        (
            "请按许可的写法改写查询",
            "rewrite the query with the admitted forms",
        ),
    )
}

/// Encodes a plan, and reads it back: what a jailed engine could not read must not be admitted.
fn encode(plan: &LogicalPlan) -> Result<Vec<u8>, DataFusionError> {
    let bytes = logical_plan_to_bytes_with_extension_codec(plan, &ScansByName)?;
    logical_plan_from_bytes_with_extension_codec(&bytes, &engine_names(), &ScansByName)?;
    Ok(bytes.to_vec())
}

/// The functions that an engine needs to read a governed plan.
fn engine_names() -> TaskContext {
    let scalars = expression::row_functions();
    let mut aggregates = crate::names::aggregate_functions();
    aggregates.push(crate::egress::control::units_function());
    aggregates.push(crate::egress::control::holdings_function());
    let default = TaskContext::default();
    TaskContext::new(
        None,
        String::new(),
        default.session_config().clone(),
        scalars
            .into_iter()
            .map(|f| (f.name().to_owned(), f))
            .collect(),
        HashMap::new(),
        aggregates
            .into_iter()
            .map(|f| (f.name().to_owned(), f))
            .collect(),
        HashMap::new(),
        default.runtime_env(),
    )
}

fn lineage(post: &post::Post, cells: &CellLayout) -> Vec<ColumnLineage> {
    let groups = cells.groups.len();
    post.output
        .iter()
        .zip(&post.inputs)
        .map(|(column, inputs)| {
            let mut sources = BTreeSet::new();
            for &input in inputs {
                match input.checked_sub(groups) {
                    None => {
                        sources.extend(cells.groups[input].source.split(',').map(str::to_owned));
                    }
                    Some(aggregate) => {
                        sources.insert(cells.aggregates[aggregate].argument.clone());
                    }
                }
            }
            ColumnLineage {
                output: column.name.clone(),
                inputs: sources.into_iter().collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
