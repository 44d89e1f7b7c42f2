//! Tables, brought up to this version step by step; each step commits as a whole.

use sqlx::{Any, Executor as _, Pool, Row as _};

use super::{Backend, storage_error};
use crate::error::Error;

/// The steps in order; a step that was published is never changed.
const STEPS: [(&str, &str); 9] = [
    (
        "0001_foundation",
        include_str!("../../migrations/0001_foundation.sql"),
    ),
    (
        "0002_catalogue",
        include_str!("../../migrations/0002_catalogue.sql"),
    ),
    ("0003_jobs", include_str!("../../migrations/0003_jobs.sql")),
    (
        "0004_feedback",
        include_str!("../../migrations/0004_feedback.sql"),
    ),
    (
        "0005_quality",
        include_str!("../../migrations/0005_quality.sql"),
    ),
    (
        "0006_pieces",
        include_str!("../../migrations/0006_pieces.sql"),
    ),
    (
        "0007_queue",
        include_str!("../../migrations/0007_queue.sql"),
    ),
    (
        "0008_spill",
        include_str!("../../migrations/0008_spill.sql"),
    ),
    ("0009_keys", include_str!("../../migrations/0009_keys.sql")),
];

/// Applies the steps that are missing.
pub(super) async fn migrate(pool: &Pool<Any>, backend: Backend) -> Result<(), Error> {
    let failed = |source| storage_error("migrate the database", source);
    pool.execute(
        "CREATE TABLE IF NOT EXISTS schema_steps (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    )
    .await
    .map_err(failed)?;
    let mut tx = pool.begin_with(backend.begin()).await.map_err(failed)?;
    if backend == Backend::Postgres {
        // Two nodes that start at once take their turns.
        sqlx::query("LOCK TABLE schema_steps IN ACCESS EXCLUSIVE MODE")
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    let done: i64 = sqlx::query("SELECT COUNT(*) FROM schema_steps")
        .fetch_one(&mut *tx)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    if done > STEPS.len() {
        return Err(Error::conflict(
            "database_newer",
            "数据库由更新版本的 Egret 写入，本版本不能打开。",
            "the database was written by a newer version of Egret; this one cannot open it.",
        )
        .with_remedy("使用较新的版本。", "use the newer version."));
    }
    for (number, (name, sql)) in STEPS.iter().enumerate().skip(done) {
        for statement in statements(sql) {
            (&mut *tx)
                .execute(sqlx::AssertSqlSafe(statement))
                .await
                .map_err(failed)?;
        }
        if number == 0 {
            sqlx::query("INSERT INTO ledger_state (id, size, edge) VALUES (1, 0, $1)")
                .bind(Vec::<u8>::new())
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        sqlx::query("INSERT INTO schema_steps (number, name) VALUES ($1, $2)")
            .bind(i64::try_from(number).unwrap_or(i64::MAX))
            .bind(*name)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

/// The statements of a step. The steps hold no semicolon but at the end of a statement or in a comment.
fn statements(sql: &str) -> impl Iterator<Item = String> {
    let code: String = sql
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n");
    code.split(';')
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_splits_into_statements_of_both_databases() {
        for (name, sql) in STEPS {
            let parts: Vec<String> = statements(sql).collect();
            assert!(!parts.is_empty(), "{name}");
            for part in parts {
                assert!(
                    ["CREATE ", "ALTER ", "INSERT "]
                        .iter()
                        .any(|word| part.starts_with(word)),
                    "{name}: {part}"
                );
                for word in ["AUTOINCREMENT", "SERIAL", "BLOB", "JSONB", "WITHOUT ROWID"] {
                    assert!(
                        !part.contains(word),
                        "{name}: {word} is of one database only"
                    );
                }
            }
        }
    }
}
