//! Applications and the grants they become.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// 开发利用申请: a tenant asks to work under a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationCreate {
    /// The scenario's identifier.
    pub scenario: String,
    /// What for.
    pub purpose: String,
    /// For how long.
    #[schema(minimum = 1)]
    pub days: u32,
}

/// Where a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// Waits for the providers' consent.
    Requested,
    /// May be worked under.
    Active,
    /// Past its term.
    Expired,
    /// A provider said no.
    Declined,
    /// Ended for cause.
    Revoked,
}

/// What one provider said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// The provider's organisation.
    pub provider: String,
    /// Its answer; absent while it is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<bool>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// The grant's identifier.
    pub id: String,
    /// The scenario's identifier.
    pub scenario: String,
    /// The scenario's name.
    pub scenario_name: String,
    /// The scenario's version that was applied for.
    pub scenario_version: u64,
    /// The tenant.
    pub organisation: String,
    /// What for.
    pub purpose: String,
    /// For how many days, once active.
    pub days: u32,
    /// Where it is.
    pub state: GrantState,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The providers asked.
    pub consents: Vec<ConsentView>,
    /// When it was asked for.
    pub created_at: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A provider's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentCast {
    /// Yes or no.
    pub consent: bool,
}
