//! Actions in the address: `/runs/{id}:cancel`.
//!
//! The router can only tell whole segments apart, so before routing the action becomes a segment of its own,
//! `/runs/{id}/~cancel`. Each action is then an ordinary route with its own method, extractors and documentation.
//! A `~` segment that a client sends itself leads nowhere.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::UtoipaMethodRouter;

/// A router and the description of what it routes, grown together.
pub(crate) struct Routes<S> {
    router: axum::Router<S>,
    document: OpenApi,
    prefix: &'static str,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Routes that describe themselves in `document`.
    pub(crate) fn new(document: OpenApi) -> Self {
        Self {
            router: axum::Router::new(),
            document,
            prefix: "",
        }
    }

    /// Puts a prefix before the routes that follow.
    pub(crate) fn under(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Adds what `routes!` collected: handlers of one path.
    pub(crate) fn add(mut self, (schemas, paths, methods): UtoipaMethodRouter<S>) -> Self {
        for (path, item) in paths.paths {
            let path = format!("{}{path}", self.prefix);
            self.router = self.router.route(&route_of(&path), methods.clone());
            match self.document.paths.paths.get_mut(&path) {
                Some(known) => known.merge_operations(item),
                None => {
                    self.document.paths.paths.insert(path, item);
                }
            }
        }
        let components = self.document.components.get_or_insert_default();
        components.schemas.extend(schemas);
        self
    }

    /// The router and its description.
    pub(crate) fn into_parts(self) -> (axum::Router<S>, OpenApi) {
        (self.router, self.document)
    }
}

/// The route of a documented path.
fn route_of(path: &str) -> String {
    split(path).map_or_else(
        || path.to_owned(),
        |(object, verb)| format!("{object}/~{verb}"),
    )
}

/// The documented path of a route.
pub(crate) fn documented(route: &str) -> String {
    route.replacen("/~", ":", 1)
}

/// Turns the action at the end of the address into a segment.
pub(crate) async fn rewrite(mut request: Request) -> Request {
    if let Some(uri) = rewritten(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn rewritten(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let path = if path.contains("/~") {
        "/~".to_owned()
    } else {
        let (object, verb) = split(path)?;
        format!("{object}/~{verb}")
    };
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

/// Splits `object:verb` at the last colon of the last segment, when both sides are there.
fn split(path: &str) -> Option<(&str, &str)> {
    let segment = path.rfind('/')? + 1;
    let colon = segment + path.get(segment..)?.rfind(':')?;
    let (object, verb) = (path.get(..colon)?, path.get(colon + 1..)?);
    let is_verb = !verb.is_empty()
        && verb
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    (is_verb && colon > segment).then_some((object, verb))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn check(uri: &str, expect: Option<&str>) {
        let got = rewritten(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(got.as_deref(), expect, "{uri}");
    }

    #[test]
    fn an_action_becomes_a_segment() {
        check(
            "/api/v1/runs/run_1:cancel",
            Some("/api/v1/runs/run_1/~cancel"),
        );
        check("/api/v1/sql:check?x=1", Some("/api/v1/sql/~check?x=1"));
        check("/api/v1/a:b:c-d", Some("/api/v1/a:b/~c-d"));
        check("http://h:80/x:y?z", Some("http://h:80/x/~y?z"));
    }

    #[test]
    fn what_is_no_action_stays() {
        check("/", None);
        check("/api/v1/runs/run_1", None);
        check("/api/v1/runs:x/run_1", None);
        check("/api/v1/:cancel", None);
        check("/api/v1/run:", None);
        check("/api/v1/run:A", None);
        check("/api/v1/run?a:b", None);
    }

    #[test]
    fn the_inner_form_cannot_be_sent() {
        check("/api/v1/runs/run_1/~cancel", Some("/~"));
        check("/api/v1/runs/~x:cancel?q", Some("/~?q"));
    }

    #[test]
    fn routes_and_documented_paths_are_inverse() {
        for path in ["/runs/{id}:cancel", "/sql:check", "/runs/{id}", "/"] {
            assert_eq!(documented(&route_of(path)), path);
        }
    }
}
