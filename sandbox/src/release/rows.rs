//! Releases, their votes, and the cells that earlier releases gave away, as they are stored.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::error::Error;
use crate::job::rows::Filter;
use crate::job::state::ReleaseState;
use crate::storage::storage_error;

/// A release as stored.
#[derive(Clone, Debug)]
pub(crate) struct ReleaseRow {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) job: String,
    pub(crate) grant: String,
    pub(crate) organisation: String,
    pub(crate) account: String,
    pub(crate) scenario: String,
    pub(crate) epoch_decided: i64,
    pub(crate) state: ReleaseState,
    pub(crate) decision: String,
    pub(crate) findings: String,
    pub(crate) evidence: String,
    pub(crate) evidence_digest: String,
    pub(crate) sha256: String,
    pub(crate) bytes: i64,
    pub(crate) rows: i64,
    pub(crate) created_at: i64,
    pub(crate) released_at: i64,
    pub(crate) decision_leaf: i64,
    pub(crate) release_leaf: i64,
    pub(crate) statement: String,
    pub(crate) certificate: String,
}

const RELEASE: &str = "SELECT id, run_id, job_id, grant_id, organisation_id, account_id, scenario_id, epoch_decided, state, \
     decision, findings, evidence, evidence_digest, sha256, bytes, rows_released, created_at, released_at, \
     decision_leaf, release_leaf, statement, certificate FROM releases";

/// A vote as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VoteRow {
    pub(crate) account: String,
    pub(crate) organisation: String,
    pub(crate) approve: bool,
    pub(crate) evidence_digest: String,
    pub(crate) comment: String,
    pub(crate) at: i64,
    pub(crate) leaf: i64,
}

fn failed(source: sqlx::Error) -> Error {
    storage_error("read releases", source)
}

fn release_row(row: &AnyRow) -> Result<ReleaseRow, sqlx::Error> {
    let state: String = row.try_get(8)?;
    let state = ReleaseState::parse(&state)
        .ok_or_else(|| sqlx::Error::Decode("a release's state has no such name".into()))?;
    Ok(ReleaseRow {
        id: row.try_get(0)?,
        run: row.try_get(1)?,
        job: row.try_get(2)?,
        grant: row.try_get(3)?,
        organisation: row.try_get(4)?,
        account: row.try_get(5)?,
        scenario: row.try_get(6)?,
        epoch_decided: row.try_get(7)?,
        state,
        decision: row.try_get(9)?,
        findings: row.try_get(10)?,
        evidence: row.try_get(11)?,
        evidence_digest: row.try_get(12)?,
        sha256: row.try_get(13)?,
        bytes: row.try_get(14)?,
        rows: row.try_get(15)?,
        created_at: row.try_get(16)?,
        released_at: row.try_get(17)?,
        decision_leaf: row.try_get(18)?,
        release_leaf: row.try_get(19)?,
        statement: row.try_get(20)?,
        certificate: row.try_get(21)?,
    })
}

pub(crate) async fn release(
    conn: &mut AnyConnection,
    id: &str,
) -> Result<Option<ReleaseRow>, Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{RELEASE} WHERE id = $1")))
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.as_ref().map(release_row).transpose().map_err(failed)
}

