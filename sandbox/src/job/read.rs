//! Looking at jobs and runs, waiting for them, and calling them off.

use std::time::Duration;

use masking::Bilingual;
use serde_json::json;

use super::queue;
use super::rows::{self, Filter, JobRow, RunRow};
use super::sample;
use super::scope::StoredInput;
use super::state::{ReleaseState, RunState};
use super::view::{JobView, Mode, Program, RunView, Waiting};
use crate::access::{Actor, Object, Operation, scope};
use crate::clock::{micros, timestamp};
use crate::document;
use crate::error::Error;
use crate::id::{JobId, OrganisationId, RunId};
use crate::ledger::LeafDraft;
use crate::meter::{self, moment};
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::release::rows as release_rows;
use crate::storage::Tx;

/// How often a waiting reader looks again without news: other nodes' news do not reach this one.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Platform {
    /// Jobs, newest first: the tenant's own, or all for those who run and audit the platform.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn jobs(&self, actor: &Actor, page: PageRequest) -> Result<Page<JobView>, Error> {
        let organisation = reach(actor, Operation::Jobs)?;
        self.store()
            .read("jobs", move |conn| {
                Box::pin(async move {
                    let before = page.after();
                    let filter = Filter {
                        organisation: &organisation,
                        before: &before,
                        limit: page.rows(),
                    };
                    let mut views = Vec::new();
                    for row in rows::jobs(&mut *conn, &filter).await? {
                        let run = rows::run_of_job(&mut *conn, &row.id).await?;
                        views.push(job_view(&row, &run)?);
                    }
                    Ok(Page::cut(views, &page, |view: &JobView| {
                        view.id.to_string()
                    }))
                })
            })
            .await
    }

    /// One job.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn job(&self, actor: &Actor, id: JobId) -> Result<JobView, Error> {
        let view = self.job_view(&id.to_string()).await?;
        self.authorise(actor, Operation::Job, Object::Of(view.organisation))?;
        Ok(view)
    }

    /// Runs, newest first: the tenant's own, or all for those who run and audit the platform.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn runs(&self, actor: &Actor, page: PageRequest) -> Result<Page<RunView>, Error> {
        let organisation = reach(actor, Operation::Runs)?;
        let (workers, reader) = (Workers::of(self), actor.organisation);
        let (found, request) = self
            .store()
            .read("runs", move |conn| {
                Box::pin(async move {
                    let before = page.after();
                    let filter = Filter {
                        organisation: &organisation,
                        before: &before,
                        limit: page.rows(),
                    };
                    let mut views = Vec::new();
                    for row in rows::runs(&mut *conn, &filter).await? {
                        views.push(read_view(&mut *conn, row, workers, reader).await?);
                    }
                    Ok((views, page))
                })
            })
            .await?;
        Ok(Page::cut(found, &request, |view: &RunView| {
            view.id.to_string()
        }))
    }

    /// One run as it is now.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn run(&self, actor: &Actor, id: RunId) -> Result<RunView, Error> {
        let mut view = self.run_view(id, actor.organisation).await?;
        self.authorise(actor, Operation::Run, Object::Of(view.organisation))?;
        if view.state == RunState::Finished && view.organisation == actor.organisation {
            view.sample = Some(sample::result(self, &id.to_string()).await?);
        }
        Ok(view)
    }

    /// One run when it is settled, or as it is after the time is up.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn wait_run(
        &self,
        actor: &Actor,
        id: RunId,
        at_most: Duration,
    ) -> Result<RunView, Error> {
        let deadline = tokio::time::Instant::now() + at_most;
        let name = id.to_string();
        // Listening begins before the first look, so that no news falls in between.
        let mut news = self.node().listen();
        loop {
            let view = self.run(actor, id).await?;
            if view.state.is_settled() || tokio::time::Instant::now() >= deadline {
                return Ok(view);
            }
            let look = deadline.min(tokio::time::Instant::now() + LOOK_AGAIN);
            let heard = async {
                // Missed news end the wait as well: then it is time to look.
                while news.recv().await.is_ok_and(|run| run != name) {}
            };
            let _ = tokio::time::timeout_at(look, heard).await;
        }
    }

    /// Calls a run off: one that waits ends at once, one that runs as soon as its worker is stopped,
    /// a held one gives up its result.
    ///
    /// # Errors
    /// Denied or not found; `run_settled` (conflict) when it has ended.
    pub async fn cancel_run(&self, actor: &Actor, id: RunId) -> Result<RunView, Error> {
        let view = self.run_view(id, actor.organisation).await?;
        let object = Object::Of(view.organisation);
        let authorisation = self.authorise(actor, Operation::CancelRun, object)?;
        let name = id.to_string();
        self.store()
            .act(authorisation, "cancel_run", |tx| {
                let name = name.clone();
                Box::pin(async move { cancel(tx, &name).await })
            })
            .await?;
        self.node().stop(&name);
        self.node().changed(&name);
        if let Some(release) = view.release
            && view.state == RunState::Held
        {
            crate::release::clear_quarantine(self, &release.to_string()).await;
        }
        self.run(actor, id).await
    }

    pub(crate) async fn job_view(&self, id: &str) -> Result<JobView, Error> {
        let name = id.to_owned();
        self.store()
            .read("job", move |conn| {
                Box::pin(async move {
                    let row = rows::job(&mut *conn, &name)
                        .await?
                        .ok_or_else(|| unknown(&name))?;
                    let run = rows::run_of_job(&mut *conn, &row.id).await?;
                    job_view(&row, &run)
                })
            })
            .await
    }

    async fn run_view(&self, id: RunId, reader: OrganisationId) -> Result<RunView, Error> {
        let (name, workers) = (id.to_string(), Workers::of(self));
        self.store()
            .read("run", move |conn| {
                Box::pin(async move {
                    let row = rows::run(&mut *conn, &name)
                        .await?
                        .ok_or_else(|| unknown(&name))?;
                    read_view(conn, row, workers, reader).await
                })
            })
            .await
    }
}

