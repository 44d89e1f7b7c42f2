//! Admission: from what was sent to what would run, or to findings that say what would pass.

use std::collections::{BTreeMap, BTreeSet};

use masking::Bilingual;
use review::{
    Admission, ColumnType, Finding, Governed, OutputColumn, ReviewedAdmission, Scope, Severity,
    SqlLimits, TableUse, admit_reviewed, admit_sql,
};
use sqlx::AnyConnection;

use super::called::{self, CalledQuery, NamedModule};
use super::scope::{JobScope, StoredInput};
use super::view::{AdmissionView, JobRequest, PinnedInput, Program, ProgramModule, WasmInput};
use crate::access::{Actor, Object, Operation};
use crate::application::{ActiveGrant, GrantScope, Origin, TableSource, active_grant, grant_scope};
use crate::catalogue::VersionManifest;
use crate::document;
use crate::error::Error;
use crate::id::{GrantId, ModuleId, VersionId};
use crate::module::module_of;
use crate::platform::Platform;
use crate::storage::storage_error;

/// Tables that a module reads at most.
const WASM_INPUTS_MAX: usize = 8;
/// Columns that a module writes at most.
const WASM_OUTPUTS_MAX: usize = 64;

/// A program that was admitted, with everything that its run needs.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) grant: ActiveGrant,
    pub(crate) scope: JobScope,
    pub(crate) inputs: Vec<StoredInput>,
    pub(crate) plan: Plan,
}

/// What runs.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// A proof.
    Proved(Box<Governed>),
    /// A query that calls functions of modules.
    Called(Box<CalledQuery>),
    /// A module.
    Module,
}

/// What admission says.
pub(crate) enum Answer {
    Admitted(Box<Admitted>),
    Refused {
        grant: Box<ActiveGrant>,
        findings: Vec<Finding>,
    },
}

/// What admission reads of the platform, in one moment.
struct Ground {
    grant: ActiveGrant,
    scope: GrantScope,
    approvals: Vec<u64>,
    /// Policy digest and level of each version.
    manifests: BTreeMap<VersionId, (String, u8)>,
    /// In the order in which the program names them.
    modules: Vec<NamedModule>,
}

impl Platform {
    /// Says whether SQL would be admitted; nothing is stored and nothing runs.
    ///
    /// # Errors
    /// Not found or conflict when the grant may not be worked under.
    pub async fn check_sql(
        &self,
        actor: &Actor,
        grant: GrantId,
        sql: &str,
        modules: &[ProgramModule],
    ) -> Result<AdmissionView, Error> {
        self.authorise(actor, Operation::CheckSql, Object::Of(actor.organisation))?;
        self.node()
            .rates
            .count(actor.organisation, self.clock().now())?;
        let ground = self.ground(actor, grant, named(modules)).await?;
        let program = Program::Sql {
            sql: sql.to_owned(),
            modules: modules.to_vec(),
        };
        let refused = |findings| AdmissionView {
            admitted: false,
            findings,
            plan_digest: None,
            tables: Vec::new(),
            output: Vec::new(),
            lineage: Vec::new(),
            functions: Vec::new(),
        };
        let (tables, plan) = match self.plan(&program, &ground).await? {
            Ok(planned) => planned,
            Err(findings) => return Ok(refused(findings)),
        };
        let mut view = AdmissionView {
            admitted: true,
            tables,
            ..refused(Vec::new())
        };
        match plan {
            Plan::Proved(governed) => {
                view.plan_digest = Some(governed.plan_digest);
                view.output = governed.output;
                view.lineage = governed.lineage;
            }
            Plan::Called(called) => {
                view.plan_digest = Some(called.query.plan_digest);
                view.output = called.query.output;
                view.functions = called.query.functions;
            }
            Plan::Module => {}
        }
        Ok(view)
    }

    /// Holds a request against its grant's scope as it is now.
    pub(crate) async fn answer(
        &self,
        actor: &Actor,
        request: &JobRequest,
    ) -> Result<Answer, Error> {
        let modules = match &request.program {
            Program::Sql { modules, .. } => named(modules),
            // A whole job has no name for its module but the module's own.
            Program::Wasm { module, .. } => vec![(None, *module)],
        };
        let ground = self.ground(actor, request.grant, modules).await?;
        match self.plan(&request.program, &ground).await? {
            Err(findings) => Ok(Answer::Refused {
                grant: Box::new(ground.grant),
                findings,
            }),
            Ok((tables, plan)) => {
                let inputs = pinned(&ground, &tables)?;
                joinable(&inputs)?;
                let scope = job_scope(&ground, &request.program);
                let grant = ground.grant;
                Ok(Answer::Admitted(Box::new(Admitted {
                    grant,
                    scope,
                    inputs,
                    plan,
                })))
            }
        }
    }

