//! Admission, jobs and runs.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, identifier, time};
use super::dto::{
    self, AdmissionView, JobCreate, JobView, Page, PageQuery, RunQuery, RunView, SqlCheck,
};
use super::error::Failure;
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::{JobId, RunId};
use std::time::Duration;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(check_sql))
        .add(routes!(jobs, submit_job))
        .add(routes!(job))
        .add(routes!(runs))
        .add(routes!(run))
        .add(routes!(cancel_run))
}

/// Whether SQL would be admitted under a grant; nothing runs.
#[utoipa::path(post, path = "/sql:check", tag = "jobs", request_body = SqlCheck,
    responses((status = 200, description = "admitted or not, with findings", body = AdmissionView)))]
async fn check_sql(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<SqlCheck>,
) -> Answer {
    let grant = identifier("grant", &body.grant)?;
    let modules = program_modules(&body.modules)?;
    let platform = &portal.platform;
    let view = platform.check_sql(&actor, grant, &body.sql, &modules);
    answer::ok(&AdmissionView::from(&view.await?))
}

/// The jobs that the account may see, newest first.
#[utoipa::path(get, path = "/jobs", tag = "jobs", params(PageQuery),
    responses((status = 200, description = "a page of jobs", body = Page<JobView>)))]
async fn jobs(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal.platform.jobs(&actor, paging::asked(page)?).await?;
    answer::ok(&paging::answered::<_, JobView>(&page))
}

/// Submits a job: refused with findings, or admitted and on its way.
#[utoipa::path(post, path = "/jobs", tag = "jobs", request_body = JobCreate,
    responses((status = 202, description = "the job; `Location` is its run", body = JobView)))]
async fn submit_job(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<JobCreate>,
) -> Answer {
    let request = sandbox::JobRequest {
        grant: identifier("grant", &body.grant)?,
        mode: body.mode.into(),
        program: program(body.program)?,
    };
    let job = JobView::from(&portal.platform.submit_job(&actor, request).await?);
    answer::accepted(&format!("/runs/{}", job.run), &job)
}

/// A job.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "the job")),
    responses((status = 200, description = "the job", body = JobView)))]
async fn job(State(portal): State<Portal>, Signed(actor): Signed, Id(id): Id<JobId>) -> Answer {
    answer::ok(&JobView::from(&portal.platform.job(&actor, id).await?))
}

/// The runs that the account may see, newest first.
#[utoipa::path(get, path = "/runs", tag = "jobs", params(PageQuery),
    responses((status = 200, description = "a page of runs", body = Page<RunView>)))]
async fn runs(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal.platform.runs(&actor, paging::asked(page)?).await?;
    answer::ok(&paging::answered::<_, RunView>(&page))
}

/// A run; with `wait_ms` the answer comes when the run is settled, or after that time.
#[utoipa::path(get, path = "/runs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "the run"), RunQuery),
    responses((status = 200, description = "the run", body = RunView)))]
async fn run(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<RunId>,
    Query(query): Query<RunQuery>,
) -> Answer {
    let run = match query.wait_ms {
        0 => portal.platform.run(&actor, id).await?,
        wait_ms if wait_ms <= super::WAIT_MS_MAX => {
            portal
                .platform
                .wait_run(&actor, id, Duration::from_millis(wait_ms))
                .await?
        }
        _ => {
            let most = super::WAIT_MS_MAX;
            return Err(Failure::parameter(
                "wait_ms",
                &format!("至多 {most}"),
                &format!("is at most {most}"),
            ));
        }
    };
    answer::ok(&RunView::from(&run))
}

/// Stops a run.
#[utoipa::path(post, path = "/runs/{id}:cancel", tag = "jobs", params(("id" = String, Path, description = "the run")),
    responses((status = 200, description = "the run", body = RunView)))]
async fn cancel_run(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<RunId>,
) -> Answer {
    answer::ok(&RunView::from(
        &portal.platform.cancel_run(&actor, id).await?,
    ))
}

