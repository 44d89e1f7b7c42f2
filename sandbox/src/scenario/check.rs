//! A contract held against the catalogue: what it may ask for, and what is filled in for it.

use std::collections::BTreeMap;

use masking::{Bilingual, Class};
use review::{ColumnRole, ColumnScope, Contract, Finding, Severity, TableScope};

use crate::catalogue::{DatasetFacts, VersionColumn};
use crate::intake::both;

/// The contract as it is reviewed: keys carry the value domain of their tokens, and dimensions that
/// hold sensitive categories are marked, whether or not whoever proposed it wrote so.
pub(crate) fn completed(
    mut contract: Contract,
    facts: &BTreeMap<String, DatasetFacts>,
) -> Contract {
    for table in &mut contract.tables {
        let Some(dataset) = facts.get(&table.dataset) else {
            continue;
        };
        for scope in &mut table.columns {
            let Some(column) = dataset.column(&scope.name) else {
                continue;
            };
            match scope.role {
                ColumnRole::Key if scope.value_domain.is_none() => {
                    scope.value_domain =
                        column.token.as_ref().map(|token| token.as_str().to_owned());
                }
                ColumnRole::Dimension if column.class == Class::Sensitive => scope.sensitive = true,
                _ => {}
            }
        }
    }
    contract
}

/// What keeps a contract from being proposed; empty when nothing does.
pub(crate) fn findings(
    contract: &Contract,
    facts: &BTreeMap<String, DatasetFacts>,
) -> Vec<Finding> {
    let mut findings = contract.validate();
    for table in &contract.tables {
        match facts.get(&table.dataset) {
            None => findings.push(unknown_dataset(table)),
            Some(dataset) => check_table(table, dataset, &mut findings),
        }
    }
    findings
}

fn check_table(table: &TableScope, dataset: &DatasetFacts, findings: &mut Vec<Finding>) {
    let declared = dataset
        .entry
        .unit
        .as_ref()
        .map(|unit| unit.value_domain.as_str());
    if table.unit.as_deref() != declared {
        findings.push(unit_mismatch(table, declared));
    }
    if dataset.columns.is_empty() {
        findings.push(not_masked(table));
        return;
    }
    for scope in &table.columns {
        match dataset.column(&scope.name) {
            None => findings.push(unknown_column(table, scope, dataset)),
            Some(column) => findings.extend(check_role(table, scope, column)),
        }
    }
}

fn check_role(table: &TableScope, scope: &ColumnScope, column: &VersionColumn) -> Option<Finding> {
    match (scope.role, &column.token) {
        (ColumnRole::Key, None) => Some(refuse(
            "key_without_token",
            table,
            scope,
            both(
                "键列须是脱敏策略生成假名的列",
                "a key must be a column that the masking policy turns into tokens",
            ),
            both(
                "改用 dimension 或 measure，或选择含假名的列",
                "use dimension or measure, or choose a column of tokens",
            ),
        )),
        (ColumnRole::Key, Some(token)) => {
            let other = scope
                .value_domain
                .as_deref()
                .is_some_and(|domain| domain != token.as_str());
            other.then(|| {
                refuse(
                    "key_value_domain",
                    table,
                    scope,
                    both(
                        format!("该列的假名属于值域 {token}"),
                        format!("the column's tokens are of value domain {token}"),
                    ),
                    both(
                        "改为该值域，或省略 value_domain",
                        "name that value domain, or leave it out",
                    ),
                )
            })
        }
        (_, Some(_)) => Some(refuse(
            "token_not_key",
            table,
            scope,
            both(
                "含假名的列只能作为键列",
                "a column of tokens may only be a key",
            ),
            both("改为 role = key", "use role = key"),
        )),
        (_, None) if column.class == Class::DirectIdentifier => Some(refuse(
            "direct_identifier",
            table,
            scope,
            both(
                "直接标识符只能以假名作为键列",
                "a direct identifier may only be a key, as a token",
            ),
            both(
                "去掉该列，或让脱敏策略将其转为假名",
                "leave the column out, or let the masking policy turn it into tokens",
            ),
        )),
        (ColumnRole::Measure, None) if !is_number(column) => Some(refuse(
            "measure_not_numeric",
            table,
            scope,
            both(
                format!("度量列须为数值，该列为 {}", column.data_type),
                format!(
                    "a measure must be a number, the column is {}",
                    column.data_type
                ),
            ),
            both("改用 dimension", "use dimension"),
        )),
        _ => None,
    }
}

fn is_number(column: &VersionColumn) -> bool {
    column
        .arrow()
        .is_some_and(|data_type| data_type.is_numeric())
}

fn refuse(
    rule: &str,
    table: &TableScope,
    scope: &ColumnScope,
    reason: Bilingual,
    remedy: Bilingual,
) -> Finding {
    Finding::new(
        rule,
        Severity::Refuse,
        format!("{}.{}", table.name, scope.name),
        reason,
        remedy,
    )
}

fn unknown_dataset(table: &TableScope) -> Finding {
    Finding::new(
        "dataset_unknown",
        Severity::Refuse,
        format!("{}: {}", table.name, table.dataset),
        both("目录中没有该数据集", "the catalogue has no such data set"),
        both(
            "从数据目录中选择数据集",
            "choose a data set of the catalogue",
        ),
    )
}

fn unknown_column(table: &TableScope, scope: &ColumnScope, dataset: &DatasetFacts) -> Finding {
    let dropped = dataset.entry.column(&scope.name).is_some();
    let reason = if dropped {
        both("脱敏策略去掉了该列", "the masking policy drops this column")
    } else {
        both("数据集没有该列", "the data set has no such column")
    };
    let names: Vec<&str> = dataset
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .take(40)
        .collect();
    let names = names.join(", ");
    let remedy = both(
        format!("可用的列：{names}"),
        format!("columns that are there: {names}"),
    );
    refuse("column_unknown", table, scope, reason, remedy)
}

fn not_masked(table: &TableScope) -> Finding {
    Finding::new(
        "dataset_not_masked",
        Severity::Refuse,
        format!("{}: {}", table.name, table.dataset),
        both(
            "该数据集还没有脱敏策略，也没有版本",
            "the data set has neither a masking policy nor a version yet",
        ),
        both(
            "等安全管理员设置策略后再提出",
            "propose again once the security admin has set a policy",
        ),
    )
}

fn unit_mismatch(table: &TableScope, declared: Option<&str>) -> Finding {
    let (reason, remedy) = match declared {
        Some(unit) => (
            both(
                format!("该数据集的每一行都指向一个 {unit}，场景必须如此声明"),
                format!("each row of the data set speaks of a {unit}; the scenario must say so"),
            ),
            both(
                format!("写 unit = \"{unit}\""),
                format!("write unit = \"{unit}\""),
            ),
        ),
        None => (
            both(
                "该数据集没有隐私单元",
                "the data set speaks of no privacy unit",
            ),
            both("去掉 unit", "leave unit out"),
        ),
    };
    Finding::new(
        "unit_mismatch",
        Severity::Refuse,
        table.name.clone(),
        reason,
        remedy,
    )
}
