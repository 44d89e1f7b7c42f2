//! Signing in and out, and the account behind a request.

use std::net::{IpAddr, Ipv4Addr};

use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use serde_json::json;
use sqlx::Row as _;

use super::bootstrap::forget_sign_in;
use crate::{
    access::{Actor, Object, Operation, OrganisationKind, RoleSet, SystemOperation, system},
    clock::micros,
    error::Error,
    id::{AccountId, OrganisationId, SessionId},
    ledger::LeafDraft,
    platform::Platform,
    storage::{Tx, storage_error},
};

/// How long a session lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// A new session.
pub struct Session {
    /// The secret; it is in this answer alone.
    pub token: String,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// Who signed in.
    pub actor: Actor,
}

/// An account as a sign-in sees it.
#[derive(Clone)]
struct Candidate {
    id: AccountId,
    organisation: OrganisationId,
    kind: OrganisationKind,
    roles: RoleSet,
    hash: String,
    disabled: bool,
}

impl Platform {
    /// Signs in with name and password, from this host.
    ///
    /// # Errors
    /// Those of [`Platform::sign_in_from`].
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<Session, Error> {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.sign_in_from(name, password, here).await
    }

    /// Signs in with name and password from an address.
    ///
    /// # Errors
    /// The same words for an unknown account, a wrong password and a shut account. After five failures in a row a name is shut
    /// for a quarter of an hour to the address that they came from, whether there is such an account or not.
    pub async fn sign_in_from(
        &self,
        name: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Session, Error> {
        let now = micros(self.clock().now());
        if !self.attempts().begin(name, from, now) {
            return Err(too_many());
        }
        let candidate = self.candidate(name).await?;
        let hash = candidate.as_ref().map(|found| found.hash.clone());
        let fits = self.passwords().verify(password, hash).await?;
        match candidate {
            Some(candidate) if fits && !candidate.disabled => {
                let session = self.open_session(name.to_owned(), candidate).await?;
                self.attempts().succeeded(name, from, now);
                Ok(session)
            }
            // A leaf either way: it would take longer to refuse a name that exists.
            candidate => {
                self.note_failure(candidate.map(|found| found.id)).await?;
                Err(refused())
            }
        }
    }

    async fn open_session(&self, name: String, found: Candidate) -> Result<Session, Error> {
        let secret = self.new_secret("egs");
        let credential = credential_of(&secret);
        let id = SessionId::new(self.clock(), self.entropy());
        let expires_at = later(self.clock().now(), SESSION);
        let actor = Actor {
            account: found.id,
            name,
            organisation: found.organisation,
            organisation_kind: found.kind,
            roles: found.roles,
            credential: credential.clone(),
        };
        self.store()
            .act(system(SystemOperation::SignIn), "sign_in", move |tx| {
                let credential = credential.clone();
                Box::pin(async move {
                    // Decided here, where one transaction is at work at a time: an account may have been shut while its
                    // password was verified.
                    let opened = sqlx::query(
                        "UPDATE accounts SET failed_sign_ins = 0 WHERE id = $1 AND disabled = 0",
                    )
                    .bind(found.id.to_string())
                    .execute(tx.conn())
                    .await
                    .map_err(|source| storage_error("open a session", source))?;
                    if opened.rows_affected() == 0 {
                        return Err(refused());
                    }
                    insert_token(
                        tx,
                        &id.to_string(),
                        "session",
                        found.id,
                        "",
                        &credential,
                        expires_at,
                    )
                    .await?;
                    Ok((
                        (),
                        LeafDraft::new("session.open", json!({}))
                            .person(found.id)
                            .subject(id),
                    ))
                })
            })
            .await?;
        Ok(Session {
            token: secret,
            expires_at,
            actor,
        })
    }

    /// Writes a failed sign-in into the ledger; of nobody when the name is nobody's.
    async fn note_failure(&self, account: Option<AccountId>) -> Result<(), Error> {
        self.store()
            .act(system(SystemOperation::SignIn), "note_failure", move |tx| {
                Box::pin(async move {
                    let failed = |source| storage_error("count a failed sign-in", source);
                    let counted = sqlx::query(
                        "UPDATE accounts SET failed_sign_ins = failed_sign_ins + 1 WHERE id = $1 \
                         RETURNING failed_sign_ins",
                    )
                    .bind(account.map(|id| id.to_string()).unwrap_or_default())
                    .fetch_optional(tx.conn())
                    .await
                    .map_err(failed)?;
                    let failures: i64 = match counted {
                        Some(row) => row.try_get(0).map_err(failed)?,
                        None => 1,
                    };
                    let leaf = LeafDraft::new("session.refuse", json!({ "failures": failures }));
                    Ok((
                        (),
                        match account {
                            Some(account) => leaf.person(account),
                            None => leaf,
                        },
                    ))
                })
            })
            .await
    }

    async fn candidate(&self, name: &str) -> Result<Option<Candidate>, Error> {
        let name = name.to_owned();
        self.store()
            .read("candidate", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("find an account", source);
                    let row = sqlx::query(
                        "SELECT a.id, a.organisation_id, o.kind, a.roles, a.password_hash, a.disabled \
                         FROM accounts a \
                         JOIN organisations o ON o.id = a.organisation_id WHERE a.name = $1",
                    )
                    .bind(name.as_str())
                    .fetch_optional(&mut *conn)
                    .await
                    .map_err(failed)?;
                    let Some(row) = row else { return Ok(None) };
                    let (id, organisation, kind, roles) = who(&row)?;
                    let disabled: i64 = row.try_get(5).map_err(failed)?;
                    Ok(Some(Candidate {
                        id,
                        organisation,
                        kind,
                        roles,
                        hash: row.try_get(4).map_err(failed)?,
                        disabled: disabled != 0,
                    }))
                })
            })
            .await
    }

    /// The account behind a session or a personal token.
    ///
    /// # Errors
    /// The token is not known, revoked or past its end, the account is shut, or a session of the operator was not used for
    /// [`crate::Settings::operator_idle_minutes`].
    pub async fn authenticate(&self, token: &str) -> Result<Actor, Error> {
        let credential = credential_of(token);
        let now = micros(self.clock().now());
        let (actor, kind, opened) = self
            .store()
            .read("authenticate", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("authenticate", source);
                    // Looked up by its digest: what the index compares is no secret.
                    let row = sqlx::query(
                        "SELECT a.id, a.organisation_id, o.kind, a.roles, a.name, t.kind, \
                         t.created_at FROM tokens t \
                         JOIN accounts a ON a.id = t.account_id \
                         JOIN organisations o ON o.id = a.organisation_id \
                         WHERE t.secret_sha256 = $1 AND t.revoked = 0 AND t.expires_at > $2 \
                         AND a.disabled = 0",
                    )
                    .bind(credential.as_str())
                    .bind(now)
                    .fetch_optional(&mut *conn)
                    .await
                    .map_err(failed)?
                    .ok_or_else(not_signed_in)?;
                    let (account, organisation, organisation_kind, roles) = who(&row)?;
                    let name = row.try_get(4).map_err(failed)?;
                    let kind: String = row.try_get(5).map_err(failed)?;
                    let opened: i64 = row.try_get(6).map_err(failed)?;
                    let actor = Actor {
                        account,
                        name,
                        organisation,
                        organisation_kind,
                        roles,
                        credential,
                    };
                    Ok((actor, kind, opened))
                })
            })
            .await?;
        // Whoever runs the platform may leave a desk; a tool's token has no desk.
        let watched = kind == "session" && actor.organisation_kind == OrganisationKind::Operator;
        if watched && self.last_uses().is_idle(&actor.credential, opened, now) {
            return Err(not_signed_in());
        }
        Ok(actor)
    }

    /// Ends the session or token behind the request.
    ///
    /// # Errors
    /// Storage that fails.
    pub async fn sign_out(&self, actor: &Actor) -> Result<(), Error> {
        let authorisation = self.authorise(actor, Operation::SignOut, Object::Platform)?;
        let (account, credential) = (actor.account, actor.credential.clone());
        self.store()
            .act(authorisation, "sign_out", move |tx| {
                let credential = credential.clone();
                Box::pin(async move {
                    sqlx::query("UPDATE tokens SET revoked = 1 WHERE secret_sha256 = $1")
                        .bind(credential.as_str())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("sign out", source))?;
                    Ok((
                        (),
                        LeafDraft::new("session.close", json!({})).person(account),
                    ))
                })
            })
            .await
    }

    /// Changes one's own password; all other sessions of the account end.
    ///
    /// # Errors
    /// The current password is wrong, or the new one is weak.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: &str,
        new: &str,
    ) -> Result<(), Error> {
        let authorisation = self.authorise(actor, Operation::ChangePassword, Object::Platform)?;
        let found = self
            .candidate(&actor.name)
            .await?
            .ok_or_else(not_signed_in)?;
        // Counted by the account, whoever holds its token: this is no way around a shut sign-in.
        let now = micros(self.clock().now());
        let (own, nowhere) = (
            format!("password of {}", actor.account),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        );
        if !self.attempts().begin(&own, nowhere, now) {
            return Err(too_many());
        }
        if !self
            .passwords()
            .verify(current, Some(found.hash.clone()))
            .await?
        {
            self.note_failure(Some(found.id)).await?;
            return Err(Error::denied(
                "wrong_password",
                "当前口令不正确。",
                "the current password is wrong.",
            ));
        }
        self.attempts().succeeded(&own, nowhere, now);
        let hash = self.passwords().hash(new, self.entropy()).await?;
        let (account, credential) = (actor.account, actor.credential.clone());
        self.store()
            .act(authorisation, "change_password", move |tx| {
                let (hash, credential) = (hash.clone(), credential.clone());
                Box::pin(async move {
                    let failed = |source| storage_error("change a password", source);
                    sqlx::query("UPDATE accounts SET password_hash = $2 WHERE id = $1")
                        .bind(account.to_string())
                        .bind(hash.as_str())
                        .execute(tx.conn())
                        .await
                        .map_err(failed)?;
                    sqlx::query(
                        "UPDATE tokens SET revoked = 1 WHERE account_id = $1 AND kind = 'session' \
                         AND secret_sha256 <> $2",
                    )
                    .bind(account.to_string())
                    .bind(credential.as_str())
                    .execute(tx.conn())
                    .await
                    .map_err(failed)?;
                    Ok((
                        (),
                        LeafDraft::new("account.password", json!({})).person(account),
                    ))
                })
            })
            .await?;
        forget_sign_in(&self.settings().data_dir, &actor.name);
        Ok(())
    }

    /// A new secret of 256 bit behind a prefix that scanners for leaked secrets can find.
    pub(super) fn new_secret(&self, prefix: &str) -> String {
        let mut bytes = [0; 32];
        self.entropy().fill(&mut bytes);
        format!("{prefix}_{}", hex::encode(bytes))
    }
}

