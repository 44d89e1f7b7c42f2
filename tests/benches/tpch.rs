//! Governed against ungoverned: aggregate queries over TPC-H SF1 through admission, control columns and a fresh jailed worker, beside the
//! same engine on the same files without any of it.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc, time::Instant};

use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use review::{
    Admission, ColumnRole, ColumnScope, Contract, Operations, OutputRules, Scope, SqlLimits,
    TableScope, admit_sql,
};
use runtime::{Input, InputFormat, Limits, Order, Program, Supervisor};
use tokio::sync::watch;

use crate::{
    record::{Figure, folder, record},
    tpch_data, worker,
};

const ROUNDS: usize = 5;

/// The queries of the benchmark in the shape that the proved lane admits: sums of plain columns, dimensions compared with literals,
/// joins by keys. The numbers are those of the queries that they come from.
const QUERIES: [(&str, &str); 6] = [
    (
        "q1",
        "select l_returnflag, l_linestatus, sum(l_quantity) as sum_qty, sum(l_extendedprice) as sum_base_price, \
         avg(l_quantity) as avg_qty, avg(l_extendedprice) as avg_price, avg(l_discount) as avg_disc, \
         count(*) as count_order from lineitem where l_shipdate <= date '1998-09-02' \
         group by l_returnflag, l_linestatus",
    ),
    (
        "q3",
        "select c_mktsegment, sum(l_extendedprice) as revenue, count(*) as n from customer \
         join orders on c_custkey = o_custkey join lineitem on l_orderkey = o_orderkey \
         where o_custkey = l_custkey and o_orderdate < date '1995-03-15' and l_shipdate > date '1995-03-15' group by c_mktsegment",
    ),
    (
        "q4",
        "select o_orderpriority, count(*) as order_count from orders \
         where o_orderdate >= date '1993-07-01' and o_orderdate < date '1993-10-01' group by o_orderpriority",
    ),
    (
        "q5",
        "select c_nationkey, sum(l_extendedprice) as revenue from customer \
         join orders on c_custkey = o_custkey join lineitem on l_orderkey = o_orderkey \
         where o_custkey = l_custkey and o_orderdate >= date '1994-01-01' and o_orderdate < date '1995-01-01' group by c_nationkey",
    ),
    (
        "q12",
        "select l_shipmode, o_orderpriority, count(*) as n from orders \
         join lineitem on o_orderkey = l_orderkey and o_custkey = l_custkey where l_shipmode in ('MAIL', 'SHIP') \
         and l_shipdate >= date '1994-01-01' and l_shipdate < date '1995-01-01' \
         group by l_shipmode, o_orderpriority",
    ),
    (
        "q13",
        "select c_mktsegment, c_nationkey, o_orderpriority, count(*) as n, sum(o_totalprice) as total \
         from orders join customer on o_custkey = c_custkey group by c_mktsegment, c_nationkey, o_orderpriority",
    ),
];

pub(crate) async fn run() {
    let files = folder().join("tpch-sf1");
    tpch_data::ensure(&files).await;
    let scope = scope();
    let pool = worker::pool(1).await;
    let plain = plain(&files).await;
    let (mut governed_total, mut plain_total) = (0.0, 0.0);
    let mut admitted = Vec::new();
    for (name, sql) in QUERIES {
        let governed = match admit_sql(sql, &scope, &SqlLimits::default()) {
            Admission::Admitted(governed) => governed,
            Admission::Refused(findings) => {
                println!("{name} is refused: {}", findings[0].reason.en);
                continue;
            }
        };
        let (mut best_governed, mut best_plain) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            best_governed = best_governed.min(run_governed(&pool, &governed, &files).await);
            best_plain = best_plain.min(run_plain(&plain, sql).await);
        }
        println!("{name}: governed {best_governed:.3} s, plain {best_plain:.3} s");
        governed_total += best_governed;
        plain_total += best_plain;
        admitted.push(name);
    }
    pool.shutdown().await;
    assert!(!admitted.is_empty(), "no query was admitted");
    record(&Figure {
        name: "tpch_governed_ratio",
        ours: governed_total,
        peer: Some(("datafusion 55, ungoverned, unjailed", plain_total)),
        unit: "s",
        note: &format!(
            "SF1, {} in the admitted shape, best of {ROUNDS} each, alternating, two partitions, same files; \
             ours has control columns and a fresh jailed process per query",
            admitted.join(" ")
        ),
    });
}

