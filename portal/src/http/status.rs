//! Health, workers, use.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::each;
use super::dto::{HealthView, StatusView, UsageRow, UsageView};
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::routes;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Outside the API's prefix: for load balancers.
pub(crate) fn health_routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(health))
}

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(usage)).add(routes!(status))
}

/// Whether the server answers and its database does.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()),
    responses((status = 200, description = "both do", body = HealthView),
        (status = 503, description = "the database does not", body = HealthView)))]
async fn health(State(portal): State<Portal>) -> Answer {
    let database = portal.platform.database_answers().await;
    let (status, word) = if database {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
    };
    let mut answer = answer::ok(&HealthView {
        status: word.to_owned(),
        version: VERSION.to_owned(),
    })?;
    *answer.status_mut() = status;
    Ok(answer)
}

/// What was used, per organisation that the account may see.
#[utoipa::path(get, path = "/usage", tag = "service", responses((status = 200, description = "use", body = UsageView)))]
async fn usage(State(portal): State<Portal>, Signed(actor): Signed) -> Answer {
    let items = portal.platform.usage(&actor).await?;
    answer::ok(&UsageView {
        items: each(&items),
    })
}

/// Workers, queue and isolation layers.
#[utoipa::path(get, path = "/status", tag = "service", responses((status = 200, description = "the node", body = StatusView)))]
async fn status(State(portal): State<Portal>, Signed(actor): Signed) -> Answer {
    let node = portal.platform.status(&actor).await?;
    answer::ok(&StatusView {
        version: VERSION.to_owned(),
        accepting: node.accepting,
        workers_ready: node.workers_ready,
        workers_busy: node.workers_busy,
        queued: node.queued,
        layers: each(&node.layers),
    })
}

impl From<&sandbox::Usage> for UsageRow {
    fn from(usage: &sandbox::Usage) -> Self {
        Self {
            organisation: usage.organisation.to_string(),
            runs: usage.runs,
            wall_us: usage.meter.wall_us,
            cpu_us: usage.meter.cpu_us,
            fuel: usage.meter.fuel,
            rows_in: usage.meter.rows_in,
            bytes_in: usage.meter.bytes_in,
            rows_out: usage.meter.rows_out,
            bytes_out: usage.meter.bytes_out,
        }
    }
}
