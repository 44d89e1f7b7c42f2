//! Masking keys, and what two people decide about them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What may be done with the key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// New tokens are made with it.
    Active,
    /// Nothing new is made with it.
    Retired,
    /// It does not exist any more.
    Destroyed,
}

/// The masking key of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// The key's identifier.
    pub id: String,
    /// `intake`, or the identifier of the scenario.
    pub owner: String,
    /// The scenario's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// Counted from 1 for each owner.
    pub epoch: u32,
    /// What may be done with it.
    pub state: KeyState,
    /// The suite of algorithms: `international` or `sm`.
    pub suite: String,
    /// What tells the key apart and gives nothing of it away, in hexadecimal.
    pub commitment: String,
    /// Of the intake key: data sets whose newest version, and private data sets whose data, hold tokens of this epoch.
    pub datasets: u64,
    /// When it was made.
    pub created_at: String,
    /// When another took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<String>,
    /// When it was destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroyed_at: Option<String>,
    /// Position of the ledger leaf of its making.
    pub leaf: u64,
}

/// What is to be done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyAct {
    /// A new epoch begins: every token made from then on is another.
    Rotate,
    /// The key of an epoch is destroyed: nothing can be tokenised under it any more.
    Destroy,
}

/// A request for an act on a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequestCreate {
    /// What is to be done.
    pub act: KeyAct,
    /// `intake`, or the identifier of a scenario.
    pub owner: String,
    /// The epoch to destroy; the newest unless said. A rotation is always away from the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Why.
    pub reason: String,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyRequestState {
    /// Waits for another security administrator.
    Requested,
    /// Done.
    Confirmed,
    /// Taken back, or refused by another.
    Withdrawn,
    /// Nobody confirmed it in time.
    Expired,
}

/// A request for an act on a key, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRequestView {
    /// The request's identifier.
    pub id: String,
    /// What is to be done.
    pub act: KeyAct,
    /// `intake`, or the identifier of the scenario.
    pub owner: String,
    /// The epoch that is rotated away from or destroyed.
    pub epoch: u32,
    /// The commitment of that epoch's key, in hexadecimal.
    pub commitment: String,
    /// Why.
    pub reason: String,
    /// Where it is.
    pub state: KeyRequestState,
    /// Account of who asked.
    pub requested_by: String,
    /// Account of who confirmed or withdrew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// Until when it can be confirmed.
    pub expires_at: String,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
}