    /// What a program reads and what would run, or why it may not.
    async fn plan(
        &self,
        program: &Program,
        ground: &Ground,
    ) -> Result<Result<(Vec<TableUse>, Plan), Vec<Finding>>, Error> {
        let scope = &ground.scope.scope;
        Ok(match program {
            Program::Sql { sql, modules } if modules.is_empty() => {
                let (sql, scope) = (sql.clone(), scope.clone());
                let admit = move || admit_sql(&sql, &scope, &SqlLimits::default());
                match self.admit(admit).await? {
                    Admission::Admitted(governed) => {
                        Ok((governed.tables.clone(), Plan::Proved(governed)))
                    }
                    Admission::Refused(findings) => Err(findings),
                }
            }
            Program::Sql { sql, .. } => {
                let offered = match called::offered(&ground.modules) {
                    Ok(offered) => offered,
                    Err(findings) => return Ok(Err(findings)),
                };
                let (sql, scope) = (sql.clone(), scope.clone());
                let admit = move || admit_reviewed(&sql, &scope, &offered, &SqlLimits::default());
                match self.admit(admit).await? {
                    ReviewedAdmission::Admitted(query) => {
                        let tables = query.tables.clone();
                        let called = called::kept(*query, &ground.modules);
                        Ok((tables, Plan::Called(Box::new(called))))
                    }
                    ReviewedAdmission::Refused(findings) => Err(findings),
                }
            }
            Program::Wasm { inputs, output, .. } => {
                admit_wasm(scope, ground.modules.first(), inputs, output)
                    .map(|tables| (tables, Plan::Module))
            }
        })
    }

    /// The proof is work, and a hostile program is much work: on its own thread, few at a time.
    async fn admit<T: Send + 'static>(
        &self,
        admit: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let failed = |source: tokio::task::JoinError| Error::internal("admit a program", source);
        let _turn = self
            .node()
            .admissions
            .acquire()
            .await
            .map_err(|source| Error::internal("admit a program", source))?;
        tokio::task::spawn_blocking(admit).await.map_err(failed)
    }

    async fn ground(
        &self,
        actor: &Actor,
        grant: GrantId,
        named: Vec<(Option<String>, ModuleId)>,
    ) -> Result<Ground, Error> {
        let (organisation, now) = (actor.organisation, self.clock().now());
        self.store()
            .read("admission", move |conn| {
                let named = named.clone();
                Box::pin(async move {
                    let grant = active_grant(&mut *conn, organisation, grant, now).await?;
                    let scope = grant_scope(&mut *conn, &grant).await?;
                    let approvals = grant.approvals.clone();
                    let manifests = manifests(&mut *conn, &scope.sources).await?;
                    let mut modules = Vec::with_capacity(named.len());
                    for (name, id) in named {
                        let (scope, facts) = module_of(&mut *conn, organisation, id).await?;
                        let name = name.unwrap_or_else(|| scope.name.clone());
                        modules.push(NamedModule { name, scope, facts });
                    }
                    Ok(Ground {
                        grant,
                        scope,
                        approvals,
                        manifests,
                        modules,
                    })
                })
            })
            .await
    }
}

async fn manifests(
    conn: &mut AnyConnection,
    sources: &[TableSource],
) -> Result<BTreeMap<VersionId, (String, u8)>, Error> {
    let mut found = BTreeMap::new();
    for source in sources {
        let Origin::Dataset { version, .. } = &source.origin else {
            continue;
        };
        let row = sqlx::query("SELECT manifest FROM dataset_versions WHERE id = $1")
            .bind(version.to_string())
            .fetch_one(&mut *conn)
            .await
            .map_err(|source| storage_error("read a version", source))?;
        let manifest: VersionManifest = document::column(&row, "manifest")?;
        found.insert(
            *version,
            (manifest.policy.sha256, manifest.deidentification_level),
        );
    }
    Ok(found)
}

fn named(modules: &[ProgramModule]) -> Vec<(Option<String>, ModuleId)> {
    // More are refused; nothing is looked up for them.
    let modules = modules.iter().take(runtime::MODULES_MAX + 1);
    modules
        .map(|module| (Some(module.name.clone()), module.module))
        .collect()
}

