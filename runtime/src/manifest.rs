//! What a module says of itself: one JSON document in its custom section `egret.manifest`.
//!
//! It is read, never run: whoever reviews a module sees which functions it offers to SQL, with their types, and which
//! columns a whole job reads. A module without one is a whole job of which nothing is said.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::order::{ColumnType, OutputField};

/// Name of the section.
pub const MANIFEST_SECTION: &str = "egret.manifest";
/// Bytes of the document.
const BYTES_MAX: usize = 64 * 1024;
/// Functions of a module.
const FUNCTIONS_MAX: usize = 64;
/// Arguments of a function, and columns of a table.
const COLUMNS_MAX: usize = 64;
/// Tables that a table function or a job reads.
const INPUTS_MAX: usize = 8;
/// Bytes of a name in SQL, which is what PostgreSQL takes.
const NAME_BYTES_MAX: usize = 63;
const VERSION_BYTES_MAX: usize = 32;
const DESCRIPTION_CHARS_MAX: usize = 1_000;
const FAULT_CHARS_MAX: usize = 200;

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleManifest {
    /// What the module calls itself.
    pub name: String,
    /// Its version, as its author counts.
    pub version: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What SQL can call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<ModuleFunction>,
    /// What it reads and writes as a whole job; without it, jobs say so when they are submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobDeclaration>,
}

/// A function that SQL can call. It is exported under its own name, an aggregate under two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ModuleFunction {
    /// One value for each row.
    Scalar {
        /// Its name, and that of its export.
        name: String,
        /// What it takes, in this order.
        arguments: Vec<OutputField>,
        /// What it answers.
        returns: ColumnType,
    },
    /// One value for each group of rows.
    Aggregate {
        /// Its name; the exports are `<name>_update` and `<name>_finish`.
        name: String,
        /// What it takes, in this order.
        arguments: Vec<OutputField>,
        /// What it answers.
        returns: ColumnType,
    },
    /// Rows out of tables.
    Table {
        /// Its name, and that of its export.
        name: String,
        /// The tables that it reads, in this order: a call names them first.
        #[serde(default)]
        inputs: Vec<TableDeclaration>,
        /// The constants that it takes after them.
        #[serde(default)]
        arguments: Vec<OutputField>,
        /// What it emits.
        columns: Vec<OutputField>,
    },
}

/// Columns that a module reads of one table, by name and type, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDeclaration {
    /// The columns.
    pub columns: Vec<OutputField>,
}

/// What a whole job reads and writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobDeclaration {
    /// Its inputs. A job may give them other columns of the same types: modules count columns.
    pub inputs: Vec<TableDeclaration>,
    /// What it emits.
    pub output: Vec<OutputField>,
}

/// Why a document is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// Longer than it may be.
    #[error("it has {0} bytes, permitted are {BYTES_MAX}")]
    TooLong(usize),
    /// Not JSON, or not of this form.
    #[error("{0}")]
    Form(String),
    /// A name that SQL could not say, that is taken, or that the interface keeps for itself.
    #[error(
        "{what} {name:?} is not 1 to 63 lower-case letters, digits and underscores after a letter, or is used twice"
    )]
    Name {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A version or description that cannot be shown.
    #[error("its {0} is empty, too long, or has control characters")]
    Text(&'static str),
    /// Nothing or too much of something.
    #[error("{name:?} has no or too many {what}")]
    Count {
        /// Of which function.
        name: String,
        /// Of what.
        what: &'static str,
    },
    /// A constant of a type that a call cannot write down.
    #[error(
        "{name:?} takes a constant of type {data_type:?}; boolean, int32, int64, float64 and utf8 are there"
    )]
    Constant {
        /// Of which function.
        name: String,
        /// The type.
        data_type: ColumnType,
    },
}

impl ModuleManifest {
    /// Reads a document and holds it against its limits.
    ///
    /// # Errors
    /// Why it is none; for JSON with line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestFault> {
        if bytes.len() > BYTES_MAX {
            return Err(ManifestFault::TooLong(bytes.len()));
        }
        let manifest: Self = serde_json::from_slice(bytes)
            .map_err(|error| ManifestFault::Form(shown(&error.to_string())))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The function of a name.
    pub fn function(&self, name: &str) -> Option<&ModuleFunction> {
        self.functions
            .iter()
            .find(|function| function.name() == name)
    }

