//! Intake: a push becomes a version of a data set, or says why not.

use super::Portal;
use super::answer::{self, Answer};
use super::convert::{each, identifier, time};
use super::dto::{
    self, Page, PageQuery, ProblemRecord, PushCreate, PushRiskView, PushView, QualityView,
};
use super::error::Failure;
use super::extract::{Id, Json, Query};
use super::paging;
use super::session::Signed;
use super::upload::Upload;
use super::verbs::Routes;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use sandbox::{PieceRange, PushId};
use std::collections::BTreeMap;
use utoipa_axum::routes;

/// How many bytes of a push's data are stored, as the IETF's draft on resumable uploads names it.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

pub(crate) fn routes(to: Routes<Portal>) -> Routes<Portal> {
    to.add(routes!(open_push))
        .add(routes!(write_push_data))
        .add(routes!(commit_push))
        .add(routes!(push))
        .add(routes!(push_problems))
        .add(routes!(push_quality))
        .add(routes!(push_risk))
}

/// Opens a push: says what will come.
#[utoipa::path(post, path = "/datasets/{name}/pushes", tag = "intake",
    params(("name" = String, Path, description = "the data set")), request_body = PushCreate,
    responses((status = 201, description = "the push", body = PushView)))]
async fn open_push(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(name): Id<String>,
    Json(body): Json<PushCreate>,
) -> Answer {
    let push = PushView::from(
        &portal
            .platform
            .open_push(&actor, &name, manifest(body)?)
            .await?,
    );
    answer::created(&format!("/pushes/{}", push.id), &push)
}

/// Sends the data of a push, as they are; sent again they take the place of what was sent. With `Content-Range`
/// (`bytes 0-1048575/5000000`) it is the next piece: each begins where the ones before end, which `Upload-Offset` says
/// here, at the push itself, and where a piece does not fit (409 `piece_does_not_fit`). What was acknowledged stays when
/// a piece breaks off; the last piece is held against size and SHA-256 of the manifest.
#[utoipa::path(put, path = "/pushes/{id}/data", tag = "intake",
    params(("id" = String, Path, description = "the push"),
        ("content-range" = Option<String>, Header, description = "which bytes of how many, for a piece")),
    request_body(content_type = "application/octet-stream", description = "the file"),
    responses((status = 200, description = "the push", body = PushView)))]
async fn write_push_data(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(push): Id<PushId>,
    request: Request,
) -> Answer {
    let range = piece_range(request.headers())?;
    let upload = Upload::of(request, &portal.bounds)?;
    let platform = &portal.platform;
    let written = match range {
        None => {
            upload
                .write(|data| platform.write_push_data(&actor, push, data))
                .await
        }
        Some(range) => {
            let write = |data| platform.write_push_piece(&actor, push, range, data);
            upload.write(write).await
        }
    };
    match written {
        Ok(push) => stored(&PushView::from(&push)),
        Err(failure) if failure.code() == "piece_does_not_fit" => {
            let known = platform.push(&actor, push).await?;
            Err(failure.header(UPLOAD_OFFSET, HeaderValue::from(known.bytes)))
        }
        Err(failure) => Err(failure),
    }
}

/// Lets the data be checked and masked; the push says what became of it.
#[utoipa::path(post, path = "/pushes/{id}:commit", tag = "intake", params(("id" = String, Path, description = "the push")),
    responses((status = 202, description = "the push; `Location` is where to look", body = PushView)))]
async fn commit_push(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(push): Id<PushId>,
) -> Answer {
    let push = PushView::from(&portal.platform.commit_push(&actor, push).await?);
    answer::accepted(&format!("/pushes/{}", push.id), &push)
}

/// A push; `Upload-Offset` says how many bytes of its data are stored, to a HEAD as well.
#[utoipa::path(get, path = "/pushes/{id}", tag = "intake", params(("id" = String, Path, description = "the push")),
    responses((status = 200, description = "the push", body = PushView)))]
async fn push(State(portal): State<Portal>, Signed(actor): Signed, Id(push): Id<PushId>) -> Answer {
    stored(&PushView::from(&portal.platform.push(&actor, push).await?))
}

/// 问题数据反馈: the problem records, for the provider.
#[utoipa::path(get, path = "/pushes/{id}/problems", tag = "intake",
    params(("id" = String, Path, description = "the push"), PageQuery),
    responses((status = 200, description = "a page of problem records", body = Page<ProblemRecord>)))]
async fn push_problems(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(push): Id<PushId>,
    Query(page): Query<PageQuery>,
) -> Answer {
    let page = portal
        .platform
        .push_problems(&actor, push, paging::asked(page)?)
        .await?;
    answer::ok(&paging::answered::<_, ProblemRecord>(&page))
}

/// The quality report.
#[utoipa::path(get, path = "/pushes/{id}/quality", tag = "intake", params(("id" = String, Path, description = "the push")),
    responses((status = 200, description = "the report", body = QualityView)))]
