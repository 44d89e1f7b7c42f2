//! What an inspection decided, stored in one transaction: the run, the release, and the cells that later inspections compare with.

use std::collections::BTreeMap;

use masking::Bilingual;
use review::{Decision, Finding, Inspection, OutputColumn, ReleasedCell, Severity};
use runtime::Completed;
use serde_json::json;

use super::evidence::{self, Findings};
use super::history::{self, UniverseHistory, cell_digest};
use super::publish::scenario_id;
use super::quarantine;
use super::rows::{self, ReleaseRow};
use crate::access::{SystemOperation, system};
use crate::document;
use crate::error::Error;
use crate::job::rows::{self as job_rows, Settlement};
use crate::job::view::PinnedInput;
use crate::job::{Leased, Mode, ReleaseState, RunState, lease_lost};
use crate::ledger::LeafDraft;
use crate::meter::{self, Meter};
use crate::objects::ObjectArea;
use crate::platform::Platform;
use crate::storage::Tx;

/// Cells of one tenant in the history of one universe at most: every result is compared with all of them.
const CELLS_OF_TENANT_MAX: u64 = 1_000;

/// The history that an inspection saw, by universe.
pub(crate) type Histories = BTreeMap<String, UniverseHistory>;

/// A decision to store.
#[derive(Clone, Copy)]
pub(crate) struct Decided<'a> {
    pub(crate) leased: &'a Leased,
    pub(crate) inspection: &'a Inspection,
    pub(crate) output: &'a [OutputColumn],
    pub(crate) completed: &'a Completed,
    pub(crate) histories: &'a Histories,
}

/// Whether the decision was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettledBy {
    /// It stands.
    Decision,
    /// It was not kept: the tenant has had its share of the history, and the result is refused.
    Refusal,
    /// Another release came in between: what was inspected is not the history any more.
    NobodyYet,
}

/// Everything that the transaction writes, made before it begins.
#[derive(Clone)]
struct Record {
    run: crate::job::rows::RunRow,
    release: Option<ReleaseRow>,
    to: RunState,
    outcome: &'static str,
    findings: String,
    layers: String,
    meter: Meter,
    counted: bool,
    /// The sequence of each universe that was compared with.
    seen: Vec<(String, i64)>,
    /// Universe and digest of each cell that is new.
    cells: Vec<(String, String)>,
    object: String,
    scenario: (String, u64, i64),
}

impl Platform {
    /// Stores a decision, unless the history has moved since it was made.
    pub(crate) async fn settle(&self, decided: &Decided<'_>) -> Result<SettledBy, Error> {
        if self.beyond_share(decided).await? {
            let refused = share_spent();
            let refused = Decided {
                inspection: &refused,
                ..*decided
            };
            return Ok(match self.keep_decision(&refused).await? {
                SettledBy::Decision => SettledBy::Refusal,
                other => other,
            });
        }
        self.keep_decision(decided).await
    }

