//! The moves of a run, as statements: taken under a lease, settled, moved on, given back. Each says
//! whether it found the run where it should be, so that of two who move it one loses.

use sqlx::AnyConnection;

use super::rows::RunRow;
use super::state::RunState;
use crate::error::Error;
use crate::storage::storage_error;

/// Takes a run: succeeds only when nobody else has taken it since it was read.
pub(crate) async fn take(
    conn: &mut AnyConnection,
    run: &RunRow,
    owner: &str,
    now: i64,
    until: i64,
    timeline: &str,
) -> Result<bool, Error> {
    let taken = sqlx::query(
        "UPDATE runs SET state = 'running', lease_owner = $1, lease_until = $2, fence = fence + 1, \
         attempts = attempts + 1, started_at = $3, timeline = $4 \
         WHERE id = $5 AND fence = $6 AND (state = 'admitted' OR (state = 'running' AND lease_until < $7))",
    )
    .bind(owner)
    .bind(until)
    .bind(now)
    .bind(timeline)
    .bind(run.id.as_str())
    .bind(run.fence)
    .bind(now)
    .execute(conn)
    .await
    .map_err(|source| storage_error("take a run", source))?;
    Ok(taken.rows_affected() == 1)
}

/// What a run came to.
pub(crate) struct Settlement<'a> {
    pub(crate) run: &'a str,
    /// The state that it must be in, and the token under which it was taken.
    pub(crate) from: RunState,
    pub(crate) fence: i64,
    pub(crate) to: RunState,
    pub(crate) outcome: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) findings: &'a str,
    pub(crate) layers: &'a str,
    pub(crate) timeline: &'a str,
    /// Whether it costs of the grant's refusal budget.
    pub(crate) counted: bool,
    pub(crate) ended_at: i64,
}

/// Moves a run on; does nothing, and says so, when somebody else holds it or it has moved on.
pub(crate) async fn settle(
    conn: &mut AnyConnection,
    settlement: &Settlement<'_>,
) -> Result<bool, Error> {
    if !settlement.from.may_become(settlement.to) {
        return Err(Error::internal(
            "settle a run",
            "a move that the table of states lacks",
        ));
    }
    let settled = sqlx::query(
        "UPDATE runs SET state = $1, outcome = $2, reason = $3, findings = $4, layers = $5, timeline = $6, \
         counted = $7, ended_at = $8, lease_owner = '', lease_until = 0 \
         WHERE id = $9 AND state = $10 AND fence = $11",
    )
    .bind(settlement.to.as_str())
    .bind(settlement.outcome)
    .bind(settlement.reason)
    .bind(settlement.findings)
    .bind(settlement.layers)
    .bind(settlement.timeline)
    .bind(i64::from(settlement.counted))
    .bind(settlement.ended_at)
    .bind(settlement.run)
    .bind(settlement.from.as_str())
    .bind(settlement.fence)
    .execute(conn)
    .await
    .map_err(|source| storage_error("settle a run", source))?;
    Ok(settled.rows_affected() == 1)
}

/// Moves a run whose end is known, without touching what it came to.
pub(crate) async fn move_on(
    conn: &mut AnyConnection,
    run: &str,
    (from, to): (RunState, RunState),
    reason: &str,
    timeline: &str,
    ended_at: i64,
) -> Result<bool, Error> {
    if !from.may_become(to) {
        return Err(Error::internal(
            "move a run",
            "a move that the table of states lacks",
        ));
    }
    let moved = sqlx::query(
        "UPDATE runs SET state = $1, reason = $2, timeline = $3, ended_at = $4, lease_owner = '', lease_until = 0 \
         WHERE id = $5 AND state = $6",
    )
    .bind(to.as_str())
    .bind(reason)
    .bind(timeline)
    .bind(ended_at)
    .bind(run)
    .bind(from.as_str())
    .execute(conn)
    .await
    .map_err(|source| storage_error("move a run", source))?;
    Ok(moved.rows_affected() == 1)
}

/// Asks a run's holder to stop it.
pub(crate) async fn request_cancel(conn: &mut AnyConnection, run: &str) -> Result<bool, Error> {
    let asked = sqlx::query(
        "UPDATE runs SET cancel_requested = 1 WHERE id = $1 AND state = 'running' AND cancel_requested = 0",
    )
    .bind(run)
    .execute(conn)
    .await
    .map_err(|source| storage_error("cancel a run", source))?;
    Ok(asked.rows_affected() == 1)
}

/// Ends the leases of holders that are gone: those of this node's earlier lives.
pub(crate) async fn expire_leases(
    conn: &mut AnyConnection,
    node: &str,
    alive: &str,
) -> Result<i64, Error> {
    let expired = sqlx::query(
        "UPDATE runs SET lease_until = 0 WHERE state = 'running' AND lease_owner LIKE $1 AND lease_owner <> $2",
    )
    .bind(format!("{node}/%"))
    .bind(alive)
    .execute(conn)
    .await
    .map_err(|source| storage_error("expire leases", source))?;
    Ok(i64::try_from(expired.rows_affected()).unwrap_or(i64::MAX))
}

/// Lets go of a run so that it is taken again.
pub(crate) async fn give_back(
    conn: &mut AnyConnection,
    run: &str,
    fence: i64,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE runs SET lease_until = 0 WHERE id = $1 AND fence = $2 AND state = 'running'",
    )
    .bind(run)
    .bind(fence)
    .execute(conn)
    .await
    .map_err(|source| storage_error("give back a run", source))?;
    Ok(())
}
