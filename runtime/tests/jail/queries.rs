//! Governed-like plans over real Parquet files.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type, Schema, UInt64Type};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
use libtest_mimic::Trial;
use roaring::RoaringBitmap;
use runtime::{Fault, Limit, Limits, Order, Outcome};

use crate::staged::{
    ByName, ROWS, Staged, claims, context, districts, plan, read, small_job, tables,
};
use crate::support::{never, pool, run_alone, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("queries::a_governed_aggregate", governed),
        test(
            "queries::joins_sorts_and_subqueries_equal_the_engine_outside",
            equal_outside,
        ),
        test(
            "queries::control_aggregates_without_groups",
            ungrouped_controls,
        ),
        test("queries::what_is_not_on_the_list_is_refused", refused),
        test("queries::damaged_plans_are_invalid", damaged),
        test("queries::wrong_inputs_are_named_so", wrong_inputs),
        test("queries::failures_have_classes", failures),
        test("queries::limits_end_queries", limits),
        test("queries::plans_that_name_files_are_refused", file_plans),
    ]
}

async fn governed() {
    let staged = Staged::new();
    let sql = "SELECT district, count(*) AS n, sum(visits) AS v, avg(cost) AS c, \
               egret_units(__egret_unit) AS u, egret_holdings(__egret_unit, cost) AS h \
               FROM claims WHERE day >= DATE '2022-02-01' GROUP BY district";
    let completed = run_alone(staged.order(plan(sql, &tables()).await)).await;
    let batch = read(&completed);
    let names: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    assert_eq!(names, ["district", "n", "v", "c", "u", "h"]);
    assert_eq!(batch.num_rows(), 4);
    assert_eq!(completed.meter.rows_out, 4);
    // Those of both files that the order names, whatever the plan skips.
    assert_eq!(
        completed.meter.rows_in,
        (ROWS + districts().num_rows()) as u64
    );
    assert!(completed.meter.bytes_in > 10_000 && completed.meter.cpu_us > 0);

    let claims = claims();
    let days = claims["day"].as_primitive::<arrow::datatypes::Date32Type>();
    let units = claims["__egret_unit"].as_primitive::<arrow::datatypes::UInt32Type>();
    let costs = claims["cost"].as_primitive::<Float64Type>();
    for row in 0..4 {
        let district = batch["district"].as_string::<i32>().value(row);
        let chosen: Vec<usize> = (0..ROWS)
            .filter(|at| claims["district"].as_string::<i32>().value(*at) == district)
            .filter(|at| days.value(*at) >= 19_024)
            .collect();
        assert_eq!(
            batch["n"].as_primitive::<Int64Type>().value(row),
            chosen.len() as i64
        );
        let bitmap =
            RoaringBitmap::deserialize_from(batch["u"].as_binary::<i32>().value(row)).unwrap();
        let expected: RoaringBitmap = chosen.iter().map(|at| units.value(*at)).collect();
        assert_eq!(bitmap, expected);
        let mut held = std::collections::BTreeMap::<u32, f64>::new();
        for at in chosen
            .into_iter()
            .filter(|at| costs.is_valid(*at) && costs.value(*at) > 0.0)
        {
            *held.entry(units.value(at)).or_default() += costs.value(at);
        }
        let mut sums: Vec<f64> = held.into_values().collect();
        sums.sort_by(|a, b| b.total_cmp(a));
        let fold = batch["h"].as_struct();
        let number = |name: &str| {
            fold.column_by_name(name)
                .unwrap()
                .as_primitive::<Float64Type>()
                .value(row)
        };
        let count = |name: &str| {
            fold.column_by_name(name)
                .unwrap()
                .as_primitive::<UInt64Type>()
                .value(row)
        };
        assert_eq!(count("units"), sums.len() as u64);
        assert_eq!((number("x1"), number("x2")), (sums[0], sums[1]));
        assert_eq!(number("total"), sums.iter().sum::<f64>());
        assert_eq!(count("distinct"), 3);
    }
}

