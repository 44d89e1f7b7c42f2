//! What the steps hand on to each other.

use super::cast::Cast;
use super::claims::{self, Planted};
use super::employment;
use super::offer::Offer;
use super::source::{self, Claim, Persons};
use super::story::Broken;
use super::trips;
use crate::client::Client;
use arrow::error::ArrowError;
use sandbox::Lang;
use std::path::PathBuf;

/// The data that are pushed and what is known about them.
pub(super) struct Material {
    pub(super) claims: Vec<Claim>,
    pub(super) planted: Planted,
    /// Health, social security, transport.
    pub(super) offers: [Offer; 3],
}

impl Material {
    /// Reads the embedded measurements and gives their subjects identities.
    pub(super) fn prepare() -> Result<Self, ArrowError> {
        let persons = Persons::read()?;
        let claims = source::claims(&persons)?;
        let offers = [
            claims::offer(&claims)?,
            employment::offer(&source::employment(&persons)?),
            trips::offer(&source::trips(&persons)?),
        ];
        Ok(Self {
            planted: Planted::count(claims.len()),
            claims,
            offers,
        })
    }
}

/// What the steps hand on to each other; what a step did not reach is empty, and later ones say so.
pub(super) struct Stage {
    /// A client without an identity.
    pub(super) client: Client,
    pub(super) data_dir: PathBuf,
    /// The language that the story is told in.
    pub(super) lang: Lang,
    pub(super) material: Option<Material>,
    pub(super) cast: Option<Cast>,
    /// The pushes' identifiers, in the order of the data sets.
    pub(super) pushes: Vec<String>,
    pub(super) scenario: Option<String>,
    pub(super) grant: Option<String>,
    /// The release of the joined table, with its bytes.
    pub(super) table: Option<(String, Vec<u8>)>,
    /// The module, pushed.
    pub(super) module: Option<String>,
    /// The release of the module's result.
    pub(super) histogram: Option<String>,
}

impl Stage {
    /// Nothing has happened yet.
    pub(super) fn new(client: Client, data_dir: PathBuf, lang: Lang) -> Self {
        Self {
            client,
            data_dir,
            lang,
            material: None,
            cast: None,
            pushes: Vec::new(),
            scenario: None,
            grant: None,
            table: None,
            module: None,
            histogram: None,
        }
    }

    pub(super) fn cast(&self) -> Result<&Cast, Broken> {
        self.cast.as_ref().ok_or(Broken::Before)
    }

    pub(super) fn material(&self) -> Result<&Material, Broken> {
        self.material.as_ref().ok_or(Broken::Before)
    }

    pub(super) fn scenario(&self) -> Result<&str, Broken> {
        self.scenario.as_deref().ok_or(Broken::Before)
    }

    pub(super) fn grant(&self) -> Result<&str, Broken> {
        self.grant.as_deref().ok_or(Broken::Before)
    }
}