fn program_modules(modules: &[dto::ProgramModule]) -> Result<Vec<sandbox::ProgramModule>, Failure> {
    let modules = modules.iter().map(|module| {
        Ok(sandbox::ProgramModule {
            name: module.name.clone(),
            module: identifier("program.modules", &module.module)?,
        })
    });
    modules.collect()
}

fn program(program: dto::Program) -> Result<sandbox::Program, Failure> {
    Ok(match program {
        dto::Program::Sql { sql, modules } => sandbox::Program::Sql {
            sql,
            modules: program_modules(&modules)?,
        },
        dto::Program::Wasm {
            module,
            inputs,
            output,
        } => sandbox::Program::Wasm {
            module: identifier("program.module", &module)?,
            inputs: inputs
                .into_iter()
                .map(|input| sandbox::WasmInput {
                    table: input.table,
                    columns: input.columns,
                })
                .collect(),
            output: output
                .into_iter()
                .map(sandbox::OutputColumn::from)
                .collect(),
        },
    })
}

impl From<&sandbox::Program> for dto::Program {
    fn from(program: &sandbox::Program) -> Self {
        match program {
            sandbox::Program::Sql { sql, modules } => Self::Sql {
                sql: sql.clone(),
                modules: modules
                    .iter()
                    .map(|module| dto::ProgramModule {
                        name: module.name.clone(),
                        module: module.module.to_string(),
                    })
                    .collect(),
            },
            sandbox::Program::Wasm {
                module,
                inputs,
                output,
            } => Self::Wasm {
                module: module.to_string(),
                inputs: inputs
                    .iter()
                    .map(|input| dto::WasmInput {
                        table: input.table.clone(),
                        columns: input.columns.clone(),
                    })
                    .collect(),
                output: each(output),
            },
        }
    }
}

impl From<dto::Mode> for sandbox::Mode {
    fn from(mode: dto::Mode) -> Self {
        match mode {
            dto::Mode::Production => Self::Production,
            dto::Mode::Sample => Self::Sample,
        }
    }
}

impl From<sandbox::Mode> for dto::Mode {
    fn from(mode: sandbox::Mode) -> Self {
        match mode {
            sandbox::Mode::Production => Self::Production,
            sandbox::Mode::Sample => Self::Sample,
        }
    }
}

impl From<dto::ResultType> for sandbox::ResultType {
    fn from(data_type: dto::ResultType) -> Self {
        match data_type {
            dto::ResultType::Boolean => Self::Boolean,
            dto::ResultType::Int32 => Self::Int32,
            dto::ResultType::Int64 => Self::Int64,
            dto::ResultType::Float64 => Self::Float64,
            dto::ResultType::Utf8 => Self::Utf8,
            dto::ResultType::Date32 => Self::Date32,
            dto::ResultType::TimestampMicros => Self::TimestampMicros,
        }
    }
}

impl From<sandbox::ResultType> for dto::ResultType {
    fn from(data_type: sandbox::ResultType) -> Self {
        match data_type {
            sandbox::ResultType::Boolean => Self::Boolean,
            sandbox::ResultType::Int32 => Self::Int32,
            sandbox::ResultType::Int64 => Self::Int64,
            sandbox::ResultType::Float64 => Self::Float64,
            sandbox::ResultType::Utf8 => Self::Utf8,
            sandbox::ResultType::Date32 => Self::Date32,
            sandbox::ResultType::TimestampMicros => Self::TimestampMicros,
        }
    }
}

impl From<dto::OutputColumn> for sandbox::OutputColumn {
    fn from(column: dto::OutputColumn) -> Self {
        Self {
            name: column.name,
            data_type: column.data_type.into(),
        }
    }
}

impl From<&sandbox::OutputColumn> for dto::OutputColumn {
    fn from(column: &sandbox::OutputColumn) -> Self {
        Self {
            name: column.name.clone(),
            data_type: column.data_type.into(),
        }
    }
}

