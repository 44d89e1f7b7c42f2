//! The right to leave: derived from stored decisions, never made up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::egress::Decision;

/// Votes that a reviewed release needs, each of a different person.
const VOTES_MIN: usize = 2;

/// One reviewer's vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Account that voted.
    pub voter: String,
    /// Organisation of that account when it voted.
    pub organisation: String,
    /// Approve or reject.
    pub approve: bool,
    /// Digest of the evidence that was shown to the voter.
    pub evidence_digest: [u8; 32],
}

/// What a release rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Basis {
    /// The inspection decided alone.
    Automatic {
        /// Its decision.
        decision: Decision,
    },
    /// People decided.
    Votes(Vec<Vote>),
}

/// Everything that is stored about one release when it is about to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredDecision {
    /// The release.
    pub release: String,
    /// SHA-256 of the bytes that would leave.
    pub digest: [u8; 32],
    /// Epoch of the scenario when the decision was made.
    pub epoch_decided: u64,
    /// Epoch of the scenario now; a revocation raises it.
    pub epoch_now: u64,
    /// What the decision rests on.
    pub basis: Basis,
    /// Organisations that the votes have to come from at least: 2 unless the operator's settings say that
    /// there is one review body alone.
    pub bodies_min: usize,
    /// Organisation of the applicant, whose members may not vote.
    pub applicant_organisation: String,
    /// Digest of the evidence as it is now.
    pub evidence_digest: [u8; 32],
}

/// Why there is no permit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPermit {
    /// The scenario was revoked or changed after the decision.
    #[error("the scenario's epoch changed after the decision")]
    EpochChanged,
    /// The inspection did not release.
    #[error("the inspection did not release")]
    NotReleased,
    /// A reviewer rejected.
    #[error("a reviewer rejected")]
    Rejected,
    /// A vote is bound to other evidence than the current.
    #[error("a vote is bound to other evidence")]
    EvidenceChanged,
    /// A vote of the applicant's own organisation.
    #[error("a vote of the applicant's own organisation")]
    OwnOrganisation,
    /// The same person voted twice.
    #[error("one person voted more than once")]
    VotedTwice,
    /// All approvals come from fewer review bodies than are asked for.
    #[error("the approvals come from too few review bodies")]
    OneBody,
    /// Too few approvals.
    #[error("too few approvals")]
    TooFewVotes,
    /// A decision without a release, voter or organisation named.
    #[error("the decision lacks a name")]
    Unnamed,
}

/// The right to write the bytes with one digest as one release. It can only be derived.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    release: String,
    digest: [u8; 32],
}

impl Permit {
    /// Derives the permit from what is stored, or says why there is none.
    pub fn derive(stored: &StoredDecision) -> Result<Self, NoPermit> {
        if stored.release.is_empty() || stored.applicant_organisation.is_empty() {
            return Err(NoPermit::Unnamed);
        }
        if stored.epoch_decided != stored.epoch_now {
            return Err(NoPermit::EpochChanged);
        }
        match &stored.basis {
            Basis::Automatic { decision } => match decision {
                Decision::Release | Decision::PartialRelease => {}
                Decision::Hold | Decision::Refuse => return Err(NoPermit::NotReleased),
            },
            Basis::Votes(votes) => four_eyes(stored, votes)?,
        }
        Ok(Self {
            release: stored.release.clone(),
            digest: stored.digest,
        })
    }

    /// SHA-256 of the only bytes that this permit lets leave.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The release that this permit is for.
    pub fn release(&self) -> &str {
        &self.release
    }
}