async fn push_quality(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(push): Id<PushId>,
) -> Answer {
    answer::ok(&QualityView::from(
        &portal.platform.push_quality(&actor, push).await?,
    ))
}

/// Re-identification risk before and after masking.
#[utoipa::path(get, path = "/pushes/{id}/risk", tag = "intake", params(("id" = String, Path, description = "the push")),
    responses((status = 200, description = "both measurements", body = PushRiskView)))]
async fn push_risk(
    State(portal): State<Portal>,
    Signed(actor): Signed,
    Id(push): Id<PushId>,
) -> Answer {
    answer::ok(&PushRiskView::from(
        &portal.platform.push_risk(&actor, push).await?,
    ))
}

/// A push, with the length of its stored data in the header too.
fn stored(push: &PushView) -> Answer {
    let mut response = answer::ok(push)?;
    let offset = HeaderValue::from(push.bytes);
    response.headers_mut().insert(UPLOAD_OFFSET, offset);
    Ok(response)
}

/// The range of a piece, `bytes 0-1048575/5000000`; none for the whole data at once.
fn piece_range(headers: &HeaderMap) -> Result<Option<PieceRange>, Failure> {
    let Some(value) = headers.get(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let read = |value: &HeaderValue| {
        let (range, total) = value
            .to_str()
            .ok()?
            .strip_prefix("bytes ")?
            .split_once('/')?;
        let (first, last) = range.split_once('-')?;
        PieceRange::new(first.parse().ok()?, last.parse().ok()?, total.parse().ok()?)
    };
    read(value)
        .map(Some)
        .ok_or_else(|| Failure::invalid_header("Content-Range"))
}

fn manifest(body: PushCreate) -> Result<sandbox::PushManifest, Failure> {
    let encoding = |name: String| {
        serde_json::from_value(serde_json::Value::String(name.to_ascii_lowercase())).map_err(
            |_error| {
                Failure::field(
                    "encoding",
                    "不支持该编码；可用：utf-8、gb18030、utf-16le、utf-16be",
                    "is no known encoding; there are utf-8, gb18030, utf-16le, utf-16be",
                )
            },
        )
    };
    let closes = body.closes.iter().map(|id| identifier("closes", id));
    Ok(sandbox::PushManifest {
        format: body.format.into(),
        encoding: body.encoding.map(encoding).transpose()?,
        sha256: body.sha256,
        bytes: body.bytes,
        sample: body.sample,
        closes: closes.collect::<Result<_, _>>()?,
    })
}

impl From<dto::DataFormat> for sandbox::DataFormat {
    fn from(format: dto::DataFormat) -> Self {
        match format {
            dto::DataFormat::Csv => Self::Csv,
            dto::DataFormat::Parquet => Self::Parquet,
            dto::DataFormat::Jsonl => Self::Jsonl,
            dto::DataFormat::Arrow => Self::Arrow,
        }
    }
}

impl From<sandbox::PushState> for dto::PushState {
    fn from(state: sandbox::PushState) -> Self {
        match state {
            sandbox::PushState::Open => Self::Open,
            sandbox::PushState::Received => Self::Received,
            sandbox::PushState::Checking => Self::Checking,
            sandbox::PushState::Version => Self::Version,
            sandbox::PushState::Quarantined => Self::Quarantined,
            sandbox::PushState::Rejected => Self::Rejected,
        }
    }
}

impl From<&sandbox::PushView> for PushView {
    fn from(push: &sandbox::PushView) -> Self {
        Self {
            id: push.id.to_string(),
            dataset: push.dataset.clone(),
            state: push.state.into(),
            rows_checked: push.rows_checked,
            rows_kept: push.rows_kept,
            problems: push.problems,
            bytes: push.bytes,
            sha256: push.sha256.clone(),
            version: push.version.map(|version| version.to_string()),
            reason: push.faults.first().map(|fault| (&fault.reason).into()),
            faults: each(&push.faults),
            created_at: time(push.created_at),
        }
    }
}

impl From<&sandbox::IntakeFault> for dto::PushFault {
    fn from(fault: &sandbox::IntakeFault) -> Self {
        Self {
            rule: fault.rule.clone(),
            row: fault.row,
            column: fault.column.clone(),
            offset: fault.offset,
            reason: (&fault.reason).into(),
            remedy: (&fault.remedy).into(),
        }
    }
}

impl From<&sandbox::Problem> for ProblemRecord {
    fn from(problem: &sandbox::Problem) -> Self {
        Self {
            row: problem.row,
            column: problem.column.clone(),
            rule: problem.rule.clone(),
            action: match problem.action {
                sandbox::ProblemAction::Repaired => dto::ProblemAction::Repaired,
                sandbox::ProblemAction::Dropped => dto::ProblemAction::Dropped,
                sandbox::ProblemAction::Kept => dto::ProblemAction::Kept,
            },
            masked_value: problem.masked_value.clone(),
            message: (&problem.message).into(),
        }
    }
}

impl From<&sandbox::QualityReport> for QualityView {
    fn from(report: &sandbox::QualityReport) -> Self {
        Self {
            rows_in: report.rows_in,
            rows_kept: report.rows_kept,
            repaired: report.repaired,
            score: report.score,
            dimensions: dimensions(&report.dimensions),
            columns: columns(&report.columns),
            rules: each(&report.rules),
            notes: each(&report.notes),
            blocking: report.blocking.clone(),
        }
    }
}

impl From<&sandbox::QualityPoint> for dto::QualityPoint {
    fn from(point: &sandbox::QualityPoint) -> Self {
        Self {
            push: point.push.to_string(),
            state: point.state.into(),
            version: point.version,
            at: time(point.at),
            rows_kept: point.rows_kept,
            problems: point.problems,
            score: point.score,
            dimensions: dimensions(&point.dimensions),
            columns: columns(&point.columns),
            blocking: point.blocking.clone(),
        }
    }
}

fn dimensions(scores: &BTreeMap<String, f64>) -> Vec<dto::DimensionScore> {
    let score = |(dimension, score): (&String, &f64)| dto::DimensionScore {
        dimension: dimension.clone(),
        score: *score,
    };
    scores.iter().map(score).collect()
}

fn columns(scores: &BTreeMap<String, f64>) -> Vec<dto::ColumnScore> {
    let score = |(column, score): (&String, &f64)| dto::ColumnScore {
        column: column.clone(),
        score: *score,
    };
    scores.iter().map(score).collect()
}

impl From<&sandbox::RuleCount> for dto::RuleCount {
    fn from(rule: &sandbox::RuleCount) -> Self {
        Self {
            rule: rule.rule.clone(),
            dimension: rule.dimension.clone(),
            columns: rule.columns.clone(),
            checked: rule.checked,
            count: rule.failed,
            blocking: rule.blocking,
        }
    }
}

impl From<&sandbox::RuleNote> for dto::RuleNote {
    fn from(note: &sandbox::RuleNote) -> Self {
        Self {
            rule: note.rule.clone(),
            message: (&note.message).into(),
        }
    }
}

impl From<&sandbox::RiskReport> for dto::RiskView {
    fn from(report: &sandbox::RiskReport) -> Self {
        Self {
            quasi_identifiers: report.quasi.clone(),
            sensitive: report.sensitive.clone(),
            rows: report.rows,
            classes: report.classes,
            k: report.k,
            uniques: report.uniques,
            prosecutor_max: report.prosecutor_max,
            prosecutor_avg: report.prosecutor_avg,
            marketer: report.marketer,
            l_distinct: report.l_distinct,
            l_entropy: report.l_entropy,
            l_recursive: report.l_recursive.clone(),
            t_closeness: report.t_closeness,
            t_distance: report.t_distance.map(distance_name).map(str::to_owned),
            delta_disclosure: report.delta_disclosure,
            beta_basic: report.beta_basic,
            beta_enhanced: report.beta_enhanced,
            special: (report.special.as_ref())
                .map(|special| special_view(special, report.population.is_some())),
            population: report.population.as_ref().map(Into::into),
            histogram: report.histogram.clone(),
        }
    }
}

fn distance_name(distance: sandbox::ClosenessDistance) -> &'static str {
    match distance {
        sandbox::ClosenessDistance::Equal => "equal",
        sandbox::ClosenessDistance::Ordered => "ordered",
        sandbox::ClosenessDistance::Hierarchical => "hierarchical",
    }
}

