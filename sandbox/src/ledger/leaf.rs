//! A leaf: what is written about an act, and what is only committed to.

use jiff::Timestamp;
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::{error::Error, id::AccountId};

/// Bytes of a leaf, at most.
const LEAF_BYTES_MAX: usize = 1023;
/// Integers beyond this are not the same in every JSON reader (RFC 8785 takes numbers as doubles).
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// Turns people into pseudonyms of this ledger, under a key that can be destroyed.
pub(crate) struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// Under a key of 32 bytes.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The pseudonym of a name.
    pub(crate) fn of(&self, name: &str) -> String {
        let tag = hmac::sign(&self.0, name.as_bytes());
        format!("p_{}", hex::encode(&tag.as_ref()[..16]))
    }
}

/// A leaf to be written.
#[derive(Clone, Debug)]
pub(crate) struct LeafDraft {
    kind: &'static str,
    scenario: Option<(String, u64)>,
    epoch: Option<u64>,
    subjects: Vec<String>,
    people: Vec<AccountId>,
    references: Vec<u64>,
    detail: Value,
}

/// A leaf ready to be appended.
pub(crate) struct SealedLeaf {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) detail: String,
}

impl LeafDraft {
    /// A leaf of a kind, such as `release.publish`, that commits to a detail.
    #[must_use]
    pub(crate) fn new(kind: &'static str, detail: Value) -> Self {
        Self {
            kind,
            scenario: None,
            epoch: None,
            subjects: Vec::new(),
            people: Vec::new(),
            references: Vec::new(),
            detail,
        }
    }

    /// Names an object by its identifier. Identifiers are readable by everybody who may read the ledger.
    #[must_use]
    pub(crate) fn subject(mut self, id: impl ToString) -> Self {
        self.subjects.push(id.to_string());
        self
    }

    /// Names a person, who stands in the leaf as a pseudonym.
    #[must_use]
    pub(crate) fn person(mut self, account: AccountId) -> Self {
        self.people.push(account);
        self
    }

    /// The scenario version that the act belongs to, and its epoch.
    #[must_use]
    pub(crate) fn scenario(mut self, id: impl ToString, version: u64, epoch: u64) -> Self {
        self.scenario = Some((id.to_string(), version));
        self.epoch = Some(epoch);
        self
    }

    /// An earlier leaf that the act rests on.
    #[must_use]
    pub(crate) fn reference(mut self, position: u64) -> Self {
        self.references.push(position);
        self
    }

    /// Makes the leaf's canonical text.
    ///
    /// # Errors
    /// A leaf of a kibibyte or more, or a detail that has no canonical form.
    pub(crate) fn seal(
        &self,
        pseudonyms: &Pseudonyms,
        actor: &str,
        at: Timestamp,
        salt: &[u8; 32],
        id: uuid::Uuid,
    ) -> Result<SealedLeaf, Error> {
        let internal = |source| Error::internal("write a leaf", source);
        let detail = canonical(&self.detail).map_err(internal)?;
        let commitment = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), detail.as_bytes());
        let mut members = Map::new();
        members.insert("v".into(), json!(1));
        members.insert("type".into(), json!(self.kind));
        members.insert("id".into(), json!(id.to_string()));
        members.insert("at".into(), json!(at.as_microsecond().to_string()));
        members.insert("actor".into(), json!(pseudonyms.of(actor)));
        members.insert("detail".into(), json!(hex::encode(commitment)));
        if let Some((scenario, version)) = &self.scenario {
            members.insert("scenario".into(), json!(format!("{scenario}@{version}")));
        }
        if let Some(epoch) = self.epoch {
            members.insert("epoch".into(), json!(epoch.to_string()));
        }
        let mut subjects = self.subjects.clone();
        subjects.extend(
            self.people
                .iter()
                .map(|account| pseudonyms.of(&account.to_string())),
        );
        members.insert("subjects".into(), json!(subjects));
        let references: Vec<String> = self.references.iter().map(u64::to_string).collect();
        members.insert("references".into(), json!(references));
        let text = canonical(&Value::Object(members)).map_err(internal)?;
        if text.len() > LEAF_BYTES_MAX {
            return Err(internal(format!("a leaf of {} bytes", text.len()).into()));
        }
        Ok(SealedLeaf {
            kind: self.kind,
            text,
            detail,
        })
    }
}

/// RFC 8785, with integers that not every reader keeps exact as strings.
/// The canonical text of a detail.
pub(super) fn canonical(value: &Value) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    serde_json_canonicalizer::to_string(&exact(value)).map_err(Into::into)
}

fn exact(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let large = number.as_u64().is_some_and(|n| n > EXACT_INTEGER_MAX)
                || number
                    .as_i64()
                    .is_some_and(|n| n.unsigned_abs() > EXACT_INTEGER_MAX);
            if large {
                Value::String(number.to_string())
            } else {
                value.clone()
            }
        }
        Value::Array(items) => Value::Array(items.iter().map(exact).collect()),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, item)| (name.clone(), exact(item)))
                .collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn seal(draft: &LeafDraft) -> Result<SealedLeaf, Error> {
        let at = Timestamp::from_microsecond(1_700_000_000_000_000).unwrap();
        draft.seal(
            &Pseudonyms::new(&[7; 32]),
            "acc_1",
            at,
            &[9; 32],
            uuid::Uuid::from_u128(1),
        )
    }

    #[test]
    fn canonical_and_without_the_detail() {
        let draft = LeafDraft::new(
            "job.submit",
            json!({ "b": 1, "a": u64::MAX, "sql": "select 1" }),
        )
        .subject("job_1")
        .scenario("scn_1", 3, 2)
        .reference(41);
        let leaf = seal(&draft).unwrap();
        assert_eq!(
            leaf.detail,
            r#"{"a":"18446744073709551615","b":1,"sql":"select 1"}"#
        );
        assert!(
            !leaf.text.contains("select") && !leaf.text.contains("acc_1"),
            "{}",
            leaf.text
        );
        assert!(leaf.text.starts_with(r#"{"actor":"p_"#), "{}", leaf.text);
        assert!(
            leaf.text.contains(r#""scenario":"scn_1@3""#)
                && leaf.text.contains(r#""references":["41"]"#)
        );
        assert_eq!(seal(&draft).unwrap().text, leaf.text);
    }

    #[test]
    fn a_leaf_of_a_kibibyte_is_refused() {
        let draft = (0..60).fold(LeafDraft::new("x", Value::Null), |draft, n| {
            draft.subject(format!("set_{n:032}"))
        });
        assert!(seal(&draft).is_err());
    }
}
