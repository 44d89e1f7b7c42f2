//! Requests that may be sent twice: the second gets the first one's answer.

use sqlx::Row as _;

use crate::access::Actor;
use crate::clock::micros;
use crate::document;
use crate::error::Error;
use crate::platform::Platform;
use crate::storage::storage_error;

/// How long an answer is kept: a client that has not asked again within a day has given up.
const KEPT_US: i64 = 24 * 3_600 * 1_000_000;
/// After this a claim without an answer is taken for that of a request that died with its server.
const CLAIM_US: i64 = 120 * 1_000_000;
/// Bytes of a key.
const KEY_BYTES_MAX: usize = 128;
/// Bytes of an answer that is kept; a longer one is not, and its request is simply done again.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A key that a request has taken.
#[derive(Clone, Debug)]
pub struct IdempotencyClaim {
    account: String,
    key: String,
    claim: String,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status, in the caller's own numbering.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum Idempotency {
    /// Nothing: do it, then call [`Platform::idempotency_complete`] or [`Platform::idempotency_release`].
    Fresh(IdempotencyClaim),
    /// It was done; this was the answer.
    Done(KeptAnswer),
}

impl Platform {
    /// Takes the key of a request. `body` is whatever makes two requests the same: operation and body.
    ///
    /// # Errors
    /// `idempotency_key` for a key that is empty or too long, `idempotency_reused` (invalid) for the
    /// key of another request, `idempotency_in_progress` (conflict) while the first is being done.
    pub async fn idempotency(
        &self,
        actor: &Actor,
        key: &str,
        body: &[u8],
    ) -> Result<Idempotency, Error> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(Error::invalid(
                "idempotency_key",
                format!("Idempotency-Key 须为 1 至 {KEY_BYTES_MAX} 个可见 ASCII 字符。"),
                format!("an Idempotency-Key has 1 to {KEY_BYTES_MAX} visible ASCII characters."),
            ));
        }
        let mut nonce = [0; 16];
        self.entropy().fill(&mut nonce);
        let claim = IdempotencyClaim {
            account: actor.account.to_string(),
            key: key.to_owned(),
            claim: hex::encode(nonce),
        };
        let digest = document::sha256(body);
        let now = micros(self.clock().now());
        let found = {
            let claim = claim.clone();
            self.store()
                .bookkeep("take an idempotency key", move |conn| {
                    Box::pin(async move { take(conn, &claim, &digest, now).await })
                })
                .await?
        };
        Ok(found.map_or(Idempotency::Fresh(claim), Idempotency::Done))
    }

    /// Keeps the answer of a request whose key was taken.
    ///
    /// # Errors
    /// Storage that fails.
    pub async fn idempotency_complete(
        &self,
        claim: IdempotencyClaim,
        answer: KeptAnswer,
    ) -> Result<(), Error> {
        if answer.body.len() > ANSWER_BYTES_MAX {
            return self.idempotency_release(claim).await;
        }
        self.store()
            .bookkeep("keep an answer", move |conn| {
                Box::pin(async move {
                    sqlx::query(
                        "UPDATE idempotency SET status = $1, response = $2 \
                         WHERE account_id = $3 AND idempotency_key = $4 AND claim = $5",
                    )
                    .bind(i64::from(answer.status))
                    .bind(answer.body)
                    .bind(claim.account)
                    .bind(claim.key)
                    .bind(claim.claim)
                    .execute(conn)
                    .await
                    .map_err(|source| storage_error("keep an answer", source))?;
                    Ok(())
                })
            })
            .await
    }

    /// Gives a key back: the request failed in a way that trying again may mend.
    ///
    /// # Errors
    /// Storage that fails.
    pub async fn idempotency_release(&self, claim: IdempotencyClaim) -> Result<(), Error> {
        self.store()
            .bookkeep("give back an idempotency key", move |conn| {
                Box::pin(async move {
                    sqlx::query(
                        "DELETE FROM idempotency WHERE account_id = $1 AND idempotency_key = $2 AND claim = $3",
                    )
                    .bind(claim.account)
                    .bind(claim.key)
                    .bind(claim.claim)
                    .execute(conn)
                    .await
                    .map_err(|source| storage_error("give back an idempotency key", source))?;
                    Ok(())
                })
            })
            .await
    }
}

/// Takes the key, or says what is known of it.
async fn take(
    conn: &mut sqlx::AnyConnection,
    claim: &IdempotencyClaim,
    digest: &str,
    now: i64,
) -> Result<Option<KeptAnswer>, Error> {
    let failed = |source| storage_error("take an idempotency key", source);
    sqlx::query(
        "DELETE FROM idempotency WHERE account_id = $1 AND (claimed_at < $2 OR (status = 0 AND claimed_at < $3))",
    )
    .bind(claim.account.as_str())
    .bind(now - KEPT_US)
    .bind(now - CLAIM_US)
    .execute(&mut *conn)
    .await
    .map_err(failed)?;
    let taken = sqlx::query(
        "INSERT INTO idempotency (account_id, idempotency_key, body_digest, claim, status, response, claimed_at) \
         VALUES ($1, $2, $3, $4, 0, '', $5) ON CONFLICT (account_id, idempotency_key) DO NOTHING",
    )
    .bind(claim.account.as_str())
    .bind(claim.key.as_str())
    .bind(digest)
    .bind(claim.claim.as_str())
    .bind(now)
    .execute(&mut *conn)
    .await
    .map_err(failed)?;
    if taken.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT body_digest, status, response FROM idempotency WHERE account_id = $1 AND idempotency_key = $2",
    )
    .bind(claim.account.as_str())
    .bind(claim.key.as_str())
    .fetch_one(&mut *conn)
    .await
    .map_err(failed)?;
    let known: String = row.try_get(0).map_err(failed)?;
    let status: i64 = row.try_get(1).map_err(failed)?;
    if known != digest {
        return Err(Error::invalid(
            "idempotency_reused",
            "该 Idempotency-Key 已用于另一个请求。",
            "this Idempotency-Key was used for another request.",
        )
        .with_remedy("每个请求使用新的键。", "use a new key for each request."));
    }
    match u16::try_from(status) {
        Ok(0) | Err(_) => Err(Error::conflict(
            "idempotency_in_progress",
            "同一请求正在处理。",
            "the same request is being done.",
        )
        .with_remedy(
            "稍后用同一个键重试。",
            "ask again with the same key in a moment.",
        )),
        Ok(status) => Ok(Some(KeptAnswer {
            status,
            body: row.try_get(2).map_err(failed)?,
        })),
    }
}
