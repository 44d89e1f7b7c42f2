//! Submitting: access, admission, then job, run and leaf in one transaction.

use review::Finding;
use serde_json::json;

use super::admit::{Admitted, Answer, Plan};
use super::queue;
use super::rate::{RUNS_ACTIVE_MAX, too_many_runs};
use super::rows::{self, JobRow, RunRow};
use super::state::RunState;
use super::view::{JobRequest, JobView, Mode, Moment, Program};
use crate::access::{Actor, Object, Operation};
use crate::application::{ActiveGrant, active_grant};
use crate::clock::micros;
use crate::document;
use crate::error::Error;
use crate::id::{JobId, ReleaseId, RunId};
use crate::ledger::LeafDraft;
use crate::mask_key::{KeyOwner, require_active};
use crate::node::no_workers;
use crate::platform::Platform;
use crate::storage::Tx;

impl Platform {
    /// Submits a job. What is answered has been stored: it runs, whatever happens to this server.
    ///
    /// # Errors
    /// `not_admitted` (invalid, with findings) when the program is not inside the scenario; not found
    /// or conflict when the grant may not be worked under; `refusals_exhausted` (conflict) when its
    /// refusal budget is spent; unavailable when the tenant has too many runs or the node has no jail.
    pub async fn submit_job(&self, actor: &Actor, request: JobRequest) -> Result<JobView, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::SubmitJob, object)?;
        if !self.node().is_accepting() {
            return Err(no_workers());
        }
        self.node()
            .rates
            .count(actor.organisation, self.clock().now())?;
        let admitted = match self.answer(actor, &request).await? {
            Answer::Admitted(admitted) => *admitted,
            Answer::Refused { grant, findings } => {
                return self.refuse(actor, &request, *grant, findings).await;
            }
        };
        let (job, run) = self.rows_of(actor, &request, &admitted)?;
        let (id, grant) = (job.id.clone(), admitted.grant);
        self.store()
            .act(authorisation, "submit_job", |tx| {
                let (job, run, grant) = (job.clone(), run.clone(), grant.clone());
                Box::pin(async move { submit(tx, job, run, &grant).await })
            })
            .await?;
        self.node().wake();
        self.job_view(&id).await
    }

    /// The refusal is an act too: who asked for what, and what was said.
    async fn refuse(
        &self,
        actor: &Actor,
        request: &JobRequest,
        grant: ActiveGrant,
        findings: Vec<Finding>,
    ) -> Result<JobView, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::SubmitJob, object)?;
        let digest = program_digest(&request.program)?;
        let rules: Vec<&str> = findings
            .iter()
            .map(|finding| finding.rule.as_str())
            .collect();
        let detail = json!({ "program": digest, "rules": rules, "mode": request.mode });
        self.store()
            .act(authorisation, "refuse_job", |_tx| {
                let leaf = LeafDraft::new("job.refuse", detail.clone())
                    .subject(grant.id)
                    .scenario(grant.scenario, grant.scenario_version, grant.epoch);
                Box::pin(async move { Ok(((), leaf)) })
            })
            .await?;
        Err(Error::invalid(
            "not_admitted",
            "程序不在场景范围内，未受理。",
            "the program is not inside the scenario and was not admitted.",
        )
        .with_remedy(
            "按各条发现的建议修改后重新提交。",
            "change it as the findings say, then submit it again.",
        )
        .with_findings(findings))
    }

    fn rows_of(
        &self,
        actor: &Actor,
        request: &JobRequest,
        admitted: &Admitted,
    ) -> Result<(JobRow, RunRow), Error> {
        let (clock, entropy) = (self.clock(), self.entropy());
        let id = JobId::new(clock, entropy).to_string();
        let now = clock.now();
        let (plan, plan_digest) = match &admitted.plan {
            Plan::Proved(governed) => (
                document::write("store a plan", governed)?,
                governed.plan_digest.clone(),
            ),
            Plan::Called(called) => (
                document::write("store a plan", called)?,
                called.query.plan_digest.clone(),
            ),
            Plan::Module => Default::default(),
        };
        let job = JobRow {
            id: id.clone(),
            organisation: actor.organisation.to_string(),
            account: actor.account.to_string(),
            grant: request.grant.to_string(),
            scenario: admitted.grant.scenario.to_string(),
            scenario_epoch: document::stored_count(admitted.grant.epoch)?,
            mode: request.mode.as_str().to_owned(),
            kind: match &request.program {
                Program::Sql { modules, .. } if !modules.is_empty() => "sql_with_modules",
                Program::Sql { .. } => "sql",
                Program::Wasm { .. } => "wasm",
            }
            .to_owned(),
            program: document::write("store a program", &request.program)?,
            program_digest: program_digest(&request.program)?,
            governed: plan,
            plan_digest,
            inputs: document::write("store a job's inputs", &admitted.inputs)?,
            scope: document::write("store a job's scope", &admitted.scope)?,
            created_at: micros(now),
        };
        let begun = [Moment {
            state: RunState::Admitted,
            at: now,
        }];
        let release = match request.mode {
            Mode::Production => ReleaseId::new(clock, entropy).to_string(),
            Mode::Sample => String::new(),
        };
        let run = RunRow {
            id: RunId::new(clock, entropy).to_string(),
            job: id,
            organisation: job.organisation.clone(),
            account: job.account.clone(),
            grant: job.grant.clone(),
            scenario: job.scenario.clone(),
            mode: job.mode.clone(),
            state: RunState::Admitted,
            submitted_at: job.created_at,
            ended_at: 0,
            fence: 0,
            attempts: 0,
            cancel_requested: false,
            outcome: String::new(),
            reason: String::new(),
            findings: String::new(),
            layers: String::new(),
            timeline: document::write("write a timeline", &begun)?,
            release,
        };
        Ok((job, run))
    }
}