/// The same text, over the same batches, in an engine outside of any jail.
async fn outside(sql: &str) -> RecordBatch {
    let config =
        SessionConfig::new().set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    let context = SessionContext::new_with_config(config);
    context.register_batch("claims", claims()).unwrap();
    context.register_batch("districts", districts()).unwrap();
    let frame = context.sql(sql).await.unwrap();
    let schema: Schema = frame.schema().as_arrow().clone();
    let batches = frame.collect().await.unwrap();
    arrow::compute::concat_batches(&Arc::new(schema), &batches).unwrap()
}

/// Equal, but for the last digits of sums that two threads add in any order.
fn same(left: &ArrayRef, right: &ArrayRef) -> bool {
    match (
        left.as_primitive_opt::<Float64Type>(),
        right.as_primitive_opt::<Float64Type>(),
    ) {
        (Some(left), Some(right)) => left.iter().zip(right).all(|pair| match pair {
            (Some(left), Some(right)) => (left - right).abs() <= right.abs() * 1e-12,
            (left, right) => left == right,
        }),
        _ => left == right,
    }
}

async fn equal_outside() {
    let staged = Staged::new();
    let pool = pool(2).await;
    for sql in [
        "SELECT zone, count(*) AS n, sum(cost) AS c, max(day) AS d FROM claims JOIN districts USING (district) GROUP BY zone ORDER BY zone",
        "SELECT c.district, zone, stddev(cost) AS s, var_pop(visits) AS v FROM claims c LEFT JOIN districts d ON c.district = d.district GROUP BY c.district, zone ORDER BY c.district",
        "SELECT date_trunc('month', day) AS m, count(visits) AS n, min(cost) AS c FROM claims WHERE visits IN (1, 2, 3) GROUP BY 1 ORDER BY 1",
        "SELECT district, n FROM (SELECT district, count(DISTINCT visits) AS n FROM claims GROUP BY district) WHERE n > 2 ORDER BY district LIMIT 2",
        "SELECT upper(zone) AS z, CASE WHEN zone LIKE 'is%' THEN 1 ELSE 0 END AS i FROM districts ORDER BY district",
        "SELECT count(*) AS n FROM claims WHERE cost > (SELECT avg(cost) FROM claims)",
        "SELECT d.district AS district FROM districts d LEFT ANTI JOIN (SELECT district FROM claims WHERE visits > 100) c ON d.district = c.district ORDER BY 1",
        "SELECT count(*) AS n FROM claims WHERE false",
    ] {
        let completed = pool
            .run(staged.order(plan(sql, &tables()).await), never())
            .await
            .unwrap();
        assert_eq!(completed.outcome, Outcome::Finished, "{sql}");
        let (inside, outside) = (read(&completed), outside(sql).await);
        for (inside, outside) in inside.columns().iter().zip(outside.columns()) {
            assert!(same(inside, outside), "{sql}\n{inside:?}\n{outside:?}");
        }
        let names = |batch: &RecordBatch| {
            batch
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&inside), names(&outside), "{sql}");
    }
    pool.shutdown().await;
}

async fn ungrouped_controls() {
    let staged = Staged::new();
    let sql = "SELECT egret_units(__egret_unit) AS u, egret_holdings(__egret_unit, cost) AS h FROM claims WHERE district = 'nowhere'";
    let batch = read(&run_alone(staged.order(plan(sql, &tables()).await)).await);
    assert_eq!(batch.num_rows(), 1);
    let bitmap = RoaringBitmap::deserialize_from(batch["u"].as_binary::<i32>().value(0)).unwrap();
    assert!(bitmap.is_empty());
    let fold = batch["h"].as_struct();
    assert!(fold.is_valid(0));
    assert_eq!(
        fold.column_by_name("total")
            .unwrap()
            .as_primitive::<Float64Type>()
            .value(0),
        0.0
    );
}

