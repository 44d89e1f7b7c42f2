//! Three bureaus' data sets come in: catalogue, quality, masking, risk.

use crate::cli::chinese;
use crate::client::Client;
use crate::demo::claims;
use crate::demo::offer::Offer;
use crate::demo::stage::{Material, Stage};
use crate::demo::story::{Broken, Played, equal, expect, says};
use crate::http::dto::{DataFormat, PageQuery, ProblemAction, PushState, PushView, RuleCount};
use sandbox::Bilingual;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the state of a push is asked for.
const POLL: Duration = Duration::from_millis(50);

/// Reads the embedded measurements, gives their subjects identities, registers the data sets and their policies.
pub(in crate::demo) async fn catalogue(stage: &mut Stage) -> Played {
    let material = Material::prepare()?;
    let cast = stage.cast()?;
    let mut lines = Vec::new();
    for (offer, bureau) in material.offers.iter().zip(&cast.bureaus) {
        cast.system_admin
            .register_dataset(&offer.entry(bureau))
            .await?;
        let policy = cast
            .security_admin
            .set_policy(offer.name, offer.policy)
            .await?;
        let entry = cast.developer.dataset(offer.name).await?;
        equal(
            "列数",
            "columns",
            &entry.columns.len(),
            &offer.columns.len(),
        )?;
        expect(
            entry.policy.is_some(),
            "脱敏策略没有生效",
            "the masking policy is not in force",
        )?;
        let digest = policy.sha256.get(..12).unwrap_or_default();
        lines.push(says(
            format!(
                "{}（{}）：{} {} 列，脱敏策略 {digest}",
                offer.industry,
                offer.name,
                offer.title.zh,
                entry.columns.len()
            ),
            format!(
                "{} ({}): {}, {} columns, policy {digest}",
                offer.industry,
                offer.name,
                offer.title.en,
                entry.columns.len()
            ),
        ));
    }
    stage.material = Some(material);
    Ok(lines)
}

/// Pushes the data set at a place; it has to become a version with the rows that are due.
pub(in crate::demo) async fn push(stage: &mut Stage, place: usize) -> Played {
    let material = stage.material()?;
    let admin = &stage.cast()?.system_admin;
    let offer = material.offers.get(place).ok_or(Broken::Before)?;
    let push = admin.open_push(offer.name, &offer.manifest()).await?;
    admin
        .send_push_data(&push.id, offer.data.clone().into())
        .await?;
    let view = settled(admin, admin.commit_push(&push.id).await?).await?;
    if view.state != PushState::Version {
        let reason = view.reason.unwrap_or_default();
        return Err(Broken::new(
            format!("推送没有成为版本：{}", reason.zh),
            format!("the push became no version: {}", reason.en),
        ));
    }
    let (dropped, problems) = if offer.name == claims::NAME {
        (material.planted.dropped(), material.planted.problems())
    } else {
        (0, 0)
    };
    equal("读入行", "rows read", &view.rows_checked, &offer.rows)?;
    equal(
        "保留行",
        "rows kept",
        &view.rows_kept,
        &(offer.rows - dropped),
    )?;
    equal("问题记录", "problem records", &view.problems, &problems)?;
    let megabytes = f64::from(u32::try_from(offer.data.len()).unwrap_or(u32::MAX)) / 1e6;
    let (rows, kept, problems) = (offer.rows, view.rows_kept, view.problems);
    let form = form_of(offer);
    let line = says(
        format!("{form}，{megabytes:.1} MB，{rows} 行 → 版本 {kept} 行，问题记录 {problems}"),
        format!(
            "{form}, {megabytes:.1} MB, {rows} rows → a version of {kept}, {problems} problem records"
        ),
    );
    stage.pushes.push(push.id);
    Ok(vec![line])
}

fn form_of(offer: &Offer) -> String {
    match (offer.format, offer.encoding) {
        (DataFormat::Parquet, _) => "Parquet".to_owned(),
        (DataFormat::Jsonl, _) => "JSON lines".to_owned(),
        (DataFormat::Arrow, _) => "Arrow IPC".to_owned(),
        (DataFormat::Csv, encoding) => {
            format!("CSV {}", encoding.unwrap_or("utf-8").to_ascii_uppercase())
        }
    }
}

