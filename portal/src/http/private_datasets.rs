//! 非公共数据: what a tenant brings for its own jobs.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, identifier, time};
use super::datasets::unit;
use super::dto::{self, DataQuery, Page, PageQuery, PrivateDatasetCreate, PrivateDatasetView};
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::upload::Upload;
use super::verbs::Routes;
use axum::extract::{Request, State};
use sandbox::PrivateDatasetId;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(private_datasets, create_private_dataset))
        .add(routes!(write_private_data))
        .add(routes!(delete_private_dataset))
}

/// The tenant's private data sets.
#[utoipa::path(get, path = "/private-datasets", tag = "private data sets", params(PageQuery),
    responses((status = 200, description = "a page of private data sets", body = Page<PrivateDatasetView>)))]
async fn private_datasets(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .private_datasets(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, PrivateDatasetView>(&page))
}

/// Describes a private data set, before its data.
#[utoipa::path(post, path = "/private-datasets", tag = "private data sets", request_body = PrivateDatasetCreate,
    responses((status = 201, description = "the private data set", body = PrivateDatasetView)))]
async fn create_private_dataset(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<PrivateDatasetCreate>,
) -> Answer {
    let request = sandbox::PrivateDatasetRequest {
        grant: identifier("grant", &body.grant)?,
        name: body.name,
        columns: body.columns.into_iter().map(column).collect(),
        unit: body.unit.map(unit).transpose()?,
    };
    let made = PrivateDatasetView::from(
        &portal
            .platform
            .create_private_dataset(&actor, request)
            .await?,
    );
    answer::created(&format!("/private-datasets/{}", made.id), &made)
}

/// Sends the data; identifiers are replaced by tokens on arrival.
#[utoipa::path(put, path = "/private-datasets/{id}/data", tag = "private data sets",
    params(("id" = String, Path, description = "the private data set"), DataQuery),
    request_body(content_type = "application/octet-stream", description = "the file"),
    responses((status = 200, description = "the private data set", body = PrivateDatasetView)))]
async fn write_private_data(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<PrivateDatasetId>,
    Query(query): Query<DataQuery>,
    request: Request,
) -> Answer {
    let upload = Upload::of(request, &portal.bounds)?;
    let written = upload
        .write(|data| {
            portal
                .platform
                .write_private_data(&actor, id, query.format.into(), data)
        })
        .await?;
    answer::ok(&PrivateDatasetView::from(&written))
}

/// Deletes a private data set with its data.
#[utoipa::path(delete, path = "/private-datasets/{id}", tag = "private data sets",
    params(("id" = String, Path, description = "the private data set")),
    responses((status = 204, description = "it is gone")))]
async fn delete_private_dataset(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(id): Id<PrivateDatasetId>,
) -> Answer {
    portal.platform.delete_private_dataset(&actor, id).await?;
    answer::done()
}

/// A tenant's column has a name and a type; the platform asks no more of it.
fn column(column: dto::PrivateColumn) -> sandbox::Column {
    sandbox::Column {
        name: column.name,
        kind: column.column_type.into(),
        comment: String::new(),
        class: None,
        level: None,
    }
}

impl From<&sandbox::Column> for dto::PrivateColumn {
    fn from(column: &sandbox::Column) -> Self {
        Self {
            name: column.name.clone(),
            column_type: column.kind.into(),
        }
    }
}

impl From<&sandbox::PrivateDatasetView> for PrivateDatasetView {
    fn from(view: &sandbox::PrivateDatasetView) -> Self {
        Self {
            id: view.id.to_string(),
            grant: view.grant.to_string(),
            name: view.name.clone(),
            columns: each(&view.columns),
            unit: view.unit.as_ref().map(Into::into),
            rows: view.rows,
            sha256: view.sha256.clone(),
            intake_epoch: view.intake_epoch,
            created_at: time(view.created_at),
        }
    }
}