    /// Whether a tenant would have more cells in a history than are its share.
    async fn beyond_share(&self, decided: &Decided<'_>) -> Result<bool, Error> {
        let mut new: BTreeMap<&str, u64> = BTreeMap::new();
        for cell in new_cells(decided) {
            *new.entry(&cell.universe).or_default() += 1;
        }
        for (universe, cells) in new {
            let (universe, organisation) =
                (universe.to_owned(), decided.leased.run.organisation.clone());
            let before = self
                .store()
                .read("count a tenant's cells", move |conn| {
                    Box::pin(async move { rows::cells_of(conn, &universe, &organisation).await })
                })
                .await?;
            if before.saturating_add(cells) > CELLS_OF_TENANT_MAX {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn keep_decision(&self, decided: &Decided<'_>) -> Result<SettledBy, Error> {
        let record = record(decided)?;
        let release = &decided.leased.run.release;
        if record.release.is_some() {
            let log = &decided.completed.guest_log;
            quarantine::keep(self, release, decided.inspection, log).await?;
        }
        let new: Vec<&ReleasedCell> = new_cells(decided);
        if !new.is_empty() {
            let bytes = history::encode(&new)?;
            match record.to {
                RunState::Held => quarantine::keep_cells(self, release, &bytes).await?,
                _ => {
                    self.objects()
                        .put(ObjectArea::Units, &record.object, &bytes)
                        .await?;
                }
            }
        }
        let stored = self
            .store()
            .act(system(SystemOperation::Run), "settle_run", move |tx| {
                let record = record.clone();
                Box::pin(async move { store(tx, &record).await })
            })
            .await;
        match stored {
            Ok(()) => Ok(SettledBy::Decision),
            Err(error) if error.code() == "history_moved" => Ok(SettledBy::NobodyYet),
            Err(error) => Err(error),
        }
    }
}

/// The refusal of a result whose cells no other tenant's would have room beside.
fn share_spent() -> Inspection {
    Inspection {
        decision: Decision::Refuse,
        findings: vec![Finding::new(
            "history_share_spent",
            Severity::Refuse,
            "output",
            Bilingual::new(
                format!(
                    "每个租户在一个值域的出域历史中最多有 {CELLS_OF_TENANT_MAX} 个单元格，该结果将超出"
                ),
                format!(
                    "a tenant has at most {CELLS_OF_TENANT_MAX} cells in the history of a value domain, and this result would exceed that"
                ),
            ),
            Bilingual::new(
                "减少分组；重复已出域的查询不占额度",
                "group into fewer cells; to ask again what left already takes none",
            ),
        )],
        released: None,
        sha256: String::new(),
        rows: 0,
        suppressed: 0,
        counted: true,
        marginal: Vec::new(),
        cells: Vec::new(),
        preview: None,
    }
}

/// The cells that the history does not know yet, each once.
fn new_cells<'a>(decided: &Decided<'a>) -> Vec<&'a ReleasedCell> {
    let may_leave = decided.inspection.decision != Decision::Refuse;
    let mut seen = std::collections::BTreeSet::new();
    decided
        .inspection
        .cells
        .iter()
        .filter(|_| may_leave)
        .filter(|cell| {
            let digest = cell_digest(cell);
            let known = decided
                .histories
                .get(&cell.universe)
                .is_some_and(|history| history.known.contains(&digest));
            !known && seen.insert((cell.universe.clone(), digest))
        })
        .collect()
}

fn record(decided: &Decided<'_>) -> Result<Record, Error> {
    let Decided {
        leased,
        inspection,
        completed,
        histories,
        ..
    } = decided;
    let to = match inspection.decision {
        Decision::Release | Decision::PartialRelease => RunState::Releasing,
        Decision::Hold => RunState::Held,
        Decision::Refuse => RunState::Refused,
    };
    let meter = Meter::billed(&completed.meter, Mode::Production);
    let release = match to {
        RunState::Refused => None,
        _ => Some(release_row(decided, &meter)?),
    };
    let run = &leased.run;
    Ok(Record {
        run: run.clone(),
        release,
        to,
        outcome: completed.outcome.code(),
        findings: document::write("write findings", &inspection.findings)?,
        layers: document::write("write layers", &completed.layers)?,
        meter,
        counted: to == RunState::Refused || inspection.counted,
        seen: histories
            .iter()
            .map(|(name, history)| (name.clone(), history.sequence))
            .collect(),
        // A held result is no history: it becomes one when people let it out (see `publish`), or nobody's result would stop
        // everybody else's.
        cells: match to {
            RunState::Held => Vec::new(),
            _ => new_cells(decided)
                .iter()
                .map(|cell| (cell.universe.clone(), cell_digest(cell)))
                .collect(),
        },
        // A run that is repeated writes an object of its own: what an earlier attempt stored is never replaced.
        object: format!("{}/{}", run.release, run.fence),
        scenario: (
            run.scenario.clone(),
            leased.scope.scenario_version,
            leased.job.scenario_epoch,
        ),
    })
}

fn release_row(decided: &Decided<'_>, meter: &Meter) -> Result<ReleaseRow, Error> {
    let Decided {
        leased,
        inspection,
        completed,
        output,
        ..
    } = decided;
    let (run, job) = (&leased.run, &leased.job);
    let inputs: Vec<PinnedInput> = leased
        .inputs
        .iter()
        .map(|input| input.pinned.clone())
        .collect();
    let (evidence, evidence_digest) = evidence::document(&Findings {
        release: &run.release,
        run: &run.id,
        job,
        scope: &leased.scope,
        inputs: &inputs,
        output,
        inspection,
        layers: &completed.layers,
        meter,
    })?;
    let bytes = inspection.released.as_ref().map_or(0, Vec::len);
    Ok(ReleaseRow {
        id: run.release.clone(),
        run: run.id.clone(),
        job: job.id.clone(),
        grant: job.grant.clone(),
        organisation: job.organisation.clone(),
        account: job.account.clone(),
        scenario: job.scenario.clone(),
        epoch_decided: job.scenario_epoch,
        state: if inspection.decision == Decision::Hold {
            ReleaseState::Held
        } else {
            ReleaseState::Scheduled
        },
        decision: document::write("write a decision", &told(inspection.decision))?,
        findings: document::write("write findings", &inspection.findings)?,
        evidence,
        evidence_digest,
        sha256: inspection.sha256.clone(),
        bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        rows: document::stored_count(inspection.rows)?,
        created_at: 0,
        released_at: 0,
        decision_leaf: 0,
        release_leaf: -1,
        statement: String::new(),
        certificate: String::new(),
    })
}

/// The decision as it is stored and told: that a cell is missing says something of the people in it, to whoever chose
/// them, so a result without its failing cells is one like any other.
pub(super) fn told(decision: Decision) -> Decision {
    match decision {
        Decision::PartialRelease => Decision::Release,
        decision => decision,
    }
}

/// The one transaction of a decision.
async fn store(tx: &mut Tx, record: &Record) -> Result<((), LeafDraft), Error> {
    let (now, at) = (tx.now(), tx.now_micros());
    let (scenario, version, epoch) = &record.scenario;
    let found = crate::scenario::version(tx.conn(), scenario_id(scenario)?, None).await?;
    if document::stored_count(found.epoch)? != *epoch {
        return Err(Error::conflict(
            "scenario_changed",
            "场景在运行期间已变更，结果作废。",
            "the scenario changed while the job ran; its result is void.",
        ));
    }
    compare_with_history(tx, record).await?;
    let states: Vec<(RunState, jiff::Timestamp)> = [RunState::Inspecting, record.to]
        .map(|state| (state, now))
        .to_vec();
    let timeline = job_rows::timeline(&record.run.timeline, &states)?;
    let settlement = Settlement {
        run: &record.run.id,
        from: RunState::Running,
        fence: record.run.fence,
        to: record.to,
        outcome: record.outcome,
        reason: "",
        findings: &record.findings,
        layers: &record.layers,
        timeline: &timeline,
        counted: record.counted,
        ended_at: if record.to == RunState::Refused {
            at
        } else {
            0
        },
    };
    if !job_rows::settle(tx.conn(), &settlement).await? {
        return Err(lease_lost());
    }
    meter::keep(
        tx.conn(),
        &record.run.id,
        &record.run.organisation,
        &record.meter,
        at,
    )
    .await?;
    let leaf_at = document::stored_count(tx.next_leaf())?;
    if let Some(release) = &record.release {
        let release = ReleaseRow {
            created_at: at,
            decision_leaf: leaf_at,
            ..release.clone()
        };
        if !rows::insert_release(tx.conn(), &release).await? {
            return Err(Error::internal(
                "store a decision",
                "a release that is there already",
            ));
        }
    }
    let kind = match record.to {
        RunState::Refused => "release.refuse",
        RunState::Held => "release.hold",
        _ => "release.decide",
    };
    let evidence = record
        .release
        .as_ref()
        .map(|release| release.evidence_digest.clone());
    let sha256 = record
        .release
        .as_ref()
        .map(|release| release.sha256.clone());
    let detail = json!({
        "evidence": evidence,
        "sha256": sha256,
        "findings": document::sha256(record.findings.as_bytes()),
    });
    let leaf = LeafDraft::new(kind, detail)
        .subject(&record.run.id)
        .subject(&record.run.release)
        .scenario(scenario, *version, u64::try_from(*epoch).unwrap_or(0));
    Ok(((), leaf))
}

/// The history must still be the one that was compared with; new cells become part of it.
async fn compare_with_history(tx: &mut Tx, record: &Record) -> Result<(), Error> {
    let moved = || {
        Error::conflict(
            "history_moved",
            "出域历史已变。",
            "the release history has moved.",
        )
    };
    for (universe, seen) in &record.seen {
        let grows = record.cells.iter().any(|(of, _)| of == universe);
        let stands = if grows {
            rows::advance_history(tx.conn(), universe, *seen).await?
        } else {
            rows::history_is(tx.conn(), universe, *seen).await?
        };
        if !stands {
            return Err(moved());
        }
    }
    for (universe, digest) in &record.cells {
        let sequence = record
            .seen
            .iter()
            .find(|(name, _)| name == universe)
            .map(|(_, seen)| seen + 1)
            .ok_or_else(|| {
                Error::internal(
                    "store a decision",
                    "a cell of a universe that nobody asked for",
                )
            })?;
        rows::insert_cell(
            tx.conn(),
            universe,
            digest,
            &record.run.release,
            sequence,
            &record.object,
        )
        .await?;
    }
    Ok(())
}
