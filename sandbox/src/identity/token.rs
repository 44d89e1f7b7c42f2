//! Personal tokens for tools.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::Row as _;

use super::{
    checked_title,
    session::{credential_of, insert_token, later},
};
use crate::{
    access::{Actor, Object, Operation},
    clock::{micros, timestamp},
    error::Error,
    id::TokenId,
    ledger::LeafDraft,
    page::{Page, PageRequest},
    platform::Platform,
    quota::{self, Kept},
    storage::storage_error,
};

/// Days that a token is good, at most.
const DAYS_MAX: u32 = 365;

/// A personal token.
#[derive(Clone)]
pub struct PersonalToken {
    /// Its identifier.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The secret, in the answer to its creation alone.
    pub secret: Option<String>,
}

impl Platform {
    /// Makes a personal token.
    ///
    /// # Errors
    /// A name that is none, or days outside of 1 to 365.
    pub async fn create_personal_token(
        &self,
        actor: &Actor,
        name: &str,
        days: u32,
    ) -> Result<PersonalToken, Error> {
        let authorisation =
            self.authorise(actor, Operation::CreatePersonalToken, Object::Platform)?;
        checked_title("name", name)?;
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Error::invalid(
                "token_days",
                format!("days 须在 1 到 {DAYS_MAX} 之间。"),
                format!("days must be from 1 to {DAYS_MAX}."),
            ));
        }
        let secret = self.new_secret("egp");
        let id = TokenId::new(self.clock(), self.entropy());
        let expires_at = later(
            self.clock().now(),
            SignedDuration::from_hours(24 * i64::from(days)),
        );
        let (account, name) = (actor.account, name.to_owned());
        let (quotas, organisation) = (self.settings().quotas, actor.organisation);
        self.store()
            .act(authorisation, "create_personal_token", move |tx| {
                let (name, secret) = (name.clone(), secret.clone());
                Box::pin(async move {
                    let now = tx.now_micros();
                    quota::room(tx.conn(), &quotas, organisation, (Kept::Tokens, 1), now).await?;
                    let credential = credential_of(&secret);
                    insert_token(
                        tx,
                        &id.to_string(),
                        "personal",
                        account,
                        &name,
                        &credential,
                        expires_at,
                    )
                    .await?;
                    let detail = json!({ "name": name, "expires_at": micros(expires_at) });
                    let leaf = LeafDraft::new("token.create", detail)
                        .person(account)
                        .subject(id);
                    let created_at = tx.now();
                    let token = PersonalToken {
                        id,
                        name,
                        created_at,
                        expires_at,
                        secret: Some(secret),
                    };
                    Ok((token, leaf))
                })
            })
            .await
    }

    /// One's own tokens that are not revoked, oldest first, without their secrets.
    ///
    /// # Errors
    /// Storage that fails.
    pub async fn personal_tokens(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<PersonalToken>, Error> {
        self.authorise(actor, Operation::ListPersonalTokens, Object::Platform)?;
        let account = actor.account;
        self.store()
            .read("personal_tokens", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT id, name, created_at, expires_at FROM tokens WHERE account_id = $1 \
                         AND kind = 'personal' AND revoked = 0 AND id > $2 ORDER BY id LIMIT $3",
                    )
                    .bind(account.to_string())
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(|source| storage_error("list tokens", source))?;
                    let items = rows.iter().map(token).collect::<Result<Vec<_>, _>>()?;
                    Ok(Page::cut(items, &page, |item| item.id.to_string()))
                })
            })
            .await
    }

    /// Ends one's own token.
    ///
    /// # Errors
    /// There is no such token of this account.
    pub async fn revoke_personal_token(&self, actor: &Actor, id: TokenId) -> Result<(), Error> {
        let authorisation =
            self.authorise(actor, Operation::RevokePersonalToken, Object::Platform)?;
        let account = actor.account;
        self.store()
            .act(authorisation, "revoke_personal_token", move |tx| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "UPDATE tokens SET revoked = 1 WHERE id = $1 AND account_id = $2 \
                         AND kind = 'personal' AND revoked = 0",
                    )
                    .bind(id.to_string())
                    .bind(account.to_string())
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("revoke a token", source))?;
                    if done.rows_affected() == 0 {
                        return Err(Error::not_found(
                            "没有这个令牌。",
                            "there is no such token.",
                        ));
                    }
                    Ok((
                        (),
                        LeafDraft::new("token.revoke", json!({}))
                            .person(account)
                            .subject(id),
                    ))
                })
            })
            .await
    }
}

fn token(row: &sqlx::any::AnyRow) -> Result<PersonalToken, Error> {
    let failed = |source| storage_error("read a token", source);
    let id: String = row.try_get(0).map_err(failed)?;
    Ok(PersonalToken {
        id: id
            .parse()
            .map_err(|source: crate::id::IdError| Error::internal("read a token", source))?,
        name: row.try_get(1).map_err(failed)?,
        created_at: timestamp(row.try_get(2).map_err(failed)?),
        expires_at: timestamp(row.try_get(3).map_err(failed)?),
        secret: None,
    })
}