/// A page of releases, newest first; `state` empty for all.
pub(crate) async fn releases(
    conn: &mut AnyConnection,
    filter: &Filter<'_>,
    state: &str,
) -> Result<Vec<ReleaseRow>, Error> {
    let sql = format!(
        "{RELEASE} WHERE ($1 = '' OR organisation_id = $2) AND ($3 = '' OR id < $4) AND ($5 = '' OR state = $6) \
         ORDER BY id DESC LIMIT $7"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(filter.organisation)
        .bind(filter.organisation)
        .bind(filter.before)
        .bind(filter.before)
        .bind(state)
        .bind(state)
        .bind(filter.limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(release_row)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Releases that were decided before a moment and are not written yet, oldest first.
pub(crate) async fn scheduled(
    conn: &mut AnyConnection,
    before: i64,
    limit: i64,
) -> Result<Vec<String>, Error> {
    let rows = sqlx::query("SELECT id FROM releases WHERE state = 'scheduled' AND created_at < $1 ORDER BY id LIMIT $2")
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Approving votes of a release.
pub(crate) async fn approvals(conn: &mut AnyConnection, release: &str) -> Result<i64, Error> {
    sqlx::query("SELECT COUNT(*) FROM release_votes WHERE release_id = $1 AND approve = 1")
        .bind(release)
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)
}

pub(crate) async fn votes(conn: &mut AnyConnection, release: &str) -> Result<Vec<VoteRow>, Error> {
    let rows = sqlx::query(
        "SELECT account_id, organisation_id, approve, evidence_digest, comment, at, leaf FROM release_votes \
         WHERE release_id = $1 ORDER BY at, account_id",
    )
    .bind(release)
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    let vote = |row: &AnyRow| {
        Ok(VoteRow {
            account: row.try_get(0)?,
            organisation: row.try_get(1)?,
            approve: row.try_get::<i64, _>(2)? != 0,
            evidence_digest: row.try_get(3)?,
            comment: row.try_get(4)?,
            at: row.try_get(5)?,
            leaf: row.try_get(6)?,
        })
    };
    rows.iter()
        .map(vote)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Stores a vote; false when the person has voted before.
pub(crate) async fn insert_vote(
    conn: &mut AnyConnection,
    release: &str,
    vote: &VoteRow,
) -> Result<bool, Error> {
    let stored = sqlx::query(
        "INSERT INTO release_votes (release_id, account_id, organisation_id, approve, evidence_digest, comment, at, leaf) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (release_id, account_id) DO NOTHING",
    )
    .bind(release)
    .bind(vote.account.as_str())
    .bind(vote.organisation.as_str())
    .bind(i64::from(vote.approve))
    .bind(vote.evidence_digest.as_str())
    .bind(vote.comment.as_str())
    .bind(vote.at)
    .bind(vote.leaf)
    .execute(conn)
    .await
    .map_err(|source| storage_error("store a vote", source))?;
    Ok(stored.rows_affected() == 1)
}

/// Stores a release; false when the run has one already. How many cells were withheld is not kept.
pub(crate) async fn insert_release(
    conn: &mut AnyConnection,
    release: &ReleaseRow,
) -> Result<bool, Error> {
    let stored = sqlx::query(
        "INSERT INTO releases (id, run_id, job_id, grant_id, organisation_id, account_id, scenario_id, epoch_decided, \
         state, decision, findings, evidence, evidence_digest, sha256, bytes, rows_released, suppressed, created_at, \
         released_at, decision_leaf, release_leaf, statement, certificate) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, 0, $18, -1, '', '') \
         ON CONFLICT DO NOTHING",
    )
    .bind(release.id.as_str())
    .bind(release.run.as_str())
    .bind(release.job.as_str())
    .bind(release.grant.as_str())
    .bind(release.organisation.as_str())
    .bind(release.account.as_str())
    .bind(release.scenario.as_str())
    .bind(release.epoch_decided)
    .bind(release.state.as_str())
    .bind(release.decision.as_str())
    .bind(release.findings.as_str())
    .bind(release.evidence.as_str())
    .bind(release.evidence_digest.as_str())
    .bind(release.sha256.as_str())
    .bind(release.bytes)
    .bind(release.rows)
    .bind(release.created_at)
    .bind(release.decision_leaf)
    .execute(conn)
    .await
    .map_err(|source| storage_error("store a release", source))?;
    Ok(stored.rows_affected() == 1)
}

/// Moves a release from one state to the next; false when it is elsewhere by now.
pub(crate) async fn move_release(
    conn: &mut AnyConnection,
    release: &str,
    from: ReleaseState,
    to: ReleaseState,
) -> Result<bool, Error> {
    let moved = sqlx::query("UPDATE releases SET state = $1 WHERE id = $2 AND state = $3")
        .bind(to.as_str())
        .bind(release)
        .bind(from.as_str())
        .execute(conn)
        .await
        .map_err(|source| storage_error("move a release", source))?;
    Ok(moved.rows_affected() == 1)
}

/// Marks a decided release as released, with what its leaf names.
pub(crate) async fn publish_release(
    conn: &mut AnyConnection,
    release: &str,
    at: i64,
    leaf: i64,
    statement: &str,
) -> Result<bool, Error> {
    let published = sqlx::query(
        "UPDATE releases SET state = 'released', released_at = $1, release_leaf = $2, statement = $3 \
         WHERE id = $4 AND state = 'scheduled'",
    )
    .bind(at)
    .bind(leaf)
    .bind(statement)
    .bind(release)
    .execute(conn)
    .await
    .map_err(|source| storage_error("publish a release", source))?;
    Ok(published.rows_affected() == 1)
}

/// Moves every release of a scenario from one state to another; says how many.
pub(crate) async fn move_all_of_scenario(
    conn: &mut AnyConnection,
    scenario: &str,
    from: ReleaseState,
    to: ReleaseState,
) -> Result<u64, Error> {
    let moved = sqlx::query("UPDATE releases SET state = $1 WHERE scenario_id = $2 AND state = $3")
        .bind(to.as_str())
        .bind(scenario)
        .bind(from.as_str())
        .execute(conn)
        .await
        .map_err(|source| storage_error("move releases", source))?;
    Ok(moved.rows_affected())
}

/// The history's number for a universe; a universe that was never released from has 0.
pub(crate) async fn history_sequence(
    conn: &mut AnyConnection,
    universe: &str,
) -> Result<i64, Error> {
    let row = sqlx::query("SELECT sequence FROM egress_history WHERE universe = $1")
        .bind(universe)
        .fetch_optional(conn)
        .await
        .map_err(failed)?;
    row.map_or(Ok(0), |row| row.try_get(0)).map_err(failed)
}

/// Raises the history's number by one, from the number that the inspection saw; false when another
/// release came between.
pub(crate) async fn advance_history(
    conn: &mut AnyConnection,
    universe: &str,
    seen: i64,
) -> Result<bool, Error> {
    let error = |source| storage_error("advance the egress history", source);
    if seen == 0 {
        sqlx::query(
            "INSERT INTO egress_history (universe, sequence) VALUES ($1, 0) ON CONFLICT DO NOTHING",
        )
        .bind(universe)
        .execute(&mut *conn)
        .await
        .map_err(error)?;
    }
    let advanced = sqlx::query(
        "UPDATE egress_history SET sequence = sequence + 1 WHERE universe = $1 AND sequence = $2",
    )
    .bind(universe)
    .bind(seen)
    .execute(conn)
    .await
    .map_err(error)?;
    Ok(advanced.rows_affected() == 1)
}

/// Whether the history's number is still the one that an inspection saw.
pub(crate) async fn history_is(
    conn: &mut AnyConnection,
    universe: &str,
    seen: i64,
) -> Result<bool, Error> {
    Ok(history_sequence(conn, universe).await? == seen)
}

/// Remembers a cell; the same cell again adds nothing.
pub(crate) async fn insert_cell(
    conn: &mut AnyConnection,
    universe: &str,
    digest: &str,
    release: &str,
    sequence: i64,
    object: &str,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO release_cells (universe, digest, release_id, sequence, object) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (universe, digest) DO NOTHING",
    )
    .bind(universe)
    .bind(digest)
    .bind(release)
    .bind(sequence)
    .bind(object)
    .execute(conn)
    .await
    .map_err(|source| storage_error("remember a released cell", source))?;
    Ok(())
}

/// How many cells of a universe's history are of a tenant's results.
pub(crate) async fn cells_of(
    conn: &mut AnyConnection,
    universe: &str,
    organisation: &str,
) -> Result<u64, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM release_cells c JOIN releases r ON r.id = c.release_id \
         WHERE c.universe = $1 AND r.organisation_id = $2",
    )
    .bind(universe)
    .bind(organisation)
    .fetch_one(conn)
    .await
    .map_err(failed)?;
    let count: i64 = row.try_get(0).map_err(failed)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A remembered cell.
pub(crate) struct CellRow {
    pub(crate) digest: String,
    pub(crate) release: String,
    pub(crate) object: String,
}

/// The cells of a universe that were remembered after a number, in a fixed order.
pub(crate) async fn cells_after(
    conn: &mut AnyConnection,
    universe: &str,
    after: i64,
) -> Result<Vec<CellRow>, Error> {
    let rows = sqlx::query(
        "SELECT digest, release_id, object FROM release_cells WHERE universe = $1 AND sequence > $2 \
         ORDER BY sequence, digest",
    )
    .bind(universe)
    .bind(after)
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    let cell = |row: &AnyRow| {
        Ok(CellRow {
            digest: row.try_get(0)?,
            release: row.try_get(1)?,
            object: row.try_get(2)?,
        })
    };
    rows.iter()
        .map(cell)
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Keeps the certificate that was made of a statement.
pub(crate) async fn keep_certificate(
    conn: &mut AnyConnection,
    release: &str,
    certificate: &str,
) -> Result<(), Error> {
    sqlx::query("UPDATE releases SET certificate = $1 WHERE id = $2")
        .bind(certificate)
        .bind(release)
        .execute(conn)
        .await
        .map_err(|source| storage_error("keep a certificate", source))?;
    Ok(())
}
