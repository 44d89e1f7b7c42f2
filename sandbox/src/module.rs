//! WASM modules of a tenant: looked at in a jail, kept encrypted, named by digest.

use jiff::Timestamp;
use masking::Bilingual;
use runtime::{Input, InputFormat, Limits, ModuleFacts, ModuleFault, Order, Outcome};
use serde_json::json;
use sqlx::{AnyConnection, Row as _, any::AnyRow};
use tokio::sync::watch;

use crate::access::{Actor, Object, Operation};
use crate::clock::timestamp;
use crate::document;
use crate::error::Error;
use crate::id::{ModuleId, OrganisationId};
use crate::job::scope::ModuleScope;
use crate::job::{SealedFile, reach};
use crate::ledger::LeafDraft;
use crate::objects::ObjectArea;
use crate::page::{Page, PageRequest};
use crate::platform::Platform;
use crate::quota::{self, Kept, Quotas};
use crate::storage::{Tx, is_unique_violation, storage_error};
use crate::tasks::{self, ModuleAnswer};

/// Bytes of a module: one with an allocator and a maths library is far below.
pub const MODULE_BYTES_MAX: usize = 16 << 20;
/// Bytes of a module's name.
const NAME_BYTES_MAX: usize = 63;

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleView {
    /// Its identifier.
    pub id: ModuleId,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// Its short name.
    pub name: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What can be known of it without running it.
    pub facts: ModuleFacts,
    /// When it was pushed.
    pub created_at: Timestamp,
}

impl Platform {
    /// Keeps a module. The same bytes under the same name are the same module.
    ///
    /// # Errors
    /// A name that is none, more than [`MODULE_BYTES_MAX`], or a module that may not run; the error says why.
    pub async fn push_module(
        &self,
        actor: &Actor,
        name: &str,
        bytes: Vec<u8>,
    ) -> Result<ModuleView, Error> {
        let object = Object::Of(actor.organisation);
        let authorisation = self.authorise(actor, Operation::PushModule, object)?;
        checked_name(name)?;
        if bytes.len() > MODULE_BYTES_MAX {
            return Err(Error::too_large(
                "module_too_large",
                format!("模块不得超过 {MODULE_BYTES_MAX} 字节。"),
                format!("a module has at most {MODULE_BYTES_MAX} bytes."),
            ));
        }
        let facts = self.facts_of(&bytes).await?;
        let sha256 = document::sha256(&bytes);
        if let Some(kept) = self.kept_module(actor.organisation, name, &sha256).await? {
            return Ok(kept);
        }
        let quotas = self.settings().quotas;
        let (organisation, size) = (actor.organisation, bytes.len());
        // Asked here so that nothing is written for nothing; what counts is asked again below.
        self.store()
            .read("module quota", move |conn| {
                Box::pin(async move { has_room(conn, &quotas, organisation, size, 0).await })
            })
            .await?;
        let id = ModuleId::new(self.clock(), self.entropy());
        // The bytes first: a row whose module is missing could not run.
        self.objects()
            .put(ObjectArea::Module, &id.to_string(), &bytes)
            .await?;
        let view = ModuleView {
            id,
            organisation: actor.organisation,
            name: name.to_owned(),
            sha256,
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            facts,
            created_at: self.clock().now(),
        };
        let account = actor.account;
        self.store()
            .act(authorisation, "push_module", move |tx| {
                let view = view.clone();
                Box::pin(async move {
                    let now = tx.now_micros();
                    has_room(tx.conn(), &quotas, organisation, size, now).await?;
                    insert(tx, account, view).await
                })
            })
            .await
    }

