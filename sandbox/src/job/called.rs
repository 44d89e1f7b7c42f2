//! Queries that call functions of modules: what modules offer, in the words of review, and what a job keeps of them.

use std::collections::BTreeSet;

use review::{
    ColumnType, Finding, OutputColumn, QueryFunction, QueryModule, ReviewedQuery, Severity,
};
use runtime::{JobDeclaration, ModuleFacts, ModuleFunction, OutputField, TableDeclaration};
use serde::{Deserialize, Serialize};

use super::scope::ModuleScope;
use super::view::WasmInput;
use masking::Bilingual;

/// A module that a program names.
#[derive(Clone, Debug)]
pub(crate) struct NamedModule {
    /// What the program calls it.
    pub(crate) name: String,
    pub(crate) scope: ModuleScope,
    pub(crate) facts: ModuleFacts,
}

/// A query as it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalledQuery {
    pub(crate) query: ReviewedQuery,
    pub(crate) modules: Vec<CalledModule>,
}

/// A module of such a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CalledModule {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) sha256: String,
    pub(crate) functions: Vec<ModuleFunction>,
}

/// The modules as admission knows them, or why a name is none.
pub(crate) fn offered(modules: &[NamedModule]) -> Result<Vec<QueryModule>, Vec<Finding>> {
    let mut names = BTreeSet::new();
    let mut findings = Vec::new();
    for module in modules {
        if !plain(&module.name) || !names.insert(&module.name) || names.len() > runtime::MODULES_MAX
        {
            findings.push(refuse(
                "module_name",
                &module.name,
                (
                    "模块的名称不合规、重复，或模块过多",
                    "a module's name is not valid or is used twice, or there are too many modules",
                ),
                (
                    "名称以小写字母开头，只含小写字母、数字和下划线，最长 63 字节；最多 4 个模块",
                    "a name starts with a lower-case letter, holds lower-case letters, digits and underscores, and has at \
                     most 63 bytes; a query has at most 4 modules",
                ),
            ));
        }
        if functions(&module.facts).is_empty() {
            findings.push(refuse(
                "module_without_functions",
                &module.name,
                (
                    "该模块没有供 SQL 调用的函数",
                    "the module offers no functions to SQL",
                ),
                (
                    "在模块的清单（egret.manifest）中声明函数，或作为整个作业提交",
                    "declare functions in the module's manifest (egret.manifest), or submit it as a whole job",
                ),
            ));
        }
    }
    if findings.is_empty() {
        Ok(modules.iter().map(offer).collect())
    } else {
        Err(findings)
    }
}

fn plain(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn functions(facts: &ModuleFacts) -> &[ModuleFunction] {
    facts
        .manifest
        .as_ref()
        .map_or(&[], |manifest| &manifest.functions)
}

fn offer(module: &NamedModule) -> QueryModule {
    let functions = functions(&module.facts)
        .iter()
        .map(|function| match function.clone() {
            ModuleFunction::Scalar {
                name,
                arguments,
                returns,
            } => QueryFunction::Scalar {
                name,
                arguments: types(&arguments),
                returns: review_type(returns),
            },
            ModuleFunction::Aggregate {
                name,
                arguments,
                returns,
            } => QueryFunction::Aggregate {
                name,
                arguments: types(&arguments),
                returns: review_type(returns),
            },
            ModuleFunction::Table {
                name,
                inputs,
                arguments,
                columns,
            } => QueryFunction::Table {
                name,
                inputs: inputs.iter().map(|input| fields(&input.columns)).collect(),
                arguments: types(&arguments),
                columns: fields(&columns),
            },
        });
    QueryModule {
        name: module.name.clone(),
        functions: functions.collect(),
    }
}

/// What the job keeps, for its run.
pub(crate) fn kept(query: ReviewedQuery, modules: &[NamedModule]) -> CalledQuery {
    let modules = modules.iter().map(|module| CalledModule {
        name: module.name.clone(),
        id: module.scope.id.clone(),
        sha256: module.scope.sha256.clone(),
        functions: functions(&module.facts).to_vec(),
    });
    CalledQuery {
        query,
        modules: modules.collect(),
    }
}

/// Holds a whole job against what its module says of itself.
pub(crate) fn declared(
    module: &NamedModule,
    inputs: &[WasmInput],
    output: &[OutputColumn],
    type_of: impl Fn(&WasmInput, &str) -> Option<ColumnType>,
) -> Vec<Finding> {
    if !module.facts.whole_job {
        return vec![refuse(
            "module_without_job",
            &module.name,
            (
                "该模块只提供函数，不能作为整个作业",
                "the module offers functions only and is no whole job",
            ),
            (
                "在 SQL 中调用其函数：提交 SQL 并附上该模块",
                "call its functions in SQL: submit SQL with the module",
            ),
        )];
    }
    let job = module
        .facts
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.job.as_ref());
    job.map_or_else(Vec::new, |job| undeclared(job, inputs, output, type_of))
}

