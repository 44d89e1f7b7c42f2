//! Masking policies: set by the security admin, compiled before they are in force.

use jiff::Timestamp;
use masking::{ColumnClass, Policy};
use sqlx::AnyConnection;

use super::dataset::{DatasetFacts, dataset_facts};
use super::entry::shortened;
use super::plan;
use crate::access::{Actor, Object, Operation};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::ledger::LeafDraft;
use crate::platform::Platform;
use crate::storage::storage_error;

const POLICY_BYTES_MAX: usize = 256 << 10;

/// The masking policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyView {
    /// The data set's name.
    pub dataset: String,
    /// Counted from 1.
    pub revision: u64,
    /// The document, in its canonical form.
    pub toml: String,
    /// SHA-256 of the canonical document.
    pub sha256: String,
    /// When it came into force.
    pub created_at: Timestamp,
}

/// A policy that what is known of the columns suggests.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySuggestion {
    /// The document.
    pub toml: String,
    /// What it follows from.
    pub classes: Vec<ColumnClass>,
}

/// The policy in force, parsed.
pub(crate) struct PolicyInForce {
    pub(crate) policy: Policy,
    pub(crate) view: PolicyView,
}

impl Platform {
    /// Puts a masking policy in force, for the pushes to come.
    ///
    /// # Errors
    /// Invalid with a finding for each column that the policy would leave unsafe or does not fit.
    pub async fn set_policy(
        &self,
        actor: &Actor,
        dataset: &str,
        toml: &str,
    ) -> Result<PolicyView, Error> {
        let authorisation = self.authorise(actor, Operation::SetPolicy, Object::Platform)?;
        let policy = parsed(toml)?;
        let dataset = shortened(dataset);
        let (account, suite) = (actor.account, self.keys().suite());
        self.store()
            .act(authorisation, "set_policy", |tx| {
                let (policy, dataset) = (policy.clone(), dataset.clone());
                Box::pin(async move {
                    let facts = dataset_facts(tx.conn(), &dataset).await?;
                    // Inside the transaction: a push that ends meanwhile may have found more.
                    let plan = plan::compile(&facts, &policy).map_err(refused)?;
                    plan.check_suite(suite).map_err(|fault| refused(vec![fault]))?;
                    let revision = facts.policy_revision + 1;
                    let stored_revision = document::stored_count(revision)?;
                    let (toml, sha256) = (policy.to_toml(), hex::encode(policy.digest()));
                    let created_at = tx.now_micros();
                    sqlx::query(
                        "INSERT INTO dataset_policies (dataset_id, revision, document, sha256, account_id, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(facts.id.to_string())
                    .bind(stored_revision)
                    .bind(toml.as_str())
                    .bind(sha256.as_str())
                    .bind(account.to_string())
                    .bind(created_at)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("set a policy", source))?;
                    sqlx::query("UPDATE datasets SET policy_revision = $1 WHERE id = $2")
                        .bind(stored_revision)
                        .bind(facts.id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("set a policy", source))?;
                    let detail = serde_json::json!({ "dataset": dataset, "revision": revision, "sha256": sha256 });
                    let leaf = LeafDraft::new("policy.set", detail).subject(facts.id);
                    let created_at = timestamp(created_at);
                    Ok((PolicyView { dataset, revision, toml, sha256, created_at }, leaf))
                })
            })
            .await
    }

    /// The masking policy in force.
    ///
    /// # Errors
    /// Denied, or not found when there is no data set or no policy.
    pub async fn policy(&self, actor: &Actor, dataset: &str) -> Result<PolicyView, Error> {
        let facts = self.dataset_row(dataset).await?;
        self.authorise(actor, Operation::Policy, Object::Of(facts.entry.provider))?;
        self.store()
            .read("policy", |conn| {
                Box::pin(async move {
                    let found = policy_in_force(conn, &facts).await?;
                    found.map(|found| found.view).ok_or_else(|| {
                        Error::not_found(
                            "该数据集还没有脱敏策略。",
                            "the data set has no masking policy yet.",
                        )
                    })
                })
            })
            .await
    }

    /// A policy that is safe for what is known of the columns; nothing is stored.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn suggest_policy(
        &self,
        actor: &Actor,
        dataset: &str,
    ) -> Result<PolicySuggestion, Error> {
        self.authorise(actor, Operation::SuggestPolicy, Object::Platform)?;
        let facts = self.dataset_row(dataset).await?;
        let classes = plan::known_classes(&facts);
        Ok(PolicySuggestion {
            toml: Policy::suggest(&classes).to_toml(),
            classes,
        })
    }
}

/// The policy in force of a data set.
pub(crate) async fn policy_in_force(
    conn: &mut AnyConnection,
    dataset: &DatasetFacts,
) -> Result<Option<PolicyInForce>, Error> {
    if dataset.policy_revision == 0 {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT document, sha256, created_at FROM dataset_policies WHERE dataset_id = $1 AND revision = $2",
    )
    .bind(dataset.id.to_string())
    .bind(document::stored_count(dataset.policy_revision)?)
    .fetch_one(conn)
    .await
    .map_err(|source| storage_error("read a policy", source))?;
    let toml = document::text(&row, "document")?;
    let policy = Policy::parse(&toml).map_err(|source| Error::internal("read a policy", source))?;
    let view = PolicyView {
        dataset: dataset.entry.name.clone(),
        revision: dataset.policy_revision,
        toml,
        sha256: document::text(&row, "sha256")?,
        created_at: timestamp(document::integer(&row, "created_at")?),
    };
    Ok(Some(PolicyInForce { policy, view }))
}

/// A policy document, read.
pub(super) fn parsed(toml: &str) -> Result<Policy, Error> {
    if toml.len() > POLICY_BYTES_MAX {
        return Err(Error::too_large(
            "policy_too_large",
            "脱敏策略过长。",
            "the masking policy is too long.",
        ));
    }
    Policy::parse(toml).map_err(|fault| refused(vec![fault]))
}

pub(super) fn refused(faults: Vec<masking::PolicyFault>) -> Error {
    Error::invalid(
        "policy_refused",
        "脱敏策略被拒绝：它会留下可识别个人或主体的数据，或与目录不符。",
        "the masking policy was refused: it would leave data that identify somebody, or does not fit the entry.",
    )
    .with_findings(faults.into_iter().map(plan::as_finding).collect())
}