async fn cancel(tx: &mut Tx, name: &str) -> Result<((), LeafDraft), Error> {
    let run = rows::run(tx.conn(), name)
        .await?
        .ok_or_else(|| unknown(name))?;
    let (now, at) = (tx.now(), tx.now_micros());
    let reason = document::write(
        "write a reason",
        &Bilingual::new("已取消。", "it was called off."),
    )?;
    let ended = match run.state {
        RunState::Admitted | RunState::Held => {
            if run.state == RunState::Held {
                let (held, void) = (ReleaseState::Held, ReleaseState::Void);
                release_rows::move_release(tx.conn(), &run.release, held, void).await?;
            }
            let timeline = rows::timeline(&run.timeline, &[(RunState::Killed, now)])?;
            let moves = (run.state, RunState::Killed);
            let moved = rows::move_on(tx.conn(), name, moves, &reason, &timeline, at).await?;
            if run.state == RunState::Held && rows::calls_module(tx.conn(), &run.job).await? {
                // That it came so far, and when, is an answer of the module's.
                rows::count_refusal(tx.conn(), name).await?;
            }
            moved
        }
        RunState::Running => rows::request_cancel(tx.conn(), name).await? || run.cancel_requested,
        _ => false,
    };
    if !ended {
        return Err(Error::conflict(
            "run_settled",
            format!("该运行处于 {} 状态，不能取消。", run.state.as_str()),
            format!(
                "the run is {} and cannot be called off.",
                run.state.as_str()
            ),
        ));
    }
    let leaf = LeafDraft::new("run.cancel", json!({ "state": run.state })).subject(name);
    Ok(((), leaf))
}

/// The organisation that the actor's lists are of; empty for all.
pub(crate) fn reach(actor: &Actor, operation: Operation) -> Result<String, Error> {
    let own: Option<OrganisationId> = scope(actor, operation)?;
    Ok(own.map(|id| id.to_string()).unwrap_or_default())
}

fn unknown(id: &str) -> Error {
    Error::not_found(
        format!("没有 {id}，或您无权看到它。"),
        format!("there is no {id}, or you may not see it."),
    )
}

fn id<T>(text: &str) -> Result<T, Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|source| Error::internal("read a stored identifier", source))
}

fn job_view(row: &JobRow, run: &str) -> Result<JobView, Error> {
    let program: Program = document::read("read a program", &row.program)?;
    let inputs: Vec<StoredInput> = document::read("read a job's inputs", &row.inputs)?;
    Ok(JobView {
        id: id(&row.id)?,
        grant: id(&row.grant)?,
        organisation: id(&row.organisation)?,
        account: id(&row.account)?,
        scenario: id(&row.scenario)?,
        mode: Mode::parse(&row.mode).unwrap_or_default(),
        program,
        program_digest: row.program_digest.clone(),
        plan_digest: (!row.plan_digest.is_empty()).then(|| row.plan_digest.clone()),
        inputs: inputs.into_iter().map(|input| input.pinned).collect(),
        run: id(run)?,
        created_at: timestamp(row.created_at),
    })
}

