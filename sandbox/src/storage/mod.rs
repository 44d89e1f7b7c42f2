//! The platform's state in SQLite or PostgreSQL, through one SQL text.
//!
//! There is one way to change it: [`Store::act`], which takes an [`Authorisation`] and commits the change together with its
//! ledger leaf. Without a leaf there is no transaction to write in.

mod connect;
mod migrate;
mod transaction;
mod tx;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use sqlx::{Any, AnyConnection, Pool};

pub(crate) use connect::Database;
pub(crate) use tx::Tx;

use transaction::Transaction;

use crate::{
    access::Authorisation,
    clock::{Clock, Entropy},
    error::Error,
    ledger::{LeafDraft, Pseudonyms},
};

/// How often a transaction that lost a race is tried again.
const ATTEMPTS_MAX: u32 = 8;

/// How long a database may take to say that it is there.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long nobody asks a database that was found gone.
const OUTAGE: Duration = Duration::from_secs(2);

/// What a transaction is for.
#[derive(Clone, Copy)]
enum Work {
    Read,
    Write,
}

/// When the database was last found gone.
#[derive(Default)]
struct Outage(Mutex<Option<Instant>>);

impl Outage {
    fn is_known(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some(at) if at.elapsed() < OUTAGE => true,
            // This one asks, and the others do not until it knows.
            Some(_) => {
                *last = Some(Instant::now());
                false
            }
            None => false,
        }
    }

    fn seen(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn over(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The database behind the platform.
#[derive(Clone)]
pub(crate) struct Store {
    write: Pool<Any>,
    read: Pool<Any>,
    backend: Backend,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    pseudonyms: Arc<Pseudonyms>,
    outage: Arc<Outage>,
}

/// Which of the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A file beside the platform.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl Backend {
    /// A writing transaction holds the right to write from its first statement: one that reads first and is overtaken
    /// would fail in the middle.
    fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }

    /// Readers see one moment.
    fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN DEFERRED",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

impl Store {
    /// Connects, and brings the tables up to this version.
    ///
    /// # Errors
    /// The database does not answer, is of a newer version, or is full.
    pub(crate) async fn open(
        database: &Database,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        pseudonyms: Pseudonyms,
    ) -> Result<Self, Error> {
        let (write, read, backend) = connect::connect(database).await?;
        migrate::migrate(&write, backend).await?;
        Ok(Self {
            write,
            read,
            backend,
            clock,
            entropy,
            pseudonyms: Arc::new(pseudonyms),
            outage: Arc::default(),
        })
    }

    /// Changes state: `f` runs in one transaction, and what it did commits together with the leaf it answers.
    ///
    /// `f` may run several times when the transaction loses a race, so it must not do anything outside of it. `name` is the
    /// transaction's label in logs.
    ///
    /// # Errors
    /// What `f` answers (nothing is changed then), or storage that fails.
    pub(crate) async fn act<T, F>(
        &self,
        authorisation: Authorisation,
        name: &'static str,
        mut f: F,
    ) -> Result<T, Error>
    where
        T: Send,
        F: for<'a> FnMut(&'a mut Tx) -> BoxFuture<'a, Result<(T, LeafDraft), Error>> + Send,
    {
        let mut attempt = 1;
        loop {
            match self.act_once(&authorisation, &mut f).await {
                Ok(value) => return Ok(value),
                Err(Failed::Retry(source)) if attempt < ATTEMPTS_MAX => {
                    tracing::debug!(transaction = name, attempt, error = %source, "trying again");
                    tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 5)).await;
                    attempt += 1;
                }
                Err(Failed::Retry(source)) => return Err(busy(name, source)),
                Err(Failed::Final(error)) => return Err(error),
            }
        }
    }

    async fn act_once<T, F>(&self, authorisation: &Authorisation, f: &mut F) -> Result<T, Failed>
    where
        F: for<'a> FnMut(&'a mut Tx) -> BoxFuture<'a, Result<(T, LeafDraft), Error>>,
    {
        let transaction = self.begin(Work::Write).await.map_err(Failed::of)?;
        let mut tx = Tx::begin(
            transaction,
            authorisation,
            Arc::clone(&self.pseudonyms),
            self.clock.now(),
            Arc::clone(&self.entropy),
        )
        .await
        .map_err(Failed::from)?;
        let done = match f(&mut tx).await {
            Ok((value, leaf)) => tx.append(leaf).await.map(|_| value),
            Err(error) => Err(error),
        };
        match done {
            Ok(value) => {
                tx.commit().await.map_err(Failed::of)?;
                Ok(value)
            }
            Err(error) => {
                tx.rollback().await;
                Err(Failed::from(error))
            }
        }
    }

    /// Reads in one moment of the database.
    ///
    /// # Errors
    /// What `f` answers, or storage that fails.
    pub(crate) async fn read<T, F>(&self, name: &'static str, f: F) -> Result<T, Error>
    where
        T: Send,
        F: for<'a> FnOnce(&'a mut AnyConnection) -> BoxFuture<'a, Result<T, Error>> + Send,
    {
        let mut transaction = self
            .begin(Work::Read)
            .await
            .map_err(|source| storage_error(name, source))?;
        let answer = f(transaction.connection()).await;
        transaction.rollback().await;
        answer
    }

    /// Keeps something that is no act: a retry's key, a cached certificate. Whatever is kept so may be lost or made again without
    /// anybody's rights, data or results being touched, which is why it has no leaf.
    ///
    /// # Errors
    /// What `f` answers, or storage that fails.
    pub(crate) async fn bookkeep<T, F>(&self, name: &'static str, f: F) -> Result<T, Error>
    where
        T: Send,
        F: for<'a> FnOnce(&'a mut AnyConnection) -> BoxFuture<'a, Result<T, Error>> + Send,
    {
        let failed = |source| storage_error(name, source);
        let mut transaction = self.begin(Work::Write).await.map_err(failed)?;
        match f(transaction.connection()).await {
            Ok(value) => {
                transaction.commit().await.map_err(failed)?;
                Ok(value)
            }
            Err(error) => {
                transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// Lets the database forget what was deleted from a table: what a row held a moment ago may still stand in its files. Best effort.
    pub(crate) async fn forget_deleted(&self, table: &'static str) {
        let sql = match self.backend {
            Backend::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
            Backend::Postgres => format!("VACUUM {table}"),
        };
        if let Err(error) = sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&self.write)
            .await
        {
            tracing::warn!(table, %error, "the database keeps what was deleted for now");
        }
    }

    /// Begins a transaction. Whoever asks while the database is known to be gone does not wait for it: one request in
    /// a while finds out whether it is back.
    async fn begin(&self, work: Work) -> Result<Transaction, sqlx::Error> {
        if self.outage.is_known() {
            return Err(sqlx::Error::PoolTimedOut);
        }
        let (pool, begin) = match work {
            Work::Read => (&self.read, self.backend.begin_read()),
            Work::Write => (&self.write, self.backend.begin()),
        };
        let begun = Transaction::begin(pool, begin).await;
        match &begun {
            Ok(_) => self.outage.over(),
            // A writer of SQLite waits for the one before it; that is no outage.
            Err(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)
                if self.backend == Backend::Postgres =>
            {
                self.outage.seen();
            }
            Err(_) => {}
        }
        begun
    }

    /// Whether the database answers, within a moment.
    pub(crate) async fn answers(&self) -> bool {
        let asked = self.read("look after the database", |conn| {
            Box::pin(async move {
                sqlx::query("SELECT COUNT(*) FROM ledger_state")
                    .fetch_one(conn)
                    .await
                    .map(drop)
                    .map_err(|source| storage_error("look after the database", source))
            })
        });
        matches!(tokio::time::timeout(ANSWER_MAX, asked).await, Ok(Ok(())))
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }
}

/// Why one attempt of a transaction did not commit.
enum Failed {
    Retry(sqlx::Error),
    Final(Error),
}

impl Failed {
    fn of(source: sqlx::Error) -> Self {
        if is_race(&source) {
            Self::Retry(source)
        } else {
            Self::Final(storage_error("commit", source))
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        // A statement that lost a race arrives wrapped by the closure's own error.
        match error.into_race() {
            Ok(source) => Self::Retry(source),
            Err(error) => Self::Final(error),
        }
    }
}

impl Error {
    fn into_race(self) -> Result<sqlx::Error, Self> {
        match self.take_source::<sqlx::Error>() {
            Ok((_, source)) if is_race(&source) => Ok(source),
            Ok((error, source)) => Err(error.with_source(source)),
            Err(error) => Err(error),
        }
    }
}

/// Whether another transaction was in the way: busy or locked (SQLite), serialisation, deadlock (PostgreSQL).
fn is_race(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    matches!(
        error.code().as_deref(),
        Some("5" | "6" | "261" | "517" | "40001" | "40P01")
    )
}

fn busy(name: &'static str, source: sqlx::Error) -> Error {
    tracing::warn!(transaction = name, error = %source, "a transaction lost every race");
    Error::unavailable(
        "database_busy",
        "数据库繁忙，操作未执行。",
        "the database is busy; nothing was done.",
    )
    .with_remedy("稍后重试。", "try again in a moment.")
    .with_source(source)
}

/// Whether SQLite cannot use its file: no permission (3), read-only (8), I/O (10), damaged (11), cannot open (14), no
/// database (26). The low byte of an extended code is its class. PostgreSQL's codes are no small numbers, but 58030 is I/O.
fn is_file_trouble(code: Option<&str>) -> bool {
    let class = code
        .and_then(|code| code.parse::<u32>().ok())
        .filter(|code| *code < 10_000)
        .map(|code| code & 0xff);
    matches!(class, Some(3 | 8 | 10 | 11 | 14 | 26)) || code == Some("58030")
}

/// Whether a unique constraint was violated: a name that is taken.
#[must_use]
pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_unique_violation())
}

