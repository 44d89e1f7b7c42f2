//! The data catalogue: entries, samples, versions, masking policies.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, identifier, time};
use super::dto::{
    self, DatasetCreate, DatasetVersionView, DatasetView, Page, PageQuery, PolicyPreview,
    PolicyPut, PolicySuggest, PolicySuggestion, PolicyView, QualityPoint, SampleView,
};
use super::error::Failure;
use super::extract::{Id, Json, MaybeJson, Query};
use super::paging;
use super::session::Signed;
use super::verbs::Routes;
use axum::extract::State;
use utoipa_axum::routes;

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(datasets, register_dataset))
        .add(routes!(dataset))
        .add(routes!(dataset_sample))
        .add(routes!(dataset_versions))
        .add(routes!(dataset_quality))
        .add(routes!(policy, set_policy))
        .add(routes!(suggest_policy))
        .add(routes!(preview_policy))
}

/// The data catalogue.
#[utoipa::path(get, path = "/datasets", tag = "catalogue", params(PageQuery),
    responses((status = 200, description = "a page of data sets", body = Page<DatasetView>)))]
async fn datasets(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .datasets(&actor, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, DatasetView>(&page))
}

/// Registers a data set: its catalogue entry with the sample, before any data.
#[utoipa::path(post, path = "/datasets", tag = "catalogue", request_body = DatasetCreate,
    responses((status = 201, description = "the data set", body = DatasetView)))]
async fn register_dataset(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Json(body): Json<DatasetCreate>,
) -> Answer {
    let made = portal
        .platform
        .register_dataset(&actor, entry(body)?)
        .await?;
    answer::created(
        &format!("/datasets/{}", made.name),
        &DatasetView::from(&made),
    )
}

/// A catalogue entry.
#[utoipa::path(get, path = "/datasets/{name}", tag = "catalogue", params(("name" = String, Path, description = "the data set")),
    responses((status = 200, description = "the data set", body = DatasetView)))]
async fn dataset(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
) -> Answer {
    answer::ok(&DatasetView::from(
        &portal.platform.dataset(&actor, &name).await?,
    ))
}

/// 样例数据: masked rows to write programs against.
#[utoipa::path(get, path = "/datasets/{name}/sample", tag = "catalogue",
    params(("name" = String, Path, description = "the data set")),
    responses((status = 200, description = "masked rows", body = SampleView)))]
async fn dataset_sample(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
) -> Answer {
    answer::ok(&SampleView {
        rows: portal.platform.dataset_sample(&actor, &name).await?,
    })
}

/// The versions of a data set, newest first.
#[utoipa::path(get, path = "/datasets/{name}/versions", tag = "catalogue",
    params(("name" = String, Path, description = "the data set"), PageQuery),
    responses((status = 200, description = "a page of versions", body = Page<DatasetVersionView>)))]
async fn dataset_versions(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .dataset_versions(&actor, &name, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, DatasetVersionView>(&page))
}

/// Quality over time: the scores of the pushes, newest first; all of them for who may read their reports, else those
/// that became versions.
#[utoipa::path(get, path = "/datasets/{name}/quality", tag = "catalogue",
    params(("name" = String, Path, description = "the data set"), PageQuery),
    responses((status = 200, description = "a page of scores", body = Page<QualityPoint>)))]
async fn dataset_quality(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .dataset_quality(&actor, &name, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, QualityPoint>(&page))
}

/// The masking policy in force.
#[utoipa::path(get, path = "/datasets/{name}/policy", tag = "catalogue",
    params(("name" = String, Path, description = "the data set")),
    responses((status = 200, description = "the policy", body = PolicyView)))]
async fn policy(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
) -> Answer {
    answer::ok(&PolicyView::from(
        &portal.platform.policy(&actor, &name).await?,
    ))
}

/// Puts a masking policy in force for the pushes that follow.
#[utoipa::path(put, path = "/datasets/{name}/policy", tag = "catalogue",
    params(("name" = String, Path, description = "the data set")), request_body = PolicyPut,
    responses((status = 200, description = "the policy", body = PolicyView)))]
async fn set_policy(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    Json(body): Json<PolicyPut>,
) -> Answer {
    answer::ok(&PolicyView::from(
        &portal
            .platform
            .set_policy(&actor, &name, &body.toml)
            .await?,
    ))
}

/// A masking policy that fits what the columns hold; it is not put in force.
#[utoipa::path(post, path = "/datasets/{name}/policy:suggest", tag = "catalogue",
    params(("name" = String, Path, description = "the data set")), request_body = Option<PolicySuggest>,
    responses((status = 200, description = "a policy and the classes it follows from", body = PolicySuggestion)))]
