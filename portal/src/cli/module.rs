//! `egret module`: WASM modules.

mod local;

use super::failure::Failure;
use super::output::{Column, column};
use super::remote::{Paging, Remote};
use crate::http::imports;
use sandbox::{Lang, ModuleFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `egret module`.
#[derive(Debug, clap::Args)]
pub(crate) struct Module {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 模块列表 · list modules
    List(Paging),
    /// 模块 · a module
    Show {
        /// 模块标识 · identifier of the module
        id: String,
    },
    /// 上传模块（二进制 .wasm 或文本 .wat）· push a module, binary or text
    Push {
        /// 模块文件 · file of the module
        file: PathBuf,
        /// 简称（默认：文件名）· short name [default: the file's name]
        #[arg(long)]
        name: Option<String>,
    },
    /// 在本机的隔离环境中对样例文件运行模块，并打印结果 · run a module in the jail on sample files of this machine
    Run(local::Run),
    /// 在本机为模块附上清单（egret.manifest），供不能写入自定义段的语言使用 · put a manifest (egret.manifest) into a module on this machine, for
    /// languages that cannot write sections
    Manifest {
        /// 模块文件 · file of the module
        file: PathBuf,
        /// 清单（JSON）· the manifest (JSON)
        manifest: PathBuf,
        /// 写到此文件 · file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// 在本机检查模块是否符合 ABI · whether a module keeps to the ABI, on this machine
    Inspect {
        /// 模块文件 · file of the module
        file: PathBuf,
    },
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("简称", "name", "/name"),
    column("字节", "bytes", "/bytes"),
    column("导入", "imports", "/imports"),
    column("函数", "functions", "/functions"),
    column("清单", "manifest", "/manifest/name"),
    column("内容摘要", "sha256", "/sha256"),
    column("上传时间", "pushed", "/created_at"),
];

const FACTS: &[Column] = &[
    column("字节", "bytes", "/bytes"),
    column("导入", "imports", "/imports"),
    column("函数", "functions", "/functions"),
    column("可作整个作业", "whole job", "/whole_job"),
    column("清单", "manifest", "/manifest/name"),
    column("版本", "version", "/manifest/version"),
    column("供 SQL 调用", "offers to SQL", "/manifest/functions"),
    column("内容摘要", "sha256", "/sha256"),
];

impl Module {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => {
                    printer.page(&client.modules(&paging.query()).await?, COLUMNS)
                }
                Verb::Show { id } => printer.one(&client.module(&id).await?, COLUMNS),
                Verb::Push { file, name } => {
                    let bytes = binary(&file)?;
                    let stem = file
                        .file_stem()
                        .map(|stem| stem.to_string_lossy().into_owned());
                    let name = name.or(stem).unwrap_or_default();
                    printer.one(&client.push_module(&name, bytes).await?, COLUMNS)
                }
                Verb::Run(run) => run.perform(printer).await,
                Verb::Manifest { file, manifest, to } => {
                    let document = std::fs::read(&manifest)
                        .map_err(|error| Failure::unreadable(&manifest, &error))?;
                    let (made, facts) = sandbox::with_manifest(&binary(&file)?, &document)
                        .map_err(|fault| refused(&file, &fault))?;
                    std::fs::write(&to, made).map_err(|error| Failure::unreadable(&to, &error))?;
                    let mut shown = serde_json::to_value(&facts).map_err(std::io::Error::from)?;
                    shown["imports"] = imports(&facts).into();
                    printer.one(&shown, FACTS)
                }
                Verb::Inspect { file } => {
                    let facts = sandbox::inspect_module(&binary(&file)?)
                        .map_err(|fault| refused(&file, &fault))?;
                    let mut shown = serde_json::to_value(&facts).map_err(std::io::Error::from)?;
                    shown["imports"] = imports(&facts).into();
                    printer.one(&shown, FACTS)
                }
            }
        })
    }
}

/// The module of a file; text is translated first.
pub(super) fn binary(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::unreadable(file, &error))?;
    if bytes.starts_with(b"\0asm") {
        return Ok(bytes);
    }
    let shown = file.display();
    let text = String::from_utf8(bytes).map_err(|_not_text| {
        Failure::new(
            format!("{shown} 既不是 WASM 模块，也不是文本格式"),
            format!("{shown} is neither a WASM module nor the text of one"),
        )
    })?;
    sandbox::module_from_text(&text).map_err(|fault| refused(file, &fault))
}

fn refused(file: &Path, fault: &ModuleFault) -> Failure {
    let shown = file.display();
    let said = sandbox::module_fault(fault);
    Failure::refused(
        format!("{shown}：{}", said.zh),
        format!("{shown}: {}", said.en),
    )
}
