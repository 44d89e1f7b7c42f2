//! WASM modules.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::time;
use super::dto::{ModuleQuery, ModuleView, Page, PageQuery};
use super::error::Failure;
use super::extract::{Id, Query, media_type, whole_body};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::{Request, State};
use sandbox::ModuleId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(modules, push_module)).add(routes!(module))
}

/// The tenant's modules.
#[utoipa::path(get, path = "/modules", tag = "modules", params(PageQuery),
    responses((status = 200, description = "a page of modules", body = Page<ModuleView>)))]
async fn modules(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .modules(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, ModuleView>(&page))
}

/// Pushes a module; it is inspected before it is kept.
#[utoipa::path(post, path = "/modules", tag = "modules", params(ModuleQuery),
    request_body(content_type = "application/wasm", description = "the module"),
    responses((status = 201, description = "the module", body = ModuleView)))]
async fn push_module(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(query): Query<ModuleQuery>,
    request: Request,
) -> Answer {
    match media_type(request.headers()).as_deref() {
        Some("application/wasm" | "application/octet-stream") => {}
        _ => return Err(Failure::media_type("application/wasm")),
    }
    let bytes = whole_body(request, portal.bounds.module_bytes_max).await?;
    let module = ModuleView::from(
        &portal
            .platform
            .push_module(&actor, &query.name, bytes.to_vec())
            .await?,
    );
    answer::created(&format!("/modules/{}", module.id), &module)
}

/// A module and what it imports and exports.
#[utoipa::path(get, path = "/modules/{id}", tag = "modules", params(("id" = String, Path, description = "the module")),
    responses((status = 200, description = "the module", body = ModuleView)))]
async fn module(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<ModuleId>,
) -> Answer {
    answer::ok(&ModuleView::from(
        &portal.platform.module(&actor, id).await?,
    ))
}

impl From<&sandbox::ModuleView> for ModuleView {
    fn from(module: &sandbox::ModuleView) -> Self {
        Self {
            id: module.id.to_string(),
            name: module.name.clone(),
            sha256: module.sha256.clone(),
            bytes: module.bytes,
            imports: imports(&module.facts),
            functions: module.facts.functions,
            memory_bytes_min: module.facts.memory_bytes_min,
            seeded: module.facts.seeded,
            whole_job: module.facts.whole_job,
            manifest: (module.facts.manifest.as_ref())
                .and_then(|manifest| serde_json::to_value(manifest).ok()),
            created_at: time(module.created_at),
        }
    }
}

/// What a module imports, each as `module.name`.
pub(crate) fn imports(facts: &sandbox::ModuleFacts) -> Vec<String> {
    let from = match facts.interface {
        sandbox::GuestInterface::ArrowBuffers => "egret",
        sandbox::GuestInterface::WasiCommand => "wasi_snapshot_preview1",
    };
    facts
        .imports
        .iter()
        .map(|name| format!("{from}.{name}"))
        .collect()
}