async fn suggest_policy(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    MaybeJson(body): MaybeJson<PolicySuggest>,
) -> Answer {
    let body = body.unwrap_or_default();
    let Some(measure) = &body.measure else {
        return answer::ok(&PolicySuggestion::from(
            &portal.platform.suggest_policy(&actor, &name).await?,
        ));
    };
    let wish = sandbox::PolicyWish {
        measure: wished(measure)?,
        loss: loss(body.loss.as_deref())?,
    };
    let seconds = body.seconds.unwrap_or(10);
    if !(1..=sandbox::SEARCH_SECONDS_MAX).contains(&seconds) {
        return Err(Failure::field("seconds", "须为 1 至 12", "must be 1 to 12"));
    }
    let searched = portal.platform.search_policy(&actor, &name, wish, seconds);
    answer::ok(&PolicySuggestion::from(&searched.await?))
}

/// The provider's sample before and after a policy, which is not put in force. Of direct identifiers only the form is shown before.
#[utoipa::path(post, path = "/datasets/{name}/policy:preview", tag = "catalogue",
    params(("name" = String, Path, description = "the data set")), request_body = PolicyPut,
    responses((status = 200, description = "rows before and after", body = PolicyPreview)))]
async fn preview_policy(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    Json(body): Json<PolicyPut>,
) -> Answer {
    let preview = portal.platform.preview_policy(&actor, &name, &body.toml);
    let preview = preview.await?;
    answer::ok(&PolicyPreview {
        before: preview.before,
        after: preview.after,
    })
}

/// The limits, checked as those of a policy are.
fn wished(measure: &dto::MeasureWish) -> Result<sandbox::MaskMeasure, Failure> {
    let mut document = format!("version = 1\n[measure]\nk_min = {}\n", measure.k_min);
    if let Some(l_min) = measure.l_min {
        document.push_str(&format!("l_min = {l_min}\n"));
    }
    for (name, limit) in [
        ("t_max", measure.t_max),
        ("delta_max", measure.delta_max),
        ("beta_max", measure.beta_max),
        ("suppress_percent_max", measure.suppress_percent_max),
    ] {
        if let Some(limit) = limit {
            document.push_str(&format!("{name} = {limit:?}\n"));
        }
    }
    let refused = |zh: &str, en: &str| Failure::field("measure", zh, en);
    match sandbox::MaskPolicy::parse(&document) {
        Ok(policy) => (policy.measure()).ok_or_else(|| refused("缺少限值", "states no limit")),
        Err(fault) => {
            let text = |message: &str, remedy: &str| format!("{message}，{remedy}");
            let zh = text(&fault.message.zh, &fault.remedy.zh);
            let en = text(&fault.message.en, &fault.remedy.en).replace('，', ", ");
            Err(refused(&zh, &en))
        }
    }
}

fn loss(name: Option<&str>) -> Result<sandbox::InformationLoss, Failure> {
    let Some(name) = name else {
        return Ok(sandbox::InformationLoss::Generalisation);
    };
    let all = sandbox::InformationLoss::ALL;
    let known = all.map(sandbox::InformationLoss::as_str).join(", ");
    let found = all.into_iter().find(|loss| loss.as_str() == name);
    found.ok_or_else(|| {
        Failure::field(
            "loss",
            &format!("须为其中之一：{known}"),
            &format!("must be one of: {known}"),
        )
    })
}

fn entry(body: DatasetCreate) -> Result<sandbox::CatalogueEntry, Failure> {
    Ok(sandbox::CatalogueEntry {
        name: body.name,
        title: body.title.into(),
        provider: identifier("provider", &body.provider)?,
        industry: body.industry,
        description: body.description,
        update_cycle: body.update_cycle.into(),
        columns: body.columns.into_iter().map(Into::into).collect(),
        unit: body.unit.map(unit).transpose()?,
        quality_rules: body.quality_rules,
        sample: body.sample,
    })
}

/// The privacy unit of a body; also that of a private data set.
pub(crate) fn unit(unit: dto::PrivacyUnit) -> Result<sandbox::PrivacyUnit, Failure> {
    let value_domain = sandbox::ValueDomain::parse(&unit.value_domain).map_err(|_error| {
        Failure::field(
            "unit.value_domain",
            "不是值域名称，如 person-id",
            "is no value domain, such as person-id",
        )
    })?;
    Ok(sandbox::PrivacyUnit {
        column: unit.column,
        value_domain,
    })
}

impl From<&sandbox::PrivacyUnit> for dto::PrivacyUnit {
    fn from(unit: &sandbox::PrivacyUnit) -> Self {
        Self {
            column: unit.column.clone(),
            value_domain: unit.value_domain.as_str().to_owned(),
        }
    }
}

/// Enums of one name on both sides, variant by variant.
macro_rules! same {
    ($ours:ident, $theirs:ident: $($variant:ident),+) => {
        impl From<dto::$ours> for sandbox::$theirs {
            fn from(value: dto::$ours) -> Self {
                match value { $(dto::$ours::$variant => Self::$variant,)+ }
            }
        }

        impl From<sandbox::$theirs> for dto::$ours {
            fn from(value: sandbox::$theirs) -> Self {
                match value { $(sandbox::$theirs::$variant => Self::$variant,)+ }
            }
        }
    };
}