    fn check(&self) -> Result<(), ManifestFault> {
        named("the module's name", &self.name)?;
        let plain = |text: &str| !text.chars().any(char::is_control);
        let version = &self.version;
        if version.is_empty() || version.len() > VERSION_BYTES_MAX || !plain(version) {
            return Err(ManifestFault::Text("version"));
        }
        if self.description.chars().count() > DESCRIPTION_CHARS_MAX || !plain(&self.description) {
            return Err(ManifestFault::Text("description"));
        }
        if self.functions.len() > FUNCTIONS_MAX {
            return Err(count(&self.name, "functions"));
        }
        let mut names = BTreeSet::new();
        for function in &self.functions {
            function.check()?;
            for export in function.exports() {
                let kept = matches!(export.as_str(), "memory" | "alloc" | "run")
                    || export.starts_with("egret_");
                if kept || !names.insert(export) {
                    return Err(name_fault("the function", function.name()));
                }
            }
        }
        match &self.job {
            None => Ok(()),
            Some(job) => {
                tables("job", &job.inputs, 1)?;
                columns("job", "columns of output", &job.output, 1)
            }
        }
    }
}

impl ModuleFunction {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Scalar { name, .. } | Self::Aggregate { name, .. } | Self::Table { name, .. } => {
                name
            }
        }
    }

    /// What it takes.
    pub fn arguments(&self) -> &[OutputField] {
        match self {
            Self::Scalar { arguments, .. }
            | Self::Aggregate { arguments, .. }
            | Self::Table { arguments, .. } => arguments,
        }
    }

    /// The functions that the module exports for it, each `(i32) -> i32`.
    pub fn exports(&self) -> Vec<String> {
        match self {
            Self::Aggregate { name, .. } => {
                vec![format!("{name}_update"), format!("{name}_finish")]
            }
            Self::Scalar { name, .. } | Self::Table { name, .. } => vec![name.clone()],
        }
    }

    fn check(&self) -> Result<(), ManifestFault> {
        let name = self.name();
        named("the function", name)?;
        columns(name, "arguments", self.arguments(), 0)?;
        let Self::Table {
            inputs,
            arguments,
            columns: emitted,
            ..
        } = self
        else {
            return Ok(());
        };
        tables(name, inputs, 0)?;
        columns(name, "columns", emitted, 1)?;
        let unwritable = |field: &&OutputField| {
            matches!(
                field.data_type,
                ColumnType::Date32 | ColumnType::TimestampMicros
            )
        };
        match arguments.iter().find(unwritable) {
            None => Ok(()),
            Some(field) => Err(ManifestFault::Constant {
                name: name.to_owned(),
                data_type: field.data_type,
            }),
        }
    }
}

fn tables(name: &str, inputs: &[TableDeclaration], min: usize) -> Result<(), ManifestFault> {
    if !(min..=INPUTS_MAX).contains(&inputs.len()) {
        return Err(count(name, "inputs"));
    }
    inputs
        .iter()
        .try_for_each(|input| columns(name, "columns of an input", &input.columns, 1))
}

fn columns(
    name: &str,
    what: &'static str,
    fields: &[OutputField],
    min: usize,
) -> Result<(), ManifestFault> {
    if !(min..=COLUMNS_MAX).contains(&fields.len()) {
        return Err(count(name, what));
    }
    let mut names = BTreeSet::new();
    fields.iter().try_for_each(|field| {
        named("the column", &field.name)?;
        match names.insert(&field.name) {
            true => Ok(()),
            false => Err(name_fault("the column", &field.name)),
        }
    })
}

fn named(what: &'static str, name: &str) -> Result<(), ManifestFault> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if fits {
        Ok(())
    } else {
        Err(name_fault(what, name))
    }
}

fn name_fault(what: &'static str, name: &str) -> ManifestFault {
    ManifestFault::Name {
        what,
        name: shown(name),
    }
}

fn count(name: &str, what: &'static str) -> ManifestFault {
    ManifestFault::Count {
        name: shown(name),
        what,
    }
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(FAULT_CHARS_MAX)
        .collect()
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