/// Two different people of two review bodies outside the applicant's organisation approved the current
/// evidence, and nobody rejected. A stale, foreign or doubled vote voids the whole: it must not be silently
/// skipped, because whoever counted it believed in it.
fn four_eyes(stored: &StoredDecision, votes: &[Vote]) -> Result<(), NoPermit> {
    let mut voters = BTreeSet::new();
    let mut bodies = BTreeSet::new();
    for vote in votes {
        if vote.voter.is_empty() || vote.organisation.is_empty() {
            return Err(NoPermit::Unnamed);
        }
        if vote.organisation == stored.applicant_organisation {
            return Err(NoPermit::OwnOrganisation);
        }
        if vote.evidence_digest != stored.evidence_digest {
            return Err(NoPermit::EvidenceChanged);
        }
        if !vote.approve {
            return Err(NoPermit::Rejected);
        }
        if !voters.insert(vote.voter.as_str()) {
            return Err(NoPermit::VotedTwice);
        }
        bodies.insert(vote.organisation.as_str());
    }
    if voters.len() < VOTES_MIN {
        return Err(NoPermit::TooFewVotes);
    }
    if bodies.len() < stored.bodies_min {
        return Err(NoPermit::OneBody);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "tests fail by panicking"
    )]
    use super::*;

    fn vote(voter: &str, organisation: &str) -> Vote {
        Vote {
            voter: voter.to_owned(),
            organisation: organisation.to_owned(),
            approve: true,
            evidence_digest: [7; 32],
        }
    }

    fn stored(basis: Basis) -> StoredDecision {
        StoredDecision {
            release: "release_1".to_owned(),
            digest: [9; 32],
            epoch_decided: 3,
            epoch_now: 3,
            basis,
            bodies_min: 2,
            applicant_organisation: "tenant".to_owned(),
            evidence_digest: [7; 32],
        }
    }

    fn votes(list: Vec<Vote>) -> Result<Permit, NoPermit> {
        Permit::derive(&stored(Basis::Votes(list)))
    }

    #[test]
    fn two_people_of_other_organisations_let_it_leave() {
        let permit = votes(vec![vote("a", "bureau"), vote("b", "operator")]).unwrap();
        assert_eq!(permit.digest(), [9; 32]);
        assert_eq!(permit.release(), "release_1");
    }

    #[test]
    fn two_people_of_one_body_are_one_body() {
        let of_one = || vec![vote("a", "bureau"), vote("b", "bureau")];
        assert_eq!(votes(of_one()), Err(NoPermit::OneBody));
        let mut single = stored(Basis::Votes(of_one()));
        single.bodies_min = 1;
        assert!(Permit::derive(&single).is_ok());
        single.basis = Basis::Votes(vec![vote("a", "bureau")]);
        assert_eq!(Permit::derive(&single), Err(NoPermit::TooFewVotes));
    }

    #[test]
    fn votes_that_do_not_count_void_the_whole() {
        assert_eq!(votes(vec![]), Err(NoPermit::TooFewVotes));
        assert_eq!(votes(vec![vote("a", "bureau")]), Err(NoPermit::TooFewVotes));
        assert_eq!(
            votes(vec![vote("a", "bureau"), vote("a", "operator")]),
            Err(NoPermit::VotedTwice)
        );
        assert_eq!(
            votes(vec![
                vote("a", "bureau"),
                vote("b", "tenant"),
                vote("c", "operator")
            ]),
            Err(NoPermit::OwnOrganisation)
        );
        let stale = Vote {
            evidence_digest: [8; 32],
            ..vote("c", "bureau")
        };
        assert_eq!(
            votes(vec![vote("a", "bureau"), vote("b", "operator"), stale]),
            Err(NoPermit::EvidenceChanged)
        );
        let reject = Vote {
            approve: false,
            ..vote("c", "bureau")
        };
        assert_eq!(
            votes(vec![vote("a", "bureau"), vote("b", "operator"), reject]),
            Err(NoPermit::Rejected)
        );
        assert_eq!(
            votes(vec![vote("", "bureau"), vote("b", "operator")]),
            Err(NoPermit::Unnamed)
        );
    }

    #[test]
    fn automatic_only_for_releases_of_the_same_epoch() {
        for (decision, expect) in [
            (Decision::Release, true),
            (Decision::PartialRelease, true),
            (Decision::Hold, false),
            (Decision::Refuse, false),
        ] {
            let permit = Permit::derive(&stored(Basis::Automatic { decision }));
            assert_eq!(permit.is_ok(), expect, "{decision:?}");
        }
        let mut revoked = stored(Basis::Automatic {
            decision: Decision::Release,
        });
        revoked.epoch_now = 4;
        assert_eq!(Permit::derive(&revoked), Err(NoPermit::EpochChanged));
        let mut revoked = stored(Basis::Votes(vec![vote("a", "x"), vote("b", "y")]));
        revoked.epoch_now = 4;
        assert_eq!(Permit::derive(&revoked), Err(NoPermit::EpochChanged));
    }
}