fn undeclared(
    job: &JobDeclaration,
    inputs: &[WasmInput],
    output: &[OutputColumn],
    type_of: impl Fn(&WasmInput, &str) -> Option<ColumnType>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if inputs.len() != job.inputs.len() {
        findings.push(other_inputs("inputs", &job.inputs));
    }
    for (input, declared) in inputs.iter().zip(&job.inputs) {
        let given: Vec<_> = input
            .columns
            .iter()
            .map(|column| type_of(input, column))
            .collect();
        let wanted: Vec<_> = types(&declared.columns).into_iter().map(Some).collect();
        // What is outside the scenario has a finding of its own.
        if given.len() != wanted.len() || (given.iter().all(Option::is_some) && given != wanted) {
            findings.push(other_inputs(&input.table, std::slice::from_ref(declared)));
        }
    }
    if output != fields(&job.output) {
        let columns = shown(&job.output);
        findings.push(refuse(
            "module_declares_otherwise",
            "output",
            (
                "输出列与模块清单声明的不同",
                "the output is not the one that the module's manifest declares",
            ),
            (&format!("改为：{columns}"), &format!("make it: {columns}")),
        ));
    }
    findings
}

fn other_inputs(subject: &str, declared: &[TableDeclaration]) -> Finding {
    let tables: Vec<String> = declared.iter().map(|input| shown(&input.columns)).collect();
    let tables = tables.join("; ");
    refuse(
        "module_declares_otherwise",
        subject,
        (
            "输入与模块清单声明的不同",
            "the input is not what the module's manifest declares",
        ),
        (
            &format!("按此顺序和类型给出列：{tables}"),
            &format!("give columns of these types in this order: {tables}"),
        ),
    )
}

fn shown(columns: &[OutputField]) -> String {
    let columns = columns
        .iter()
        .map(|field| format!("{} {}", field.name, field.data_type.arrow()));
    columns.collect::<Vec<_>>().join(", ")
}

fn types(fields: &[OutputField]) -> Vec<ColumnType> {
    fields
        .iter()
        .map(|field| review_type(field.data_type))
        .collect()
}

fn fields(fields: &[OutputField]) -> Vec<OutputColumn> {
    let columns = fields.iter().map(|field| OutputColumn {
        name: field.name.clone(),
        data_type: review_type(field.data_type),
    });
    columns.collect()
}

fn review_type(data_type: runtime::ColumnType) -> ColumnType {
    match data_type {
        runtime::ColumnType::Boolean => ColumnType::Boolean,
        runtime::ColumnType::Int32 => ColumnType::Int32,
        runtime::ColumnType::Int64 => ColumnType::Int64,
        runtime::ColumnType::Float64 => ColumnType::Float64,
        runtime::ColumnType::Utf8 => ColumnType::Utf8,
        runtime::ColumnType::Date32 => ColumnType::Date32,
        runtime::ColumnType::TimestampMicros => ColumnType::TimestampMicros,
    }
}

fn refuse(rule: &str, subject: &str, reason: (&str, &str), remedy: (&str, &str)) -> Finding {
    Finding::new(
        rule,
        Severity::Refuse,
        subject,
        Bilingual::new(reason.0, reason.1),
        Bilingual::new(remedy.0, remedy.1),
    )
}
