//! What can be wrong with a Parquet file, in words.

use arrow::datatypes::{DataType, Field};

use super::fault::{IntakeFault, both};
use super::shown_name;
use crate::catalogue::ColumnType;

pub(super) fn damaged() -> IntakeFault {
    IntakeFault::new(
        "parquet_damaged",
        both(
            "Parquet 文件损坏：内容与其元数据不符",
            "the Parquet file is damaged: its content and its metadata disagree",
        ),
        both("重新写出并推送文件", "write the file again and push it"),
    )
}

pub(super) fn encrypted() -> IntakeFault {
    IntakeFault::new(
        "parquet_encrypted",
        both(
            "Parquet 文件带有自身的加密",
            "the Parquet file carries an encryption of its own",
        ),
        both(
            "推送未加密的文件；平台在落盘时加密",
            "push the file without it; the platform encrypts at rest",
        ),
    )
}

pub(super) fn too_large(rule: &str, what: &str, most: u64) -> IntakeFault {
    let most = most >> 20;
    IntakeFault::new(
        rule,
        both(
            format!("Parquet 的 {what} 超过 {most} MiB"),
            format!("a {what} of the Parquet file is larger than {most} MiB"),
        ),
        both(
            "用较小的行组重新写出文件",
            "write the file again with smaller row groups",
        ),
    )
}

pub(super) fn codec_unknown(codec: &str) -> IntakeFault {
    IntakeFault::new(
        "codec_unknown",
        both(
            format!("不支持压缩算法 {codec}"),
            format!("compression {codec} is not supported"),
        ),
        both(
            "用 zstd、snappy 或不压缩重新写出文件",
            "write the file again with zstd, snappy or no compression",
        ),
    )
}

pub(super) fn wrong_type(name: &str, wanted: ColumnType, found: &DataType) -> IntakeFault {
    // The types of nested columns spell out names of the file; their kind is enough.
    let found = if found.is_nested() {
        "nested".to_owned()
    } else {
        found.to_string()
    };
    IntakeFault::new(
        "column_type",
        both(
            format!("{name} 列应为 {}，文件中为 {found}", wanted.name()),
            format!(
                "column {name} should be {}, the file has {found}",
                wanted.name()
            ),
        ),
        both(
            "按目录中的类型写出该列",
            "write the column in the type of the catalogue entry",
        ),
    )
    .at_column(name)
}

pub(super) fn duplicate(name: &str) -> IntakeFault {
    IntakeFault::new(
        "column_duplicate",
        both(
            format!("文件中 {name} 列出现两次"),
            format!("the file has column {name} twice"),
        ),
        both("每列只写一次", "write each column once"),
    )
    .at_column(name)
}

pub(super) fn unknown(field: &Field) -> IntakeFault {
    let name = shown_name(field.name());
    IntakeFault::new(
        "column_unknown",
        both(
            format!("文件中的 {name} 列不在目录中"),
            format!("column {name} of the file is not in the catalogue entry"),
        ),
        both(
            "去掉该列，或先更新目录",
            "leave the column out, or update the entry first",
        ),
    )
    .at_column(name)
}

pub(super) fn zero(row: u64, column: &str) -> IntakeFault {
    IntakeFault::new(
        "nul_character",
        both(
            format!("第 {row} 行 {column} 列含空字符（U+0000）"),
            format!("row {row}, column {column} contains a NUL character (U+0000)"),
        ),
        both(
            "去掉空字符后重新推送",
            "remove NUL characters and push again",
        ),
    )
    .at_row(row)
    .at_column(column)
}

pub(super) fn too_long(row: u64, most: usize) -> IntakeFault {
    IntakeFault::new(
        "cell_too_long",
        both(
            format!("第 {row} 行有超过 {most} 字节的单元格"),
            format!("row {row} has a cell of more than {most} bytes"),
        ),
        both("缩短文本", "shorten the text"),
    )
    .at_row(row)
}
