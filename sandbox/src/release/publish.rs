//! Letting a decided result out: the permit from stored decisions, the bytes hashed again, the
//! object, then state, leaf and statement in one transaction. Doing it again changes nothing.

use std::collections::BTreeMap;

use review::{Basis, Decision, Permit, StoredDecision};
use serde_json::{Value, json};

use super::certificate::{RELEASE_LEAF, result_subject, statement, statement_subject};
use super::evidence;
use super::history;
use super::quarantine;
use super::rows::{self, ReleaseRow, VoteRow};
use crate::access::{SystemOperation, system};
use crate::document;
use crate::error::Error;
use crate::id::ScenarioId;
use crate::job::rows as job_rows;
use crate::job::scope::JobScope;
use crate::job::state::{ReleaseState, RunState};
use crate::ledger::LeafDraft;
use crate::meter::moment;
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::scenario;
use crate::storage::Tx;

/// How long a certificate's statement says that it is to be looked at again, by its status address.
const STATUS_PATH: &str = "/api/v1/releases/";

impl Platform {
    /// Publishes a scheduled release. `bytes` saves reading them from quarantine when they are at
    /// hand; they are hashed either way.
    pub(crate) async fn publish(&self, release: &str, bytes: Option<&[u8]>) -> Result<(), Error> {
        let (row, votes) = self.stored_release(release).await?;
        if row.state != ReleaseState::Scheduled {
            return Ok(());
        }
        let epoch = self.scenario_epoch(&row.scenario).await?;
        let bodies = self.settings().review_bodies();
        let permit = match permit(&row, &votes, epoch, bodies) {
            Ok(permit) => permit,
            Err(error) => {
                self.void(&row, &error).await?;
                return Ok(());
            }
        };
        match bytes {
            Some(bytes) => self.objects().put_released(&permit, bytes).await?,
            None => {
                let bytes = quarantine::candidate(self, release).await?;
                self.objects().put_released(&permit, &bytes).await?
            }
        };
        let cells = self.held_cells(&row).await?;
        let name = release.to_owned();
        self.store()
            .act(
                system(SystemOperation::Release),
                "publish_release",
                move |tx| {
                    let (name, cells) = (name.clone(), cells.clone());
                    Box::pin(async move {
                        become_history(tx, &name, &cells).await?;
                        publish(tx, &name, bodies).await
                    })
                },
            )
            .await?;
        quarantine::clear(self, release).await;
        self.node().changed(&row.run);
        Ok(())
    }

    /// The cells of a result that people let out, by universe and digest: kept where the history reads them.
    async fn held_cells(&self, row: &ReleaseRow) -> Result<Vec<(String, String)>, Error> {
        let decision: Decision = document::read("read a decision", &row.decision)?;
        let cells = match decision {
            Decision::Hold => quarantine::cells(self, &row.id).await?,
            _ => None,
        };
        let Some(cells) = cells else {
            return Ok(Vec::new());
        };
        self.objects()
            .put(ObjectArea::Units, &held_object(&row.id), &cells)
            .await?;
        history::names(&cells)
    }

    /// Ends a decided release that may not leave any more: its scenario has changed.
    async fn void(&self, row: &ReleaseRow, reason: &review::NoPermit) -> Result<(), Error> {
        tracing::warn!(release.id = %row.id, %reason, "a decided release gets no permit");
        let row = row.clone();
        let reason = reason.to_string();
        let id = row.id.clone();
        let run = row.run.clone();
        self.store()
            .act(
                system(SystemOperation::Release),
                "void_release",
                move |tx| {
                    let (row, reason) = (row.clone(), reason.clone());
                    Box::pin(async move {
                        rows::move_release(
                            tx.conn(),
                            &row.id,
                            ReleaseState::Scheduled,
                            ReleaseState::Void,
                        )
                        .await?;
                        end_run(tx, &row.run, RunState::Killed, &no_permit_reason()?).await?;
                        let leaf = LeafDraft::new("release.void", json!({ "reason": reason }))
                            .subject(&row.id)
                            .subject(&row.run);
                        Ok(((), leaf))
                    })
                },
            )
            .await?;
        quarantine::clear(self, &id).await;
        self.node().changed(&run);
        Ok(())
    }