fn job_scope(ground: &Ground, program: &Program) -> JobScope {
    let grant = &ground.grant;
    let mut modules = ground.modules.iter();
    let module = match program {
        Program::Wasm { .. } => modules.next().map(|module| module.scope.clone()),
        Program::Sql { .. } => None,
    };
    JobScope {
        scenario_name: grant.scenario_name.clone(),
        scenario_version: grant.scenario_version,
        scope_digest: grant.contract_sha256.clone(),
        purpose: grant.contract.purpose.clone(),
        approvals: ground.approvals.clone(),
        rules: grant.contract.output.clone(),
        refusals_max: grant.contract.refusals_max,
        module,
        modules: modules
            .map(|module| (module.name.clone(), module.scope.clone()))
            .collect(),
    }
}

/// The tables that a program reads, at the versions that are newest now.
fn pinned(ground: &Ground, tables: &[TableUse]) -> Result<Vec<StoredInput>, Error> {
    let lost = || Error::internal("admit a program", "a table without a source");
    tables
        .iter()
        .map(|used| {
            let source = ground
                .scope
                .sources
                .iter()
                .find(|source| source.table == used.table)
                .ok_or_else(lost)?;
            let mut columns = used.columns.clone();
            if columns.is_empty() && !used.control {
                // A file needs a column to have rows: any that is granted will do.
                let table = ground.scope.scope.table(&used.table).ok_or_else(lost)?;
                columns.extend(
                    table
                        .schema
                        .fields()
                        .first()
                        .map(|field| field.name().clone()),
                );
            }
            Ok(stored_input(ground, source, columns, used.control))
        })
        .collect()
}

fn stored_input(
    ground: &Ground,
    source: &TableSource,
    columns: Vec<String>,
    control: bool,
) -> StoredInput {
    let (dataset, version, private) = match &source.origin {
        Origin::Dataset { name, version, .. } => (name.clone(), Some(*version), false),
        Origin::Private { id } => (id.to_string(), None, true),
    };
    let (policy_digest, level) = version
        .and_then(|version| ground.manifests.get(&version).cloned())
        .unwrap_or_default();
    let tokens = source
        .tokens
        .iter()
        .filter(|(column, _)| columns.contains(column))
        .map(|(column, domain)| (column.clone(), domain.as_str().to_owned()))
        .collect();
    StoredInput {
        pinned: PinnedInput {
            table: source.table.clone(),
            dataset,
            version: version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            digest: source.sha256.clone(),
            policy_digest,
            level,
            private,
            columns,
            control,
        },
        object_key: source.object_key.clone(),
        row_filter: source.row_filter.clone(),
        tokens,
        intake_epoch: source.intake_epoch,
    }
}

/// A module reads what the scenario grants, column by column; it never gets the control column.
fn admit_wasm(
    scope: &Scope,
    module: Option<&NamedModule>,
    inputs: &[WasmInput],
    output: &[OutputColumn],
) -> Result<Vec<TableUse>, Vec<Finding>> {
    let mut findings = Vec::new();
    if !scope.contract.operations.wasm {
        findings.push(refuse(
            "operation_not_allowed",
            "WASM",
            (
                "该场景不允许 WASM 作业",
                "the scenario does not allow WASM jobs",
            ),
            (
                "改用 SQL，或申请允许 WASM 的场景",
                "use SQL, or apply for a scenario that allows WASM",
            ),
        ));
    }
    if inputs.is_empty() || inputs.len() > WASM_INPUTS_MAX {
        findings.push(refuse(
            "wasm_inputs",
            "inputs",
            ("输入表的数量不符", "there are too few or too many inputs"),
            ("指定 1 至 8 张表", "name 1 to 8 tables"),
        ));
    }
    let mut names = BTreeSet::new();
    for input in inputs {
        if !names.insert(input.table.as_str()) {
            findings.push(refuse(
                "wasm_inputs",
                &input.table,
                ("同一张表列出了两次", "the table is named twice"),
                ("每张表只列一次", "name each table once"),
            ));
        }
        admit_input(scope, input, &mut findings);
    }
    admit_output(output, &mut findings);
    if let Some(module) = module {
        let type_of = |input: &WasmInput, column: &str| {
            let table = scope.table(&input.table)?;
            let field = table.schema.field_with_name(column).ok()?;
            ColumnType::releasing(field.data_type())
        };
        findings.extend(called::declared(module, inputs, output, type_of));
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let table = |input: &WasmInput| TableUse {
        table: input.table.clone(),
        columns: input.columns.clone(),
        control: false,
    };
    Ok(inputs.iter().map(table).collect())
}

fn admit_input(scope: &Scope, input: &WasmInput, findings: &mut Vec<Finding>) {
    let Some(table) = scope.table(&input.table) else {
        let names: Vec<&str> = scope
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        let names = names.join(", ");
        findings.push(refuse(
            "table_outside_scenario",
            &input.table,
            ("场景中没有该表", "the scenario has no such table"),
            (
                &format!("可用的表：{names}"),
                &format!("tables that are there: {names}"),
            ),
        ));
        return;
    };
    if input.columns.is_empty() {
        findings.push(refuse(
            "wasm_inputs",
            &input.table,
            ("没有列出列", "no column is named"),
            ("至少列出一列", "name one column at least"),
        ));
    }
    let mut names = BTreeSet::new();
    for column in &input.columns {
        let subject = format!("{}.{column}", input.table);
        if !names.insert(column.as_str()) {
            findings.push(refuse(
                "wasm_inputs",
                &subject,
                ("同一列列出了两次", "the column is named twice"),
                ("每列只列一次", "name each column once"),
            ));
        }
        match table.schema.field_with_name(column) {
            Err(_) => {
                let granted: Vec<&str> = table
                    .schema
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str())
                    .collect();
                let granted = granted.join(", ");
                findings.push(refuse(
                    "column_outside_scenario",
                    &subject,
                    (
                        "该列不在场景范围内",
                        "the column is outside of the scenario",
                    ),
                    (
                        &format!("可用的列：{granted}"),
                        &format!("columns that are there: {granted}"),
                    ),
                ));
            }
            Ok(field) if !guest_reads(field.data_type()) => findings.push(refuse(
                "column_type_unsupported",
                &subject,
                (
                    "WASM 模块不能读取该列的类型",
                    "a module cannot read the column's type",
                ),
                ("改用 SQL，或去掉该列", "use SQL, or leave the column out"),
            )),
            Ok(_) => {}
        }
    }
}