    /// The modules that the actor may see, oldest first.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn modules(
        &self,
        actor: &Actor,
        page: PageRequest,
    ) -> Result<Page<ModuleView>, Error> {
        let organisation = reach(actor, Operation::Modules)?;
        self.store()
            .read("modules", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT id, organisation_id, name, sha256, bytes, facts, created_at FROM modules \
                         WHERE ($1 = '' OR organisation_id = $2) AND id > $3 ORDER BY id LIMIT $4",
                    )
                    .bind(organisation.as_str())
                    .bind(organisation.as_str())
                    .bind(page.after())
                    .bind(page.rows())
                    .fetch_all(&mut *conn)
                    .await
                    .map_err(|source| storage_error("list modules", source))?;
                    let items = rows.iter().map(view).collect::<Result<Vec<_>, _>>()?;
                    Ok(Page::cut(items, &page, |item| item.id.to_string()))
                })
            })
            .await
    }

    /// One module.
    ///
    /// # Errors
    /// Denied or not found.
    pub async fn module(&self, actor: &Actor, id: ModuleId) -> Result<ModuleView, Error> {
        let found = self
            .store()
            .read("module", move |conn| {
                Box::pin(async move { find(conn, id).await })
            })
            .await?
            .ok_or_else(unknown)?;
        self.authorise(actor, Operation::Module, Object::Of(found.organisation))?;
        Ok(found)
    }

    async fn kept_module(
        &self,
        organisation: OrganisationId,
        name: &str,
        sha256: &str,
    ) -> Result<Option<ModuleView>, Error> {
        let (name, sha256) = (name.to_owned(), sha256.to_owned());
        self.store()
            .read("kept_module", move |conn| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "SELECT id, organisation_id, name, sha256, bytes, facts, created_at FROM modules \
                         WHERE organisation_id = $1 AND name = $2 AND sha256 = $3",
                    )
                    .bind(organisation.to_string())
                    .bind(name.as_str())
                    .bind(sha256.as_str())
                    .fetch_optional(conn)
                    .await
                    .map_err(|source| storage_error("find a module", source))?;
                    row.as_ref().map(view).transpose()
                })
            })
            .await
    }

    /// Looks at a module in a jail: a parser of hostile bytes has no business beside the keys.
    async fn facts_of(&self, bytes: &[u8]) -> Result<ModuleFacts, Error> {
        let file =
            SealedFile::new(bytes).map_err(|source| Error::internal("seal a module", source))?;
        let order = Order {
            program: runtime::Program::Task {
                name: tasks::INSPECT_MODULE.to_owned(),
                request: Vec::new(),
            },
            inputs: vec![Input {
                name: "module".to_owned(),
                file: file.file,
                bytes: file.bytes,
                format: InputFormat::Opaque,
            }],
            limits: Limits::default(),
        };
        let (_keep, never) = watch::channel(false);
        let completed = self.node().run(order, never).await?;
        let answer = match (completed.outcome, completed.output) {
            (Outcome::Finished, Some(answer)) => serde_json::from_slice(&answer)
                .map_err(|source| Error::internal("look at a module", source))?,
            _ => ModuleAnswer::Fault(Bilingual::new("模块无法读取", "the module cannot be read")),
        };
        match answer {
            ModuleAnswer::Facts(facts) => Ok(facts),
            ModuleAnswer::Fault(reason) => Err(Error::invalid(
                "invalid_module",
                format!("模块不能运行：{}。", reason.zh),
                format!("the module may not run: {}.", reason.en),
            )
            .with_remedy(
                "模块须为二进制 WASM：或只导入 egret 的 next_batch、emit、log 并导出 memory、egret_abi_version、alloc，以及 run 或清单中声明的函数；\
                 或为导出 memory 与 _start 的 WASI（preview 1）命令。规则见 egret module inspect 与 runtime/sdk/README.md。",
                "a module is binary WASM: either it imports only next_batch, emit and log of egret and exports memory, \
                 egret_abi_version, alloc, and run or the functions of its manifest, or it is a WASI (preview 1) command that \
                 exports memory and _start. egret module inspect and runtime/sdk/README.md say the rest.",
            )),
        }
    }
}

async fn has_room(
    conn: &mut AnyConnection,
    quotas: &Quotas,
    organisation: OrganisationId,
    bytes: usize,
    now: i64,
) -> Result<(), Error> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    for asked in [(Kept::Modules, 1), (Kept::ModuleBytes, bytes)] {
        quota::room(&mut *conn, quotas, organisation, asked, now).await?;
    }
    Ok(())
}