impl From<&sandbox::AdmissionView> for AdmissionView {
    fn from(view: &sandbox::AdmissionView) -> Self {
        Self {
            admitted: view.admitted,
            findings: each(&view.findings),
            plan_digest: view.plan_digest.clone(),
            tables: view
                .tables
                .iter()
                .map(|table| dto::TableUse {
                    table: table.table.clone(),
                    columns: table.columns.clone(),
                })
                .collect(),
            output: each(&view.output),
            lineage: view
                .lineage
                .iter()
                .map(|column| dto::ColumnLineage {
                    output: column.output.clone(),
                    inputs: column.inputs.clone(),
                })
                .collect(),
            functions: view.functions.clone(),
        }
    }
}

impl From<&sandbox::JobView> for JobView {
    fn from(job: &sandbox::JobView) -> Self {
        Self {
            id: job.id.to_string(),
            grant: job.grant.to_string(),
            organisation: job.organisation.to_string(),
            account: job.account.to_string(),
            scenario: job.scenario.to_string(),
            mode: job.mode.into(),
            program: (&job.program).into(),
            program_digest: job.program_digest.clone(),
            plan_digest: job.plan_digest.clone(),
            inputs: each(&job.inputs),
            run: job.run.to_string(),
            created_at: time(job.created_at),
        }
    }
}

impl From<&sandbox::PinnedInput> for dto::PinnedInput {
    fn from(input: &sandbox::PinnedInput) -> Self {
        Self {
            table: input.table.clone(),
            dataset: input.dataset.clone(),
            version: input.version.clone(),
            sha256: input.digest.clone(),
            policy_sha256: input.policy_digest.clone(),
            deidentification_level: input.level,
            private: input.private,
            columns: input.columns.clone(),
        }
    }
}

impl From<sandbox::RunState> for dto::RunState {
    fn from(state: sandbox::RunState) -> Self {
        match state {
            sandbox::RunState::Admitted => Self::Admitted,
            sandbox::RunState::Running => Self::Running,
            sandbox::RunState::Inspecting => Self::Inspecting,
            sandbox::RunState::Releasing => Self::Releasing,
            sandbox::RunState::Held => Self::Held,
            sandbox::RunState::Released => Self::Released,
            sandbox::RunState::Refused => Self::Refused,
            sandbox::RunState::Finished => Self::Finished,
            sandbox::RunState::Failed => Self::Failed,
            sandbox::RunState::Killed => Self::Killed,
        }
    }
}

impl From<&sandbox::Meter> for dto::MeterView {
    fn from(meter: &sandbox::Meter) -> Self {
        Self {
            wall_us: meter.wall_us,
            cpu_us: meter.cpu_us,
            fuel: meter.fuel,
            rows_in: meter.rows_in,
            bytes_in: meter.bytes_in,
            rows_out: meter.rows_out,
            bytes_out: meter.bytes_out,
            memory_peak_bytes: meter.memory_peak_bytes,
            spill_bytes: meter.spill_bytes,
        }
    }
}

impl From<&sandbox::RunView> for RunView {
    fn from(run: &sandbox::RunView) -> Self {
        Self {
            id: run.id.to_string(),
            job: run.job.to_string(),
            grant: run.grant.to_string(),
            organisation: run.organisation.to_string(),
            mode: run.mode.into(),
            state: run.state.into(),
            waiting: run.waiting.as_ref().map(|waiting| dto::Waiting {
                before: waiting.before,
                reason: (&waiting.reason).into(),
            }),
            outcome: run.outcome.clone(),
            fault: run.fault.clone(),
            reason: run.reason.as_ref().map(Into::into),
            findings: each(&run.findings),
            meter: run.meter.as_ref().map(Into::into),
            layers: each(&run.layers),
            release: run.release.map(|release| release.to_string()),
            sample: run.sample.clone(),
            timeline: run
                .timeline
                .iter()
                .map(|moment| dto::Moment {
                    state: moment.state.into(),
                    at: time(moment.at),
                })
                .collect(),
            attempts: run.attempts,
            submitted_at: time(run.submitted_at),
            ended_at: run.ended_at.map(time),
        }
    }
}