    async fn stored_release(&self, release: &str) -> Result<(ReleaseRow, Vec<VoteRow>), Error> {
        let name = release.to_owned();
        self.store()
            .read("publish_release", move |conn| {
                Box::pin(async move {
                    let row = rows::release(&mut *conn, &name)
                        .await?
                        .ok_or_else(|| Error::internal("publish a release", "no such release"))?;
                    let votes = rows::votes(&mut *conn, &name).await?;
                    Ok((row, votes))
                })
            })
            .await
    }

    async fn scenario_epoch(&self, scenario: &str) -> Result<u64, Error> {
        let id = scenario_id(scenario)?;
        self.store()
            .read("scenario_epoch", move |conn| {
                Box::pin(async move { Ok(scenario::version(conn, id, None).await?.epoch) })
            })
            .await
    }
}

/// The permit of what is stored, or why there is none.
fn permit(
    row: &ReleaseRow,
    votes: &[VoteRow],
    epoch: u64,
    bodies_min: usize,
) -> Result<Permit, review::NoPermit> {
    let bytes = |text: &str| {
        let mut digest = [0; 32];
        // What is no digest becomes one that nothing has.
        let _ = hex::decode_to_slice(text, &mut digest);
        digest
    };
    let decision: Decision =
        serde_json::from_str(&row.decision).map_err(|_| review::NoPermit::NotReleased)?;
    let basis = match decision {
        Decision::Hold => Basis::Votes(
            votes
                .iter()
                .map(|vote| review::Vote {
                    voter: vote.account.clone(),
                    organisation: vote.organisation.clone(),
                    approve: vote.approve,
                    evidence_digest: bytes(&vote.evidence_digest),
                })
                .collect(),
        ),
        decision => Basis::Automatic { decision },
    };
    Permit::derive(&StoredDecision {
        release: row.id.clone(),
        digest: bytes(&row.sha256),
        epoch_decided: u64::try_from(row.epoch_decided).unwrap_or(u64::MAX),
        epoch_now: epoch,
        basis,
        bodies_min,
        applicant_organisation: row.organisation.clone(),
        evidence_digest: bytes(&row.evidence_digest),
    })
}

/// Where the cells of a held result are.
fn held_object(release: &str) -> String {
    format!("{release}/held")
}

/// What people let out is compared with from now on.
async fn become_history(
    tx: &mut Tx,
    release: &str,
    cells: &[(String, String)],
) -> Result<(), Error> {
    let mut sequences: BTreeMap<&str, i64> = BTreeMap::new();
    for (universe, digest) in cells {
        let sequence = match sequences.get(universe.as_str()) {
            Some(sequence) => *sequence,
            None => {
                let seen = rows::history_sequence(tx.conn(), universe).await?;
                if !rows::advance_history(tx.conn(), universe, seen).await? {
                    return Err(Error::internal(
                        "publish a release",
                        "a history that moved under its lock",
                    ));
                }
                sequences.insert(universe, seen + 1);
                seen + 1
            }
        };
        let object = held_object(release);
        rows::insert_cell(tx.conn(), universe, digest, release, sequence, &object).await?;
    }
    Ok(())
}

