//! Whose run is next: start-time fair queueing over tenants (Goyal, Vin, Cheng 1997).
//!
//! Each tenant has a pass: how far it has been served. The tenant with the lowest pass goes first, and a run that is taken
//! moves the pass on by a stride, which is shorter for a tenant of more weight. The queue has come as far as the run that was
//! taken last; a tenant that was away begins there, so nobody saves up turns and nobody starves.
//! Inside a tenant its grants take turns, so that one whose runs have to wait does not stop the others.

use sqlx::{AnyConnection, Row as _};

use super::rows::{RUN, RunRow, run_row};
use crate::error::Error;
use crate::storage::storage_error;

/// How far the pass of a tenant of weight 1 moves with a run; every weight divides it.
const STRIDE: i64 = 2_520;
/// Weights are 1 to this.
pub(crate) const WEIGHT_MAX: i64 = 10;
/// The row that says how far the queue has come.
const QUEUE: &str = "";

/// Every run that may be taken at the moment `$1`, with its place: the pass that its tenant will have when its turn comes.
const PLACES: &str = "WITH takeable AS ( \
       SELECT id, organisation_id, submitted_at, \
              ROW_NUMBER() OVER (PARTITION BY organisation_id, grant_id ORDER BY submitted_at, id) AS of_grant \
       FROM runs WHERE state = 'admitted' OR (state = 'running' AND lease_until < $1)), \
     turns AS ( \
       SELECT id, organisation_id, submitted_at, \
              ROW_NUMBER() OVER (PARTITION BY organisation_id ORDER BY of_grant, submitted_at, id) AS turn \
       FROM takeable), \
     places AS ( \
       SELECT turns.id AS run_id, turns.submitted_at AS since, \
              COALESCE(shares.pass, 0) + (turns.turn - 1) * (2520 / COALESCE(shares.weight, 1)) AS place \
       FROM turns LEFT JOIN queue_shares shares ON shares.organisation_id = turns.organisation_id)";

/// The runs that may be taken now, the next one first: those that wait, and those whose holder is gone.
pub(crate) async fn takeable(
    conn: &mut AnyConnection,
    now: i64,
    limit: i64,
) -> Result<Vec<RunRow>, Error> {
    let sql = format!(
        "{PLACES} {RUN} JOIN places ON places.run_id = runs.id ORDER BY places.place, submitted_at, id LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(now)
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(run_row)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Runs that are taken before this one, if none is added.
pub(crate) async fn before(conn: &mut AnyConnection, now: i64, run: &str) -> Result<i64, Error> {
    let sql = format!(
        "{PLACES} SELECT COUNT(*) FROM places mine JOIN places other ON other.run_id <> mine.run_id \
         AND (other.place < mine.place OR (other.place = mine.place \
              AND (other.since < mine.since OR (other.since = mine.since AND other.run_id < mine.run_id)))) \
         WHERE mine.run_id = $2"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(now)
        .bind(run)
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)
}

/// Lets a tenant begin where the queue has come to, if none of its runs waits; before a run of it is stored.
pub(crate) async fn join(conn: &mut AnyConnection, organisation: &str) -> Result<(), Error> {
    let waits =
        sqlx::query("SELECT COUNT(*) FROM runs WHERE organisation_id = $1 AND state = 'admitted'")
            .bind(organisation)
            .fetch_one(&mut *conn)
            .await
            .and_then(|row| row.try_get::<i64, _>(0))
            .map_err(failed)?;
    if waits > 0 {
        return Ok(());
    }
    let come = share(&mut *conn, QUEUE).await?.pass;
    let mut own = share(&mut *conn, organisation).await?;
    own.pass = own.pass.max(come);
    store(conn, organisation, own).await
}

/// Moves a tenant's pass on by a run that was taken.
pub(crate) async fn charge(conn: &mut AnyConnection, organisation: &str) -> Result<(), Error> {
    let mut queue = share(&mut *conn, QUEUE).await?;
    let mut own = share(&mut *conn, organisation).await?;
    // One whose runs had to wait for another reason has one turn in hand, and not all that it missed.
    let start = own.pass.max(queue.pass - STRIDE);
    own.pass = start.saturating_add(STRIDE / own.weight);
    store(&mut *conn, organisation, own).await?;
    queue.pass = queue.pass.max(start);
    store(conn, QUEUE, queue).await
}

/// How many turns a tenant has for one of a tenant of weight 1.
pub(crate) async fn weight(conn: &mut AnyConnection, organisation: &str) -> Result<i64, Error> {
    Ok(share(conn, organisation).await?.weight)
}

/// Gives a tenant a weight, from 1 to [`WEIGHT_MAX`].
pub(crate) async fn set_weight(
    conn: &mut AnyConnection,
    organisation: &str,
    weight: i64,
) -> Result<(), Error> {
    let mut own = share(&mut *conn, organisation).await?;
    own.weight = weight.clamp(1, WEIGHT_MAX);
    store(conn, organisation, own).await
}

#[derive(Clone, Copy, Debug)]
struct Share {
    weight: i64,
    pass: i64,
}

async fn share(conn: &mut AnyConnection, organisation: &str) -> Result<Share, Error> {
    let row = sqlx::query("SELECT weight, pass FROM queue_shares WHERE organisation_id = $1")
        .bind(organisation)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    match row {
        None => Ok(Share { weight: 1, pass: 0 }),
        Some(row) => Ok(Share {
            weight: row
                .try_get::<i64, _>(0)
                .map_err(failed)?
                .clamp(1, WEIGHT_MAX),
            pass: row.try_get(1).map_err(failed)?,
        }),
    }
}

async fn store(conn: &mut AnyConnection, organisation: &str, share: Share) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO queue_shares (organisation_id, weight, pass) VALUES ($1, $2, $3) \
         ON CONFLICT (organisation_id) DO UPDATE SET weight = excluded.weight, pass = excluded.pass",
    )
    .bind(organisation)
    .bind(share.weight)
    .bind(share.pass)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

fn failed(source: sqlx::Error) -> Error {
    storage_error("read the queue", source)
}

#[cfg(test)]
mod tests;
