//! SQL: what is released at once, what is suppressed, what is refused.

use crate::cli::records;
use crate::client::{Client, ClientError};
use crate::demo::stage::Stage;
use crate::demo::story::{Broken, Played, equal, expect, says};
use crate::demo::truth;
use crate::http::dto::{
    JobCreate, Mode, Program, ReleaseDecision, ReleaseState, RunState, RunView, Severity,
};
use std::collections::BTreeMap;

/// Public data joined with the tenant's own.
const JOIN: &str = "\
SELECT k.product, c.district,
       COUNT(DISTINCT c.resident_id) AS persons,
       SUM(c.visits) AS visits
FROM claims AS c
JOIN customers AS k ON c.resident_id = k.resident_id
WHERE c.year = 2021
GROUP BY k.product, c.district
ORDER BY k.product, c.district";
const JOIN_YEAR: i64 = 2021;
/// Fewest persons behind a cell.
const THRESHOLD: usize = 10;

/// A column that the data set has and the scenario does not grant.
const OUTSIDE: &str = "\
SELECT c.district,
       AVG(c.inpatient_cost) AS inpatient
FROM claims AS c
GROUP BY c.district";

/// Persons and visits of a district, and the same without its families of nine.
fn pair(district: &str) -> [String; 2] {
    let all = format!(
        "SELECT COUNT(DISTINCT resident_id) AS persons, SUM(visits) AS visits\n\
         FROM claims\n\
         WHERE year = {} AND district = '{district}'",
        truth::PAIR_YEAR
    );
    let without = format!("{all} AND (coinsurance_percent <> 95 OR family_size <> 1)");
    [all, without]
}

/// Submits a program as the developer.
pub(super) async fn submit(
    developer: &Client,
    grant: &str,
    program: Program,
) -> Result<String, ClientError> {
    let create = JobCreate {
        grant: grant.to_owned(),
        mode: Mode::Production,
        program,
    };
    Ok(developer.submit_job(&create).await?.run)
}

/// Waits until the machine has done with a run.
pub(super) async fn settled(developer: &Client, run: &str) -> Result<RunView, ClientError> {
    loop {
        let view = developer.run(run, 30_000).await?;
        if view.state.is_settled() {
            return Ok(view);
        }
    }
}

/// Why a run is not in the state that was due.
pub(super) fn unexpected(run: &RunView) -> Broken {
    let reason = run.reason.clone().unwrap_or_default();
    let findings: Vec<String> = run
        .findings
        .iter()
        .map(|finding| format!("{} {}", finding.rule, finding.subject))
        .collect();
    let (state, findings) = (run.state, findings.join("; "));
    let outcome = run.outcome.clone().unwrap_or_default();
    Broken::new(
        format!("运行状态为 {state:?} {outcome}：{} {findings}", reason.zh),
        format!("the run is {state:?} {outcome}: {} {findings}", reason.en),
    )
}

async fn sql(stage: &Stage, text: &str) -> Result<RunView, Broken> {
    let developer = &stage.cast()?.developer;
    let run = submit(developer, stage.grant()?, Program::sql(text)).await?;
    Ok(settled(developer, &run).await?)
}

/// A released table: cells by their key columns.
fn cells(csv: &[u8], keys: usize) -> Result<BTreeMap<Vec<String>, Vec<Option<f64>>>, Broken> {
    let text = std::str::from_utf8(csv).map_err(|_not_text| {
        Broken::new("放行的结果不是 UTF-8", "the released result is not UTF-8")
    })?;
    let rows = records(text).into_iter().skip(1);
    Ok(rows
        .map(|row| {
            let values = row
                .iter()
                .skip(keys)
                .map(|cell| cell.parse().ok())
                .collect();
            (row.into_iter().take(keys).collect(), values)
        })
        .collect())
}

