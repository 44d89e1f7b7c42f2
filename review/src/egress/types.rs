//! What inspection is asked and what it answers; both travel as JSON into and out of a jailed worker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::admission::{Governed, OutputColumn};
use crate::contract::OutputRules;
use crate::finding::Finding;

/// The question: may this output leave?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// What made the output.
    pub kind: InspectKind,
    /// The scenario's output rules.
    pub rules: OutputRules,
    /// Cells that were released before on the same data sets. All of them: no window resets it.
    pub history: Vec<EarlierCell>,
    /// What sets of units must have beyond the threshold, by the digests that [`Inspection::marginal`] named; none
    /// where rows may be seen by everybody.
    pub offsets: Option<BTreeMap<String, u64>>,
    /// Rows of raw output that are read at most.
    pub rows_max: u64,
    /// Bytes of raw output that are read at most.
    pub bytes_max: u64,
}

/// What made the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InspectKind {
    /// A governed plan: the proved lane.
    Sql {
        /// The plan's description of its output.
        governed: Box<Governed>,
    },
    /// A WASM job: the reviewed lane.
    Wasm {
        /// Columns that were fixed before the run.
        output: Vec<OutputColumn>,
    },
}

/// A cell of an earlier release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierCell {
    /// The release that published it.
    pub release: String,
    /// The universe of its units.
    pub universe: String,
    /// What [`ReleasedCell::units`] held, unchanged.
    #[serde(with = "crate::hex_bytes")]
    pub units: Vec<u8>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Everything may leave.
    Release,
    /// Some cells are withheld; the rest may leave.
    PartialRelease,
    /// People have to decide.
    Hold,
    /// Nothing leaves.
    Refuse,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspection {
    /// What is to be done.
    pub decision: Decision,
    /// Why, in words that the tenant may read: they follow from program, scenario and decision.
    pub findings: Vec<Finding>,
    /// The bytes that may leave: canonical CSV. For [`Decision::Hold`] these are the bytes that
    /// leave if people approve them.
    #[serde(with = "crate::hex_bytes::optional")]
    pub released: Option<Vec<u8>>,
    /// SHA-256 of `released` in hex; empty when there is nothing.
    pub sha256: String,
    /// Rows of `released`, without the header.
    pub rows: u64,
    /// Cells that were withheld.
    pub suppressed: u64,
    /// Whether what was withheld is an answer that has to be paid for like a refusal: it was withheld for what had left
    /// before or leaves with it.
    pub counted: bool,
    /// Sets of units for which an offset matters that the request does not give: ask again with these.
    pub marginal: Vec<String>,
    /// Cells that become history when the result is released.
    pub cells: Vec<ReleasedCell>,
    /// What reviewers are shown.
    pub preview: Option<Preview>,
}

/// A cell that would be released, for the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedCell {
    /// The universe of its units.
    pub universe: String,
    /// The set of its units as a portable Roaring bitmap, followed by a print of the cell that only
    /// inspection reads. Store it sealed and give it back unchanged.
    #[serde(with = "crate::hex_bytes")]
    pub units: Vec<u8>,
}

/// What reviewers are shown: text in which nothing is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// Column names.
    pub columns: Vec<String>,
    /// First rows, at most a hundred, as neutralised text.
    pub rows: Vec<Vec<String>>,
    /// Rows of the whole result.
    pub rows_total: u64,
    /// Bytes of the whole result.
    pub bytes_total: u64,
    /// What reviewers should look at. These depend on the data, so they are for reviewers alone: a
    /// program could choose them to tell its owner something before anybody has decided.
    pub aids: Vec<Finding>,
}
