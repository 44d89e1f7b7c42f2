//! `egret module run`: a module on sample files, before it is pushed anywhere.

use super::super::failure::Failure;
use super::super::mask::table_of;
use super::super::output::{Format, Printer, column};
use super::super::remote::json_of;
use super::super::result;
use super::binary;
use crate::http::dto::{Program, WasmInput};
use sandbox::{ModuleRan, ModuleRun, ModuleRunError, TableFile, run_module};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `egret module run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// 模块文件 · file of the module
    file: PathBuf,
    /// 程序（JSON），与提交作业的相同；module 可省略 · the program (JSON) as it is submitted; `module` may be left out
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
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
        sandbox::inspect_module(&module).map_err(|fault| super::refused(&self.file, &fault))?;
        let (inputs, output) = program(&self.program)?;
        let inputs = inputs
            .into_iter()
            .map(|input| Ok((self.table(&input.table)?, input.columns)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let executable = std::env::current_exe()?;
        let ran = run_module(ModuleRun {
            module,
            inputs,
            output: output.into_iter().map(Into::into).collect(),
            seed: self.seed.0,
            worker: (executable, vec![crate::WORKER_SUBCOMMAND.into()]),
        })
        .await
        .map_err(of_run)?;
        show(printer, &ran)
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

fn of_run(error: ModuleRunError) -> Failure {
    match error {
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