/// Private and public data joined: small cells are suppressed, the rest is released at once, and is right.
pub(in crate::demo) async fn join(stage: &mut Stage) -> Played {
    let run = sql(stage, JOIN).await?;
    let developer = &stage.cast()?.developer;
    let (RunState::Released, Some(release)) = (run.state, &run.release) else {
        return Err(unexpected(&run));
    };
    let view = developer.release(release).await?;
    equal(
        "决定",
        "decision",
        &view.decision,
        &ReleaseDecision::Release,
    )?;
    equal("放行状态", "release", &view.state, &ReleaseState::Released)?;
    let csv = developer.download(release).await?;
    let shown = cells(&csv, 2)?;
    let truth = truth::joined(&stage.material()?.claims, JOIN_YEAR);
    let mut lines = Vec::new();
    let mut released = 0;
    for ((product, district), cell) in &truth {
        let persons = cell.persons.len();
        let values = shown.get([product.clone(), district.clone()].as_slice());
        let (Some(count), Some(visits)) = number_pair(values) else {
            continue;
        };
        released += 1;
        expect(
            persons >= THRESHOLD,
            format!("{product} {district} 只有 {persons} 人，却被放行"),
            format!("{product} {district} speaks of {persons} persons and was released"),
        )?;
        let due = f64::from(u32::try_from(persons).unwrap_or(u32::MAX));
        let visits_due = f64::from(i32::try_from(cell.visits).unwrap_or(i32::MAX));
        expect(
            (count - due).abs() < 5.0 && (visits - visits_due).abs() <= visits_due * 0.001 + 0.5,
            format!("{product} {district}：放行 {count}、{visits}，实际 {due}、{visits_due}"),
            format!("{product} {district}: released {count}, {visits}; due {due}, {visits_due}"),
        )?;
        if lines.len() < 3 {
            let line = format!("{product} {district} {count} {visits}");
            lines.push(says(line.clone(), line));
        }
    }
    let (all, small) = (
        truth.len(),
        truth
            .values()
            .filter(|cell| cell.persons.len() < THRESHOLD)
            .count(),
    );
    let suppressed = all - released;
    expect(released > 0, "没有放行任何单元格", "no cell was released")?;
    expect(
        suppressed >= small && small > 0,
        format!("应抑制 {small} 格，实抑制 {suppressed} 格"),
        format!("{small} cells were to be suppressed, {suppressed} were"),
    )?;
    let sha = view.sha256.unwrap_or_default();
    let meter = run.meter.unwrap_or_default();
    lines.insert(0, says(
        format!("{all} 格中 {small} 格不足 10 人：抑制 {suppressed} 格，其余 {released} 格立即放行，与源数据核对一致"),
        format!("{small} of {all} cells are below 10 persons: {suppressed} suppressed, {released} released at once, and right"),
    ));
    let sha = sha.get(..16).unwrap_or_default();
    lines.push(says(
        format!(
            "计数取整到 5，其他 4 位有效数字；SHA-256 {sha}…；计量（向上粗取）：{} 行，{} ms",
            meter.rows_in,
            meter.wall_us / 1000
        ),
        format!(
            "counts to 5, others to 4 digits; SHA-256 {sha}…; metered (rounded up): {} rows, {} ms",
            meter.rows_in,
            meter.wall_us / 1000
        ),
    ));
    stage.table = Some((release.clone(), csv));
    Ok(lines)
}

fn number_pair(values: Option<&Vec<Option<f64>>>) -> (Option<f64>, Option<f64>) {
    let at = |place: usize| values.and_then(|values| values.get(place).copied().flatten());
    (at(0), at(1))
}

/// A column outside the scenario: refused before anything runs, with place, rule, and what would pass.
pub(in crate::demo) async fn outside(stage: &mut Stage) -> Played {
    let developer = &stage.cast()?.developer;
    let program = Program::sql(OUTSIDE);
    let error = match submit(developer, stage.grant()?, program).await {
        Err(error) => error,
        Ok(run) => {
            return Err(Broken::new(
                format!("竟获准入：{run}"),
                format!("it was admitted: {run}"),
            ));
        }
    };
    expect(
        error
            .problem()
            .is_some_and(|problem| problem.code == "not_admitted"),
        format!("拒绝的原因不是准入审查：{error}"),
        format!("it was not refused at admission: {error}"),
    )?;
    let Some(finding) = error
        .findings()
        .iter()
        .find(|finding| finding.severity == Severity::Refuse)
    else {
        return Err(Broken::new("没有发现", "there is no finding"));
    };
    equal(
        "规则",
        "rule",
        &finding.rule.as_str(),
        &"column_outside_scenario",
    )?;
    let place = finding.place.map(|span| (span.line, span.column));
    equal("位置", "place", &place, &Some((2, 12)))?;
    let (reason, remedy) = (&finding.reason, &finding.remedy);
    expect(
        !remedy.zh.is_empty() && !remedy.en.is_empty(),
        "没有说明怎样可以通过",
        "it does not say what would pass",
    )?;
    Ok(vec![
        says(
            format!("第 2 行第 12 列 {}：{}", finding.rule, reason.zh),
            format!("2:12 {}: {}", finding.rule, reason.en),
        ),
        says(
            format!("可以：{}", remedy.zh),
            format!("what would pass: {}", remedy.en),
        ),
    ])
}

/// Two tables that a few persons tell apart: the first is released, the second is not. The same pair where many
/// persons make the difference is released, so it is the difference that counts and not the wording.
pub(in crate::demo) async fn differencing(stage: &mut Stage) -> Played {
    let claims = &stage.material()?.claims;
    let mut lines = Vec::new();
    for (district, due) in [
        ("湖里区", RunState::Released),
        ("同安区", RunState::Refused),
    ] {
        let (all, without) = truth::pair(claims, district);
        let [first, second] = pair(district);
        let first = sql(stage, &first).await?;
        if first.state != RunState::Released {
            return Err(unexpected(&first));
        }
        let second = sql(stage, &second).await?;
        if second.state != due {
            return Err(unexpected(&second));
        }
        let apart = all - without;
        let (zh, en) = match due {
            RunState::Released => ("两条都放行", "both are released"),
            _ => ("第二条拒绝", "the second is refused"),
        };
        lines.push(says(
            format!("{district} {all} 人与 {without} 人，差 {apart} 人：{zh}"),
            format!("{district}, {all} persons and {without}, {apart} apart: {en}"),
        ));
        for finding in second
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Refuse)
        {
            lines.push(says(finding.reason.zh.clone(), finding.reason.en.clone()));
        }
        expect(
            due == RunState::Released || second.release.is_none(),
            "被拒绝的运行竟有放行",
            "a refused run has a release",
        )?;
    }
    Ok(lines)
}
