//! A transaction whose connection goes back to the pool only when it is known to be outside of one.
//!
//! A database may end a transaction on its own, as SQLite does when the disk is full: rolling back then fails, and a connection
//! that is counted as inside a transaction for ever would make every later act fail. Such a connection is closed instead, and
//! the pool opens another.

use sqlx::{Any, AnyConnection, Executor as _, Pool, pool::PoolConnection};

/// An open transaction. Dropped without an end, it takes its connection with it, which undoes what was done.
pub(super) struct Transaction {
    connection: PoolConnection<Any>,
    is_open: bool,
}

impl Transaction {
    pub(super) async fn begin(
        pool: &Pool<Any>,
        statement: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await?;
        // Open from here on: whether the statement arrived is not known until it is answered.
        let mut transaction = Self {
            connection,
            is_open: true,
        };
        transaction.connection.execute(statement).await?;
        Ok(transaction)
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("COMMIT").await?;
        self.is_open = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) {
        match self.connection.execute("ROLLBACK").await {
            Ok(_) => self.is_open = false,
            Err(error) => {
                tracing::debug!(error = %error, "a transaction had ended on its own; its connection is closed");
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.is_open {
            self.connection.close_on_drop();
        }
    }
}
