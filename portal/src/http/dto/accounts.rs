//! Organisations and their accounts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an organisation is to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrganisationKind {
    /// 一级开发主体: runs the platform.
    Operator,
    /// 二级开发主体: develops.
    Tenant,
    /// 数据提供方: the bureau behind data sets.
    Provider,
    /// Whose members vote.
    ReviewBody,
}

/// What an account may act as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Writes and submits programs.
    Developer,
    /// Members and private data sets of a tenant.
    TenantAdmin,
    /// Votes on scenarios and releases.
    Reviewer,
    /// Consents for a provider.
    ProviderDelegate,
    /// 系统管理员.
    SystemAdmin,
    /// 安全管理员.
    SecurityAdmin,
    /// 审计管理员.
    Auditor,
}

/// A new organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationCreate {
    /// Short unique name.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// What it is to the platform.
    pub kind: OrganisationKind,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrganisationView {
    /// The organisation's identifier.
    pub id: String,
    /// Short unique name.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// What it is to the platform.
    pub kind: OrganisationKind,
    /// Turns that its runs have in the queue for one of an organisation of weight 1.
    pub weight: u32,
    /// When it was made.
    pub created_at: String,
}

/// A tenant's weight in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightPut {
    /// 1, the default, to 10.
    #[schema(minimum = 1, maximum = 10)]
    pub weight: u32,
}

/// A new account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountCreate {
    /// Unique name to sign in with.
    pub name: String,
    /// The organisation's identifier.
    pub organisation: String,
    /// What it may act as.
    pub roles: Vec<Role>,
    /// The first password.
    pub password: String,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The account's identifier.
    pub id: String,
    /// The name to sign in with.
    pub name: String,
    /// The organisation's identifier.
    pub organisation: String,
    /// What it may act as.
    pub roles: Vec<Role>,
    /// Whether it is shut.
    pub disabled: bool,
    /// When it was made.
    pub created_at: String,
}

/// A new password for somebody else.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordReset {
    /// 12 to 256 characters; its owner changes it at the next sign-in.
    pub password: String,
}

/// The roles of an account from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolesPut {
    /// All of them.
    pub roles: Vec<Role>,
}
