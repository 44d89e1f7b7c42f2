//! The description of the API (OpenAPI 3.1), generated from the handlers.

use super::Portal;
use super::dto::Problem;
use axum::extract::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::routes;

/// Operations that need no sign-in; every other one has a row in the platform's access table.
pub const PUBLIC_OPERATIONS: [&str; 4] = ["sign_in", "health", "openapi", "ledger_keys"];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Egret",
        description = "公共数据融合开发平台。Privacy-preserving data development sandbox: programs come to desensitised \
                       public data, and nothing leaves that was not checked.\n\nEvery failure is an \
                       `application/problem+json` document with titles in both languages; `Accept-Language` picks the \
                       language of its detail (zh-CN unless English is preferred).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    security(("bearer" = [])),
    servers((url = "/")),
)]
struct Description;

/// The frame that the handlers' own descriptions are added to.
pub(crate) fn frame() -> utoipa::openapi::OpenApi {
    let mut document = Description::openapi();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        "bearer".to_owned(),
        RefOr::T(SecurityScheme::Http(
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build(),
        )),
    );
    components
        .responses
        .insert("Problem".to_owned(), RefOr::T(problem_response()));
    document
}

fn problem_response() -> Response {
    ResponseBuilder::new()
        .description("what is wrong with the request, or with the server")
        .content(
            super::error::PROBLEM_JSON,
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name(Problem::name())))
                .build(),
        )
        .build()
}

/// Says of every operation that it can answer with a problem.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert(
                "default".to_owned(),
                RefOr::Ref(Ref::from_response_name("Problem")),
            );
        }
    }
}

/// The description as the bytes that are served, and that the repository keeps a copy of.
#[must_use]
pub fn document_json() -> String {
    let (_router, document) = super::routes();
    let mut json = serde_json::to_string_pretty(&document).unwrap_or_default();
    json.push('\n');
    json
}

pub(crate) fn routes(to: super::verbs::Routes<Portal>) -> super::verbs::Routes<Portal> {
    to.add(routes!(openapi))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
async fn openapi(Extension(document): Extension<Arc<str>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        document.to_string(),
    )
}