async fn settled(admin: &Client, mut view: PushView) -> Result<PushView, Broken> {
    while !matches!(
        view.state,
        PushState::Version | PushState::Quarantined | PushState::Rejected
    ) {
        tokio::time::sleep(POLL).await;
        view = admin.push(&view.id).await?;
    }
    Ok(view)
}

/// All three make a hundred thousand rows and more.
pub(in crate::demo) async fn volume(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let mut total = 0;
    for offer in &stage.material()?.offers {
        let versions = cast
            .developer
            .dataset_versions(offer.name, &PageQuery::default())
            .await?;
        total += versions.items.first().map_or(0, |version| version.rows);
    }
    expect(
        total >= 100_000,
        format!("三个数据集共 {total} 行，不足 100000"),
        format!("the three hold {total} rows, fewer than 100,000"),
    )?;
    Ok(vec![says(
        format!("三个行业的三个数据集，共 {total} 行"),
        format!("three data sets of three industries, {total} rows"),
    )])
}

/// The quality report, and the problem list that goes back to the provider: exactly what was planted.
pub(in crate::demo) async fn quality(stage: &mut Stage) -> Played {
    let push = stage.pushes.first().ok_or(Broken::Before)?;
    let delegate = &stage.cast()?.delegates[0];
    let planted = stage.material()?.planted;
    let report = delegate.push_quality(push).await?;
    let rules: BTreeMap<&str, u64> = report
        .rules
        .iter()
        .map(|RuleCount { rule, count, .. }| (rule.as_str(), *count))
        .collect();
    let due = [
        ("resident_id_check", planted.check_characters),
        ("district_present", planted.no_district),
        ("one_row_a_year", planted.duplicates),
    ];
    for (rule, due) in due {
        equal(
            &format!("规则 {rule}"),
            &format!("rule {rule}"),
            &rules.get(rule).copied().unwrap_or(0),
            &due,
        )?;
    }
    let problems = problems(delegate, push).await?;
    equal(
        "问题清单",
        "the problem list",
        &problems.total,
        &planted.problems(),
    )?;
    equal(
        "被剔除的行",
        "rows left out",
        &problems.dropped,
        &planted.dropped(),
    )?;
    equal(
        "无法成立的日期",
        "impossible dates",
        &problems.dates,
        &planted.impossible_dates,
    )?;
    let score = |zh: bool| {
        let each = report.dimensions.iter().map(|each| {
            let word = chinese(&each.dimension)
                .filter(|_| zh)
                .unwrap_or(&each.dimension);
            format!("{word} {:.2} %", each.score * 100.0)
        });
        each.collect::<Vec<_>>().join(" · ")
    };
    let mut lines = vec![
        says(
            format!("质量得分：{}", score(true)),
            format!("scores: {}", score(false)),
        ),
        says(
            format!(
                "校验位错误 {}、重复 {}、缺失 {}、不可能的日期 {}：与埋设数一致，逐条可追溯",
                planted.check_characters,
                planted.duplicates,
                planted.no_district,
                planted.impossible_dates
            ),
            format!(
                "bad check digits {}, duplicates {}, missing {}, impossible dates {}: as planted, each record traceable",
                planted.check_characters,
                planted.duplicates,
                planted.no_district,
                planted.impossible_dates
            ),
        ),
    ];
    lines.extend(problems.example);
    Ok(lines)
}

/// What the problem list of a push holds.
struct Problems {
    total: u64,
    dropped: u64,
    dates: u64,
    example: Option<Bilingual>,
}