async fn refused() {
    let staged = Staged::new();
    let pool = pool(2).await;
    for sql in [
        "SELECT random() AS r FROM claims",
        "SELECT now() AS t FROM claims",
        "SELECT current_date() AS t FROM claims",
        "SELECT uuid() AS u FROM claims",
        "SELECT repeat('a', 2000000000) AS r FROM districts",
        "SELECT lpad('a', 2000000000, 'b') AS r FROM districts",
        "SELECT regexp_like(district, '(((a*)*)*)*') AS r FROM claims",
        "SELECT district ~ '(((a*)*)*)*' AS r FROM claims",
        "SELECT median(cost) AS m FROM claims",
        "SELECT array_agg(cost) AS m FROM claims",
        "SELECT nth_value(cost, 2) OVER (ORDER BY cost) AS r FROM claims",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
        "EXPLAIN SELECT * FROM claims",
        "EXPLAIN ANALYZE SELECT * FROM claims",
        "COPY (SELECT * FROM claims) TO '/tmp/out.parquet' STORED AS PARQUET",
        "SELECT * FROM claims WHERE cost > $1",
    ] {
        let context = context(&tables());
        let state = context.state();
        let Ok(plan) = state.create_logical_plan(sql).await else {
            panic!("{sql}")
        };
        let Ok(bytes) = logical_plan_to_bytes_with_extension_codec(&plan, &ByName) else {
            continue;
        };
        let completed = pool
            .run(staged.order(bytes.to_vec()), never())
            .await
            .unwrap();
        let refusals = [Fault::ProgramRefused, Fault::ProgramInvalid].map(Outcome::Faulted);
        assert!(
            refusals.contains(&completed.outcome),
            "{sql}: {}",
            completed.outcome
        );
        assert!(completed.output.is_none());
    }
    pool.shutdown().await;
}

