//! Writes that are no acts: what can be lost or recomputed without anybody's right being touched.
//! Idempotency keys and cached certificates are all there is.

use futures::future::BoxFuture;
use sqlx::AnyConnection;

use super::{Store, storage_error};
use crate::error::Error;

impl Store {
    /// Writes without a leaf, in one transaction; see the module for what may be written so.
    ///
    /// # Errors
    /// What `f` answers, or storage that fails.
    pub(crate) async fn bookkeep<T, F>(&self, name: &'static str, f: F) -> Result<T, Error>
    where
        T: Send,
        F: for<'a> FnOnce(&'a mut AnyConnection) -> BoxFuture<'a, Result<T, Error>> + Send,
    {
        let failed = |source| storage_error(name, source);
        let mut transaction = self.write.begin_with(self.backend.begin()).await.map_err(failed)?;
        let value = f(&mut transaction).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(value)
    }
}
