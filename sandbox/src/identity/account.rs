//! Accounts and their roles.

use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;

use super::{bootstrap::forget_sign_in, checked_name, organisation::taken};
use crate::{
    access::{Actor, Object, Operation, OrganisationKind, Role, RoleSet},
    clock::timestamp,
    error::Error,
    id::{AccountId, OrganisationId},
    ledger::LeafDraft,
    page::{Page, PageRequest},
    platform::Platform,
    storage::storage_error,
};

/// A new account.
#[derive(Clone)]
pub struct AccountRequest {
    /// Unique name to sign in with.
    pub name: String,
    /// Its organisation.
    pub organisation: OrganisationId,
    /// What it may act as at first: a tenant's roles. All others are given by the security administrator.
    pub roles: RoleSet,
    /// The first password.
    pub password: String,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its identifier.
    pub id: AccountId,
    /// The name to sign in with.
    pub name: String,
    /// Its organisation.
    pub organisation: OrganisationId,
    /// What it may act as.
    pub roles: RoleSet,
    /// Whether it is shut.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Platform {
    /// Makes an account.
    ///
    /// # Errors
    /// Not permitted; a role that only the security administrator gives; a role of another kind of organisation; a name that is
    /// taken; a weak password.
    pub async fn create_account(
        &self,
        actor: &Actor,
        request: AccountRequest,
    ) -> Result<Account, Error> {
        let object = Object::Of(request.organisation);
        let authorisation = self.authorise(actor, Operation::CreateAccount, object)?;
        checked_name(&request.name)?;
        let kind = self.organisation_kind(request.organisation).await?;
        checked_roles(request.roles, kind)?;
        if request
            .roles
            .iter()
            .any(|role| role.home() != OrganisationKind::Tenant)
        {
            return Err(Error::denied(
                "role_by_security_admin",
                "只有安全管理员可以授予租户以外的角色。",
                "only the security administrator gives roles outside of tenants.",
            )
            .with_remedy(
                "创建账户时不给角色（roles 留空），再由安全管理员授予：egret account set-roles，即 PUT /accounts/{id}/roles。",
                "create the account without roles; then the security administrator gives them: egret account set-roles, that is PUT /accounts/{id}/roles.",
            ));
        }
        let password = self
            .passwords()
            .hash(&request.password, self.entropy())
            .await?;
        let id = AccountId::new(self.clock(), self.entropy());
        let (name, organisation, roles) = (request.name, request.organisation, request.roles);
        self.store()
            .act(authorisation, "create_account", move |tx| {
                let (name, password) = (name.clone(), password.clone());
                Box::pin(async move {
                    insert(tx, id, &name, organisation, roles, &password).await?;
                    let leaf = created(id, &name, organisation, roles);
                    let created_at = tx.now();
                    let account = Account {
                        id,
                        name,
                        organisation,
                        roles,
                        disabled: false,
                        created_at,
                    };
                    Ok((account, leaf))
                })
            })
            .await
    }

