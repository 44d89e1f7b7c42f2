//! `egret module run`: a module on sample files, before it is pushed anywhere.

use super::super::failure::{Failure, findings};
use super::super::mask::table_of;
use super::super::output::{Format, Printer, column};
use super::super::remote::{json_of, text_of};
use super::super::result;
use super::binary;
use crate::http::dto::{Program, WasmInput};
use sandbox::{
    Lang, LocalProgram, ModuleManifest, ModuleRan, ModuleRun, ModuleRunError, TableFile, run_module,
};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `egret module run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// 模块文件 · file of the module
    file: PathBuf,
    /// 程序（JSON），与提交作业的相同；module 可省略 · the program (JSON) as it is submitted; `module` may be left out
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "sql",
        conflicts_with = "sql"
    )]
    program: Option<PathBuf>,
    /// 调用模块函数的 SQL 文件，`-` 为标准输入；以清单中的模块名作为前缀 · file of SQL that calls the module's functions, `-` for standard input; the
    /// name in the manifest stands before the dot
    #[arg(long, value_name = "FILE")]
    sql: Option<PathBuf>,
    /// 表的样例文件，可重复，例如 claims=claims.csv · sample file of a table, may be repeated, such as claims=claims.csv
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = named)]
    tables: Vec<(String, PathBuf)>,
    /// 随机种子，64 位十六进制 · seed of its randomness, 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = seed, default_value = "0000000000000000000000000000000000000000000000000000000000000000")]
    seed: Seed,
}

#[derive(Clone, Copy, Debug)]
struct Seed([u8; 32]);

impl Run {
    pub(super) async fn perform(self, printer: &Printer) -> Result<(), Failure> {
        let module = binary(&self.file)?;
        let facts =
            sandbox::inspect_module(&module).map_err(|fault| super::refused(&self.file, &fault))?;
        let mut asked = None;
        let program = match (&self.sql, &self.program) {
            (Some(sql), _) => {
                let sql = text_of(sql)?;
                asked = Some(sql.clone());
                self.query(sql, facts.manifest)?
            }
            (None, Some(file)) => self.job(file)?,
            (None, None) => return Err(Failure::new("没有程序", "there is no program")),
        };
        let executable = std::env::current_exe()?;
        let ran = run_module(ModuleRun {
            module,
            program,
            seed: self.seed.0,
            worker: (executable, vec![crate::WORKER_SUBCOMMAND.into()]),
        })
        .await
        .map_err(|error| of_run(error, asked.as_deref(), printer.lang))?;
        show(printer, &ran)
    }

    fn job(&self, file: &Path) -> Result<LocalProgram, Failure> {
        let (inputs, output) = program(file)?;
        let inputs = inputs
            .into_iter()
            .map(|input| Ok((self.table(&input.table)?, input.columns)))
            .collect::<Result<Vec<_>, Failure>>()?;
        Ok(LocalProgram::Job {
            inputs,
            output: output.into_iter().map(Into::into).collect(),
        })
    }

    fn query(
        &self,
        sql: String,
        manifest: Option<ModuleManifest>,
    ) -> Result<LocalProgram, Failure> {
        let manifest = manifest.ok_or_else(|| {
            let shown = self.file.display();
            Failure::new(
                format!("{shown} 没有清单，SQL 无从调用；请用 egret module manifest 附上"),
                format!("{shown} has no manifest, so SQL can call nothing of it; add one with egret module manifest"),
            )
        })?;
        let tables = self.tables.iter();
        let tables = tables.map(|(name, file)| Ok((name.clone(), table_of(file)?)));
        Ok(LocalProgram::Query {
            sql,
            name: manifest.name,
            tables: tables.collect::<Result<Vec<_>, Failure>>()?,
        })
    }

    fn table(&self, name: &str) -> Result<TableFile, Failure> {
        let file = self.tables.iter().find(|(table, _)| table == name);
        let (_, file) = file.ok_or_else(|| {
            Failure::new(
                format!("没有表 {name} 的样例文件；请用 --table {name}=文件"),
                format!("there is no sample file for the table {name}; use --table {name}=FILE"),
            )
        })?;
        table_of(file)
    }
}

fn program(file: &Path) -> Result<(Vec<WasmInput>, Vec<crate::http::dto::OutputColumn>), Failure> {
    let mut value: Value = json_of(file)?;
    if let Value::Object(members) = &mut value {
        members.entry("module").or_insert_with(|| json!(""));
    }
    let shown = file.display();
    let program = serde_json::from_value(value).map_err(|error| {
        let said = sandbox::parse_error(&error.to_string());
        Failure::new(
            format!("{shown}：{}", said.zh),
            format!("{shown}: {}", said.en),
        )
    })?;
    match program {
        Program::Wasm { inputs, output, .. } => Ok((inputs, output)),
        Program::Sql { .. } => Err(Failure::new(
            format!("{shown} 不是 WASM 程序"),
            format!("{shown} is no program of a WASM module"),
        )),
    }
}

fn show(printer: &Printer, ran: &ModuleRan) -> Result<(), Failure> {
    let mut err = std::io::stderr().lock();
    for line in String::from_utf8_lossy(&ran.log).lines() {
        // A note for people; nobody's result depends on it.
        let _ = writeln!(err, "{}", super::super::printable(line));
    }
    drop(err);
    let Some(csv) = &ran.csv else {
        let outcome = &ran.outcome;
        return Err(match &ran.refused {
            Some(reason) => Failure::no_result(
                format!("模块写出的结果不可用：{}", reason.zh),
                format!("what the module wrote cannot be taken: {}", reason.en),
            ),
            None => Failure::no_result(
                format!("模块没有产生结果：{outcome}"),
                format!("the module made no result: {outcome}"),
            ),
        });
    };
    match printer.format {
        Format::Csv => return result::raw(csv),
        Format::Table => result::table(printer, csv)?,
        Format::Json => {}
    }
    let meter = json!({
        "outcome": ran.outcome,
        "fuel": ran.meter.fuel,
        "rows_in": ran.meter.rows_in,
        "rows_out": ran.meter.rows_out,
        "wall_us": ran.meter.wall_us,
        "memory_peak_bytes": ran.meter.memory_peak_bytes,
        "result": (printer.format == Format::Json).then(|| String::from_utf8_lossy(csv)),
    });
    printer.one(
        &meter,
        &[
            column("燃料", "fuel", "/fuel"),
            column("读入行", "rows in", "/rows_in"),
            column("写出行", "rows out", "/rows_out"),
            column("用时（微秒）", "wall µs", "/wall_us"),
            column(
                "内存峰值（字节）",
                "peak memory, bytes",
                "/memory_peak_bytes",
            ),
        ],
    )
}

fn of_run(error: ModuleRunError, sql: Option<&str>, lang: Lang) -> Failure {
    match error {
        ModuleRunError::Refused(found) => {
            let found: Vec<crate::http::dto::Finding> = found.iter().map(Into::into).collect();
            // Shown beside the failure; where the terminal is gone nobody reads it.
            let _ = findings(&mut std::io::stderr().lock(), &found, sql, lang);
            Failure::refused("未获准入", "not admitted")
        }
        ModuleRunError::Module(fault) => Failure::refused(fault.to_string(), fault.to_string()),
        ModuleRunError::Table(error) => super::super::mask::of_table(Path::new(""), error),
        ModuleRunError::NoColumn { input, column } => Failure::new(
            format!("第 {input} 个输入没有 {column} 列"),
            format!("input {input} has no column {column}"),
        ),
        ModuleRunError::Platform(error) => super::super::mask::of_platform(&error),
    }
}

fn named(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("NAME=FILE")?;
    Ok((name.to_owned(), PathBuf::from(file)))
}

fn seed(text: &str) -> Result<Seed, String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|error| error.to_string())?;
    Ok(Seed(bytes))
}
