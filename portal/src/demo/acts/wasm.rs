//! A WASM job: nothing of it leaves without people.

use super::sql::{settled, submit, unexpected};
use crate::demo::stage::Stage;
use crate::demo::story::{Broken, Played, equal, expect, says};
use crate::http::dto::{OutputColumn, Program, ReleaseState, ResultType, RunState, WasmInput};

const MODULE: &str = include_str!("../module.wat");

/// The module is pushed, runs on the staged data, and its result is held.
pub(in crate::demo) async fn run(stage: &mut Stage) -> Played {
    let developer = &stage.cast()?.developer;
    let binary = sandbox::module_from_text(MODULE).map_err(|error| {
        Broken::new(
            format!("模块文本有误：{error}"),
            format!("the module's text is wrong: {error}"),
        )
    })?;
    let bytes = binary.len();
    let module = developer.push_module("histogram", binary).await?;
    let output = |name: &str, data_type| OutputColumn {
        name: name.to_owned(),
        data_type,
    };
    let program = Program::Wasm {
        module: module.id.clone(),
        inputs: vec![WasmInput {
            table: "claims".to_owned(),
            columns: vec!["medical_cost".to_owned()],
        }],
        output: vec![
            output("from_cost", ResultType::Float64),
            output("claims", ResultType::Int64),
            output("mean_cost", ResultType::Float64),
        ],
    };
    let run = submit(developer, stage.grant()?, program).await?;
    let run = settled(developer, &run).await?;
    let (RunState::Held, Some(release)) = (run.state, run.release.clone()) else {
        return Err(unexpected(&run));
    };
    let early = developer.download(&release).await;
    expect(
        early.is_err(),
        "未经审查的结果可以下载",
        "a held result can be downloaded",
    )?;
    let meter = run.meter.unwrap_or_default();
    stage.module = Some(module.id);
    stage.histogram = Some(release);
    Ok(vec![says(
        format!(
            "模块 {bytes} 字节，计量（向上粗取）{} 行、燃料 {}；结果待人工审查，此时不可下载",
            meter.rows_in, meter.fuel
        ),
        format!(
            "a module of {bytes} bytes, metered (rounded up) {} rows and fuel {}; the result is held and cannot be downloaded",
            meter.rows_in, meter.fuel
        ),
    )])
}

/// Two reviewers vote on the evidence; then it is released, and is right.
pub(in crate::demo) async fn vote(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let release = stage.histogram.as_deref().ok_or(Broken::Before)?;
    let (digest, preview_rows) = super::review::approve(&cast.reviewers, release).await?;
    let view = super::review::released(&cast.developer, release).await?;
    equal("放行状态", "release", &view.state, &ReleaseState::Released)?;
    let csv = cast.developer.download(release).await?;
    let text = String::from_utf8_lossy(&csv);
    let rows = crate::cli::records(&text);
    let truth = crate::demo::truth::histogram(&stage.material()?.claims);
    equal("行数", "rows", &rows.len().saturating_sub(1), &truth.len())?;
    for (bound, count, mean) in &truth {
        let near = |cell: Option<&String>, due: f64| {
            cell.and_then(|cell| cell.parse::<f64>().ok())
                .is_some_and(|found| (found - due).abs() <= due.abs() * 1e-6 + 1e-9)
        };
        let count_due = f64::from(u32::try_from(*count).unwrap_or(u32::MAX));
        let found = rows.iter().skip(1).any(|row| {
            near(row.first(), *bound) && near(row.get(1), count_due) && near(row.get(2), *mean)
        });
        expect(
            found,
            format!("{bound} 起的一格应为 {count} 条、均值 {mean:.4}：\n{text}"),
            format!(
                "the bucket from {bound} was due with {count} claims and a mean of {mean:.4}:\n{text}"
            ),
        )?;
    }
    let digest = digest.get(..12).unwrap_or_default();
    let total: u64 = truth.iter().map(|(_, count, _)| count).sum();
    Ok(vec![
        says(
            format!("两家审查机构所见依据 {digest}（预览 {preview_rows} 行）各投一票后放行"),
            format!(
                "released after one vote of each of two bodies on evidence {digest} (preview of {preview_rows} rows)"
            ),
        ),
        says(
            format!(
                "{} 个区间、{total} 条费用的直方图，与源数据核对一致",
                truth.len()
            ),
            format!(
                "a histogram of {total} claims in {} buckets, and right",
                truth.len()
            ),
        ),
    ])
}