    /// The accounts that the actor may see, by name.
    ///
    /// # Errors
    /// Not permitted.
    pub async fn accounts(&self, actor: &Actor, page: PageRequest) -> Result<Page<Account>, Error> {
        let scope = self.scope(actor, Operation::ListAccounts)?;
        let organisation = scope.map(|id| id.to_string()).unwrap_or_default();
        self.store()
            .read("accounts", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT id, name, organisation_id, roles, disabled, created_at FROM accounts \
                         WHERE name > $1 AND ($2 = '' OR organisation_id = $2) ORDER BY name LIMIT $3",
                    )
                    .bind(page.after())
                    .bind(organisation.as_str())
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(|source| storage_error("list accounts", source))?;
                    let items = rows.iter().map(account).collect::<Result<Vec<_>, _>>()?;
                    Ok(Page::cut(items, &page, |item| item.name.clone()))
                })
            })
            .await
    }

    /// Sets all roles of an account.
    ///
    /// # Errors
    /// Not permitted; no such account; roles that do not go together or with the organisation; one's own account.
    pub async fn set_roles(
        &self,
        actor: &Actor,
        id: AccountId,
        roles: RoleSet,
    ) -> Result<Account, Error> {
        let before = self.account(id).await?;
        let object = Object::Of(before.organisation);
        let authorisation = self.authorise(actor, Operation::SetRoles, object)?;
        if id == actor.account {
            return Err(Error::denied(
                "own_roles",
                "不能更改自己的角色。",
                "nobody changes their own roles.",
            ));
        }
        checked_roles(roles, self.organisation_kind(before.organisation).await?)?;
        self.store()
            .act(authorisation, "set_roles", move |tx| {
                let before = before.clone();
                Box::pin(async move {
                    sqlx::query("UPDATE accounts SET roles = $2 WHERE id = $1")
                        .bind(id.to_string())
                        .bind(roles.to_text())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("set roles", source))?;
                    let detail =
                        json!({ "before": before.roles.to_text(), "after": roles.to_text() });
                    let leaf = LeafDraft::new("account.roles", detail)
                        .person(id)
                        .subject(before.organisation);
                    Ok((Account { roles, ..before }, leaf))
                })
            })
            .await
    }

    /// Shuts an account: it cannot sign in, and its sessions and tokens are dead.
    ///
    /// # Errors
    /// Not permitted; no such account; one's own account.
    pub async fn disable_account(&self, actor: &Actor, id: AccountId) -> Result<Account, Error> {
        let before = self.account(id).await?;
        let object = Object::Of(before.organisation);
        let authorisation = self.authorise(actor, Operation::DisableAccount, object)?;
        if id == actor.account {
            return Err(Error::denied(
                "own_account",
                "不能停用自己的账户。",
                "nobody shuts their own account.",
            ));
        }
        self.store()
            .act(authorisation, "disable_account", move |tx| {
                let before = before.clone();
                Box::pin(async move {
                    let failed = |source| storage_error("disable an account", source);
                    sqlx::query("UPDATE accounts SET disabled = 1 WHERE id = $1")
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(failed)?;
                    sqlx::query("UPDATE tokens SET revoked = 1 WHERE account_id = $1")
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(failed)?;
                    let leaf = LeafDraft::new("account.disable", json!({}))
                        .person(id)
                        .subject(before.organisation);
                    Ok((
                        Account {
                            disabled: true,
                            ..before
                        },
                        leaf,
                    ))
                })
            })
            .await
    }

    /// Opens a shut account again, with its roles and its password as they were.
    ///
    /// # Errors
    /// Not permitted; no such account; one's own account.
    pub async fn enable_account(&self, actor: &Actor, id: AccountId) -> Result<Account, Error> {
        let before = self.account(id).await?;
        let object = Object::Of(before.organisation);
        let authorisation = self.authorise(actor, Operation::EnableAccount, object)?;
        if id == actor.account {
            return Err(Error::denied(
                "own_account",
                "不能启用自己的账户。",
                "nobody opens their own account.",
            ));
        }
        self.store()
            .act(authorisation, "enable_account", move |tx| {
                let before = before.clone();
                Box::pin(async move {
                    sqlx::query("UPDATE accounts SET disabled = 0 WHERE id = $1")
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(|source| storage_error("enable an account", source))?;
                    let leaf = LeafDraft::new("account.enable", json!({}))
                        .person(id)
                        .subject(before.organisation);
                    Ok((
                        Account {
                            disabled: false,
                            ..before
                        },
                        leaf,
                    ))
                })
            })
            .await
    }

    /// Sets somebody's password anew; their sessions and tokens end, so that they notice.
    ///
    /// # Errors
    /// Not permitted; no such account; one's own account; a weak password.
    pub async fn reset_password(
        &self,
        actor: &Actor,
        id: AccountId,
        password: &str,
    ) -> Result<(), Error> {
        let before = self.account(id).await?;
        let object = Object::Of(before.organisation);
        let authorisation = self.authorise(actor, Operation::ResetPassword, object)?;
        if id == actor.account {
            return Err(Error::denied(
                "own_password",
                "自己的口令请用修改口令操作。",
                "one's own password is changed, not set anew.",
            ));
        }
        let hash = self.passwords().hash(password, self.entropy()).await?;
        let organisation = before.organisation;
        self.store()
            .act(authorisation, "reset_password", move |tx| {
                let hash = hash.clone();
                Box::pin(async move {
                    let failed = |source| storage_error("set a password anew", source);
                    sqlx::query("UPDATE accounts SET password_hash = $2 WHERE id = $1")
                        .bind(id.to_string())
                        .bind(hash.as_str())
                        .execute(tx.conn())
                        .await
                        .map_err(failed)?;
                    sqlx::query("UPDATE tokens SET revoked = 1 WHERE account_id = $1")
                        .bind(id.to_string())
                        .execute(tx.conn())
                        .await
                        .map_err(failed)?;
                    let leaf = LeafDraft::new("account.reset_password", json!({}))
                        .person(id)
                        .subject(organisation);
                    Ok(((), leaf))
                })
            })
            .await?;
        forget_sign_in(&self.settings().data_dir, &before.name);
        Ok(())
    }

    async fn account(&self, id: AccountId) -> Result<Account, Error> {
        self.store()
            .read("account", move |conn| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "SELECT id, name, organisation_id, roles, disabled, created_at FROM accounts \
                         WHERE id = $1",
                    )
                    .bind(id.to_string())
                    .fetch_optional(&mut *conn)
                    .await
                    .map_err(|source| storage_error("find an account", source))?;
                    row.as_ref().map(account).transpose()?.ok_or_else(|| {
                        Error::not_found("没有这个账户。", "there is no such account.")
                    })
                })
            })
            .await
    }
}

