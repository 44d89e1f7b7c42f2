//! What reviewers vote on: contract, columns, versions and risk in one canonical document.
//!
//! The digest of the document is what a vote names. It is made anew from the catalogue whenever it
//! is asked for, so a version pushed or a policy changed after a vote shows as another digest.

use std::collections::{BTreeMap, BTreeSet};

use review::{Contract, Finding, Severity, TableScope};
use serde_json::{Value, json};
use sqlx::AnyConnection;

use super::row::ScenarioVersion;
use crate::catalogue::{DatasetFacts, dataset_facts};
use crate::document;
use crate::error::{Error, ErrorKind};
use crate::intake::both;

/// The evidence of a scenario version.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) digest: String,
    pub(crate) value: Value,
    pub(crate) findings: Vec<Finding>,
}

/// What the catalogue has of the contract's data sets; those it has not are left out.
pub(crate) async fn facts_of(
    conn: &mut AnyConnection,
    contract: &Contract,
) -> Result<BTreeMap<String, DatasetFacts>, Error> {
    let names: BTreeSet<&str> = contract
        .tables
        .iter()
        .map(|table| table.dataset.as_str())
        .collect();
    let mut facts = BTreeMap::new();
    for name in names {
        match dataset_facts(conn, name).await {
            Ok(found) => {
                facts.insert(name.to_owned(), found);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(facts)
}

/// The document of a scenario version against the catalogue as it is now.
pub(crate) async fn document_of(
    conn: &mut AnyConnection,
    version: &ScenarioVersion,
) -> Result<Document, Error> {
    let facts = facts_of(conn, &version.contract).await?;
    let datasets: Vec<Value> = version
        .contract
        .tables
        .iter()
        .filter_map(|table| Some(table_document(table, facts.get(&table.dataset)?)))
        .collect();
    let value = json!({
        "scenario": version.scenario.to_string(),
        "name": version.name,
        "version": version.number,
        "applicant": version.organisation.to_string(),
        "contract": version.contract,
        "contract_sha256": version.contract_sha256,
        "tables": datasets,
    });
    let text = document::write("write the evidence of a scenario", &value)?;
    let mut findings = super::check::findings(&version.contract, &facts);
    findings.extend(version.contract.tables.iter().filter_map(|table| {
        let dataset = facts.get(&table.dataset)?;
        notes(table, dataset)
    }));
    Ok(Document {
        digest: document::sha256(text.as_bytes()),
        value,
        findings,
    })
}

fn table_document(table: &TableScope, dataset: &DatasetFacts) -> Value {
    let columns: Vec<Value> = table
        .columns
        .iter()
        .filter_map(|scope| {
            let column = dataset.column(&scope.name)?;
            let comment = dataset
                .entry
                .column(&scope.name)
                .map(|column| column.comment.as_str());
            Some(json!({
                "name": scope.name,
                "role": scope.role,
                "type": column.data_type,
                "comment": comment,
                "class": column.class,
                "level": column.level,
                "token": column.token,
            }))
        })
        .collect();
    let version = dataset.version.as_ref().map(|version| {
        json!({
            "id": version.id.to_string(),
            "number": version.number,
            "rows": version.rows,
            "sha256": version.sha256,
            "manifest_sha256": version.manifest_sha256,
            "policy": version.manifest.policy,
            "deidentification_level": version.deidentification_level,
            "risk_before": version.manifest.risk_before,
            "risk_after": version.manifest.risk_after,
            "quality_score": version.manifest.quality.score,
        })
    });
    json!({
        "table": table.name,
        "dataset": dataset.entry.name,
        "title": dataset.entry.title,
        "provider": dataset.entry.provider.to_string(),
        "row_filter": table.row_filter,
        "unit": table.unit,
        "columns": columns,
        "version": version,
    })
}

fn notes(table: &TableScope, dataset: &DatasetFacts) -> Option<Finding> {
    if dataset.version.is_some() {
        return None;
    }
    Some(Finding::new(
        "dataset_without_version",
        Severity::Note,
        table.dataset.clone(),
        both(
            "该数据集还没有版本，风险尚未测量",
            "the data set has no version yet; its risk is not measured",
        ),
        both(
            "第一次推送完成后证据会变化，须重新表决",
            "the first push will change the evidence and void the votes",
        ),
    ))
}