async fn damaged() {
    let staged = Staged::new();
    let pool = pool(2).await;
    let good = plan("SELECT count(*) AS n FROM claims", &tables()).await;
    let mut cut = good.clone();
    cut.truncate(good.len() / 2);
    // Nested far beyond what any plan is.
    let mut deep = Vec::new();
    for _ in 0..5_000 {
        let mut outer = vec![0x0a];
        let mut length = deep.len();
        while length >= 0x80 {
            outer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        outer.push(u8::try_from(length).unwrap());
        outer.extend(&deep);
        deep = outer;
    }
    for (what, bytes) in [
        ("cut", cut),
        ("empty", vec![]),
        ("rubbish", vec![0xff; 500]),
        ("deep", deep),
    ] {
        let completed = pool.run(staged.order(bytes), never()).await.unwrap();
        assert_eq!(
            completed.outcome,
            Outcome::Faulted(Fault::ProgramInvalid),
            "{what}"
        );
    }
    pool.shutdown().await;
}

async fn wrong_inputs() {
    let staged = Staged::new();
    let pool = pool(2).await;
    let bytes = plan(
        "SELECT count(*) AS n, sum(cost) AS c FROM claims",
        &tables(),
    )
    .await;
    let invalid = Outcome::Faulted(Fault::InputInvalid);

    let mut missing = staged.order(bytes.clone());
    missing.inputs.remove(0);
    assert_eq!(pool.run(missing, never()).await.unwrap().outcome, invalid);

    let other =
        RecordBatch::try_from_iter([("cost", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]);
    for (what, write) in [
        (
            "no Parquet",
            Box::new(|path: &Path| std::fs::write(path, b"not parquet at all").unwrap())
                as Box<dyn Fn(&Path) + Send + Sync>,
        ),
        (
            "empty",
            Box::new(|path: &Path| std::fs::write(path, b"").unwrap()),
        ),
        (
            "another schema",
            Box::new(|_| staged.write("claims", other.as_ref().unwrap())),
        ),
        (
            "cut",
            Box::new(|path: &Path| {
                staged.write("claims", &claims());
                let whole = std::fs::read(path).unwrap();
                std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
            }),
        ),
        (
            "damaged in the middle",
            Box::new(|path: &Path| {
                staged.write("claims", &claims());
                let mut whole = std::fs::read(path).unwrap();
                for at in (100..whole.len() * 3 / 4).step_by(97) {
                    whole[at] ^= 0x5a;
                }
                std::fs::write(path, whole).unwrap();
            }),
        ),
    ] {
        write(&staged.path("claims"));
        let completed = pool
            .run(staged.order(bytes.clone()), never())
            .await
            .unwrap();
        // A damaged page may still decode to other values: then the query just ends.
        let decoded = what == "damaged in the middle";
        let fault = matches!(completed.outcome, Outcome::Faulted(_));
        assert!(
            completed.outcome == invalid || (decoded && fault),
            "{what}: {}",
            completed.outcome
        );
        assert!(completed.output.is_none());
    }
    pool.shutdown().await;
}

async fn failures() {
    let staged = Staged::new();
    let pool = pool(2).await;
    for (sql, fault) in [
        (
            "SELECT visits / (visits - visits) AS x FROM claims",
            Fault::Arithmetic,
        ),
        (
            "SELECT CAST(district AS BIGINT) AS x FROM claims",
            Fault::Conversion,
        ),
    ] {
        let completed = pool
            .run(staged.order(plan(sql, &tables()).await), never())
            .await
            .unwrap();
        assert_eq!(completed.outcome, Outcome::Faulted(fault), "{sql}");
        assert!(
            !format!("{completed:?}").contains("思明"),
            "an error quoted a value"
        );
    }
    pool.shutdown().await;
}

async fn limits() {
    let staged = Staged::new();
    let pool = pool(2).await;
    let run = async |sql: &str, limits: Limits| {
        let order = Order {
            limits,
            ..staged.order(plan(sql, &tables()).await)
        };
        pool.run(order, never()).await.unwrap()
    };
    let rows = run(
        "SELECT * FROM claims",
        Limits {
            output_rows_max: 100,
            ..Limits::default()
        },
    )
    .await;
    assert_eq!(rows.outcome, Outcome::LimitExceeded(Limit::OutputRows));
    let bytes = run(
        "SELECT * FROM claims",
        Limits {
            output_bytes_max: 10_000,
            ..Limits::default()
        },
    )
    .await;
    assert_eq!(bytes.outcome, Outcome::LimitExceeded(Limit::OutputBytes));
    assert!(bytes.output.is_none());
    let least = Limits {
        memory_bytes: 128 << 20,
        ..Limits::default()
    };
    let order = Order {
        limits: least,
        ..small_job().await
    };
    assert_eq!(
        pool.run(order, never()).await.unwrap().outcome,
        Outcome::Finished
    );
    let sql = "SELECT a.cost AS x, b.cost AS y FROM claims a CROSS JOIN claims b ORDER BY a.cost + b.cost";
    let memory = run(
        sql,
        Limits {
            memory_bytes: 200 << 20,
            ..Limits::default()
        },
    )
    .await;
    assert_eq!(memory.outcome, Outcome::LimitExceeded(Limit::Memory));
    let sql =
        "SELECT count(*) AS n FROM claims a JOIN claims b ON a.cost * b.cost > a.visits + b.visits";
    let time = run(
        sql,
        Limits {
            wall_ms: 400,
            ..Limits::default()
        },
    )
    .await;
    assert_eq!(time.outcome, Outcome::TimedOut);
    pool.shutdown().await;
}

/// A plan can carry a table of its own with a path: it must not even be looked at.
async fn file_plans() {
    let staged = Staged::new();
    let context = SessionContext::new();
    let path = staged.path("claims.csv");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    context
        .register_csv("t", path.to_str().unwrap(), Default::default())
        .await
        .unwrap();
    let frame = context.sql("SELECT count(*) AS n FROM t").await.unwrap();
    let plan = frame.into_unoptimized_plan();
    let bytes = datafusion_proto::bytes::logical_plan_to_bytes(&plan).unwrap();
    assert!(
        bytes.windows(10).any(|part| part == b"claims.csv"),
        "the plan names the file"
    );
    let completed = run_alone(staged.order(bytes.to_vec())).await;
    let refusals = [Fault::ProgramRefused, Fault::ProgramInvalid].map(Outcome::Faulted);
    assert!(
        refusals.contains(&completed.outcome),
        "{}",
        completed.outcome
    );
}
