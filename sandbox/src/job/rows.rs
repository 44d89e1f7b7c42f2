//! Jobs and runs as they are stored. Every statement of this aggregate is here, written whole.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::document;
use crate::error::Error;
use crate::job::state::RunState;
use crate::job::view::Moment;
use crate::meter::moment;
use crate::storage::storage_error;

pub(crate) use super::moves::{
    Settlement, expire_leases, give_back, move_on, request_cancel, settle, take,
};

/// A job as stored; documents stay text until somebody needs them.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: String,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) grant: String,
    pub(crate) scenario: String,
    pub(crate) scenario_epoch: i64,
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) program: String,
    pub(crate) program_digest: String,
    pub(crate) governed: String,
    pub(crate) plan_digest: String,
    pub(crate) inputs: String,
    pub(crate) scope: String,
    pub(crate) created_at: i64,
}

const JOB: &str = "SELECT id, organisation_id, account_id, grant_id, scenario_id, scenario_epoch, mode, kind, program, \
     program_digest, governed, plan_digest, inputs, scope, created_at FROM jobs";

/// A run as stored.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    pub(crate) id: String,
    pub(crate) job: String,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) grant: String,
    pub(crate) scenario: String,
    pub(crate) mode: String,
    pub(crate) state: RunState,
    pub(crate) submitted_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) fence: i64,
    pub(crate) attempts: i64,
    pub(crate) cancel_requested: bool,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) findings: String,
    pub(crate) layers: String,
    pub(crate) timeline: String,
    pub(crate) release: String,
}

pub(super) const RUN: &str = "SELECT id, job_id, organisation_id, account_id, grant_id, scenario_id, mode, state, submitted_at, \
     ended_at, fence, attempts, cancel_requested, outcome, reason, findings, layers, timeline, release_id \
     FROM runs";

/// Which objects a page holds.
pub(crate) struct Filter<'a> {
    /// Only this organisation's; empty for all.
    pub(crate) organisation: &'a str,
    /// Only those before this identifier; the newest come first.
    pub(crate) before: &'a str,
    /// At most this many.
    pub(crate) limit: i64,
}

fn failed(source: sqlx::Error) -> Error {
    storage_error("read jobs and runs", source)
}

fn job_row(row: &AnyRow) -> Result<JobRow, sqlx::Error> {
    Ok(JobRow {
        id: row.try_get(0)?,
        organisation: row.try_get(1)?,
        account: row.try_get(2)?,
        grant: row.try_get(3)?,
        scenario: row.try_get(4)?,
        scenario_epoch: row.try_get(5)?,
        mode: row.try_get(6)?,
        kind: row.try_get(7)?,
        program: row.try_get(8)?,
        program_digest: row.try_get(9)?,
        governed: row.try_get(10)?,
        plan_digest: row.try_get(11)?,
        inputs: row.try_get(12)?,
        scope: row.try_get(13)?,
        created_at: row.try_get(14)?,
    })
}

pub(super) fn run_row(row: &AnyRow) -> Result<RunRow, sqlx::Error> {
    let state: String = row.try_get(7)?;
    let state = RunState::parse(&state)
        .ok_or_else(|| sqlx::Error::Decode("a run's state has no such name".into()))?;
    Ok(RunRow {
        id: row.try_get(0)?,
        job: row.try_get(1)?,
        organisation: row.try_get(2)?,
        account: row.try_get(3)?,
        grant: row.try_get(4)?,
        scenario: row.try_get(5)?,
        mode: row.try_get(6)?,
        state,
        submitted_at: row.try_get(8)?,
        ended_at: row.try_get(9)?,
        fence: row.try_get(10)?,
        attempts: row.try_get(11)?,
        cancel_requested: row.try_get::<i64, _>(12)? != 0,
        outcome: row.try_get(13)?,
        reason: row.try_get(14)?,
        findings: row.try_get(15)?,
        layers: row.try_get(16)?,
        timeline: row.try_get(17)?,
        release: row.try_get(18)?,
    })
}

pub(crate) async fn job(conn: &mut AnyConnection, id: &str) -> Result<Option<JobRow>, Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{JOB} WHERE id = $1")))
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.as_ref().map(job_row).transpose().map_err(failed)
}