async fn read_view(
    conn: &mut sqlx::AnyConnection,
    row: RunRow,
    workers: Workers,
    reader: OrganisationId,
) -> Result<RunView, Error> {
    let waiting = match row.state {
        RunState::Admitted => {
            let before = queue::before(&mut *conn, workers.now, &row.id).await?;
            Some(waiting(u64::try_from(before).unwrap_or(0), workers))
        }
        _ => None,
    };
    let mode = Mode::parse(&row.mode).unwrap_or_default();
    let mut meter = meter::of_run(&mut *conn, &row.id).await?;
    let is_own = row.organisation == reader.to_string();
    if is_own && mode == Mode::Production && rows::calls_module(&mut *conn, &row.job).await? {
        meter = meter.map(|meter| meter.told());
    }
    // Chosen before the run began, there once a decision was stored.
    let release = match row.release.is_empty() {
        false if release_rows::release(conn, &row.release).await?.is_some() => {
            Some(id(&row.release)?)
        }
        _ => None,
    };
    let (outcome, fault) = match row.outcome.split_once(':') {
        Some((outcome, fault)) => (outcome, Some(fault.to_owned())),
        None => (row.outcome.as_str(), None),
    };
    Ok(RunView {
        id: id(&row.id)?,
        job: id(&row.job)?,
        grant: id(&row.grant)?,
        organisation: id(&row.organisation)?,
        mode,
        state: row.state,
        waiting,
        outcome: (!outcome.is_empty()).then(|| outcome.to_owned()),
        fault,
        reason: match row.reason.is_empty() {
            true => None,
            false => Some(document::read("read a reason", &row.reason)?),
        },
        findings: document::read("read findings", &row.findings)?,
        meter,
        layers: document::read("read layers", &row.layers)?,
        release,
        sample: None,
        timeline: document::read("read a timeline", &row.timeline)?,
        attempts: u64::try_from(row.attempts).unwrap_or(0),
        submitted_at: timestamp(row.submitted_at),
        ended_at: (row.ended_at > 0).then(|| moment(timestamp(row.ended_at))),
    })
}

/// What this node has to run with, at a moment.
#[derive(Clone, Copy)]
struct Workers {
    now: i64,
    busy: usize,
    all: usize,
    accepting: bool,
}

impl Workers {
    fn of(platform: &Platform) -> Self {
        let node = platform.node();
        Self {
            now: micros(platform.clock().now()),
            busy: node.runs_in_hand().len(),
            all: node.slots(),
            accepting: node.is_accepting(),
        }
    }
}

/// Why a run waits: whom for, and what for.
fn waiting(before: u64, workers: Workers) -> Waiting {
    let Workers { busy, all, .. } = workers;
    let (mut zh, mut en) = match before {
        0 => (
            "等待：排在最前".to_owned(),
            "waiting: next in turn".to_owned(),
        ),
        n => (
            format!("等待：前面还有 {n} 个运行"),
            format!("waiting: {n} before it"),
        ),
    };
    if workers.accepting {
        zh.push_str(&format!("，{all} 个工作进程中 {busy} 个正忙。"));
        en.push_str(&format!(", {busy} of {all} workers busy."));
    } else {
        zh.push_str("，本节点目前不执行作业。");
        en.push_str(", and this node takes no jobs at present.");
    }
    let reason = Bilingual::new(zh, en);
    Waiting { before, reason }
}

#[cfg(test)]
mod tests {
    use masking::Lang;

    use super::*;

    #[test]
    fn a_run_that_waits_says_for_whom_and_for_what() {
        let workers = Workers {
            now: 0,
            busy: 2,
            all: 2,
            accepting: true,
        };
        let said = |before, workers, lang| waiting(before, workers).reason.text(lang).to_owned();
        assert_eq!(
            said(3, workers, Lang::En),
            "waiting: 3 before it, 2 of 2 workers busy."
        );
        assert_eq!(
            said(0, workers, Lang::Zh),
            "等待：排在最前，2 个工作进程中 2 个正忙。"
        );
        let accepting = false;
        let closed = Workers {
            accepting,
            ..workers
        };
        assert_eq!(
            said(1, closed, Lang::En),
            "waiting: 1 before it, and this node takes no jobs at present."
        );
    }
}
