//! What a policy would do to the sample that the provider sent, before it is put in force.

use masking::{Class, Policy};
use serde_json::Value;

use super::dataset::DatasetFacts;
use super::entry::SampleRow;
use super::plan::{self, STANDING_EPOCH};
use super::policy::{parsed, refused};
use super::sample::masked_rows;
use crate::access::{Actor, Object, Operation};
use crate::error::Error;
use crate::platform::Platform;

/// Rows that are shown.
const ROWS_MAX: usize = 20;

/// Rows before and after a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyPreview {
    /// The provider's sample; of identifiers only the form.
    pub before: Vec<SampleRow>,
    /// The same rows as the policy leaves them; tokens are of no scenario.
    pub after: Vec<SampleRow>,
}

impl Platform {
    /// The provider's sample before and after a policy, which is not put in force. Whoever sets policies reads no data, so of direct
    /// identifiers only the form is shown: a digit for a digit, a letter for a letter.
    ///
    /// # Errors
    /// Denied or not found; invalid with findings when the policy would be refused or leaves identifiers in the sample; conflict
    /// when the provider sent no sample.
    pub async fn preview_policy(
        &self,
        actor: &Actor,
        dataset: &str,
        toml: &str,
    ) -> Result<PolicyPreview, Error> {
        let facts = self.dataset_row(dataset).await?;
        let object = Object::Of(facts.entry.provider);
        self.authorise(actor, Operation::PreviewPolicy, object)?;
        let policy = parsed(toml)?;
        if facts.entry.sample.is_empty() {
            return Err(no_sample());
        }
        let (keys, suite) = (self.keys_handle(), self.keys().suite());
        let work = move || {
            let plan = plan::compile(&facts, &policy).map_err(refused)?;
            plan.check_suite(suite)
                .map_err(|fault| refused(vec![fault]))?;
            before_and_after(&facts, &policy, &plan, &keys.mask_root())
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|source| Error::internal("preview a policy", source))?
    }
}

fn before_and_after(
    facts: &DatasetFacts,
    policy: &Policy,
    plan: &masking::MaskPlan,
    root: &masking::RootKey,
) -> Result<PolicyPreview, Error> {
    let rows: Vec<SampleRow> = facts.entry.sample.iter().take(ROWS_MAX).cloned().collect();
    let classes = plan::known_classes(facts);
    let after = masked_rows(
        &facts.entry,
        &rows,
        (policy, &classes),
        plan,
        root,
        STANDING_EPOCH,
    )
    .map_err(|source| Error::internal("preview a policy", source))?;
    if after.is_empty() {
        return Err(identifiers_left());
    }
    let hidden: Vec<&str> = classes
        .iter()
        .filter(|class| class.class == Class::DirectIdentifier)
        .map(|class| class.column.as_str())
        .collect();
    let before = rows.into_iter().map(|mut row| {
        for column in &hidden {
            if let Some(value) = row.get_mut(*column) {
                *value = form_of(value);
            }
        }
        row
    });
    Ok(PolicyPreview {
        before: before.collect(),
        after,
    })
}

/// What a value looks like, without what it says.
fn form_of(value: &Value) -> Value {
    let text = match value {
        Value::Null => return Value::Null,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let form = text.chars().map(|char| match char {
        char if char.is_ascii_digit() => '0',
        char if char.is_ascii_uppercase() => 'A',
        char if char.is_ascii_lowercase() => 'a',
        char if char.is_alphanumeric() => '某',
        other => other,
    });
    Value::String(form.collect())
}

fn no_sample() -> Error {
    Error::conflict(
        "no_sample",
        "提供方未随目录提供样例，无从预览。",
        "the provider sent no sample with the entry, so there is nothing to preview on.",
    )
    .with_remedy(
        "在目录中补充样例；或在本机对文件使用 egret mask preview。",
        "add a sample to the entry; or use egret mask preview on a file.",
    )
}

fn identifiers_left() -> Error {
    Error::invalid(
        "identifiers_left",
        "该策略所保留的样例列中仍有标识符。",
        "identifiers are left in columns of the sample that the policy keeps.",
    )
    .with_remedy(
        "对这些列使用 token、permute、redact 或 drop。",
        "use token, permute, redact or drop for those columns.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_nothing_of_the_value() {
        let form = |value: Value| form_of(&value);
        assert_eq!(form("35020619900307123x".into()), "00000000000000000a");
        assert_eq!(form("闽D·A1234".into()), "某A·A0000");
        assert_eq!(form("１３８ 张三".into()), "某某某 某某");
        assert_eq!(form(13_800_138_000_u64.into()), "00000000000");
        assert_eq!(form(Value::Null), Value::Null);
    }
}