pub(crate) async fn jobs(
    conn: &mut AnyConnection,
    filter: &Filter<'_>,
) -> Result<Vec<JobRow>, Error> {
    let sql = format!(
        "{JOB} WHERE ($1 = '' OR organisation_id = $2) AND ($3 = '' OR id < $4) ORDER BY id DESC LIMIT $5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(filter.organisation)
        .bind(filter.organisation)
        .bind(filter.before)
        .bind(filter.before)
        .bind(filter.limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(job_row)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

pub(crate) async fn run(conn: &mut AnyConnection, id: &str) -> Result<Option<RunRow>, Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{RUN} WHERE id = $1")))
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.as_ref().map(run_row).transpose().map_err(failed)
}

pub(crate) async fn runs(
    conn: &mut AnyConnection,
    filter: &Filter<'_>,
) -> Result<Vec<RunRow>, Error> {
    let sql = format!(
        "{RUN} WHERE ($1 = '' OR organisation_id = $2) AND ($3 = '' OR id < $4) ORDER BY id DESC LIMIT $5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(filter.organisation)
        .bind(filter.organisation)
        .bind(filter.before)
        .bind(filter.before)
        .bind(filter.limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(run_row)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// The runs of the jobs: one for each.
pub(crate) async fn run_of_job(conn: &mut AnyConnection, job: &str) -> Result<String, Error> {
    sqlx::query("SELECT id FROM runs WHERE job_id = $1 ORDER BY id DESC LIMIT 1")
        .bind(job)
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)
}

/// Runs of an organisation that wait or run.
pub(crate) async fn active_of(conn: &mut AnyConnection, organisation: &str) -> Result<i64, Error> {
    sqlx::query(
        "SELECT COUNT(*) FROM runs WHERE organisation_id = $1 AND state IN ('admitted', 'running')",
    )
    .bind(organisation)
    .fetch_one(conn)
    .await
    .and_then(|row| row.try_get(0))
    .map_err(failed)
}

/// Runs that wait, whoever submitted them.
pub(crate) async fn waiting(conn: &mut AnyConnection) -> Result<u64, Error> {
    sqlx::query("SELECT COUNT(*) FROM runs WHERE state = 'admitted'")
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get::<i64, _>(0))
        .map(|count| u64::try_from(count).unwrap_or(0))
        .map_err(failed)
}

/// What a grant's runs have cost of its refusal budget, and what those at work now may still cost.
/// Refusals by admission do not count: they depend on the program alone.
pub(crate) async fn refusals_of(
    conn: &mut AnyConnection,
    grant: &str,
) -> Result<(i64, i64), Error> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM runs WHERE grant_id = $1 AND mode = 'production' AND counted = 1), \
                (SELECT COUNT(*) FROM runs WHERE grant_id = $2 AND mode = 'production' AND state = 'running')",
    )
    .bind(grant)
    .bind(grant)
    .fetch_one(conn)
    .await
    .map_err(failed)?;
    Ok((
        row.try_get(0).map_err(failed)?,
        row.try_get(1).map_err(failed)?,
    ))
}

/// Whether a module takes part in a job: what it uses and when it ends is then what the module makes it.
pub(crate) async fn calls_module(conn: &mut AnyConnection, job: &str) -> Result<bool, Error> {
    let row = sqlx::query("SELECT COUNT(*) FROM jobs WHERE id = $1 AND kind <> 'sql'")
        .bind(job)
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    Ok(row.try_get::<i64, _>(0).map_err(failed)? > 0)
}

