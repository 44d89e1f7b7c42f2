//! The driver: takes runs under a lease, has them run and inspected, and ends them. What it was doing
//! when it died, it or another node does again: a run is a function of what was pinned.

use std::sync::Arc;
use std::time::Duration;

use masking::Bilingual;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::execute::RunEnd;
use super::queue;
use super::rows::{self, JobRow, RunRow, Settlement};
use super::scope::{JobScope, StoredInput};
use super::state::RunState;
use super::view::Mode;
use crate::access::{SystemOperation, system};
use crate::application::active_grant;
use crate::clock::micros;
use crate::document;
use crate::error::Error;
use crate::ledger::LeafDraft;
use crate::meter;
use crate::platform::Platform;
use crate::storage::Tx;

/// How long a lease lasts: longer than every limit of a run and its inspections together. Fencing
/// keeps a holder that is slower still from doing harm.
const LEASE_US: i64 = 15 * 60 * 1_000_000;
/// How often the driver looks for work and for news without being told.
const POLL: Duration = Duration::from_secs(1);
/// After this a scheduled release is taken for one whose publisher died.
const PUBLISHER_US: i64 = 10 * 1_000_000;
/// How often a run is tried when the platform itself fails.
const ATTEMPTS_MAX: i64 = 3;
/// Runs looked at for one to take.
const CANDIDATES: i64 = 32;

/// A run under lease, with everything that it was submitted with.
pub(crate) struct Leased {
    pub(crate) run: RunRow,
    pub(crate) job: JobRow,
    pub(crate) scope: JobScope,
    pub(crate) inputs: Vec<StoredInput>,
}

/// What came of trying to take a run.
enum Take {
    /// With its job, and the timeline as it is now.
    Taken(Box<JobRow>, String),
    /// It ended instead: its grant or its budget has.
    Ended,
}

impl Platform {
    /// Takes up what an earlier life of this node left, then starts the driver.
    pub(crate) async fn start_driver(&self) -> Result<(), Error> {
        if !self.node().is_accepting() {
            return Ok(());
        }
        self.recover().await?;
        let platform = self.clone();
        let driver = tokio::spawn(async move {
            tokio::join!(drive(&platform), look_after(&platform));
        });
        self.node().set_driver(driver);
        Ok(())
    }

    /// Orphaned leases end, decided releases are published, dead runs leave nothing in quarantine.
    async fn recover(&self) -> Result<(), Error> {
        let (node, owner) = (self.node().name.clone(), self.node().owner.clone());
        let orphans = {
            let node = node.clone();
            self.store()
                .read("orphaned runs", move |conn| {
                    Box::pin(async move { rows::leases_of(conn, &node).await })
                })
                .await?
        };
        if !orphans.is_empty() {
            tracing::info!(
                runs = orphans.len(),
                "runs of an earlier life of this node are run again"
            );
            self.store()
                .act(system(SystemOperation::Run), "expire_leases", |tx| {
                    let (node, owner, orphans) = (node.clone(), owner.clone(), orphans.clone());
                    Box::pin(async move {
                        rows::expire_leases(tx.conn(), &node, &owner).await?;
                        let leaf = LeafDraft::new("run.recover", json!({ "runs": orphans }));
                        Ok(((), leaf))
                    })
                })
                .await?;
        }
        self.publish_left_over(i64::MAX).await;
        crate::release::clear_dead(self).await
    }