/// Why a module may not run. Names and numbers are those of the module; what a validator says of its bytes stays in the
/// validator's words.
#[must_use]
pub fn module_fault(fault: &ModuleFault) -> Bilingual {
    let zh = match fault {
        ModuleFault::TooLarge { bytes, max } => format!("模块有 {bytes} 字节，上限为 {max}"),
        ModuleFault::NotAModule => "不是二进制 WASM 模块".to_owned(),
        ModuleFault::Invalid { offset, detail } => {
            format!("第 {offset:#x} 字节处不合法（校验器原文：{detail}）")
        }
        ModuleFault::ImportRefused { name } => format!("导入了 {name}，模块得不到它"),
        ModuleFault::InterfacesMixed => {
            "同时导出了 egret_abi_version 与 _start，二者只许其一".to_owned()
        }
        ModuleFault::ExportMissing { name } => format!("没有按接口要求导出 {name}"),
        ModuleFault::SegmentOutside { what, index } => {
            let what = if *what == "data" {
                "数据段"
            } else {
                "元素段"
            };
            format!("第 {index} 个{what}超出其所初始化的范围")
        }
        ModuleFault::TooMany { what } => format!("{}过多或过大", crowd(what)),
        ModuleFault::Manifest(fault) => format!("egret.manifest 段不合法（原文：{fault}）"),
        ModuleFault::ManifestTwice => "有不止一个 egret.manifest 段".to_owned(),
        ModuleFault::FunctionsOfCommand => {
            "WASI 命令不能为 SQL 提供函数，只有导出 egret_abi_version 的模块可以".to_owned()
        }
    };
    Bilingual::new(zh, fault.to_string())
}

fn crowd(what: &str) -> &str {
    match what {
        "types" => "类型",
        "imports" => "导入",
        "functions" => "函数",
        "tables" => "表",
        "globals" => "全局变量",
        "exports" => "导出",
        "elements" => "元素段",
        "data segments" => "数据段",
        "function bodies" => "函数体",
        "pages of memory at the start" => "初始内存页",
        other => other,
    }
}

/// A tenant's module as a job carries it, and what is known of it.
pub(crate) async fn module_of(
    conn: &mut AnyConnection,
    organisation: OrganisationId,
    id: ModuleId,
) -> Result<(ModuleScope, ModuleFacts), Error> {
    let found = find(conn, id)
        .await?
        .filter(|found| found.organisation == organisation);
    let found = found.ok_or_else(unknown)?;
    let scope = ModuleScope {
        id: found.id.to_string(),
        name: found.name,
        sha256: found.sha256,
        bytes: found.bytes,
    };
    Ok((scope, found.facts))
}

async fn find(conn: &mut AnyConnection, id: ModuleId) -> Result<Option<ModuleView>, Error> {
    let row = sqlx::query(
        "SELECT id, organisation_id, name, sha256, bytes, facts, created_at FROM modules WHERE id = $1",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await
    .map_err(|source| storage_error("find a module", source))?;
    row.as_ref().map(view).transpose()
}

async fn insert(
    tx: &mut Tx,
    account: crate::id::AccountId,
    view: ModuleView,
) -> Result<(ModuleView, LeafDraft), Error> {
    sqlx::query(
        "INSERT INTO modules (id, organisation_id, account_id, name, sha256, bytes, facts, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(view.id.to_string())
    .bind(view.organisation.to_string())
    .bind(account.to_string())
    .bind(view.name.as_str())
    .bind(view.sha256.as_str())
    .bind(document::stored_count(view.bytes)?)
    .bind(document::write("store a module", &view.facts)?)
    .bind(crate::clock::micros(view.created_at))
    .execute(tx.conn())
    .await
    .map_err(|source| {
        if is_unique_violation(&source) {
            Error::conflict("module_exists", "同名同内容的模块已存在。", "the same module is there already.")
        } else {
            storage_error("store a module", source)
        }
    })?;
    let detail = json!({ "name": view.name, "sha256": view.sha256, "bytes": view.bytes });
    let leaf = LeafDraft::new("module.push", detail)
        .subject(view.id)
        .person(account);
    Ok((view, leaf))
}

fn view(row: &AnyRow) -> Result<ModuleView, Error> {
    Ok(ModuleView {
        id: document::id(row, "id")?,
        organisation: document::id(row, "organisation_id")?,
        name: document::text(row, "name")?,
        sha256: document::text(row, "sha256")?,
        bytes: document::count(row, "bytes")?,
        facts: document::column(row, "facts")?,
        created_at: timestamp(
            row.try_get("created_at")
                .map_err(|source| storage_error("read a module", source))?,
        ),
    })
}

fn checked_name(name: &str) -> Result<(), Error> {
    let plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if plain {
        return Ok(());
    }
    Err(Error::invalid(
        "invalid_name",
        "模块名只含小写字母、数字、连字符和下划线，1 至 63 个字符。",
        "a module's name holds 1 to 63 lower-case letters, digits, hyphens and underscores.",
    ))
}

fn unknown() -> Error {
    Error::not_found(
        "没有这个模块，或您无权看到它。",
        "there is no such module, or you may not see it.",
    )
}
