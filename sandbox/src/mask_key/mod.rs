//! 脱敏密钥: epochs of the intake key and of each scenario's key.
//!
//! The key of an epoch is made of the masking key and of a share of its own. A rotation makes a new epoch, and with it every
//! token changes; a destruction destroys the share, and with it everything that the key could make or open. Both are asked for by one
//! security administrator and confirmed by another. What stays is the commitment, in the ledger and in certificates.

mod request;
mod rotate;
mod row;
mod used;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::access::{Actor, Object, Operation};
use crate::error::Error;
use crate::id::{MaskKeyId, ScenarioId};
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::storage::storage_error;

pub use request::{KeyAct, KeyRequest, KeyRequestState, KeyRequestView};
pub(crate) use rotate::{FreshKey, begin_epoch, complete, retire};
pub(crate) use row::require_active;
pub use used::KeyUsed;
pub(crate) use used::{EpochKey, intake_epoch, used};

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyOwner {
    /// Intake: tokens and masks of what is pushed.
    Intake,
    /// A scenario: tokens that its runs see.
    Scenario(ScenarioId),
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intake => f.write_str("intake"),
            Self::Scenario(id) => write!(f, "{id}"),
        }
    }
}

impl FromStr for KeyOwner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "intake" {
            return Ok(Self::Intake);
        }
        text.parse().map(Self::Scenario).map_err(|_| {
            Error::not_found(
                "没有这样的密钥；填写 intake 或场景标识。",
                "there is no such key; say intake or a scenario's identifier.",
            )
        })
    }
}

/// What may be done with the key of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// New tokens are made with it.
    Active,
    /// Nothing new is made with it; what was made with it can still be read.
    Retired,
    /// It does not exist any more.
    Destroyed,
}

impl KeyState {
    /// The name in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Destroyed => "destroyed",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Retired, Self::Destroyed]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// The key of one epoch, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskKeyView {
    /// Its identifier.
    pub id: MaskKeyId,
    /// Whose it is.
    pub owner: KeyOwner,
    /// The scenario's name.
    pub scenario: Option<String>,
    /// Counted from 1.
    pub epoch: u32,
    /// What may be done with it.
    pub state: KeyState,
    /// The suite of algorithms.
    pub suite: String,
    /// What tells the key apart and gives nothing of it away, in hexadecimal.
    pub commitment: String,
    /// Data sets and private data sets that hold tokens of this epoch; for the intake key.
    pub datasets: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When another took its place.
    pub retired_at: Option<Timestamp>,
    /// When it was destroyed.
    pub destroyed_at: Option<Timestamp>,
    /// Position of the leaf of its making.
    pub leaf: u64,
}

impl Platform {
    /// The masking keys, oldest first.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn mask_keys(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<MaskKeyView>, Error> {
        self.authorise(actor, Operation::Keys, Object::Platform)?;
        self.store()
            .read("mask_keys", |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(row::VIEW)
                        .bind(page.after())
                        .bind(page.rows())
                        .fetch_all(conn)
                        .await
                        .map_err(|source| storage_error("list keys", source))?;
                    let views: Result<Vec<_>, Error> = rows.iter().map(row::view).collect();
                    Ok(Page::cut(views?, &page, |view: &MaskKeyView| {
                        view.id.to_string()
                    }))
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests;