/// The outside error of a statement that failed: names what to do where the cause is the host's.
pub(crate) fn storage_error(operation: &'static str, source: sqlx::Error) -> Error {
    let (code, zh, en): (&'static str, &str, &str) = match &source {
        sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("13" | "53100")) => {
            (
                "disk_full",
                "数据库所在磁盘已满，操作未执行。",
                "the disk of the database is full; nothing was done.",
            )
        }
        sqlx::Error::Database(error) if connect::is_damage(error.code().as_deref()) => (
            "database_damaged",
            "数据库文件已损坏，操作未执行。",
            "the database file is damaged; nothing was done.",
        ),
        sqlx::Error::Database(error) if is_file_trouble(error.code().as_deref()) => (
            "database_io",
            "数据库文件无法读写，操作未执行。",
            "the database file cannot be read or written; nothing was done.",
        ),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => (
            "database_unavailable",
            "数据库无响应，操作未执行。",
            "the database does not answer; nothing was done.",
        ),
        _ => {
            if is_race(&source) {
                // The caller tries again; not worth a line in the log.
                return Error::unavailable(
                    "database_busy",
                    "数据库繁忙。",
                    "the database is busy.",
                )
                .with_source(source);
            }
            return Error::internal(operation, source);
        }
    };
    tracing::error!(operation, error = %source, "the database failed");
    Error::unavailable(code, zh, en)
        .with_remedy(
            "请运维人员检查数据库与磁盘空间后重试。",
            "the operator has to look at the database and its disk; then try again.",
        )
        .with_source(source)
}

#[cfg(test)]
mod tests;
