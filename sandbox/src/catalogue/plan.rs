//! A masking policy compiled against an entry and what is known of its columns.

use masking::{Classifier, ColumnClass, MaskPlan, Policy, PolicyFault};
use review::{Finding, Severity};

use super::dataset::DatasetFacts;
use super::facts::{VersionColumn, version_columns};
use crate::intake::with_declared;

/// The epoch under which the masking key itself makes what has no epoch: the numbers of privacy units, whose history is never
/// begun anew, the labels of categories, the tokens of samples.
pub(crate) const STANDING_EPOCH: u32 = 1;

/// What is known of the columns: from the newest push, or else from names, comments and the
/// entry's own declarations.
pub(crate) fn known_classes(dataset: &DatasetFacts) -> Vec<ColumnClass> {
    if dataset.classes.is_empty() {
        let entry = &dataset.entry;
        let classifier = Classifier::new(&entry.schema(), &entry.hints());
        return with_declared(entry, classifier.finish());
    }
    with_declared(&dataset.entry, dataset.classes.clone())
}

/// The plan of a policy for a data set as it is known.
pub(crate) fn compile(
    dataset: &DatasetFacts,
    policy: &Policy,
) -> Result<MaskPlan, Vec<PolicyFault>> {
    policy.compile(&dataset.entry.schema(), &known_classes(dataset))
}

/// The columns as the policy would make them; none when it does not compile any more.
pub(crate) fn masked_columns(dataset: &DatasetFacts, policy: &Policy) -> Vec<VersionColumn> {
    let Ok(plan) = compile(dataset, policy) else {
        return Vec::new();
    };
    let classes = known_classes(dataset);
    version_columns(
        &dataset.entry,
        &plan.output_schema(),
        &plan.tokens(),
        &classes,
    )
    .unwrap_or_default()
}

/// A masking fault as a finding.
pub(crate) fn as_finding(fault: PolicyFault) -> Finding {
    let subject = fault.column.unwrap_or_else(|| "policy".to_owned());
    Finding::new(
        &fault.code,
        Severity::Refuse,
        subject,
        fault.message,
        fault.remedy,
    )
}