same!(ColumnType, ColumnType: String, Int64, Float64, Bool, Date, Timestamp);
same!(UpdateCycle, UpdateCycle: Realtime, Daily, Weekly, Monthly, Quarterly, Yearly, Irregular);
same!(Level, Level: General1, General2, General3, General4, Important, Core);
same!(PrivacyClass, Class: DirectIdentifier, QuasiIdentifier, Sensitive, Public);

impl From<dto::CatalogueColumn> for sandbox::Column {
    fn from(column: dto::CatalogueColumn) -> Self {
        Self {
            name: column.name,
            kind: column.column_type.into(),
            comment: column.comment,
            class: column.class.map(Into::into),
            level: column.level.map(Into::into),
        }
    }
}

impl From<&sandbox::Column> for dto::CatalogueColumn {
    fn from(column: &sandbox::Column) -> Self {
        Self {
            name: column.name.clone(),
            column_type: column.kind.into(),
            comment: column.comment.clone(),
            class: column.class.map(Into::into),
            level: column.level.map(Into::into),
        }
    }
}

impl From<&sandbox::DatasetView> for DatasetView {
    fn from(view: &sandbox::DatasetView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            title: (&view.title).into(),
            provider: view.provider.to_string(),
            industry: view.industry.clone(),
            description: view.description.clone(),
            update_cycle: view.update_cycle.into(),
            columns: each(&view.columns),
            unit: view.unit.as_ref().map(Into::into),
            policy: view.policy_revision,
            latest_version: view.latest_version,
            created_at: time(view.created_at),
        }
    }
}

impl From<&sandbox::VersionColumn> for dto::VersionColumn {
    fn from(column: &sandbox::VersionColumn) -> Self {
        Self {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            class: column.class.into(),
            identifier: column
                .identifier
                .map(|identifier| identifier.as_str().to_owned()),
            level: column.level.map(Into::into),
            token: column
                .token
                .as_ref()
                .map(|domain| domain.as_str().to_owned()),
        }
    }
}

impl From<&sandbox::VersionView> for DatasetVersionView {
    fn from(view: &sandbox::VersionView) -> Self {
        Self {
            id: view.id.to_string(),
            dataset: view.dataset.clone(),
            number: view.number,
            sha256: view.sha256.clone(),
            manifest_sha256: view.manifest_sha256.clone(),
            leaf: view.leaf,
            rows: view.rows,
            bytes: view.bytes,
            push: view.push.to_string(),
            deidentification_level: view.deidentification_level,
            intake_epoch: view.manifest.epoch,
            key_commitments: view.manifest.key_commitments.clone(),
            columns: each(&view.columns),
            created_at: time(view.created_at),
        }
    }
}

impl From<&sandbox::PolicyView> for PolicyView {
    fn from(view: &sandbox::PolicyView) -> Self {
        Self {
            dataset: view.dataset.clone(),
            toml: view.toml.clone(),
            sha256: view.sha256.clone(),
            version: view.revision,
            created_at: time(view.created_at),
        }
    }
}

impl From<&sandbox::PolicySuggestion> for PolicySuggestion {
    fn from(suggestion: &sandbox::PolicySuggestion) -> Self {
        Self {
            toml: suggestion.toml.clone(),
            classes: each(&suggestion.classes),
            search: None,
        }
    }
}

impl From<&sandbox::PolicySearched> for PolicySuggestion {
    fn from(searched: &sandbox::PolicySearched) -> Self {
        let found = &searched.found;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let columns = found.columns.iter().map(|chosen| dto::LevelView {
            column: chosen.column.clone(),
            level: count(chosen.level),
            levels: count(chosen.levels),
            transform: chosen.transform.name().to_owned(),
        });
        let losses = found.losses.iter();
        Self {
            toml: found.policy.to_toml(),
            classes: each(&searched.classes),
            search: Some(dto::PolicySearchView {
                push: searched.push.to_string(),
                columns: columns.collect(),
                losses: losses
                    .map(|(loss, value)| (loss.as_str().to_owned(), *value))
                    .collect(),
                checked: found.checks,
                combinations: found.nodes,
                optimal: found.is_optimal,
                rows: found.rows,
                suppressed_rows: found.suppressed,
                risk: (&found.report).into(),
            }),
        }
    }
}

impl From<&sandbox::ColumnClass> for dto::ColumnClass {
    fn from(class: &sandbox::ColumnClass) -> Self {
        Self {
            column: class.column.clone(),
            identifier: class
                .identifier
                .map(|identifier| identifier.as_str().to_owned()),
            class: class.class.into(),
            confidence: class.confidence,
            reason: (&class.evidence.reason).into(),
        }
    }
}