/// Writes a session or a personal token.
pub(super) async fn insert_token(
    tx: &mut Tx,
    id: &str,
    kind: &str,
    account: AccountId,
    name: &str,
    credential: &str,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let at = tx.now_micros();
    sqlx::query(
        "INSERT INTO tokens (id, kind, account_id, name, secret_sha256, created_at, expires_at, revoked) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
    )
    .bind(id)
    .bind(kind)
    .bind(account.to_string())
    .bind(name)
    .bind(credential)
    .bind(at)
    .bind(micros(expires_at))
    .execute(tx.conn())
    .await
    .map_err(|source| storage_error("store a token", source))?;
    Ok(())
}

/// What is kept of a secret. It has 256 random bits, so a plain digest cannot be turned back.
pub(super) fn credential_of(secret: &str) -> String {
    hex::encode(digest(&SHA256, secret.as_bytes()))
}

/// The time after a while, or the end of all time.
pub(super) fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn who(
    row: &sqlx::any::AnyRow,
) -> Result<(AccountId, OrganisationId, OrganisationKind, RoleSet), Error> {
    let failed = |source| storage_error("read an account", source);
    let text = |place: usize| row.try_get::<String, _>(place).map_err(failed);
    let unknown = |what: &'static str| Error::internal("read an account", what);
    Ok((
        text(0)?
            .parse()
            .map_err(|_| unknown("an account that is none"))?,
        text(1)?
            .parse()
            .map_err(|_| unknown("an organisation that is none"))?,
        OrganisationKind::parse(&text(2)?).ok_or_else(|| unknown("an unknown kind"))?,
        RoleSet::from_text(&text(3)?),
    ))
}

fn refused() -> Error {
    Error::unauthenticated(
        "账户或口令不正确。",
        "the account or the password is wrong.",
    )
}

fn too_many() -> Error {
    Error::unauthenticated(
        "登录失败次数过多，请 15 分钟后再试。",
        "too many sign-ins have failed; try again in 15 minutes.",
    )
}

fn not_signed_in() -> Error {
    Error::unauthenticated(
        "令牌无效或已过期。",
        "the token is not valid, or not any more.",
    )
    .with_remedy("重新登录。", "sign in again.")
}