    /// Publishes what was decided before a moment and is not out yet.
    async fn publish_left_over(&self, before: i64) {
        let found = self
            .store()
            .read("scheduled releases", move |conn| {
                Box::pin(
                    async move { crate::release::rows::scheduled(conn, before, CANDIDATES).await },
                )
            })
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "scheduled releases cannot be looked for"),
        };
        for release in found {
            if let Err(error) = self.publish(&release, None).await {
                tracing::warn!(release.id = %release, %error, "a release could not be published");
            }
        }
    }

    /// The next run that may be taken, taken.
    async fn take_next(&self) -> Result<Option<Leased>, Error> {
        let now = micros(self.clock().now());
        let candidates = self
            .store()
            .read("takeable runs", move |conn| {
                Box::pin(async move { queue::takeable(conn, now, CANDIDATES).await })
            })
            .await?;
        for run in candidates {
            if self.node().has(&run.id) {
                continue;
            }
            match self.take_run(&run).await {
                Ok(Take::Taken(job, timeline)) => return leased(run, *job, timeline).map(Some),
                Ok(Take::Ended) => self.node().changed(&run.id),
                Err(error) if matches!(error.code(), "run_taken" | "run_must_wait") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn take_run(&self, run: &RunRow) -> Result<Take, Error> {
        let owner = self.node().owner.clone();
        self.store()
            .act(system(SystemOperation::Run), "take_run", |tx| {
                let (run, owner) = (run.clone(), owner.clone());
                Box::pin(async move { take(tx, &run, &owner).await })
            })
            .await
    }

    /// Runs what was taken, to whatever end.
    async fn run_leased(&self, leased: Leased) {
        let Some(hand) = self.node().take(&leased.run.id) else {
            return;
        };
        self.node().changed(&leased.run.id);
        let end = self.execute(&leased, hand.stop.clone()).await;
        let settled = match end {
            Ok(RunEnd::Decided | RunEnd::LeftForLater) => Ok(()),
            Ok(RunEnd::Ended(ending)) => self.end_run(&leased, ending).await,
            Err(error) if error.code() == "lease_lost" => Ok(()),
            Err(error) if error.code() == "scenario_changed" => {
                let mut ending = Ending::new(RunState::Killed, "");
                ending.reason = Some(error.message().clone());
                self.end_run(&leased, ending).await
            }
            Err(error) => self.give_back(&leased, &error).await,
        };
        match settled {
            Ok(()) => {}
            Err(error) if error.code() == "lease_lost" => {}
            Err(error) => {
                tracing::error!(run.id = %leased.run.id, %error, "a run could not be ended");
                self.let_go(&leased).await;
            }
        }
        drop(hand);
        self.node().changed(&leased.run.id);
        self.node().wake();
    }

    /// Ends a run without a decision about a result.
    async fn end_run(&self, leased: &Leased, ending: Ending) -> Result<(), Error> {
        self.store()
            .act(system(SystemOperation::Run), "end_run", |tx| {
                let (run, ending) = (leased.run.clone(), ending.clone());
                Box::pin(async move { end(tx, &run, &ending).await })
            })
            .await
    }

    /// The platform failed, not the program: the run is tried again, but not for ever.
    async fn give_back(&self, leased: &Leased, error: &Error) -> Result<(), Error> {
        tracing::warn!(run.id = %leased.run.id, %error, "a run failed inside the platform");
        if leased.run.attempts >= ATTEMPTS_MAX {
            let mut ending = Ending::new(RunState::Failed, "");
            ending.reason = Some(Bilingual::new(
                "平台故障，运行未能完成；不计入拒绝次数。",
                "the platform failed and the run did not come to an end; it does not count as a refusal.",
            ));
            return self.end_run(leased, ending).await;
        }
        // What failed may need a moment: trying at once would spend the attempts on one cause.
        let pause = POLL * u32::try_from(leased.run.attempts).unwrap_or(1);
        let mut closing = self.node().closing();
        let _ = tokio::time::timeout(pause, closing.wait_for(|closing| *closing)).await;
        self.give_up_lease(leased).await
    }

    /// Gives up the lease as soon as the database takes it: the run would wait for its end otherwise.
    async fn let_go(&self, leased: &Leased) {
        let mut closing = self.node().closing();
        while let Err(error) = self.give_up_lease(leased).await {
            tracing::debug!(run.id = %leased.run.id, %error, "a lease is held on to");
            let wait = closing.wait_for(|closing| *closing);
            if tokio::time::timeout(POLL, wait).await.is_ok() {
                return;
            }
        }
    }

    async fn give_up_lease(&self, leased: &Leased) -> Result<(), Error> {
        let (run, fence) = (leased.run.id.clone(), leased.run.fence);
        self.store()
            .act(system(SystemOperation::Run), "give_back_run", |tx| {
                let run = run.clone();
                Box::pin(async move {
                    rows::give_back(tx.conn(), &run, fence).await?;
                    let leaf = LeafDraft::new("run.give_back", json!({ "attempt": fence }));
                    Ok(((), leaf.subject(run)))
                })
            })
            .await
    }
}

/// How a run ends that nothing was decided about.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) to: RunState,
    /// As it is stored: the outcome's name, and for samples the fault's class behind a colon.
    pub(crate) outcome: String,
    pub(crate) reason: Option<Bilingual>,
    pub(crate) layers: Vec<runtime::LayerReport>,
    pub(crate) meter: Option<meter::Meter>,
    /// Whether it costs of the refusal budget: whatever may depend on the data does.
    pub(crate) counted: bool,
}

impl Ending {
    pub(crate) fn new(to: RunState, outcome: impl Into<String>) -> Self {
        Self {
            to,
            outcome: outcome.into(),
            reason: None,
            layers: Vec::new(),
            meter: None,
            counted: false,
        }
    }
}

fn leased(mut run: RunRow, job: JobRow, timeline: String) -> Result<Leased, Error> {
    run.timeline = timeline;
    run.state = RunState::Running;
    run.fence += 1;
    run.attempts += 1;
    let scope = document::read("read a job's scope", &job.scope)?;
    let inputs = document::read("read a job's inputs", &job.inputs)?;
    Ok(Leased {
        run,
        job,
        scope,
        inputs,
    })
}

/// Takes runs as long as there are free slots, until the node closes.
async fn drive(platform: &Platform) {
    let node = platform.node();
    let mut closing = node.closing();
    let slots = Arc::new(Semaphore::new(node.slots()));
    let mut runs = JoinSet::new();
    loop {
        let slot = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        while runs.try_join_next().is_some() {}
        let pause = match platform.take_next().await {
            Ok(Some(leased)) => {
                let platform = platform.clone();
                runs.spawn(async move {
                    platform.run_leased(leased).await;
                    drop(slot);
                });
                continue;
            }
            Ok(None) => POLL,
            Err(error) => {
                tracing::warn!(%error, "the driver cannot take a run");
                POLL
            }
        };
        drop(slot);
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => break,
            () = node.woken() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    while runs.join_next().await.is_some() {}
}

/// Stops runs in hand that somebody else has ended, and publishes what a dead publisher left.
async fn look_after(platform: &Platform) {
    let node = platform.node();
    let mut closing = node.closing();
    loop {
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => return,
            () = node.check_asked() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        for run in node.runs_in_hand() {
            let name = run.clone();
            let ended = platform
                .store()
                .read("look after a run", move |conn| {
                    Box::pin(async move { rows::must_stop(conn, &name).await })
                })
                .await;
            match ended {
                Ok(true) => node.stop(&run),
                Ok(false) => {}
                Err(error) => tracing::warn!(run.id = %run, %error, "a run cannot be looked after"),
            }
        }
        let left = micros(platform.clock().now()).saturating_sub(PUBLISHER_US);
        platform.publish_left_over(left).await;
    }
}

/// Takes a run, if its grant, its epoch and its budget still allow it.
async fn take(tx: &mut Tx, run: &RunRow, owner: &str) -> Result<(Take, LeafDraft), Error> {
    let (now, at) = (tx.now(), tx.now_micros());
    let job = rows::job(tx.conn(), &run.job)
        .await?
        .ok_or_else(|| Error::internal("take a run", "a run without a job"))?;
    let called_off = || Bilingual::new("运行已被取消。", "the run was called off.");
    let ended = match run.cancel_requested {
        // Asked of a holder that died before it heard.
        true => Some(called_off()),
        false => ended_meanwhile(tx, &job).await?,
    };
    if let Some(reason) = ended {
        let mut ending = Ending::new(RunState::Killed, "");
        ending.reason = Some(reason);
        return stop_before(tx, run, &ending).await;
    }
    if run.mode == Mode::Production.as_str() {
        let scope: JobScope = document::read("read a job's scope", &job.scope)?;
        let (refused, running) = rows::refusals_of(tx.conn(), &run.grant).await?;
        let budget = i64::from(scope.refusals_max);
        if refused >= budget {
            let mut ending = Ending::new(RunState::Refused, "");
            ending.reason = Some(Bilingual::new(
                "该授权的拒绝次数已用尽。",
                "the grant's budget of refused results is spent.",
            ));
            return stop_before(tx, run, &ending).await;
        }
        // Each run at work may cost one refusal: together they may not overdraw the budget. A run
        // that is taken over from a dead holder is among them already.
        let others = running - i64::from(run.state == RunState::Running);
        if refused + others >= budget {
            return Err(Error::conflict(
                "run_must_wait",
                "须等待。",
                "it has to wait.",
            ));
        }
    }
    let timeline = rows::timeline(&run.timeline, &[(RunState::Running, now)])?;
    if !rows::take(
        tx.conn(),
        run,
        owner,
        at,
        at.saturating_add(LEASE_US),
        &timeline,
    )
    .await?
    {
        return Err(Error::conflict(
            "run_taken",
            "已被占用。",
            "somebody else took it.",
        ));
    }
    queue::charge(tx.conn(), &run.organisation).await?;
    let leaf = LeafDraft::new(
        "run.start",
        json!({ "attempt": run.attempts + 1, "node": owner }),
    )
    .subject(&run.id)
    .subject(&run.job);
    Ok((Take::Taken(Box::new(job), timeline), leaf))
}

/// Why a job may not run any more: its grant has ended or its scenario is another by now.
async fn ended_meanwhile(tx: &mut Tx, job: &JobRow) -> Result<Option<Bilingual>, Error> {
    let read = |what: crate::id::IdError| Error::internal("take a run", what);
    let organisation = job.organisation.parse().map_err(read)?;
    let grant = job.grant.parse().map_err(read)?;
    let now = tx.now();
    match active_grant(tx.conn(), organisation, grant, now).await {
        Ok(grant) if document::stored_count(grant.epoch)? == job.scenario_epoch => Ok(None),
        Ok(_) => Ok(Some(Bilingual::new(
            "场景在提交后已变更，请重新提交。",
            "the scenario has changed since the job was submitted; submit it again.",
        ))),
        Err(error) => match error.kind() {
            crate::error::ErrorKind::Conflict | crate::error::ErrorKind::NotFound => {
                Ok(Some(error.message().clone()))
            }
            _ => Err(error),
        },
    }
}

async fn stop_before(
    tx: &mut Tx,
    run: &RunRow,
    ending: &Ending,
) -> Result<(Take, LeafDraft), Error> {
    let ((), leaf) = end(tx, run, ending).await?;
    Ok((Take::Ended, leaf))
}

/// Ends a run in its transaction.
async fn end(tx: &mut Tx, run: &RunRow, ending: &Ending) -> Result<((), LeafDraft), Error> {
    let (now, at) = (tx.now(), tx.now_micros());
    let reason = match &ending.reason {
        Some(reason) => document::write("write a reason", reason)?,
        None => String::new(),
    };
    let timeline = rows::timeline(&run.timeline, &[(ending.to, now)])?;
    let settlement = Settlement {
        run: &run.id,
        from: run.state,
        fence: run.fence,
        to: ending.to,
        outcome: &ending.outcome,
        reason: &reason,
        findings: "[]",
        layers: &document::write("write layers", &ending.layers)?,
        timeline: &timeline,
        counted: ending.counted,
        ended_at: at,
    };
    if !rows::settle(tx.conn(), &settlement).await? {
        return Err(lease_lost());
    }
    if let Some(meter) = &ending.meter {
        meter::keep(tx.conn(), &run.id, &run.organisation, meter, at).await?;
    }
    let detail = json!({ "state": ending.to, "counted": ending.counted });
    Ok(((), LeafDraft::new("run.end", detail).subject(&run.id)))
}

pub(crate) fn lease_lost() -> Error {
    Error::conflict(
        "lease_lost",
        "该运行已由他处接管。",
        "somebody else has taken over the run.",
    )
}