/// Counts a production run against its grant's budget of refusals.
pub(crate) async fn count_refusal(conn: &mut AnyConnection, run: &str) -> Result<(), Error> {
    sqlx::query("UPDATE runs SET counted = 1 WHERE id = $1 AND mode = 'production'")
        .bind(run)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(crate) async fn insert_job(conn: &mut AnyConnection, job: &JobRow) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO jobs (id, organisation_id, account_id, grant_id, scenario_id, scenario_epoch, mode, kind, program, \
         program_digest, governed, plan_digest, inputs, scope, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(job.id.as_str())
    .bind(job.organisation.as_str())
    .bind(job.account.as_str())
    .bind(job.grant.as_str())
    .bind(job.scenario.as_str())
    .bind(job.scenario_epoch)
    .bind(job.mode.as_str())
    .bind(job.kind.as_str())
    .bind(job.program.as_str())
    .bind(job.program_digest.as_str())
    .bind(job.governed.as_str())
    .bind(job.plan_digest.as_str())
    .bind(job.inputs.as_str())
    .bind(job.scope.as_str())
    .bind(job.created_at)
    .execute(conn)
    .await
    .map_err(|source| storage_error("store a job", source))?;
    Ok(())
}

pub(crate) async fn insert_run(conn: &mut AnyConnection, run: &RunRow) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO runs (id, job_id, organisation_id, account_id, grant_id, scenario_id, mode, state, submitted_at, \
         started_at, ended_at, lease_owner, lease_until, fence, attempts, cancel_requested, counted, outcome, reason, \
         findings, layers, timeline, release_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, '', 0, 0, 0, 0, 0, '', '', '[]', '[]', $10, $11)",
    )
    .bind(run.id.as_str())
    .bind(run.job.as_str())
    .bind(run.organisation.as_str())
    .bind(run.account.as_str())
    .bind(run.grant.as_str())
    .bind(run.scenario.as_str())
    .bind(run.mode.as_str())
    .bind(run.state.as_str())
    .bind(run.submitted_at)
    .bind(run.timeline.as_str())
    .bind(run.release.as_str())
    .execute(conn)
    .await
    .map_err(|source| storage_error("store a run", source))?;
    Ok(())
}

/// Runs that are held under leases of a node, whichever life of it.
pub(crate) async fn leases_of(conn: &mut AnyConnection, node: &str) -> Result<Vec<String>, Error> {
    let rows = sqlx::query(
        "SELECT id FROM runs WHERE state = 'running' AND lease_owner LIKE $1 ORDER BY id",
    )
    .bind(format!("{node}/%"))
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Whether a run in hand has been ended or called off by somebody else.
pub(crate) async fn must_stop(conn: &mut AnyConnection, run: &str) -> Result<bool, Error> {
    let row = sqlx::query("SELECT state, cancel_requested FROM runs WHERE id = $1")
        .bind(run)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    let Some(row) = row else { return Ok(true) };
    let state: String = row.try_get(0).map_err(failed)?;
    let cancelled: i64 = row.try_get(1).map_err(failed)?;
    Ok(state == "killed" || cancelled != 0)
}

/// The state of the run that a release was chosen for.
pub(crate) async fn state_by_release(
    conn: &mut AnyConnection,
    release: &str,
) -> Result<Option<RunState>, Error> {
    let row = sqlx::query("SELECT state FROM runs WHERE release_id = $1")
        .bind(release)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    let state: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
    Ok(state.and_then(|state| RunState::parse(&state)))
}

/// The runs of a scenario that something may still come of.
pub(crate) async fn unsettled_of_scenario(
    conn: &mut AnyConnection,
    scenario: &str,
) -> Result<Vec<RunRow>, Error> {
    let sql = format!(
        "{RUN} WHERE scenario_id = $1 AND state IN ('admitted', 'running', 'releasing', 'held') ORDER BY id"
    );
    fetch_runs(conn, sql, scenario).await
}

/// The runs of a grant that something may still come of.
pub(crate) async fn unsettled_of_grant(
    conn: &mut AnyConnection,
    grant: &str,
) -> Result<Vec<RunRow>, Error> {
    let sql = format!(
        "{RUN} WHERE grant_id = $1 AND state IN ('admitted', 'running', 'releasing', 'held') ORDER BY id"
    );
    fetch_runs(conn, sql, grant).await
}

async fn fetch_runs(conn: &mut AnyConnection, sql: String, of: &str) -> Result<Vec<RunRow>, Error> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(of)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(run_row)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// A timeline with more states.
pub(crate) fn timeline(
    stored: &str,
    states: &[(RunState, jiff::Timestamp)],
) -> Result<String, Error> {
    let mut moments: Vec<Moment> = document::read("read a timeline", stored)?;
    moments.extend(states.iter().map(|(state, at)| Moment {
        state: *state,
        at: moment(*at),
    }));
    document::write("write a timeline", &moments)
}
