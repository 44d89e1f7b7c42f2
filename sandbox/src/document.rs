//! Documents and typed values in rows: canonical JSON in, parsed values out.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::error::Error;
use crate::storage::storage_error;

/// A value as canonical JSON (RFC 8785): one text and so one digest for one content.
pub(crate) fn write<T: Serialize>(operation: &'static str, value: &T) -> Result<String, Error> {
    serde_json_canonicalizer::to_string(value).map_err(|source| Error::internal(operation, source))
}

/// The value of a stored document.
pub(crate) fn read<T: DeserializeOwned>(operation: &'static str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::internal(operation, source))
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

/// The document of a column.
pub(crate) fn column<T: DeserializeOwned>(row: &AnyRow, name: &'static str) -> Result<T, Error> {
    read("read a stored document", &text(row, name)?)
}

/// The text of a column.
pub(crate) fn text(row: &AnyRow, name: &'static str) -> Result<String, Error> {
    row.try_get(name)
        .map_err(|source| storage_error("read a stored text", source))
}

/// The integer of a column.
pub(crate) fn integer(row: &AnyRow, name: &'static str) -> Result<i64, Error> {
    row.try_get(name)
        .map_err(|source| storage_error("read a stored integer", source))
}

/// The count of a column, which is never negative.
pub(crate) fn count(row: &AnyRow, name: &'static str) -> Result<u64, Error> {
    u64::try_from(integer(row, name)?)
        .map_err(|source| Error::internal("read a stored count", source))
}

/// The identifier of a column.
pub(crate) fn id<T>(row: &AnyRow, name: &'static str) -> Result<T, Error>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text(row, name)?
        .parse()
        .map_err(|source| Error::internal("read a stored identifier", source))
}

/// A count as it is stored.
pub(crate) fn stored_count(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|source| Error::internal("store a count", source))
}

/// Lists of identifiers in documents, as their texts.
pub(crate) mod as_texts {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(from)?;
        let values = texts
            .iter()
            .map(|text| text.parse().map_err(D::Error::custom));
        values.collect()
    }
}

/// Identifiers in documents, as their text.
pub(crate) mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
