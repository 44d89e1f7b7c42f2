//! `egret private`: 非公共数据, what a tenant brings for its own jobs.

use super::dataset::FormatName;
use super::failure::Failure;
use super::output::{Column, column};
use super::progress;
use super::push::format_of;
use super::remote::{Paging, Remote, unsent};
use crate::client::Upload;
use crate::http::dto::{ColumnType, DataFormat, PrivacyUnit, PrivateColumn, PrivateDatasetCreate};
use sandbox::Lang;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `egret private`.
#[derive(Debug, clap::Args)]
pub(crate) struct Private {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 非公共数据集列表 · list private data sets
    List(Paging),
    /// 新建非公共数据集 · make a private data set
    Create {
        /// SQL 中的表名 · name in SQL
        name: String,
        /// 授权标识 · identifier of the grant
        #[arg(long)]
        grant: String,
        /// 列，可重复 · column, may be repeated
        #[arg(long = "column", required = true, value_name = "NAME:TYPE")]
        columns: Vec<String>,
        /// 与公共数据连接的列及其值域，到达时即换成假名 · column to join public data by; tokenised on arrival
        #[arg(long, value_name = "COLUMN:DOMAIN")]
        unit: Option<String>,
    },
    /// 上传数据 · send data
    Upload {
        /// 标识 · identifier
        id: String,
        /// 数据文件 · file of data
        file: PathBuf,
        /// 文件格式（默认：按扩展名）· format [default: by the file's extension]
        #[arg(long, value_enum)]
        format: Option<FormatName>,
    },
    /// 删除 · delete
    Delete {
        /// 标识 · identifier
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("表名", "name", "/name"),
    column("授权", "grant", "/grant"),
    column("行数", "rows", "/rows"),
    column("内容摘要", "sha256", "/sha256"),
    column("建立时间", "created", "/created_at"),
];

impl Private {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => {
                    printer.page(&client.private_datasets(&paging.query()).await?, COLUMNS)
                }
                Verb::Create {
                    name,
                    grant,
                    columns,
                    unit,
                } => {
                    let columns = columns
                        .iter()
                        .map(|text| column_of(text))
                        .collect::<Result<_, _>>()?;
                    let unit = unit.map(|text| unit_of(&text)).transpose()?;
                    let create = PrivateDatasetCreate {
                        grant,
                        name,
                        columns,
                        unit,
                    };
                    printer.one(&client.create_private_dataset(&create).await?, COLUMNS)
                }
                Verb::Upload { id, file, format } => {
                    let format = format
                        .map(DataFormat::from)
                        .map_or_else(|| format_of(&file), Ok)?;
                    let bar = progress::bytes(0);
                    let drawn = bar.clone();
                    let upload = Upload::open(&file, move |bytes| drawn.inc(bytes)).await;
                    let upload = upload.map_err(|error| unsent(&file, &error))?;
                    bar.set_length(upload.len());
                    let view = client.send_private_data(&id, format, upload).await?;
                    bar.finish_and_clear();
                    printer.one(&view, COLUMNS)
                }
                Verb::Delete { id } => {
                    client.delete_private_dataset(&id).await?;
                    printer.say(&format!("{id} 已删除"), &format!("{id} is deleted"))
                }
            }
        })
    }
}

/// `NAME:TYPE`.
fn column_of(text: &str) -> Result<PrivateColumn, Failure> {
    let parsed = text.rsplit_once(':').and_then(|(name, kind)| {
        let column_type = match kind {
            "string" => ColumnType::String,
            "int64" => ColumnType::Int64,
            "float64" => ColumnType::Float64,
            "bool" => ColumnType::Bool,
            "date" => ColumnType::Date,
            "timestamp" => ColumnType::Timestamp,
            _ => return None,
        };
        (!name.is_empty()).then(|| PrivateColumn {
            name: name.to_owned(),
            column_type,
        })
    });
    parsed.ok_or_else(|| {
        Failure::Message(
            2,
            sandbox::Bilingual::new(
                format!("{text} 不是 NAME:TYPE；类型为 string、int64、float64、bool、date、timestamp 之一"),
                format!("{text} is not NAME:TYPE, with string, int64, float64, bool, date or timestamp as type"),
            ),
        )
    })
}

/// `COLUMN:DOMAIN`.
fn unit_of(text: &str) -> Result<PrivacyUnit, Failure> {
    match text.rsplit_once(':') {
        Some((column, domain)) if !column.is_empty() && !domain.is_empty() => Ok(PrivacyUnit {
            column: column.to_owned(),
            value_domain: domain.to_owned(),
        }),
        _ => Err(Failure::Message(
            2,
            sandbox::Bilingual::new(
                format!("{text} 不是 COLUMN:DOMAIN（例：resident_id:person-id）"),
                format!("{text} is not COLUMN:DOMAIN (such as resident_id:person-id)"),
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn a_column_is_a_name_and_a_type() {
        assert_eq!(
            column_of("保费:float64").unwrap().column_type,
            ColumnType::Float64
        );
        assert_eq!(column_of("a:b:date").unwrap().name, "a:b");
        for bad in ["", "a", ":string", "a:text"] {
            assert!(column_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_unit_is_a_column_and_a_value_domain() {
        assert_eq!(
            unit_of("resident_id:person-id").unwrap().value_domain,
            "person-id"
        );
        for bad in ["", "a", ":person-id", "a:"] {
            assert!(unit_of(bad).is_err(), "{bad}");
        }
    }
}
