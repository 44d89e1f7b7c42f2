//! Connections to the database, set up so that a commit is on the disk when it is answered.

use std::{
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Any, AnyConnection, Connection as _, Executor as _, Pool, any::AnyPoolOptions};

use super::Backend;
use crate::error::Error;

/// Readers at once. SQLite readers are cheap; PostgreSQL counts connections.
const READERS_MAX: u32 = 8;
/// PostgreSQL writers at once; they queue at the ledger's row all the same.
const WRITERS_MAX: u32 = 4;
/// How long one waits for a connection. SQLite's one writer may be at work for a while; a server that gives no
/// connection is gone.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const ACQUIRE_TIMEOUT_SERVER: Duration = Duration::from_secs(3);

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

impl Database {
    /// Looks at a database before anything is made beside it: a file that was lost or cut off, a server that is not there, an
    /// address that is none. `signed` is how many leaves its ledger is known to have.
    ///
    /// # Errors
    /// Names the file or the address, and what to do.
    pub(crate) async fn look(&self, signed: Option<u64>) -> Result<(), Error> {
        sqlx::any::install_default_drivers();
        match self {
            Self::Sqlite { file } => look_at_file(file, signed).await,
            Self::Postgres { url } => {
                let connection = AnyConnection::connect(checked_url(url)?)
                    .await
                    .map_err(|source| refused(url, source))?;
                connection
                    .close()
                    .await
                    .map_err(|source| refused(url, source))
            }
        }
    }
}

async fn look_at_file(file: &Path, signed: Option<u64>) -> Result<(), Error> {
    let shown = file.display();
    let lost = |signed: u64| {
        Error::conflict(
            "database_lost",
            format!("数据库文件 {shown} 缺失或为空，而其账本已有 {signed} 条。"),
            format!(
                "the database file {shown} is missing or empty, and its ledger has {signed} leaves."
            ),
        )
        .with_remedy(
            "从备份恢复该文件。若要全新开始，请换一个数据目录。",
            "restore the file from a backup. To begin anew, use another data folder.",
        )
    };
    let head = match head_of(file) {
        Ok(head) => head,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        // What cannot be read is named when it is opened.
        Err(_) => return Ok(()),
    };
    let Some(head) = head else {
        // An anchor is made beside a database, so there was one.
        return signed.map_or(Ok(()), |signed| Err(lost(signed)));
    };
    // What a log beside the file still holds is put into it when it is opened.
    let companion = file.with_extension("db-wal");
    let has_log = std::fs::metadata(companion).is_ok_and(|log| log.len() > 0);
    if !head.is_database || (head.is_cut() && !has_log) {
        return Err(damaged(file));
    }
    let Some(path) = file.to_str() else {
        return Ok(());
    };
    // Asked once: a pool would try until its time is up and then only know that it was.
    let url = format!("sqlite://{}?mode=rw", escaped(path));
    let asked = async {
        let mut connection = AnyConnection::connect(&url).await?;
        connection
            .execute("SELECT COUNT(*) FROM sqlite_schema")
            .await?;
        connection.close().await
    };
    match asked.await {
        Err(sqlx::Error::Database(error)) if is_damage(error.code().as_deref()) => {
            Err(damaged(file))
        }
        // Anything else is named when it is opened.
        _ => Ok(()),
    }
}

/// Whether SQLite says that a file is damaged (11) or none of its own (26).
pub(super) fn is_damage(code: Option<&str>) -> bool {
    let class = code.and_then(|code| code.parse::<u32>().ok());
    matches!(class.map(|code| code & 0xff), Some(11 | 26))
}

fn damaged(file: &Path) -> Error {
    let shown = file.display();
    Error::conflict(
        "database_damaged",
        format!("数据库文件 {shown} 已损坏或被截断。"),
        format!("the database file {shown} is damaged or cut off."),
    )
    .with_remedy(
        "从备份恢复该文件（连同同名的 -wal 文件）；不要删除锚文件。",
        "restore the file from a backup, with the -wal file beside it; do not remove the anchor.",
    )
}

/// What the first bytes of a database file say.
struct Head {
    is_database: bool,
    page_bytes: u64,
    pages: u64,
    file_bytes: u64,
}

impl Head {
    fn is_cut(&self) -> bool {
        self.file_bytes < self.page_bytes.saturating_mul(self.pages)
    }
}

