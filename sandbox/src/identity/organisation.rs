//! Organisations.

use jiff::Timestamp;
use serde_json::json;
use sqlx::Row as _;

use super::{checked_name, checked_title};
use crate::{
    access::{Actor, Object, Operation, OrganisationKind},
    clock::timestamp,
    error::Error,
    id::OrganisationId,
    job::queue::{self, WEIGHT_MAX},
    ledger::LeafDraft,
    page::{Page, PageRequest},
    platform::Platform,
    storage::{Tx, is_unique_violation, storage_error},
};

/// A new organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationRequest {
    /// Short unique name.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// What it is to the platform; there is one operator, made at the first start.
    pub kind: OrganisationKind,
}

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its identifier.
    pub id: OrganisationId,
    /// Short unique name.
    pub name: String,
    /// The name people read.
    pub title: String,
    /// What it is to the platform.
    pub kind: OrganisationKind,
    /// Turns that its runs have in the queue for one of an organisation of weight 1.
    pub weight: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Platform {
    /// Makes an organisation.
    ///
    /// # Errors
    /// Not permitted; a name that is no name or is taken; a second operator.
    pub async fn create_organisation(
        &self,
        actor: &Actor,
        request: OrganisationRequest,
    ) -> Result<Organisation, Error> {
        let authorisation =
            self.authorise(actor, Operation::CreateOrganisation, Object::Platform)?;
        checked_name(&request.name)?;
        checked_title("title", &request.title)?;
        if request.kind == OrganisationKind::Operator {
            return Err(Error::conflict(
                "one_operator",
                "平台只有一个一级开发主体。",
                "there is one operator, and it is there already.",
            ));
        }
        let id = OrganisationId::new(self.clock(), self.entropy());
        self.store()
            .act(authorisation, "create_organisation", move |tx| {
                let request = request.clone();
                Box::pin(async move {
                    let at = tx.now_micros();
                    sqlx::query(
                        "INSERT INTO organisations (id, name, title, kind, created_at) \
                         VALUES ($1, $2, $3, $4, $5)",
                    )
                    .bind(id.to_string())
                    .bind(request.name.as_str())
                    .bind(request.title.as_str())
                    .bind(request.kind.name())
                    .bind(at)
                    .execute(tx.conn())
                    .await
                    .map_err(|source| taken(&request.name, source))?;
                    let leaf = LeafDraft::new(
                        "organisation.create",
                        json!({ "name": request.name, "title": request.title, "kind": request.kind.name() }),
                    )
                    .subject(id);
                    let organisation = Organisation {
                        id,
                        name: request.name,
                        title: request.title,
                        kind: request.kind,
                        weight: 1,
                        created_at: tx.now(),
                    };
                    Ok((organisation, leaf))
                })
            })
            .await
    }

    /// The organisations, by name.
    ///
    /// # Errors
    /// Not permitted.
    pub async fn organisations(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<Organisation>, Error> {
        self.authorise(actor, Operation::ListOrganisations, Object::Platform)?;
        self.store()
            .read("organisations", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("list organisations", source);
                    let rows = sqlx::query(
                        "SELECT id, name, title, kind, created_at, COALESCE(weight, 1) FROM organisations \
                         LEFT JOIN queue_shares ON organisation_id = id WHERE name > $1 ORDER BY name LIMIT $2",
                    )
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(failed)?;
                    let items = rows
                        .iter()
                        .map(organisation)
                        .collect::<Result<Vec<_>, _>>()?;
                    Ok(Page::cut(items, &page, |item| item.name.clone()))
                })
            })
            .await
    }

    /// Gives a tenant's runs more turns in the queue, or fewer.
    ///
    /// # Errors
    /// Not permitted; no such organisation; one that submits no jobs; a weight that is not 1 to 10.
    pub async fn set_weight(
        &self,
        actor: &Actor,
        id: OrganisationId,
        weight: u32,
    ) -> Result<Organisation, Error> {
        let authorisation = self.authorise(actor, Operation::SetWeight, Object::Platform)?;
        let weight = i64::from(weight);
        if !(1..=WEIGHT_MAX).contains(&weight) {
            return Err(Error::invalid(
                "weight_out_of_range",
                format!("权重须为 1 至 {WEIGHT_MAX}。"),
                format!("a weight is 1 to {WEIGHT_MAX}."),
            ));
        }
        self.store()
            .act(authorisation, "set_weight", move |tx| {
                Box::pin(async move { store_weight(tx, id, weight).await })
            })
            .await
    }

    /// What an organisation is to the platform.
    ///
    /// # Errors
    /// There is none with this identifier.
    pub(crate) async fn organisation_kind(
        &self,
        id: OrganisationId,
    ) -> Result<OrganisationKind, Error> {
        self.store()
            .read("organisation_kind", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("find an organisation", source);
                    let row = sqlx::query("SELECT kind FROM organisations WHERE id = $1")
                        .bind(id.to_string())
                        .fetch_optional(&mut *conn)
                        .await
                        .map_err(failed)?
                        .ok_or_else(no_organisation)?;
                    let kind: String = row.try_get(0).map_err(failed)?;
                    OrganisationKind::parse(&kind).ok_or_else(no_organisation)
                })
            })
            .await
    }
}

async fn store_weight(
    tx: &mut Tx,
    id: OrganisationId,
    weight: i64,
) -> Result<(Organisation, LeafDraft), Error> {
    let failed = |source| storage_error("find an organisation", source);
    let name = id.to_string();
    let before = queue::weight(tx.conn(), &name).await?;
    queue::set_weight(tx.conn(), &name, weight).await?;
    let row = sqlx::query(
        "SELECT id, name, title, kind, created_at, weight FROM organisations \
         JOIN queue_shares ON organisation_id = id WHERE id = $1",
    )
    .bind(name)
    .fetch_optional(tx.conn())
    .await
    .map_err(failed)?
    .ok_or_else(no_organisation)?;
    let found = organisation(&row)?;
    if found.kind != OrganisationKind::Tenant {
        return Err(Error::conflict(
            "no_tenant",
            "只有二级开发主体提交作业，其他组织没有权重。",
            "tenants alone submit jobs; other organisations have no weight.",
        ));
    }
    let leaf = LeafDraft::new(
        "organisation.weight",
        json!({ "before": before, "weight": weight }),
    )
    .subject(id);
    Ok((found, leaf))
}

fn organisation(row: &sqlx::any::AnyRow) -> Result<Organisation, Error> {
    let failed = |source| storage_error("read an organisation", source);
    let text = |place: usize| row.try_get::<String, _>(place).map_err(failed);
    let unknown = |what| Error::internal("read an organisation", what);
    Ok(Organisation {
        id: text(0)?
            .parse()
            .map_err(|_| unknown("an identifier that is none"))?,
        name: text(1)?,
        title: text(2)?,
        kind: OrganisationKind::parse(&text(3)?).ok_or_else(|| unknown("an unknown kind"))?,
        weight: u32::try_from(row.try_get::<i64, _>(5).map_err(failed)?).unwrap_or(1),
        created_at: timestamp(row.try_get(4).map_err(failed)?),
    })
}

pub(super) fn no_organisation() -> Error {
    Error::not_found("没有这个组织。", "there is no such organisation.")
}

pub(super) fn taken(name: &str, source: sqlx::Error) -> Error {
    if is_unique_violation(&source) {
        Error::conflict(
            "name_taken",
            format!("名称 {name} 已被使用。"),
            format!("the name {name} is taken."),
        )
        .with_remedy("换一个名称。", "choose another name.")
    } else {
        storage_error("store a name", source)
    }
}
