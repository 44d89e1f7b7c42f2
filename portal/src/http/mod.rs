//! The API under `/api/v1`: one file per resource, and the bodies that server and clients share.
//!
//! A request passes [`edge`] (trace id, language, bounds, one log line), then [`idempotency`] where it carries a key, then one
//! handler, which parses, finds the actor ([`session`]) and calls the platform. What goes wrong becomes a problem document in
//! [`error`] alone.

mod accounts;
mod answer;
mod convert;
mod datasets;
pub mod dto;
mod edge;
mod error;
mod extract;
mod feedback;
mod grants;
mod idempotency;
mod jobs;
mod keys;
mod ledger;
mod linger;
mod modules;
pub mod openapi;
mod pages;
mod paging;
mod private_datasets;
mod pushes;
mod releases;
mod scenarios;
mod session;
mod sessions;
mod share;
mod state;
mod status;
mod upload;
mod verbs;

use axum::extract::Extension;
use axum::middleware::{from_fn_with_state, map_request};
use sandbox::{Entropy, Platform};
use std::sync::Arc;

pub use state::Bounds;

use edge::Edge;
use error::Failure;
pub(crate) use modules::imports;
pub(crate) use share::{Client, Peer, Share, Shares};
pub(crate) use state::Portal;
use verbs::Routes;

/// How long a request may wait for a run, milliseconds.
pub const WAIT_MS_MAX: u64 = 30_000;
/// Where the API lives.
const API: &str = "/api/v1";

/// Everything that the server answers to.
pub(crate) fn app(platform: Platform, entropy: Arc<dyn Entropy>, bounds: Bounds) -> axum::Router {
    let portal = Portal {
        platform,
        bounds: bounds.clone(),
    };
    let (api, document) = routes();
    let document: Arc<str> = serde_json::to_string(&document).unwrap_or_default().into();
    let inner = api
        .layer(from_fn_with_state(portal.clone(), idempotency::once))
        .merge(pages::routes())
        .fallback(|| async { Failure::no_route() })
        .method_not_allowed_fallback(|| async { Failure::wrong_method() })
        .layer(Extension(document))
        .layer(from_fn_with_state(
            Edge::new(entropy, bounds.clone()),
            edge::guard,
        ))
        .with_state(portal);
    // Actions become segments before anything is routed, so this layer is around the router and not in it.
    axum::Router::new()
        .fallback_service(inner)
        .layer(map_request(verbs::rewrite))
}

/// The handlers of the API, and its description.
fn routes() -> (axum::Router<Portal>, utoipa::openapi::OpenApi) {
    let parts: [fn(Routes<Portal>) -> Routes<Portal>; 15] = [
        openapi::routes,
        sessions::routes,
        accounts::routes,
        datasets::routes,
        pushes::routes,
        feedback::routes,
        scenarios::routes,
        grants::routes,
        private_datasets::routes,
        modules::routes,
        jobs::routes,
        releases::routes,
        keys::routes,
        ledger::routes,
        status::routes,
    ];
    let health = status::health_routes(Routes::new(openapi::frame()));
    let all = parts
        .into_iter()
        .fold(health.under(API), |to, part| part(to));
    let (router, mut document) = all.into_parts();
    openapi::complete(&mut document);
    (router, document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_in_the_access_matrix_or_public() {
        let (_, document) = routes();
        let mut named = 0;
        for item in document.paths.paths.values() {
            for operation in [&item.get, &item.put, &item.post, &item.delete]
                .into_iter()
                .flatten()
            {
                let name = operation.operation_id.as_deref().unwrap_or_default();
                let known = sandbox::Operation::ALL
                    .iter()
                    .any(|known| known.name() == name);
                assert!(
                    known || openapi::PUBLIC_OPERATIONS.contains(&name),
                    "{name} is in no row"
                );
                named += 1;
            }
        }
        assert!(named > 60, "only {named} operations");
        for operation in sandbox::Operation::ALL {
            let has_route = document.paths.paths.values().any(|item| {
                [&item.get, &item.put, &item.post, &item.delete]
                    .into_iter()
                    .flatten()
                    .any(|known| known.operation_id.as_deref() == Some(operation.name()))
            });
            assert!(has_route, "{} has a row and no route", operation.name());
        }
    }

    #[test]
    fn the_description_in_the_repository_is_the_one_that_is_served() {
        let kept = include_str!("../../openapi.json");
        assert!(
            kept == openapi::document_json(),
            "portal/openapi.json is not what the handlers say; write it anew: egret openapi > portal/openapi.json"
        );
    }
}
