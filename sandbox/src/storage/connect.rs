//! Connections to the database, set up so that a commit is on the disk when it is answered.

use std::{os::unix::fs::OpenOptionsExt as _, path::PathBuf, time::Duration};

use sqlx::{Any, AnyConnection, Connection as _, Executor as _, Pool, any::AnyPoolOptions};

use super::Backend;
use crate::error::Error;

/// Readers at once. SQLite readers are cheap; PostgreSQL counts connections.
const READERS_MAX: u32 = 8;
/// PostgreSQL writers at once; they queue at the ledger's row all the same.
const WRITERS_MAX: u32 = 4;
/// How long one waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Which database keeps the state.
#[derive(Clone)]
pub(crate) enum Database {
    /// A file that is created when missing.
    Sqlite {
        /// The file.
        file: PathBuf,
    },
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://user:password@host:port/database`; never logged.
        url: String,
    },
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { file } => f.debug_struct("Sqlite").field("file", file).finish(),
            Self::Postgres { .. } => f.debug_struct("Postgres").finish_non_exhaustive(),
        }
    }
}

/// Connects writers and readers.
pub(super) async fn connect(database: &Database) -> Result<(Pool<Any>, Pool<Any>, Backend), Error> {
    sqlx::any::install_default_drivers();
    match database {
        Database::Sqlite { file } => sqlite(file).await,
        Database::Postgres { url } => postgres(url).await,
    }
}

async fn sqlite(file: &std::path::Path) -> Result<(Pool<Any>, Pool<Any>, Backend), Error> {
    let Some(path) = file.to_str() else {
        return Err(Error::invalid(
            "database_path",
            format!("数据库路径不是 UTF-8：{}", file.display()),
            format!("the path of the database is not UTF-8: {}", file.display()),
        ));
    };
    let unavailable = |source: sqlx::Error| {
        Error::unavailable(
            "database_unavailable",
            format!("无法打开数据库文件 {path}。"),
            format!("the database file {path} cannot be opened."),
        )
        .with_remedy(
            "检查目录权限与磁盘空间。",
            "look at the folder's permissions and free space.",
        )
        .with_source(source)
    };
    // Made before SQLite makes it, for SQLite would let others read it; its companions take over the mode.
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map_err(|source| unavailable(sqlx::Error::Io(source)))?;
    let url = format!("sqlite://{}?mode=rw", escaped(path));
    // One writer: SQLite has one anyway, and waiting in the pool is fair where waiting for its lock is not.
    let write = pool(1, &url).await.map_err(unavailable)?;
    let read = pool(READERS_MAX, &url).await.map_err(unavailable)?;
    Ok((write, read, Backend::Sqlite))
}

/// `?`, `#` and `%` would end the path of a URL.
fn escaped(path: &str) -> String {
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

async fn pool(connections: u32, url: &str) -> Result<Pool<Any>, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                if connection.backend_name() == "SQLite" {
                    // FULL, for WAL alone does not put a commit on the disk before it is answered.
                    connection
                        .execute(
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; \
                             PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;",
                        )
                        .await?;
                } else {
                    connection.execute("SET synchronous_commit = on").await?;
                }
                connection.ping().await
            })
        })
        .connect(url)
        .await
}

async fn postgres(url: &str) -> Result<(Pool<Any>, Pool<Any>, Backend), Error> {
    // Asked once before the pools, which would try until their time is up and then only know that it was.
    AnyConnection::connect(url)
        .await
        .map_err(|source| refused(url, source))?
        .close()
        .await
        .map_err(|source| refused(url, source))?;
    let write = pool(WRITERS_MAX, url)
        .await
        .map_err(|source| refused(url, source))?;
    let read = pool(READERS_MAX, url)
        .await
        .map_err(|source| refused(url, source))?;
    Ok((write, read, Backend::Postgres))
}

/// Why PostgreSQL does not let one in, as far as it says so.
fn refused(url: &str, source: sqlx::Error) -> Error {
    let address = address(url);
    let code = match &source {
        sqlx::Error::Database(error) => error.code().map(Into::<String>::into),
        _ => None,
    };
    let error = match code.as_deref() {
        Some("28P01" | "28000") => Error::unavailable(
            "database_sign_in",
            format!("PostgreSQL 数据库（{address}）拒绝了用户或口令。"),
            format!("the PostgreSQL database at {address} refused the user or the password."),
        ),
        Some("3D000") => Error::unavailable(
            "database_missing",
            format!("PostgreSQL 服务器上没有这个数据库（{address}）。"),
            format!("the PostgreSQL server has no such database: {address}."),
        )
        .with_remedy("先用 createdb 创建它。", "make it with createdb first."),
        _ => Error::unavailable(
            "database_unavailable",
            format!("无法连接 PostgreSQL 数据库（{address}）。"),
            format!("the PostgreSQL database at {address} cannot be reached."),
        ),
    };
    let error = if error.remedy().is_some() {
        error
    } else {
        error.with_remedy(
            "检查数据库是否已启动，以及配置中的地址、用户和口令。",
            "check that the server runs, and the address, user and password in the configuration.",
        )
    };
    error.with_source(source)
}

/// Host, port and database of a URL, without the user and password in front of them.
fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_part_of_the_address() {
        assert_eq!(
            address("postgres://egret:pass@word@db:5432/egret?sslmode=require"),
            "db:5432/egret"
        );
        assert_eq!(address("not a url"), "not a url");
        let shown = format!(
            "{:?}",
            Database::Postgres {
                url: "postgres://a:secret@b/c".into()
            }
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
