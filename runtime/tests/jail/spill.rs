//! Queries that outgrow their memory.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use libtest_mimic::Trial;
use runtime::{InputFormat, Limit, Limits, Order, Outcome, PoolConfig, Program, Supervisor};

use crate::staged::{Staged, plan, read};
use crate::support::{config, input, never, run_alone, test};

/// More groups than fit into the smallest memory.
const GROUPS: i64 = 3_000_000;
const MIB: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test(
            "spill::what_outgrows_memory_goes_to_disk_and_is_right",
            right,
        ),
        test("spill::its_limit_is_kept_and_named", limit),
    ]
}

/// A query over one group a row, with little memory. The files have to live as long as the order.
async fn outgrowing(staged: &Staged) -> Order {
    let keys = Int64Array::from_iter_values((0..GROUPS).map(|key| key * 7_919 % GROUPS));
    let texts = StringArray::from_iter_values((0..GROUPS).map(|key| format!("{key:024}")));
    let columns: [(&str, ArrayRef); 2] = [("key", Arc::new(keys)), ("text", Arc::new(texts))];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    staged.write("many", &rows);
    let sql = "SELECT count(*) AS groups, sum(k) AS total FROM \
               (SELECT text, min(key) AS k FROM many GROUP BY text) AS g";
    Order {
        program: Program::sql(plan(sql, &[("many", rows.schema())]).await),
        inputs: vec![input("many", &staged.path("many"), InputFormat::Parquet)],
        limits: Limits {
            memory_bytes: 256 * MIB,
            ..Limits::default()
        },
    }
}

async fn with_scratch(folder: &Path) -> Supervisor {
    let spill = Some(folder.to_owned());
    Supervisor::start(PoolConfig { spill, ..config(1) })
        .await
        .unwrap()
}

async fn right() {
    let staged = Staged::new();
    let order = outgrowing(&staged).await;
    let scratch = tempfile::tempdir().unwrap();
    let pool = with_scratch(scratch.path()).await;
    let completed = pool.run(order.clone(), never()).await.unwrap();
    let batch = read(&completed);
    let number = |name: &str| batch[name].as_primitive::<Int64Type>().value(0);
    assert_eq!(number("groups"), GROUPS);
    assert_eq!(number("total"), (0..GROUPS).sum::<i64>());
    let spilled = completed.meter.spill_bytes;
    assert!(
        spilled > MIB && spilled <= order.limits.spill_bytes_max,
        "{spilled}"
    );
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    pool.shutdown().await;
    // Without a folder there is nowhere to go.
    let completed = run_alone(order).await;
    assert_eq!(completed.outcome, Outcome::LimitExceeded(Limit::Memory));
    assert_eq!(completed.meter.spill_bytes, 0);
}

async fn limit() {
    let staged = Staged::new();
    let mut order = outgrowing(&staged).await;
    let scratch = tempfile::tempdir().unwrap();
    let pool = with_scratch(scratch.path()).await;
    for (bytes, limit) in [(0, Limit::Memory), (2 * MIB, Limit::Spill)] {
        order.limits.spill_bytes_max = bytes;
        let completed = pool.run(order.clone(), never()).await.unwrap();
        assert_eq!(completed.outcome, Outcome::LimitExceeded(limit));
        assert!(completed.meter.spill_bytes <= bytes);
    }
    pool.shutdown().await;
}