/// The one transaction by which a result is out. The permit is derived once more from what it sees.
async fn publish(tx: &mut Tx, name: &str, bodies_min: usize) -> Result<((), LeafDraft), Error> {
    let row = rows::release(tx.conn(), name)
        .await?
        .ok_or_else(|| Error::internal("publish a release", "no such release"))?;
    let votes = rows::votes(tx.conn(), name).await?;
    let found = scenario::version(tx.conn(), scenario_id(&row.scenario)?, None).await?;
    if row.state != ReleaseState::Scheduled {
        return Err(Error::conflict(
            "release_moved",
            "该结果的状态已变。",
            "the result is in another state by now.",
        ));
    }
    permit(&row, &votes, found.epoch, bodies_min).map_err(|reason| {
        Error::conflict(
            "release_without_permit",
            "该结果不再可放行。",
            "the result may not leave any more.",
        )
        .with_source(reason)
    })?;
    let job = job_rows::job(tx.conn(), &row.job)
        .await?
        .ok_or_else(|| Error::internal("publish a release", "a release without a job"))?;
    let scope: JobScope = document::read("read a job's scope", &job.scope)?;
    let predicate = predicate(&row, &votes, &scope, tx.now())?;
    let statement = statement(&row.id, &row.sha256, predicate)?;
    let (now, leaf_at) = (tx.now_micros(), document::stored_count(tx.next_leaf())?);
    if !rows::publish_release(tx.conn(), name, now, leaf_at, &statement).await? {
        return Err(Error::internal(
            "publish a release",
            "a release that moved under its lock",
        ));
    }
    end_run(tx, &row.run, RunState::Released, "").await?;
    let leaf = LeafDraft::new(
        RELEASE_LEAF,
        json!({ "sha256": row.sha256, "evidence": row.evidence_digest, "rows": row.rows }),
    )
    .subject(&row.id)
    .subject(result_subject(&row.sha256))
    .subject(statement_subject(&statement))
    .scenario(&row.scenario, scope.scenario_version, found.epoch)
    .reference(u64::try_from(row.decision_leaf).unwrap_or(0));
    let leaf = votes.iter().fold(leaf, |leaf, vote| {
        leaf.reference(u64::try_from(vote.leaf).unwrap_or(0))
    });
    Ok(((), leaf))
}

/// What the certificate says: the evidence, what was made of it, and where to ask whether it holds.
fn predicate(
    row: &ReleaseRow,
    votes: &[VoteRow],
    scope: &JobScope,
    now: jiff::Timestamp,
) -> Result<Value, Error> {
    let mut value: Value = document::read("read an evidence pack", &row.evidence)?;
    let findings: Vec<review::Finding> = document::read("read findings", &row.findings)?;
    let votes: Vec<Value> = votes
        .iter()
        .map(|vote| {
            json!({
                "organisation": vote.organisation,
                "approve": vote.approve,
                "evidence": vote.evidence_digest,
                "leaf": vote.leaf,
            })
        })
        .collect();
    if let Value::Object(members) = &mut value {
        members.insert("findings".to_owned(), evidence::outcomes(&findings));
        members.insert("evidence_digest".to_owned(), json!(row.evidence_digest));
        members.insert("decision_leaf".to_owned(), json!(row.decision_leaf));
        members.insert("scenario_approvals".to_owned(), json!(scope.approvals));
        members.insert("epsilon_spent".to_owned(), json!("0"));
        members.insert("votes".to_owned(), Value::Array(votes));
        members.insert("released_at".to_owned(), json!(moment(now).to_string()));
        members.insert(
            "status".to_owned(),
            json!(format!("{STATUS_PATH}{}", row.id)),
        );
    }
    Ok(value)
}

/// Ends the run of a release.
pub(crate) async fn end_run(
    tx: &mut Tx,
    run: &str,
    to: RunState,
    reason: &str,
) -> Result<(), Error> {
    let (now, at) = (tx.now(), tx.now_micros());
    let row = job_rows::run(tx.conn(), run)
        .await?
        .ok_or_else(|| Error::internal("end a run", "a release without a run"))?;
    let timeline = job_rows::timeline(&row.timeline, &[(to, now)])?;
    let reason = if reason.is_empty() {
        row.reason.as_str()
    } else {
        reason
    };
    if job_rows::move_on(tx.conn(), run, (row.state, to), reason, &timeline, at).await? {
        Ok(())
    } else {
        Err(Error::internal(
            "end a run",
            "a run that moved under its lock",
        ))
    }
}

fn no_permit_reason() -> Result<String, Error> {
    document::write(
        "write a reason",
        &masking::Bilingual::new(
            "场景在放行前已变更，结果作废。",
            "the scenario changed before the result was released; it is void.",
        ),
    )
}

pub(crate) fn scenario_id(text: &str) -> Result<ScenarioId, Error> {
    text.parse()
        .map_err(|source| Error::internal("read a scenario's identifier", source))
}
