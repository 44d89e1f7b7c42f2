//! Sessions, the account behind a request, its password and its personal tokens.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::time;
use super::dto::{
    AccountSelf, Page, PageQuery, PasswordPut, SessionCreate, SessionView, TokenCreate, TokenView,
};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::share::Client;
use super::verbs::Routes;
use axum::extract::{Extension, State};
use sandbox::TokenId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(sign_in))
        .add(routes!(sign_out))
        .add(routes!(me))
        .add(routes!(change_password))
        .add(routes!(list_personal_tokens, create_personal_token))
        .add(routes!(revoke_personal_token))
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/sessions", tag = "sessions", security(()), request_body = SessionCreate,
    responses((status = 201, description = "a session and its token", body = SessionView)))]
async fn sign_in(
    State(portal): State<Portal>,
    Extension(client): Extension<Client>,
    Json(body): Json<SessionCreate>,
) -> Answer {
    let session = portal
        .platform
        .sign_in_from(&body.account, &body.password, client.0)
        .await?;
    answer::created("/sessions/current", &SessionView::from(&session))
}

/// Ends the session behind the request's token.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions",
    responses((status = 204, description = "the token is dead")))]
async fn sign_out(State(portal): State<Portal>, Signed(actor): Signed) -> Answer {
    portal.platform.sign_out(&actor).await?;
    answer::done()
}

/// The account behind the request.
#[utoipa::path(get, path = "/me", tag = "sessions", responses((status = 200, description = "the account", body = AccountSelf)))]
async fn me(Signed(actor): Signed) -> Answer {
    answer::ok(&AccountSelf::from(&actor))
}

/// Changes one's own password; every other session of the account ends.
#[utoipa::path(post, path = "/me:password", tag = "sessions", request_body = PasswordPut,
    responses((status = 204, description = "the new password holds")))]
async fn change_password(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<PasswordPut>,
) -> Answer {
    portal
        .platform
        .change_password(&actor, &body.current, &body.new)
        .await?;
    answer::done()
}

/// One's personal tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "sessions", params(PageQuery),
    responses((status = 200, description = "a page of tokens", body = Page<TokenView>)))]
async fn list_personal_tokens(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .personal_tokens(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, TokenView>(&page))
}

/// Makes a personal token; its secret is in this answer alone.
#[utoipa::path(post, path = "/tokens", tag = "sessions", request_body = TokenCreate,
    responses((status = 201, description = "the token with its secret", body = TokenView)))]
async fn create_personal_token(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<TokenCreate>,
) -> Answer {
    let token = portal
        .platform
        .create_personal_token(&actor, &body.name, body.days)
        .await?;
    answer::created(&format!("/tokens/{}", token.id), &TokenView::from(&token))
}

/// Ends a personal token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "sessions", params(("id" = String, Path, description = "the token")),
    responses((status = 204, description = "the token is dead")))]
async fn revoke_personal_token(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(token): Id<TokenId>,
) -> Answer {
    portal.platform.revoke_personal_token(&actor, token).await?;
    answer::done()
}

impl From<&sandbox::Actor> for AccountSelf {
    fn from(actor: &sandbox::Actor) -> Self {
        Self {
            id: actor.account.to_string(),
            name: actor.name.clone(),
            organisation: actor.organisation.to_string(),
            organisation_kind: actor.organisation_kind.into(),
            roles: actor.roles.iter().map(Into::into).collect(),
        }
    }
}

impl From<&sandbox::Session> for SessionView {
    fn from(session: &sandbox::Session) -> Self {
        Self {
            token: session.token.clone(),
            expires_at: time(session.expires_at),
            account: (&session.actor).into(),
        }
    }
}

impl From<&sandbox::PersonalToken> for TokenView {
    fn from(token: &sandbox::PersonalToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            created_at: time(token.created_at),
            expires_at: time(token.expires_at),
            token: token.secret.clone(),
        }
    }
}