/// Without a population nobody knows which share of it the rows are, and matches have no probability.
fn special_view(
    special: &sandbox::SpecialUniques,
    has_population: bool,
) -> dto::SpecialUniquesView {
    let count = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let contributions = special.contributions.iter();
    dto::SpecialUniquesView {
        size_max: count(special.size_max),
        rows: special.rows,
        by_size: (special.by_size.iter())
            .map(|(size, sets)| (count(*size), *sets))
            .collect(),
        contributions: contributions
            .map(|(column, share)| dto::Contribution {
                column: column.clone(),
                share: *share,
            })
            .collect(),
        score_max: special.score_max,
        intrusion: has_population.then_some(special.intrusion),
        intrusion_max: has_population.then_some(special.intrusion_max),
    }
}

impl From<&sandbox::PopulationRisk> for dto::PopulationRiskView {
    fn from(risk: &sandbox::PopulationRisk) -> Self {
        Self {
            rows: risk.rows,
            k_map: risk.k_map,
            journalist_max: risk.journalist_max,
            journalist_avg: risk.journalist_avg,
            delta_presence_min: risk.delta_presence_min,
            delta_presence_max: risk.delta_presence_max,
            unmatched: risk.unmatched,
        }
    }
}

impl From<&sandbox::PushRisk> for PushRiskView {
    fn from(risk: &sandbox::PushRisk) -> Self {
        Self {
            before: (&risk.before).into(),
            after: risk.after.as_ref().map(Into::into),
            deidentification_level: risk.deidentification_level,
            suppressed_rows: risk.suppressed_rows,
        }
    }
}
