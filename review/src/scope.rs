//! A contract with real column types and the tenant's private tables: all that admission knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::contract::{
    ColumnRole, ColumnScope, Contract, Operations, OutputRules, TableScope, is_sql_name,
};
use crate::finding::Finding;

/// What programs of one grant can name.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The contract that was approved.
    pub contract: Contract,
    /// Public tables in the order of the contract, then the tenant's private tables.
    pub tables: Vec<Table>,
}

/// One table as a program sees it.
#[derive(Clone, Debug)]
pub struct Table {
    /// Name in SQL, and name of the scan in the governed plan.
    pub name: String,
    /// Name of the data set in the catalogue.
    pub dataset: String,
    /// Granted columns with their types, in the order of the contract. No control column.
    pub schema: SchemaRef,
    /// Roles, one for each field of the schema.
    pub roles: Vec<ColumnScope>,
    /// Value domain of the privacy unit.
    pub unit: Option<String>,
    /// The universe that its units are numbered in: data sets that number the same people alike name the
    /// same, and are audited together. The value domain of the unit, unless whoever numbers says otherwise.
    pub universe: Option<String>,
    /// Whether the tenant brought it: its columns may be joined, filtered and grouped freely.
    pub private: bool,
}

/// A table that the tenant brings.
#[derive(Clone, Debug)]
pub struct PrivateTable {
    /// Name in SQL.
    pub name: String,
    /// All columns that the table has.
    pub schema: SchemaRef,
    /// Columns that hold tokens, with their value domains. All others may be used freely.
    pub keys: BTreeMap<String, Option<String>>,
}

impl Scope {
    /// Puts the contract beside the real schemas. `datasets` maps catalogue names to all columns of
    /// the data set's version; only granted columns are kept. Findings say what does not fit.
    pub fn new(
        contract: Contract,
        datasets: &BTreeMap<String, SchemaRef>,
        private: Vec<PrivateTable>,
    ) -> Result<Self, Vec<Finding>> {
        let mut findings = contract.validate();
        let mut tables: Vec<Table> = Vec::new();
        for table in &contract.tables {
            match datasets.get(&table.dataset) {
                Some(schema) => tables.push(granted(table, schema, &mut findings)),
                None => findings.push(fault(
                    &table.dataset,
                    "数据集不存在",
                    "there is no such data set",
                )),
            }
        }
        for table in private {
            if !is_sql_name(&table.name) || tables.iter().any(|t| t.name == table.name) {
                findings.push(fault(
                    &table.name,
                    "表名无效或与其他表重名",
                    "the table's name is not valid or is taken",
                ));
            }
            tables.push(brought(table));
        }
        if findings.is_empty() {
            Ok(Self { contract, tables })
        } else {
            Err(findings)
        }
    }

    /// A scope of somebody's own tables alone, in which everything is allowed: for trying a program out.
    pub fn of_own_tables(tables: impl IntoIterator<Item = PrivateTable>) -> Self {
        let contract = Contract {
            purpose: String::new(),
            industry: String::new(),
            tables: Vec::new(),
            operations: Operations {
                sql: true,
                wasm: true,
            },
            output: OutputRules::default(),
            term_days: 1,
            refusals_max: 0,
        };
        Self {
            contract,
            tables: tables.into_iter().map(brought).collect(),
        }
    }

    /// The table of a name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Table {
    /// The scope of a column.
    pub fn column(&self, name: &str) -> Option<&ColumnScope> {
        self.roles.iter().find(|column| column.name == name)
    }

    /// Whether a key's tokens are those of the privacy unit. Without declared domains this is only
    /// said of a table's single key.
    pub(crate) fn is_unit_key(&self, column: &ColumnScope) -> bool {
        let Some(unit) = &self.unit else { return false };
        if column.role != ColumnRole::Key {
            return false;
        }
        match &column.value_domain {
            Some(domain) => domain == unit,
            None => {
                self.roles
                    .iter()
                    .filter(|c| c.role == ColumnRole::Key)
                    .count()
                    == 1
            }
        }
    }
}

fn granted(table: &TableScope, schema: &Schema, findings: &mut Vec<Finding>) -> Table {
    let mut fields = Vec::new();
    let mut roles = Vec::new();
    for column in &table.columns {
        match schema.field_with_name(&column.name) {
            Ok(field) => {
                fields.push(field.clone().with_metadata(Default::default()));
                roles.push(column.clone());
            }
            Err(_) => findings.push(fault(
                &format!("{}.{}", table.name, column.name),
                "数据集中没有该列",
                "the data set has no such column",
            )),
        }
    }
    Table {
        name: table.name.clone(),
        dataset: table.dataset.clone(),
        schema: Arc::new(Schema::new(fields)),
        roles,
        unit: table.unit.clone(),
        universe: table.unit.clone(),
        private: false,
    }
}

fn brought(table: PrivateTable) -> Table {
    let roles = table
        .schema
        .fields()
        .iter()
        .map(|field| match table.keys.get(field.name()) {
            Some(domain) => ColumnScope {
                value_domain: domain.clone(),
                ..ColumnScope::new(field.name(), ColumnRole::Key)
            },
            None => ColumnScope::new(field.name(), ColumnRole::Dimension),
        })
        .collect();
    Table {
        dataset: table.name.clone(),
        name: table.name,
        schema: table.schema,
        roles,
        unit: None,
        universe: None,
        private: true,
    }
}

fn fault(subject: &str, zh: &str, en: &str) -> Finding {
    Finding::refuse(
        "scope_invalid",
        subject,
        (zh, en),
        (
            "请与场景和目录核对",
            "compare with the scenario and the catalogue",
        ),
    )
}
