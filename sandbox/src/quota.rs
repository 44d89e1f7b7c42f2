//! How much of the platform one organisation may fill.
//!
//! What an organisation keeps is counted in the transaction that adds to it, so that asking twice at
//! once gives no more than asking once.

use sqlx::{AnyConnection, Row as _};

use crate::error::Error;
use crate::id::OrganisationId;
use crate::storage::storage_error;

/// What one organisation may keep at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// WASM modules.
    pub modules_max: u64,
    /// Bytes of WASM modules together.
    pub module_bytes_max: u64,
    /// Bytes of private data sets together, as they are stored.
    pub private_bytes_max: u64,
    /// Personal tokens that are good.
    pub tokens_max: u64,
    /// Scenarios that it proposed and nobody has approved yet.
    pub proposals_max: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            // A build of every working day for four years.
            modules_max: 1_000,
            module_bytes_max: 2 << 30,
            // Fifty uploads of the largest size.
            private_bytes_max: 50 << 30,
            // A few tools of each of a hundred people.
            tokens_max: 500,
            proposals_max: 100,
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Modules,
    ModuleBytes,
    PrivateBytes,
    Tokens,
    Proposals,
}

impl Kept {
    /// The one number, of the organisation `$1` at the time `$2`.
    fn sql(self) -> &'static str {
        match self {
            Self::Modules => "SELECT COUNT(*) FROM modules WHERE organisation_id = $1 AND $2 >= 0",
            Self::ModuleBytes => {
                "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM modules \
                 WHERE organisation_id = $1 AND $2 >= 0"
            }
            Self::PrivateBytes => {
                "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM private_datasets \
                 WHERE organisation_id = $1 AND $2 >= 0"
            }
            Self::Tokens => {
                "SELECT COUNT(*) FROM tokens t JOIN accounts a ON a.id = t.account_id \
                 WHERE a.organisation_id = $1 AND t.kind = 'personal' AND t.revoked = 0 \
                 AND t.expires_at > $2"
            }
            Self::Proposals => {
                "SELECT COUNT(*) FROM scenarios s JOIN scenario_versions v \
                 ON v.scenario_id = s.id AND v.version = s.version \
                 WHERE s.organisation_id = $1 AND $2 >= 0 AND v.state IN ('draft', 'in_review')"
            }
        }
    }

    fn max(self, quotas: &Quotas) -> u64 {
        match self {
            Self::Modules => quotas.modules_max,
            Self::ModuleBytes => quotas.module_bytes_max,
            Self::PrivateBytes => quotas.private_bytes_max,
            Self::Tokens => quotas.tokens_max,
            Self::Proposals => quotas.proposals_max,
        }
    }

    fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Modules => (
                "个 WASM 模块",
                "WASM modules",
                "复用已有模块，或请系统管理员提高配额。",
                "use the modules that are there, or ask the system administrator for more.",
            ),
            Self::ModuleBytes => (
                "字节的 WASM 模块",
                "bytes of WASM modules",
                "缩小模块（如去除调试信息），或请系统管理员提高配额。",
                "make the module smaller (strip it), or ask the system administrator for more.",
            ),
            Self::PrivateBytes => (
                "字节的自有数据",
                "bytes of private data",
                "删除不再使用的自有数据集，或请系统管理员提高配额。",
                "delete private data sets that are not used any more, or ask the system administrator for more.",
            ),
            Self::Tokens => (
                "个有效的个人令牌",
                "personal tokens that are good",
                "撤销不再使用的令牌（egret token revoke）。",
                "revoke tokens that are not used any more (egret token revoke).",
            ),
            Self::Proposals => (
                "个未审定的场景",
                "scenarios that are not approved yet",
                "等待已提交场景的表决；修改草案请沿用原名称。",
                "wait for the votes on what was submitted; to change a draft, propose it again under its name.",
            ),
        }
    }
}

/// Refuses what would be more than an organisation may keep.
pub(crate) async fn room(
    conn: &mut AnyConnection,
    quotas: &Quotas,
    organisation: OrganisationId,
    (kept, more): (Kept, u64),
    now_micros: i64,
) -> Result<(), Error> {
    let failed = |source| storage_error("count what an organisation keeps", source);
    let row = sqlx::query(kept.sql())
        .bind(organisation.to_string())
        .bind(now_micros)
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    let held: i64 = row.try_get(0).map_err(failed)?;
    let held = u64::try_from(held).unwrap_or(0);
    let max = kept.max(quotas);
    if held.saturating_add(more) <= max {
        return Ok(());
    }
    let (zh, en, remedy_zh, remedy_en) = kept.words();
    Err(Error::conflict(
        "quota_exceeded",
        format!("配额已满：本机构最多 {max} {zh}，现有 {held}。"),
        format!("the quota is used up: your organisation keeps at most {max} {en} and has {held}."),
    )
    .with_remedy(remedy_zh, remedy_en))
}