/// Writes a new account.
pub(super) async fn insert(
    tx: &mut crate::storage::Tx,
    id: AccountId,
    name: &str,
    organisation: OrganisationId,
    roles: RoleSet,
    password_hash: &str,
) -> Result<(), Error> {
    let at = tx.now_micros();
    sqlx::query(
        "INSERT INTO accounts (id, name, organisation_id, roles, password_hash, disabled, \
         failed_sign_ins, locked_until, created_at) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, $6)",
    )
    .bind(id.to_string())
    .bind(name)
    .bind(organisation.to_string())
    .bind(roles.to_text())
    .bind(password_hash)
    .bind(at)
    .execute(tx.conn())
    .await
    .map_err(|source| taken(name, source))?;
    Ok(())
}

/// The leaf of a new account.
pub(super) fn created(
    id: AccountId,
    name: &str,
    organisation: OrganisationId,
    roles: RoleSet,
) -> LeafDraft {
    LeafDraft::new(
        "account.create",
        json!({ "name": name, "roles": roles.to_text() }),
    )
    .person(id)
    .subject(organisation)
}

fn checked_roles(roles: RoleSet, kind: OrganisationKind) -> Result<(), Error> {
    if let Some(role) = roles.iter().find(|role| role.home() != kind) {
        return Err(Error::invalid(
            "role_of_another_kind",
            format!("角色 {} 不属于 {} 类组织。", role.name(), kind.name()),
            format!(
                "the role {} is not one of a {} organisation.",
                role.name(),
                kind.name()
            ),
        ));
    }
    if !roles.separates_duties() {
        return Err(Error::invalid(
            "separate_duties",
            "系统、安全、审计管理员须由不同的人担任。",
            "system, security and audit administrators are three people.",
        ));
    }
    Ok(())
}

fn account(row: &sqlx::any::AnyRow) -> Result<Account, Error> {
    let failed = |source| storage_error("read an account", source);
    let text = |place: usize| row.try_get::<String, _>(place).map_err(failed);
    let unknown = |_| Error::internal("read an account", "an identifier that is none");
    let disabled: i64 = row.try_get(4).map_err(failed)?;
    Ok(Account {
        id: text(0)?.parse().map_err(unknown)?,
        name: text(1)?,
        organisation: text(2)?.parse().map_err(unknown)?,
        roles: RoleSet::from_text(&text(3)?),
        disabled: disabled != 0,
        created_at: timestamp(row.try_get(5).map_err(failed)?),
    })
}

/// The operator's first accounts, by name and role.
pub(super) const OPERATOR_ACCOUNTS: [(&str, Role); 3] = [
    ("system-admin", Role::SystemAdmin),
    ("security-admin", Role::SecurityAdmin),
    ("auditor", Role::Auditor),
];