/// The head of a database file (<https://www.sqlite.org/fileformat.html>, 1.3); none of an empty one.
fn head_of(file: &Path) -> std::io::Result<Option<Head>> {
    let mut head = Vec::new();
    let open = std::fs::File::open(file)?;
    let file_bytes = open.metadata()?.len();
    open.take(100).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(None);
    }
    let number = |at: usize, bytes: usize| {
        let digits = head.get(at..at + bytes).unwrap_or_default();
        digits
            .iter()
            .fold(0_u64, |number, digit| number << 8 | u64::from(*digit))
    };
    let page_bytes = match number(16, 2) {
        1 => 65_536,
        bytes => bytes,
    };
    Ok(Some(Head {
        is_database: head.len() == 100 && head.starts_with(b"SQLite format 3\0"),
        page_bytes,
        pages: number(28, 4),
        file_bytes,
    }))
}

/// The URL when it is one of PostgreSQL; what else it holds is not repeated, for it may be a secret.
fn checked_url(url: &str) -> Result<&str, Error> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if matches!(scheme, "postgres" | "postgresql") {
        return Ok(url);
    }
    let is_scheme = (1..=20).contains(&scheme.len())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (zh, en) = if is_scheme {
        (
            format!("数据库地址以 {scheme}:// 开头，不是 PostgreSQL 地址。"),
            format!("the database URL begins with {scheme}://, which is none of PostgreSQL."),
        )
    } else {
        (
            "数据库地址不是 PostgreSQL 地址。".to_owned(),
            "the database URL is none of PostgreSQL.".to_owned(),
        )
    };
    Err(Error::invalid("database_url", zh, en).with_remedy(
        "在 database.url_file 所指的文件中写 postgres://用户:口令@主机:端口/数据库。",
        "write postgres://user:password@host:port/database into the file that database.url_file names.",
    ))
}

/// Connects writers and readers.
pub(super) async fn connect(database: &Database) -> Result<(Pool<Any>, Pool<Any>, Backend), Error> {
    sqlx::any::install_default_drivers();
    match database {
        Database::Sqlite { file } => sqlite(file).await,
        Database::Postgres { url } => postgres(url).await,
    }
}

async fn sqlite(file: &Path) -> Result<(Pool<Any>, Pool<Any>, Backend), Error> {
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
    let acquire_timeout = if url.starts_with("sqlite:") {
        ACQUIRE_TIMEOUT
    } else {
        ACQUIRE_TIMEOUT_SERVER
    };
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
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
    let url = checked_url(url)?;
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
    if matches!(source, sqlx::Error::Configuration(_)) {
        return Error::invalid(
            "database_url",
            "数据库地址无法解析。",
            "the database URL cannot be read.",
        )
        .with_remedy(
            "写成 postgres://用户:口令@主机:端口/数据库；口令中的特殊字符须作百分号编码。",
            "write postgres://user:password@host:port/database; special characters of the password are percent-encoded.",
        );
    }
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
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn what_is_no_url_of_postgres_is_said_without_its_secrets() {
        for (url, expect) in [
            ("postgres://a:b@c/d", None),
            ("postgresql://c/d", None),
            (
                "mysql://root:hunter2@db/egret",
                Some("begins with mysql://"),
            ),
            ("hunter2", Some("is none of PostgreSQL")),
            ("hunter2 is my pass://word", Some("is none of PostgreSQL")),
            ("", Some("is none of PostgreSQL")),
        ] {
            let said = checked_url(url)
                .err()
                .map(|error| error.message().en.clone());
            match (said, expect) {
                (None, None) => {}
                (Some(said), Some(expect)) => {
                    assert!(said.contains(expect) && !said.contains("hunter2"), "{said}");
                }
                (said, _) => panic!("{url}: {said:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_lost_or_cut_file_is_named_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("egret.db");
        let database = Database::Sqlite { file: file.clone() };
        let code = async |signed| database.look(signed).await.err().map(|error| error.code());
        assert_eq!(code(None).await, None);
        assert_eq!(code(Some(0)).await, Some("database_lost"));
        assert_eq!(code(Some(7)).await, Some("database_lost"));
        assert!(!file.exists());
        let (write, read, _) = sqlite(&file).await.unwrap();
        write
            .execute("CREATE TABLE t (x TEXT); INSERT INTO t VALUES (hex(zeroblob(100000)));")
            .await
            .unwrap();
        write.close().await;
        read.close().await;
        assert_eq!(code(Some(7)).await, None);
        let whole = std::fs::read(&file).unwrap();
        for bytes in [1, 99, 100, 4096, whole.len() - 1] {
            std::fs::write(&file, &whole[..bytes]).unwrap();
            assert_eq!(
                code(Some(7)).await,
                Some("database_damaged"),
                "{bytes} bytes"
            );
        }
        std::fs::write(&file, b"").unwrap();
        assert_eq!(code(Some(7)).await, Some("database_lost"));
        let mut scribbled = whole.clone();
        scribbled[..16].copy_from_slice(b"not a database!!");
        std::fs::write(&file, &scribbled).unwrap();
        assert_eq!(code(None).await, Some("database_damaged"));
    }

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
