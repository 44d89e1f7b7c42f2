//! Reading a request: identifiers, query, JSON body. Whatever does not fit becomes a problem with its place.

use super::error::{Failure, text};
use super::state::Portal;
use super::upload::declared_length;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// The typed identifier in an address; what cannot be one names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr + Send> FromRequestParts<Portal> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Failure> {
        let Path(text) = Path::<String>::from_request_parts(parts, portal)
            .await
            .map_err(|_rejection| Failure::not_found())?;
        if text.chars().any(char::is_control) {
            return Err(Failure::not_found());
        }
        text.parse()
            .map(Self)
            .map_err(|_error| Failure::not_found())
    }
}

/// The parameters behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Portal> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Failure> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Failure::query("NUL (%00)"));
        }
        axum::extract::Query::from_request_parts(parts, portal)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let reason = rejection.body_text();
                let reason = reason
                    .rsplit_once("query string: ")
                    .map_or(&*reason, |(_, tail)| tail);
                Failure::query(reason)
            })
    }
}

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Portal> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            return Err(Failure::media_type("application/json"));
        }
        let bytes = whole_body(request, portal.bounds.body_bytes_max).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeJson<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned> FromRequest<Portal> for MaybeJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Failure> {
        if media_type(request.headers()).is_none()
            && declared_length(request.headers()).unwrap_or(0) == 0
        {
            return Ok(Self(None));
        }
        let Json(body) = Json::from_request(request, portal).await?;
        Ok(Self(Some(body)))
    }
}

/// Parses a body as JSON, the whole of it. NUL has no place in any text of the platform, and not every database takes it.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    if let Some(place) = escaped_nul(bytes) {
        return Err(Failure::nul(bytes, place));
    }
    let failed = |error: serde_json::Error| Failure::json(&error, bytes);
    // A list would be taken for an object's values in the order of its fields, which is nobody's interface.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first.is_some_and(|byte| *byte != b'{') {
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(failed)?;
        return Err(failed(<serde_json::Error as serde::de::Error>::custom(
            "expected an object",
        )));
    }
    serde_json::from_slice(bytes).map_err(failed)
}

/// Reads a body of at most `bytes_max` bytes; a longer one is refused as soon as that is known.
pub(crate) async fn whole_body(request: Request, bytes_max: u64) -> Result<Bytes, Failure> {
    let too_large = || Failure::too_large(&text("请求体", "the body"), bytes_max);
    let declared = declared_length(request.headers());
    if declared.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let mut body = request.into_body().into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = futures::StreamExt::next(&mut body).await {
        let chunk = chunk.map_err(|_error| Failure::incomplete())?;
        let length = u64::try_from(bytes.len() + chunk.len()).unwrap_or(u64::MAX);
        if length > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// The place of the first `\u0000`, the only way to write NUL in JSON.
fn escaped_nul(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match rest {
            [b'\\', b'u', b'0', b'0', b'0', b'0', ..] => return Some(at),
            // An escape takes the next character with it, so that `\\u0000` is a backslash and letters.
            [b'\\', ..] => at += 2,
            _ => at += 1,
        }
    }
    None
}

/// Whether the body says that it is JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|kind| {
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// The media type of the body, without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_nul_is_found_and_an_escaped_backslash_is_none() {
        for (json, expect) in [
            (r#"{"a": "x\u0000"}"#, Some(8)),
            (r#"{"a": "\\\u0000"}"#, Some(9)),
            (r#"{"a": "\\u0000"}"#, None),
            (r#"{"a": "u0000 \u0001"}"#, None),
            ("", None),
        ] {
            assert_eq!(escaped_nul(json.as_bytes()), expect, "{json}");
        }
    }
}
