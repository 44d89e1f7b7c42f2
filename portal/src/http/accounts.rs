//! Organisations and accounts.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{identifier, time};
use super::dto::{
    AccountCreate, AccountView, OrganisationCreate, OrganisationKind, OrganisationView, Page,
    PageQuery, PasswordReset, Role, RolesPut, WeightPut,
};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use sandbox::{AccountId, OrganisationId};
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(list_organisations, create_organisation))
        .add(routes!(set_weight))
        .add(routes!(list_accounts, create_account))
        .add(routes!(set_roles))
        .add(routes!(disable_account))
        .add(routes!(enable_account))
        .add(routes!(reset_password))
}

/// Organisations.
#[utoipa::path(get, path = "/organisations", tag = "accounts", params(PageQuery),
    responses((status = 200, description = "a page of organisations", body = Page<OrganisationView>)))]
async fn list_organisations(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .organisations(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, OrganisationView>(&page))
}

/// Makes an organisation.
#[utoipa::path(post, path = "/organisations", tag = "accounts", request_body = OrganisationCreate,
    responses((status = 201, description = "the organisation", body = OrganisationView)))]
async fn create_organisation(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<OrganisationCreate>,
) -> Answer {
    let request = sandbox::OrganisationRequest {
        name: body.name,
        title: body.title,
        kind: body.kind.into(),
    };
    let made = portal.platform.create_organisation(&actor, request).await?;
    let made = OrganisationView::from(&made);
    answer::created(&format!("/organisations/{}", made.id), &made)
}

/// Gives a tenant's runs more turns in the queue, or fewer.
#[utoipa::path(put, path = "/organisations/{id}/weight", tag = "accounts",
    params(("id" = String, Path, description = "the organisation")), request_body = WeightPut,
    responses((status = 200, description = "the organisation", body = OrganisationView)))]
async fn set_weight(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(organisation): Id<OrganisationId>,
    Json(body): Json<WeightPut>,
) -> Answer {
    let changed = portal
        .platform
        .set_weight(&actor, organisation, body.weight)
        .await?;
    answer::ok(&OrganisationView::from(&changed))
}

/// Accounts.
#[utoipa::path(get, path = "/accounts", tag = "accounts", params(PageQuery),
    responses((status = 200, description = "a page of accounts", body = Page<AccountView>)))]
async fn list_accounts(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .accounts(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, AccountView>(&page))
}

/// Makes an account.
#[utoipa::path(post, path = "/accounts", tag = "accounts", request_body = AccountCreate,
    responses((status = 201, description = "the account", body = AccountView)))]
async fn create_account(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<AccountCreate>,
) -> Answer {
    let made = portal
        .platform
        .create_account(
            &actor,
            sandbox::AccountRequest {
                name: body.name,
                organisation: identifier("organisation", &body.organisation)?,
                roles: role_set(&body.roles),
                password: body.password,
            },
        )
        .await?;
    let made = AccountView::from(&made);
    answer::created(&format!("/accounts/{}", made.id), &made)
}

/// Sets all roles of an account.
#[utoipa::path(put, path = "/accounts/{id}/roles", tag = "accounts",
    params(("id" = String, Path, description = "the account")), request_body = RolesPut,
    responses((status = 200, description = "the account", body = AccountView)))]
async fn set_roles(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(account): Id<AccountId>,
    Json(body): Json<RolesPut>,
) -> Answer {
    let roles = role_set(&body.roles);
    answer::ok(&AccountView::from(
        &portal.platform.set_roles(&actor, account, roles).await?,
    ))
}

/// Shuts an account and ends its sessions and tokens.
#[utoipa::path(post, path = "/accounts/{id}:disable", tag = "accounts",
    params(("id" = String, Path, description = "the account")),
    responses((status = 204, description = "the account is shut")))]
async fn disable_account(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(account): Id<AccountId>,
) -> Answer {
    portal.platform.disable_account(&actor, account).await?;
    answer::done()
}

/// Opens a shut account again.
#[utoipa::path(post, path = "/accounts/{id}:enable", tag = "accounts",
    params(("id" = String, Path, description = "the account")),
    responses((status = 204, description = "the account is open")))]
async fn enable_account(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(account): Id<AccountId>,
) -> Answer {
    portal.platform.enable_account(&actor, account).await?;
    answer::done()
}

/// Sets somebody's password anew and ends the account's sessions and tokens.
#[utoipa::path(post, path = "/accounts/{id}:reset-password", tag = "accounts",
    params(("id" = String, Path, description = "the account")), request_body = PasswordReset,
    responses((status = 204, description = "the new password holds")))]
async fn reset_password(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(account): Id<AccountId>,
    Json(body): Json<PasswordReset>,
) -> Answer {
    portal
        .platform
        .reset_password(&actor, account, &body.password)
        .await?;
    answer::done()
}

fn role_set(roles: &[Role]) -> sandbox::RoleSet {
    let roles: Vec<sandbox::Role> = roles.iter().map(|role| (*role).into()).collect();
    sandbox::RoleSet::of(&roles)
}

impl From<OrganisationKind> for sandbox::OrganisationKind {
    fn from(kind: OrganisationKind) -> Self {
        match kind {
            OrganisationKind::Operator => Self::Operator,
            OrganisationKind::Tenant => Self::Tenant,
            OrganisationKind::Provider => Self::Provider,
            OrganisationKind::ReviewBody => Self::ReviewBody,
        }
    }
}

impl From<sandbox::OrganisationKind> for OrganisationKind {
    fn from(kind: sandbox::OrganisationKind) -> Self {
        match kind {
            sandbox::OrganisationKind::Operator => Self::Operator,
            sandbox::OrganisationKind::Tenant => Self::Tenant,
            sandbox::OrganisationKind::Provider => Self::Provider,
            sandbox::OrganisationKind::ReviewBody => Self::ReviewBody,
        }
    }
}

impl From<Role> for sandbox::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Developer => Self::Developer,
            Role::TenantAdmin => Self::TenantAdmin,
            Role::Reviewer => Self::Reviewer,
            Role::ProviderDelegate => Self::ProviderDelegate,
            Role::SystemAdmin => Self::SystemAdmin,
            Role::SecurityAdmin => Self::SecurityAdmin,
            Role::Auditor => Self::Auditor,
        }
    }
}

impl From<sandbox::Role> for Role {
    fn from(role: sandbox::Role) -> Self {
        match role {
            sandbox::Role::Developer => Self::Developer,
            sandbox::Role::TenantAdmin => Self::TenantAdmin,
            sandbox::Role::Reviewer => Self::Reviewer,
            sandbox::Role::ProviderDelegate => Self::ProviderDelegate,
            sandbox::Role::SystemAdmin => Self::SystemAdmin,
            sandbox::Role::SecurityAdmin => Self::SecurityAdmin,
            sandbox::Role::Auditor => Self::Auditor,
        }
    }
}

impl From<&sandbox::Organisation> for OrganisationView {
    fn from(view: &sandbox::Organisation) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            title: view.title.clone(),
            kind: view.kind.into(),
            weight: view.weight,
            created_at: time(view.created_at),
        }
    }
}

impl From<&sandbox::Account> for AccountView {
    fn from(view: &sandbox::Account) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            organisation: view.organisation.to_string(),
            roles: view.roles.iter().map(Into::into).collect(),
            disabled: view.disabled,
            created_at: time(view.created_at),
        }
    }
}