async fn submit(
    tx: &mut Tx,
    job: JobRow,
    run: RunRow,
    admitted: &ActiveGrant,
) -> Result<((), LeafDraft), Error> {
    let now = tx.now();
    // Admission read the scope a moment ago; what was revoked or changed since then wins.
    let grant = active_grant(tx.conn(), admitted.organisation, admitted.id, now).await?;
    if grant.epoch != admitted.epoch {
        return Err(Error::conflict(
            "scenario_changed",
            "场景刚刚变更，请重新提交。",
            "the scenario has just changed; submit the job again.",
        ));
    }
    // Said now and not when it runs: without its key a scenario stages nothing.
    require_active(tx.conn(), KeyOwner::Scenario(grant.scenario)).await?;
    if rows::active_of(tx.conn(), &job.organisation).await? >= RUNS_ACTIVE_MAX {
        return Err(too_many_runs());
    }
    if run.mode == Mode::Production.as_str() {
        let (refused, _) = rows::refusals_of(tx.conn(), &job.grant).await?;
        if refused >= i64::from(grant.contract.refusals_max) {
            return Err(Error::conflict(
                "refusals_exhausted",
                "该授权的拒绝次数已用尽。",
                "the grant's budget of refused results is spent.",
            )
            .with_remedy(
                "样例模式不受限制；正式运行须重新申请授权。",
                "sample runs are still possible; for production apply for a new grant.",
            ));
        }
    }
    rows::insert_job(tx.conn(), &job).await?;
    queue::join(tx.conn(), &run.organisation).await?;
    rows::insert_run(tx.conn(), &run).await?;
    let leaf = LeafDraft::new(
        "job.submit",
        json!({
            "program": job.program_digest,
            "plan": job.plan_digest,
            "kind": job.kind,
            "mode": job.mode,
            "inputs": document::sha256(job.inputs.as_bytes()),
        }),
    )
    .subject(&job.id)
    .subject(&run.id)
    .subject(&job.grant)
    .scenario(grant.scenario, grant.scenario_version, grant.epoch)
    .reference(grant.approving_leaf);
    Ok(((), leaf))
}

fn program_digest(program: &Program) -> Result<String, Error> {
    Ok(document::sha256(
        document::write("digest a program", program)?.as_bytes(),
    ))
}