async fn run_governed(pool: &Supervisor, governed: &review::Governed, files: &Path) -> f64 {
    let inputs = governed
        .tables
        .iter()
        .map(|table| {
            let file = File::open(files.join(format!("{}.parquet", table.table))).expect("a file");
            let bytes = file.metadata().expect("its size").len();
            Input {
                name: table.table.clone(),
                file: Arc::new(file),
                bytes,
                format: InputFormat::Parquet,
            }
        })
        .collect();
    let order = Order {
        program: Program::sql(governed.plan.clone()),
        inputs,
        limits: Limits::default(),
    };
    while pool.queue().idle < 1 {
        tokio::task::yield_now().await;
    }
    let (_keep, cancel) = watch::channel(false);
    let start = Instant::now();
    let completed = pool.run(order, cancel).await.expect("the pool runs");
    let taken = start.elapsed().as_secs_f64();
    assert!(completed.output.is_some(), "{}", completed.outcome);
    taken
}

async fn run_plain(context: &SessionContext, sql: &str) -> f64 {
    let start = Instant::now();
    let batches = context
        .sql(sql)
        .await
        .expect("a plan")
        .collect()
        .await
        .expect("a result");
    let taken = start.elapsed().as_secs_f64();
    assert!(batches.iter().any(|batch| batch.num_rows() > 0));
    taken
}

async fn plain(files: &Path) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    for table in ["customer", "orders", "lineitem"] {
        let file = files.join(format!("{table}.parquet"));
        context
            .register_parquet(
                table,
                file.to_str().expect("UTF-8"),
                ParquetReadOptions::default(),
            )
            .await
            .expect("a table");
    }
    context
}

fn scope() -> Scope {
    let tables = [
        (
            "customer",
            vec![
                ColumnScope::key("c_custkey", "customer-id"),
                ColumnScope::new("c_mktsegment", ColumnRole::Dimension),
                ColumnScope::new("c_nationkey", ColumnRole::Dimension),
                ColumnScope::new("c_acctbal", ColumnRole::Measure),
            ],
        ),
        (
            "orders",
            vec![
                ColumnScope::key("o_custkey", "customer-id"),
                ColumnScope::key("o_orderkey", "order-id"),
                ColumnScope::new("o_orderpriority", ColumnRole::Dimension),
                ColumnScope::new("o_orderdate", ColumnRole::Dimension),
                ColumnScope::new("o_totalprice", ColumnRole::Measure),
            ],
        ),
        (
            "lineitem",
            vec![
                ColumnScope::key("l_custkey", "customer-id"),
                ColumnScope::key("l_orderkey", "order-id"),
                ColumnScope::new("l_returnflag", ColumnRole::Dimension),
                ColumnScope::new("l_linestatus", ColumnRole::Dimension),
                ColumnScope::new("l_shipmode", ColumnRole::Dimension),
                ColumnScope::new("l_shipdate", ColumnRole::Dimension),
                ColumnScope::new("l_quantity", ColumnRole::Measure),
                ColumnScope::new("l_extendedprice", ColumnRole::Measure),
                ColumnScope::new("l_discount", ColumnRole::Measure),
            ],
        ),
    ];
    let schemas: BTreeMap<String, SchemaRef> = tables
        .iter()
        .map(|(name, columns)| ((*name).to_owned(), schema(columns)))
        .collect();
    let contract = Contract {
        purpose: "bench".to_owned(),
        industry: "trade".to_owned(),
        tables: tables
            .into_iter()
            .map(|(name, columns)| TableScope {
                name: name.to_owned(),
                dataset: name.to_owned(),
                columns,
                row_filter: None,
                unit: Some("customer-id".to_owned()),
            })
            .collect(),
        operations: Operations {
            sql: true,
            wasm: false,
        },
        output: OutputRules::default(),
        term_days: 1,
        refusals_max: 1,
    };
    Scope::new(contract, &schemas, Vec::new()).expect("a scope")
}

fn schema(columns: &[ColumnScope]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new(&column.name, tpch_data::data_type(&column.name), true))
        .collect();
    Arc::new(Schema::new(fields))
}
