//! The platform is up: what it stands on, who is there.

use crate::demo::cast::Cast;
use crate::demo::stage::Stage;
use crate::demo::story::{Played, expect, says};
use crate::http::dto::LayerState;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Organisations and accounts; everybody signs in.
pub(in crate::demo) async fn people(stage: &mut Stage) -> Played {
    let cast = Cast::assemble(&stage.client, &stage.data_dir).await?;
    let accounts = cast.sign_ins.len();
    stage.cast = Some(cast);
    Ok(vec![
        says(
            "机构：一级开发主体 1、数据提供方 3、审查机构 2、二级开发主体 1",
            "organisations: 1 operator, 3 providers, 2 review bodies, 1 tenant",
        ),
        says(
            format!("{accounts} 个账号已用口令登录"),
            format!("{accounts} accounts signed in by password"),
        ),
    ])
}

/// SQLite, local objects, keys for their owner alone, and a jail that holds.
pub(in crate::demo) async fn ground(stage: &mut Stage) -> Played {
    let keys = files_below(&stage.data_dir.join("keys"))?;
    expect(!keys.is_empty(), "没有密钥文件", "there are no key files")?;
    for key in &keys {
        let mode = std::fs::metadata(key)?.permissions().mode() & 0o777;
        let shown = key.display();
        expect(
            mode == 0o600,
            format!("{shown} 的权限为 {mode:04o}，应为 0600"),
            format!("{shown} has mode {mode:04o}, not 0600"),
        )?;
    }
    let status = stage.cast()?.system_admin.status().await?;
    let (enforced, others): (Vec<_>, Vec<_>) = status
        .layers
        .iter()
        .partition(|layer| layer.state == LayerState::Enforced);
    let names = |layers: &[&crate::http::dto::LayerView]| {
        layers
            .iter()
            .map(|layer| layer.layer.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    expect(
        status.accepting,
        format!("节点不承接作业；未生效的隔离层：{}", names(&others)),
        format!(
            "the node takes no jobs; layers that do not hold: {}",
            names(&others)
        ),
    )?;
    let mut lines = vec![
        says(
            format!(
                "SQLite 数据库，本地对象目录，{} 个密钥文件，权限均为 0600",
                keys.len()
            ),
            format!(
                "SQLite, a local object folder, {} key files, each of mode 0600",
                keys.len()
            ),
        ),
        says(
            format!("生效的隔离层 {}：{}", enforced.len(), names(&enforced)),
            format!(
                "{} isolation layers hold: {}",
                enforced.len(),
                names(&enforced)
            ),
        ),
    ];
    if !others.is_empty() {
        lines.push(says(
            format!("本机没有的（非必需）：{}", names(&others)),
            format!("not on this host (and not required): {}", names(&others)),
        ));
    }
    Ok(lines)
}

/// The files of a folder and those below it.
fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
