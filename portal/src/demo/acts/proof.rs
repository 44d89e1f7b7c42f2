//! What can be proved afterwards, and what ends with the scenario.

use super::sql::submit;
use crate::demo::stage::Stage;
use crate::demo::story::{Broken, Played, equal, expect, says};
use crate::http::dto::{GrantState, LeavesQuery, Program, ReleaseState, ScenarioState};
use sandbox::Lang;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

/// The certificate holds offline with the public keys alone, and not for another result.
pub(in crate::demo) async fn certificate(stage: &mut Stage) -> Played {
    let developer = &stage.cast()?.developer;
    let (release, csv) = stage.table.as_ref().ok_or(Broken::Before)?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    let certificate = developer.certificate(release).await?;
    std::fs::write(file("certificate.json"), &certificate)?;
    std::fs::write(
        file("keys.json"),
        developer.anonymous().public_keys().await?,
    )?;
    std::fs::write(file("result.csv"), csv)?;
    let mut flipped = csv.clone();
    let middle = flipped.len() / 2;
    if let Some(byte) = flipped.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(file("flipped.csv"), &flipped)?;
    let genuine = verify(folder.path(), "result.csv", stage.lang).await?;
    expect(
        genuine.holds,
        format!("证书没有通过离线验证：{}", genuine.said),
        format!("the certificate does not hold offline: {}", genuine.said),
    )?;
    let forged = verify(folder.path(), "flipped.csv", stage.lang).await?;
    expect(
        !forged.holds,
        "改动一个字节后仍通过验证",
        "it still holds after one flipped byte",
    )?;
    let (bytes, size) = (certificate.len(), csv.len());
    Ok(vec![
        says(
            format!(
                "egret certificate verify：证书 {bytes} 字节，结果 {size} 字节，只用公钥，有效"
            ),
            format!(
                "egret certificate verify: certificate of {bytes} bytes, result of {size}, public keys alone: holds"
            ),
        ),
        says(
            format!("翻转第 {middle} 字节的一位后：{}", forged.said),
            format!("with one bit of byte {middle} flipped: {}", forged.said),
        ),
    ])
}

struct Verified {
    holds: bool,
    said: String,
}

/// Runs the verifier as a program of its own, that knows the files and nothing else.
async fn verify(folder: &Path, result: &str, lang: Lang) -> Result<Verified, Broken> {
    let lang = match lang {
        Lang::Zh => "zh",
        Lang::En => "en",
    };
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args([
            "--lang",
            lang,
            "certificate",
            "verify",
            "certificate.json",
            "--key",
            "keys.json",
            "--result",
            result,
        ])
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = String::from_utf8_lossy(if output.status.success() {
        &output.stdout
    } else {
        &output.stderr
    });
    let said = said
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("egret: ")
        .to_owned();
    Ok(Verified {
        holds: output.status.success(),
        said,
    })
}

/// The auditor reads the ledger: every act of the story has its leaf.
pub(in crate::demo) async fn ledger(stage: &mut Stage) -> Played {
    let auditor = &stage.cast()?.auditor;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = auditor
            .leaves(&LeavesQuery {
                after,
                limit: Some(200),
            })
            .await?;
        for leaf in &page.items {
            *kinds.entry(leaf.kind.clone()).or_default() += 1;
            after = Some(leaf.index);
        }
        if page.items.is_empty() {
            break;
        }
    }
    let total: u64 = kinds.values().sum();
    let checkpoint = auditor.checkpoint().await?;
    expect(
        checkpoint.size >= total && total > 30,
        format!("检查点 {} 条，读到 {total} 条", checkpoint.size),
        format!(
            "the checkpoint covers {} leaves, {total} were read",
            checkpoint.size
        ),
    )?;
    let most: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    Ok(vec![
        says(
            format!("{total} 条，检查点根 {}", checkpoint.root),
            format!("{total} leaves, root of the checkpoint {}", checkpoint.root),
        ),
        says(most.join(" · "), most.join(" · ")),
    ])
}

/// The scenario is revoked: the next job is refused, the download is dead, the grant has ended.
pub(in crate::demo) async fn revocation(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let (release, _) = stage.table.as_ref().ok_or(Broken::Before)?;
    cast.developer.download(release).await?;
    let scenario = cast
        .security_admin
        .revoke_scenario(stage.scenario()?, "演示：用途变更")
        .await?;
    equal("场景", "scenario", &scenario.state, &ScenarioState::Revoked)?;

    let program = Program::sql("SELECT district, COUNT(*) AS claims FROM claims GROUP BY district");
    let job = submit(&cast.developer, stage.grant()?, program).await;
    let refused = match job {
        Ok(run) => {
            return Err(Broken::new(
                format!("撤销后仍可提交：{run}"),
                format!("a job still runs: {run}"),
            ));
        }
        Err(error) => error,
    };
    let refused_as = refused
        .problem()
        .map(|problem| problem.code.clone())
        .unwrap_or_default();
    expect(
        refused
            .status()
            .is_some_and(|status| (400..500).contains(&status)),
        format!("提交失败的原因不是撤销：{refused}"),
        format!("the job failed for another reason: {refused}"),
    )?;
    let download = match cast.developer.download(release).await {
        Ok(_) => {
            return Err(Broken::new(
                "撤销后仍可下载",
                "the result can still be downloaded",
            ));
        }
        Err(error) => error,
    };
    expect(
        download
            .status()
            .is_some_and(|status| (400..500).contains(&status)),
        format!("下载失败的原因不是撤销：{download}"),
        format!("the download failed for another reason: {download}"),
    )?;
    let view = cast.developer.release(release).await?;
    equal("放行", "release", &view.state, &ReleaseState::Frozen)?;
    let grant = cast.developer.grant(stage.grant()?).await?;
    equal("授权", "grant", &grant.state, &GrantState::Revoked)?;
    let dead_as = download
        .problem()
        .map(|problem| problem.code.clone())
        .unwrap_or_default();
    Ok(vec![says(
        format!(
            "纪元 {}：新作业被拒绝（{refused_as}），下载失效（{dead_as}），放行冻结，授权撤销",
            scenario.epoch
        ),
        format!(
            "epoch {}: the next job is refused ({refused_as}), the download is dead ({dead_as}), the release frozen, the grant revoked",
            scenario.epoch
        ),
    )])
}
