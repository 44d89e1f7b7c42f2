//! Signing in, the account behind a request, personal tokens.

use super::{OrganisationKind, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name and password of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCreate {
    /// The account's name.
    pub account: String,
    /// Its password.
    pub password: String,
}

/// A new session; the token is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Goes into `Authorization: Bearer …`.
    pub token: String,
    /// When the session ends.
    pub expires_at: String,
    /// Who signed in.
    pub account: AccountSelf,
}

/// The account behind a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountSelf {
    /// The account.
    pub id: String,
    /// The name it signs in with.
    pub name: String,
    /// Its organisation.
    pub organisation: String,
    /// The kind of that organisation.
    pub organisation_kind: OrganisationKind,
    /// What it may act as.
    pub roles: Vec<Role>,
}

/// A change of one's own password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordPut {
    /// The password until now.
    pub current: String,
    /// The password from now on.
    pub new: String,
}

/// A personal token for tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// What it is for.
    pub name: String,
    /// How long it is good.
    #[schema(minimum = 1)]
    pub days: u32,
}

/// A personal token. The secret is in the answer to its creation alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// The token's identifier.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: String,
    /// When it ends.
    pub expires_at: String,
    /// The secret, shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}
