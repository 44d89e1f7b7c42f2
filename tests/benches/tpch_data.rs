//! TPC-H data as staged files are: plain types, the control column, sorted by unit.

use std::{fs::File, path::Path, sync::Arc};

use datafusion::{
    arrow::{
        datatypes::DataType,
        record_batch::{RecordBatch, RecordBatchReader},
    },
    datasource::MemTable,
    parquet::{
        arrow::ArrowWriter,
        basic::{Compression, ZstdLevel},
        file::properties::WriterProperties,
    },
    prelude::{SessionConfig, SessionContext},
};
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, OrderGenerator};
use tpchgen_arrow::{CustomerArrow, LineItemArrow, OrderArrow};

const SCALE: f64 = 1.0;

/// Writes the files unless they are there.
pub(crate) async fn ensure(files: &Path) {
    if files.join("complete").exists() {
        return;
    }
    std::fs::create_dir_all(files).expect("a folder for the data");
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    register(
        &context,
        "c",
        CustomerArrow::new(CustomerGenerator::new(SCALE, 1, 1)),
    );
    register(
        &context,
        "o",
        OrderArrow::new(OrderGenerator::new(SCALE, 1, 1)),
    );
    register(
        &context,
        "l",
        LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1)),
    );
    write(
        &context,
        "select c_custkey, arrow_cast(c_mktsegment, 'Utf8') as c_mktsegment, \
         cast(c_nationkey as bigint) as c_nationkey, cast(c_acctbal as double) as c_acctbal, \
         arrow_cast(c_custkey, 'UInt32') as __egret_unit from c order by c_custkey",
        &files.join("customer.parquet"),
    )
    .await;
    write(
        &context,
        "select o_custkey, o_orderkey, arrow_cast(o_orderpriority, 'Utf8') as o_orderpriority, o_orderdate, \
         cast(o_totalprice as double) as o_totalprice, arrow_cast(o_custkey, 'UInt32') as __egret_unit \
         from o order by o_custkey",
        &files.join("orders.parquet"),
    )
    .await;
    write(
        &context,
        "select o_custkey as l_custkey, l_orderkey, arrow_cast(l_returnflag, 'Utf8') as l_returnflag, \
         arrow_cast(l_linestatus, 'Utf8') as l_linestatus, arrow_cast(l_shipmode, 'Utf8') as l_shipmode, \
         l_shipdate, cast(l_quantity as double) as l_quantity, cast(l_extendedprice as double) as l_extendedprice, \
         cast(l_discount as double) as l_discount, arrow_cast(o_custkey, 'UInt32') as __egret_unit \
         from l join o on l_orderkey = o_orderkey order by o_custkey",
        &files.join("lineitem.parquet"),
    )
    .await;
    File::create(files.join("complete")).expect("the mark that all is there");
}

/// The type of a column in the files.
pub(crate) fn data_type(column: &str) -> DataType {
    match column {
        "c_custkey" | "o_custkey" | "o_orderkey" | "l_custkey" | "l_orderkey" | "c_nationkey" => {
            DataType::Int64
        }
        "o_orderdate" | "l_shipdate" => DataType::Date32,
        "c_acctbal" | "o_totalprice" | "l_quantity" | "l_extendedprice" | "l_discount" => {
            DataType::Float64
        }
        _ => DataType::Utf8,
    }
}

fn register(context: &SessionContext, name: &str, rows: impl RecordBatchReader) {
    let schema = rows.schema();
    let batches = rows
        .collect::<Result<Vec<RecordBatch>, _>>()
        .expect("generated rows");
    let table = MemTable::try_new(schema, vec![batches]).expect("a table");
    context
        .register_table(name, Arc::new(table))
        .expect("a table");
}

async fn write(context: &SessionContext, sql: &str, file: &Path) {
    let batches = context
        .sql(sql)
        .await
        .expect("a plan")
        .collect()
        .await
        .expect("rows");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(131_072))
        .build();
    let out = File::create(file).expect("a file");
    let mut writer =
        ArrowWriter::try_new(out, batches[0].schema(), Some(properties)).expect("a writer");
    for batch in &batches {
        writer.write(batch).expect("rows");
    }
    writer.close().expect("a whole file");
}