/// Whether the type is one of those that cross the guest interface.
fn guest_reads(data_type: &arrow::datatypes::DataType) -> bool {
    ColumnType::releasing(data_type).is_some_and(|known| known.arrow() == *data_type)
}

fn admit_output(output: &[OutputColumn], findings: &mut Vec<Finding>) {
    if output.is_empty() || output.len() > WASM_OUTPUTS_MAX {
        findings.push(refuse(
            "wasm_output",
            "output",
            (
                "输出列的数量不符",
                "there are too few or too many output columns",
            ),
            ("声明 1 至 64 列", "declare 1 to 64 columns"),
        ));
    }
    let mut names = BTreeSet::new();
    for column in output {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=63).contains(&column.name.len())
            && column.name.starts_with(|c: char| c.is_ascii_lowercase())
            && column.name.chars().all(plain);
        if !fits || !names.insert(column.name.as_str()) {
            let shown: String = column.name.chars().take(63).collect();
            findings.push(refuse(
                "wasm_output",
                &shown,
                ("输出列名不合规或重复", "an output column's name is not valid, or is used twice"),
                (
                    "列名以小写字母开头，只含小写字母、数字和下划线，最长 63 字节",
                    "a name starts with a lower-case letter, holds lower-case letters, digits and underscores, \
                     and has at most 63 bytes",
                ),
            ));
        }
    }
}

/// Tokens of two epochs of the intake key have nothing in common: a join over them would find nobody, and say nothing of it.
fn joinable(inputs: &[StoredInput]) -> Result<(), Error> {
    let tokens = inputs.iter().filter(|input| !input.tokens.is_empty());
    let newest = tokens.clone().map(|input| input.intake_epoch).max();
    let stale: Vec<&StoredInput> = tokens
        .filter(|input| Some(input.intake_epoch) != newest)
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = stale
        .iter()
        .map(|input| input.pinned.table.as_str())
        .collect();
    let names = names.join(", ");
    let newest = newest.unwrap_or_default();
    Err(Error::conflict(
        "intake_epochs_differ",
        format!("接收密钥已轮换（周期 {newest}），这些表仍是旧周期的假名，不能连接：{names}。"),
        format!(
            "the intake key was rotated (epoch {newest}), and these tables still hold tokens of an earlier epoch, which do not join: \
             {names}."
        ),
    )
    .with_remedy(
        "公共数据集由运营方重新推送；非公共数据由本主体重新上传（egret private upload）。",
        "the operator has to push the data sets again; private data sets are uploaded again by the tenant (egret private upload).",
    ))
}

fn refuse(rule: &str, subject: &str, reason: (&str, &str), remedy: (&str, &str)) -> Finding {
    Finding::new(
        rule,
        Severity::Refuse,
        subject,
        Bilingual::new(reason.0, reason.1),
        Bilingual::new(remedy.0, remedy.1),
    )
}