async fn problems(delegate: &Client, push: &str) -> Result<Problems, Broken> {
    let mut found = Problems {
        total: 0,
        dropped: 0,
        dates: 0,
        example: None,
    };
    let mut cursor = None;
    loop {
        let page = delegate
            .push_problems(
                push,
                &PageQuery {
                    limit: Some(200),
                    cursor,
                },
            )
            .await?;
        for problem in page.items {
            found.total += 1;
            found.dropped += u64::from(problem.action == ProblemAction::Dropped);
            found.dates += u64::from(problem.column.as_deref() == Some("birth_date"));
            let row = problem.row;
            let column = problem.column.unwrap_or_default();
            let (zh, en) = (&problem.message.zh, &problem.message.en);
            let value = &problem.masked_value;
            found.example.get_or_insert_with(|| {
                says(
                    format!("例：第 {row} 行 {column} = {value}：{zh}"),
                    format!("such as: row {row}, {column} = {value}: {en}"),
                )
            });
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// Masking by policy: the sample that everybody may see holds tokens and no identity.
pub(in crate::demo) async fn masking(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let material = stage.material()?;
    let mut lines = Vec::new();
    let mut tokens = BTreeMap::new();
    for offer in &material.offers {
        let sample = cast.developer.dataset_sample(offer.name).await?;
        expect(!sample.rows.is_empty(), "没有样例", "there is no sample")?;
        for row in &sample.rows {
            expect(
                !row.contains_key("name") && !row.contains_key("mobile"),
                format!("{} 的样例仍有姓名或手机号", offer.name),
                format!("the sample of {} still has names or mobiles", offer.name),
            )?;
            let token = row
                .get(offer.unit)
                .and_then(|value| value.as_str())
                .unwrap_or_default();
            let is_token = token.len() == 26
                && token
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            expect(
                is_token,
                format!("{}.{} 不是假名：{token}", offer.name, offer.unit),
                format!("{}.{} is no token: {token}", offer.name, offer.unit),
            )?;
            tokens.insert(offer.name, token.to_owned());
        }
    }
    for claim in material.claims.iter().take(2_000) {
        let raw = claim.person.resident_id();
        expect(
            !tokens.values().any(|token| *token == raw),
            "样例中有原始身份证号",
            "a sample shows a raw resident ID",
        )?;
    }
    for (dataset, token) in &tokens {
        lines.push(says(
            format!("{dataset}：身份证号 → {token}"),
            format!("{dataset}: resident ID → {token}"),
        ));
    }
    lines.push(says(
        "姓名、手机号、出生日期不进入版本；年龄归段；车牌与信用代码各有值域的假名",
        "names, mobiles and birth dates are not in the version; ages in bands; plates and credit codes as tokens of their own domains",
    ));
    Ok(lines)
}

/// Risk of re-identification before and after masking.
pub(in crate::demo) async fn risk(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let mut lines = Vec::new();
    expect(
        stage.pushes.len() == 3,
        "三次推送没有都成为版本",
        "not all three pushes became versions",
    )?;
    for (push, offer) in stage.pushes.iter().zip(&stage.material()?.offers) {
        let risk = cast.security_admin.push_risk(push).await?;
        let (before, after) = (&risk.before, risk.after.as_ref().ok_or(Broken::Before)?);
        expect(
            after.rows == before.rows
                && after.prosecutor_avg <= before.prosecutor_avg
                && after.uniques <= before.uniques,
            format!("{} 的风险在脱敏后没有降低", offer.name),
            format!("the risk of {} did not fall by masking", offer.name),
        )?;
        let level = risk
            .deidentification_level
            .map(|level| level.to_string())
            .unwrap_or_default();
        lines.push(says(
            format!(
                "{}：唯一行 {} → {}，平均风险 {:.2} % → {:.2} %，k {} → {}，去标识级别 {level}",
                offer.name,
                before.uniques,
                after.uniques,
                before.prosecutor_avg * 100.0,
                after.prosecutor_avg * 100.0,
                before.k,
                after.k
            ),
            format!(
                "{}: unique rows {} → {}, mean risk {:.2} % → {:.2} %, k {} → {}, level {level}",
                offer.name,
                before.uniques,
                after.uniques,
                before.prosecutor_avg * 100.0,
                after.prosecutor_avg * 100.0,
                before.k,
                after.k
            ),
        ));
    }
    let first = stage.pushes.first().ok_or(Broken::Before)?;
    let claims = cast.security_admin.push_risk(first).await?;
    expect(
        claims
            .after
            .is_some_and(|after| after.uniques < claims.before.uniques),
        "健康数据的唯一行没有减少",
        "the unique rows of the health data did not become fewer",
    )?;
    Ok(lines)
}
