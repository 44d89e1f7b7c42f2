//! Who is asking, and in which language.

use super::error::Failure;
use super::state::Portal;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use sandbox::{Actor, Lang};
use std::convert::Infallible;

/// Longest token that is looked at; the platform's own are below 100 characters.
const TOKEN_BYTES_MAX: usize = 512;

/// The token of a request, not yet checked.
pub(crate) struct Bearer(pub(crate) String);

impl Bearer {
    /// Reads `Authorization: Bearer …`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values
            .next()
            .ok_or_else(|| Failure::unauthenticated(false))?;
        if values.next().is_some() {
            return Err(Failure::unauthenticated(true));
        }
        bearer(value).ok_or_else(|| Failure::unauthenticated(true))
    }
}

fn bearer(value: &HeaderValue) -> Option<Bearer> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_token = !token.is_empty()
        && token.len() <= TOKEN_BYTES_MAX
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then(|| Bearer(token.to_owned()))
}

impl FromRequestParts<Portal> for Bearer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _portal: &Portal) -> Result<Self, Failure> {
        Self::of(&parts.headers)
    }
}

/// The account that a request acts for.
#[derive(Clone)]
pub(crate) struct Signed(pub(crate) Actor);

impl FromRequestParts<Portal> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Failure> {
        // Whatever looked before has found the same.
        if let Some(known) = parts.extensions.remove::<Self>() {
            return Ok(known);
        }
        let Bearer(token) = Bearer::of(&parts.headers)?;
        Ok(Self(portal.platform.authenticate(&token).await?))
    }
}

/// The language of a request: Chinese unless English is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Language(pub(crate) Lang);

impl Language {
    /// Reads `Accept-Language` (RFC 9110, 12.5.4): the one of our two languages with the greater weight.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut zh, mut en) = (None::<u16>, None::<u16>);
        for value in headers.get_all(header::ACCEPT_LANGUAGE) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';');
                let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
                let weight = parts.find_map(quality).unwrap_or(1000);
                let language = match tag.split('-').next() {
                    Some("zh") => &mut zh,
                    Some("en") => &mut en,
                    _ => continue,
                };
                *language = Some(language.unwrap_or(0).max(weight));
            }
        }
        let english = en.unwrap_or(0) > zh.unwrap_or(0);
        Self(if english { Lang::En } else { Lang::Zh })
    }
}

/// `q=0.8` as thousandths.
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(0);
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some((whole * 1000 + fraction).min(1000))
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .copied()
            .unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_preferred_language_wins_and_chinese_is_the_default() {
        for (header, expect) in [
            (None, Lang::Zh),
            (Some("en"), Lang::En),
            (Some("en-GB,en;q=0.9"), Lang::En),
            (Some("zh-CN"), Lang::Zh),
            (Some("en;q=0.5, zh;q=0.9"), Lang::Zh),
            (Some("zh-TW;q=0.2,EN;q=0.3"), Lang::En),
            (Some("fr, en;q=0.1"), Lang::En),
            (Some("fr"), Lang::Zh),
            (Some("en;q=0"), Lang::Zh),
            (Some("en;q=x;;;=,,"), Lang::En),
            (Some("zh,en"), Lang::Zh),
            (Some("*"), Lang::Zh),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(header::ACCEPT_LANGUAGE, header.parse().unwrap());
            }
            assert_eq!(Language::of(&headers).0, expect, "{header:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_read() {
        let token = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
            Bearer::of(&headers).ok().map(|bearer| bearer.0)
        };
        assert_eq!(token("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(token("bearer  abc "), Some("abc".to_owned()));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("Bearer"), None);
        assert_eq!(token("Bearer "), None);
        assert_eq!(token("Bearer a b"), None);
        assert_eq!(token("Bearer 令牌"), None);
        assert_eq!(token(&format!("Bearer {}", "a".repeat(513))), None);
    }

    #[test]
    fn two_authorization_headers_are_nobody() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert!(Bearer::of(&headers).is_err());
    }
}
