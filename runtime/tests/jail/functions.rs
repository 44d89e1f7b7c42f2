//! Functions of modules called from SQL: by row, by group, as tables; and modules that misbehave in them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result, TableReference};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Extension, LogicalPlan, Volatility, create_udaf, create_udf};
use datafusion_proto::bytes::logical_plan_to_bytes_with_extension_codec;
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use libtest_mimic::Trial;
use parquet::arrow::ArrowWriter;
use runtime::{
    ColumnType, Completed, Fault, InputFormat, Limit, Limits, ModuleFunction, ModuleManifest,
    Order, Outcome, Program, SqlModule, inspect_module, module_from_text, with_manifest,
};

use crate::parts::read;
use crate::staged::{ByName, context};
use crate::support::{input, never, pool, run_alone, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test(
            "functions::scalars_go_batch_by_batch_and_burn_the_same_fuel_twice",
            scalars,
        ),
        test("functions::aggregates_keep_groups_apart", aggregates),
        test(
            "functions::an_aggregate_without_rows_and_one_over_windows",
            edges_of_groups,
        ),
        test(
            "functions::a_table_function_reads_a_table_and_its_constants",
            tables,
        ),
        test(
            "functions::modules_that_break_the_interface_end_the_run",
            evil,
        ),
        test(
            "functions::fuel_is_one_budget_and_endless_calls_end",
            endless,
        ),
        test(
            "functions::calls_that_are_not_declared_are_refused",
            undeclared,
        ),
        test("functions::two_modules_answer_for_themselves", two_modules),
    ]
}

const MANIFEST: &str = r#"{"name": "m", "version": "1", "functions": [
    {"kind": "scalar", "name": "twice", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "short", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "wild", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "none", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "emits", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "pulls", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "traps", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "spins", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "scalar", "name": "words", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "utf8"},
    {"kind": "aggregate", "name": "total", "arguments": [{"name": "x", "data_type": "float64"}], "returns": "float64"},
    {"kind": "table", "name": "copy", "inputs": [{"columns": [
        {"name": "v", "data_type": "float64"}, {"name": "id", "data_type": "int64"}]}],
     "arguments": [{"name": "fail", "data_type": "int64"}],
     "columns": [{"name": "v", "data_type": "float64"}, {"name": "id", "data_type": "int64"}]}
]}"#;

/// Sums of groups stand at 1 MiB, blocks at 2 MiB, answers at 3 MiB.
const TEXT: &str = r#"(module
    (import "egret" "next_batch" (func $next (param i32) (result i32)))
    (import "egret" "emit" (func $emit (param i32) (result i32)))
    (import "egret" "log" (func $log (param i32 i32)))
    (memory (export "memory") 64)
    (data (i32.const 16) "called")
    (func (export "egret_abi_version") (result i32) (i32.const 1))
    (func (export "alloc") (param i32 i32) (result i32) (i32.const 0x200000))
    (func $data (param $batch i32) (param $column i32) (result i32)
        (i32.load offset=16 (i32.add (i32.load offset=8 (local.get $batch)) (i32.mul (local.get $column) (i32.const 24)))))
    (func $answer (param $rows i32) (result i32)
        (i32.store (i32.const 1024) (local.get $rows))
        (i32.store (i32.const 1028) (i32.const 1))
        (i32.store (i32.const 1032) (i32.const 1040))
        (i32.store (i32.const 1040) (i32.const 4))
        (i32.store (i32.const 1044) (i32.const 0))
        (i32.store (i32.const 1048) (i32.const 0))
        (i32.store (i32.const 1056) (i32.const 0x300000))
        (i32.store (i32.const 1060) (i32.shl (local.get $rows) (i32.const 3)))
        (i32.const 1024))
    (func (export "twice") (param $batch i32) (result i32)
        (local $at i32) (local $end i32)
        (call $log (i32.const 16) (i32.const 6))
        (local.set $at (call $data (local.get $batch) (i32.const 0)))
        (local.set $end (i32.add (local.get $at) (i32.shl (i32.load (local.get $batch)) (i32.const 3))))
        (block $done (loop $row
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            (f64.store (local.get $at) (f64.mul (f64.const 2) (f64.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br $row)))
        (local.get $batch))
    (func (export "short") (param $batch i32) (result i32)
        (call $answer (i32.sub (i32.load (local.get $batch)) (i32.const 1))))
    (func (export "wild") (param i32) (result i32) (i32.const -8))
    (func (export "none") (param i32) (result i32) (i32.const 0))
    (func (export "emits") (param $batch i32) (result i32) (drop (call $emit (local.get $batch))) (local.get $batch))
    (func (export "pulls") (param $batch i32) (result i32) (drop (call $next (i32.const 0))) (local.get $batch))
    (func (export "traps") (param i32) (result i32) unreachable)
    (func (export "spins") (param i32) (result i32) (loop $l (br $l)) (i32.const 0))
    (func (export "words") (param $batch i32) (result i32) (local.get $batch))
    (func (export "total_update") (param $batch i32) (result i32)
        (local $row i32) (local $sum i32) (local $groups i32) (local $values i32)
        (local.set $groups (call $data (local.get $batch) (i32.const 0)))
        (local.set $values (call $data (local.get $batch) (i32.const 1)))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $row) (i32.load (local.get $batch))))
            (local.set $sum (i32.add (i32.const 0x100000) (i32.shl
                (i32.load (i32.add (local.get $groups) (i32.shl (local.get $row) (i32.const 2)))) (i32.const 3))))
            (f64.store (local.get $sum) (f64.add (f64.load (local.get $sum))
                (f64.load (i32.add (local.get $values) (i32.shl (local.get $row) (i32.const 3))))))
            (local.set $row (i32.add (local.get $row) (i32.const 1)))
            (br $next)))
        (i32.const 0))
    (func (export "total_finish") (param $batch i32) (result i32)
        (local $row i32) (local $groups i32)
        (local.set $groups (call $data (local.get $batch) (i32.const 0)))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $row) (i32.load (local.get $batch))))
            (f64.store (i32.add (i32.const 0x300000) (i32.shl (local.get $row) (i32.const 3)))
                (f64.load (i32.add (i32.const 0x100000) (i32.shl
                    (i32.load (i32.add (local.get $groups) (i32.shl (local.get $row) (i32.const 2)))) (i32.const 3)))))
            (local.set $row (i32.add (local.get $row) (i32.const 1)))
            (br $next)))
        (call $answer (i32.load (local.get $batch))))
    (func (export "copy") (param $arguments i32) (result i32)
        (local $batch i32) (local $fail i32)
        (local.set $fail (i32.eq (i32.const 7)
            (i32.wrap_i64 (i64.load (call $data (local.get $arguments) (i32.const 0))))))
        (block $end (loop $more
            (local.set $batch (call $next (i32.const 0)))
            (br_if $end (i32.eqz (local.get $batch)))
            (drop (call $emit (local.get $batch)))
            (br $more)))
        (local.get $fail)))"#;

const ROWS: usize = 20_000;

fn rows() -> RecordBatch {
    let names = ["a", "b", "c"];
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new((0..ROWS as i64).map(Some).collect::<Int64Array>()),
        ),
        (
            "v",
            Arc::new(
                (0..ROWS)
                    .map(|row| Some(row as f64 / 4.0))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "k",
            Arc::new(
                (0..ROWS)
                    .map(|row| Some(names[row % 3]))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn module() -> SqlModule {
    let binary = module_from_text(TEXT).unwrap();
    let (module, facts) = with_manifest(&binary, MANIFEST.as_bytes()).unwrap();
    SqlModule {
        name: "m".to_owned(),
        module,
        owner: "tenant".to_owned(),
        functions: facts.manifest.unwrap().functions,
    }
}

/// Scans by name, and calls for tables whose names say so.
#[derive(Debug)]
struct Calls(&'static str);

impl LogicalExtensionCodec for Calls {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[LogicalPlan],
        context: &TaskContext,
    ) -> Result<Extension> {
        ByName.try_decode(bytes, inputs, context)
    }

    fn try_encode(&self, node: &Extension, bytes: &mut Vec<u8>) -> Result<()> {
        ByName.try_encode(node, bytes)
    }

    fn try_decode_table_provider(
        &self,
        _: &[u8],
        _: &TableReference,
        _: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        Err(DataFusionError::NotImplemented(String::new()))
    }

    fn try_encode_table_provider(
        &self,
        table: &TableReference,
        provider: Arc<dyn TableProvider>,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        if table.table() != "called" {
            return ByName.try_encode_table_provider(table, provider, bytes);
        }
        bytes.extend_from_slice(b"egret-call:");
        bytes.extend_from_slice(self.0.as_bytes());
        Ok(())
    }
}

fn called_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("v", DataType::Float64, true),
        Field::new("id", DataType::Int64, true),
    ]))
}

async fn plan(sql: &str, call: &'static str) -> Vec<u8> {
    let context = context(&[("t", rows().schema()), ("called", called_schema())]);
    let float = || vec![DataType::Float64];
    for module in ["m", "n"] {
        for name in [
            "twice", "short", "wild", "none", "emits", "pulls", "traps", "spins", "words", "absent",
        ] {
            let returns = if name == "words" {
                DataType::Utf8
            } else {
                DataType::Float64
            };
            let nothing = Arc::new(|_: &[_]| Err(DataFusionError::NotImplemented(String::new())));
            let name = format!("{module}.{name}");
            context.register_udf(create_udf(
                &name,
                float(),
                returns,
                Volatility::Immutable,
                nothing,
            ));
        }
        let nothing =
            Arc::new(|_: AccumulatorArgs<'_>| Err(DataFusionError::NotImplemented(String::new())));
        let returns = Arc::new(DataType::Float64);
        let name = format!("{module}.total");
        context.register_udaf(create_udaf(
            &name,
            float(),
            returns,
            Volatility::Immutable,
            nothing,
            Arc::new(float()),
        ));
    }
    let plan = context.sql(sql).await.unwrap().into_unoptimized_plan();
    logical_plan_to_bytes_with_extension_codec(&plan, &Calls(call))
        .unwrap()
        .to_vec()
}

async fn order_with(sql: &str, call: &'static str, modules: Vec<SqlModule>) -> Order {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), rows().schema(), None).unwrap();
    writer.write(&rows()).unwrap();
    writer.close().unwrap();
    Order {
        program: Program::Sql {
            plan: plan(sql, call).await,
            modules,
            seed: [7; 32],
        },
        inputs: vec![input("t", file.path(), InputFormat::Parquet)],
        limits: Limits::default(),
    }
}

async fn order(sql: &str) -> Order {
    order_with(sql, "", vec![module()]).await
}

fn floats(completed: &Completed, column: &str) -> Vec<Option<f64>> {
    let batch = read(completed);
    let values = batch.column_by_name(column).unwrap();
    values.as_primitive::<Float64Type>().iter().collect()
}

async fn scalars() {
    let order =
        order("SELECT id, \"m.twice\"(v) AS d FROM t WHERE \"m.twice\"(v) >= 5000 ORDER BY id")
            .await;
    let pool = pool(2).await;
    let first = pool.run(order.clone(), never()).await.unwrap();
    let second = pool.run(order, never()).await.unwrap();
    pool.shutdown().await;
    let expected: Vec<_> = (10_000..ROWS).map(|row| Some(row as f64 / 2.0)).collect();
    assert_eq!(floats(&first, "d"), expected);
    assert!(first.meter.fuel > ROWS as u64 * 5, "{}", first.meter.fuel);
    assert_eq!(first.meter.fuel, second.meter.fuel);
    assert_eq!(first.meter.rows_in, ROWS as u64);
    assert!(
        first.guest_log.starts_with(b"calledcalled"),
        "{:?}",
        first.guest_log
    );
}

async fn aggregates() {
    let sql = "SELECT k, \"m.total\"(v) AS one, sum(v) AS other, \"m.total\"(v + 1) AS more, \
               \"m.total\"(v) FILTER (WHERE id < 30) AS few FROM t GROUP BY k ORDER BY k";
    let completed = run_alone(order(sql).await).await;
    let (one, other) = (floats(&completed, "one"), floats(&completed, "other"));
    assert_eq!(one.len(), 3);
    assert_eq!(one, other);
    let counts = [6_667.0, 6_667.0, 6_666.0];
    let more: Vec<_> = one
        .iter()
        .zip(counts)
        .map(|(sum, count)| sum.map(|sum| sum + count))
        .collect();
    assert_eq!(floats(&completed, "more"), more);
    let few = |first: usize| {
        Some(
            (0..10)
                .map(|step| (first + 3 * step) as f64 / 4.0)
                .sum::<f64>(),
        )
    };
    assert_eq!(floats(&completed, "few"), [few(0), few(1), few(2)]);
    // As many groups as there are rows, and groups that end one after the other.
    let each =
        run_alone(order("SELECT id, \"m.total\"(v) AS s FROM t GROUP BY id ORDER BY id").await)
            .await;
    let expected: Vec<_> = (0..ROWS).map(|row| Some(row as f64 / 4.0)).collect();
    assert_eq!(floats(&each, "s"), expected);
    let sorted = "SELECT id, \"m.total\"(v) AS s FROM (SELECT * FROM t ORDER BY id LIMIT 19000) AS o GROUP BY id ORDER BY id";
    assert_eq!(
        floats(&run_alone(order(sorted).await).await, "s"),
        expected[..19_000]
    );
}

async fn edges_of_groups() {
    let nobody = run_alone(order("SELECT \"m.total\"(v) AS s FROM t WHERE id < 0").await).await;
    assert_eq!(
        floats(&nobody, "s"),
        [Some(0.0)],
        "a group that nothing was added to"
    );
    let all =
        run_alone(order("SELECT \"m.total\"(v) AS s, \"m.twice\"(1.5) AS c FROM t").await).await;
    let sum: f64 = (0..ROWS).map(|row| row as f64 / 4.0).sum();
    assert_eq!(floats(&all, "s"), [Some(sum)]);
    assert_eq!(
        floats(&all, "c"),
        [Some(3.0)],
        "a constant is computed by the guest too"
    );
    let window = "SELECT id, \"m.total\"(v) OVER (PARTITION BY k) AS s FROM t ORDER BY id LIMIT 4";
    let window = floats(&run_alone(order(window).await).await, "s");
    assert_eq!(window[0], window[3]);
    assert_ne!(window[0], window[1]);
}

const COPY: &str = r#"{"function":"m.copy","tables":["t"],"constants":[1]}"#;

async fn tables() {
    let sql = "SELECT c.id, c.v, t.k FROM called AS c JOIN t ON t.id = c.id WHERE c.id % 1000 = 1 ORDER BY c.id";
    let completed = run_alone(order_with(sql, COPY, vec![module()]).await).await;
    let batch = read(&completed);
    let ids: Vec<_> = batch.column(0).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(
        ids,
        (0..20)
            .map(|step| Some(step * 1_000 + 1))
            .collect::<Vec<_>>()
    );
    assert_eq!(floats(&completed, "v")[1], Some(250.25));
    let fails = r#"{"function":"m.copy","tables":["t"],"constants":[7]}"#;
    let failed = run_alone(order_with("SELECT * FROM called", fails, vec![module()]).await).await;
    assert_eq!(failed.outcome, Outcome::Faulted(Fault::GuestFailed));
    let mut narrow = order_with("SELECT count(*) AS n FROM called", COPY, vec![module()]).await;
    narrow.limits.memory_bytes = Limits::default().memory_bytes;
    assert_eq!(run_alone(narrow).await.outcome, Outcome::Finished);
}

async fn evil() {
    for (name, outcome) in [
        ("short", Outcome::Faulted(Fault::GuestOutputInvalid)),
        ("wild", Outcome::Faulted(Fault::GuestOutputInvalid)),
        ("none", Outcome::Faulted(Fault::GuestFailed)),
        ("emits", Outcome::Faulted(Fault::GuestOutputInvalid)),
        ("pulls", Outcome::Faulted(Fault::GuestOutputInvalid)),
        ("traps", Outcome::Faulted(Fault::GuestTrapped)),
        ("words", Outcome::Faulted(Fault::GuestOutputInvalid)),
    ] {
        let sql = format!("SELECT \"m.{name}\"(v) AS x FROM t");
        let completed = run_alone(order(&sql).await).await;
        assert_eq!(completed.outcome, outcome, "{name}");
        assert!(completed.output.is_none(), "{name}");
    }
}

async fn endless() {
    let mut spins = order("SELECT \"m.spins\"(v) AS x FROM t").await;
    spins.limits.fuel = 50_000_000;
    let completed = run_alone(spins.clone()).await;
    assert_eq!(completed.outcome, Outcome::LimitExceeded(Limit::Fuel));
    assert_eq!(completed.meter.fuel, 50_000_000);
    spins.limits.fuel = 1 << 50;
    spins.limits.wall_ms = 400;
    assert_eq!(run_alone(spins).await.outcome, Outcome::TimedOut);
    // What one function burnt, the other has not.
    let both = order("SELECT \"m.twice\"(v) AS a, \"m.twice\"(v + 1) AS b FROM t").await;
    let whole = run_alone(both.clone()).await.meter.fuel;
    let mut less = both.clone();
    less.limits.fuel = whole / 10 * 9;
    assert_eq!(
        run_alone(less).await.outcome,
        Outcome::LimitExceeded(Limit::Fuel)
    );
    let mut exact = both;
    exact.limits.fuel = whole;
    assert_eq!(run_alone(exact).await.outcome, Outcome::Finished);
}

async fn undeclared() {
    let refused = Outcome::Faulted(Fault::ProgramRefused);
    let unknown = Outcome::Faulted(Fault::ProgramInvalid);
    let absent = order("SELECT \"m.absent\"(v) AS x FROM t").await;
    assert_eq!(run_alone(absent).await.outcome, unknown);
    let without = order_with("SELECT \"m.twice\"(v) AS x FROM t", "", vec![]).await;
    assert_eq!(run_alone(without).await.outcome, unknown);
    for call in [
        r#"{"function":"m.twice","tables":["t"],"constants":[1]}"#,
        r#"{"function":"m.copy","tables":[],"constants":[1]}"#,
        r#"{"function":"m.copy","tables":["u"],"constants":[1]}"#,
        r#"{"function":"m.copy","tables":["t"],"constants":["1"]}"#,
        r#"{"function":"m.copy","tables":["t"],"constants":[1],"more":1}"#,
        "{",
    ] {
        let order = order_with("SELECT * FROM called", call, vec![module()]).await;
        assert_eq!(run_alone(order).await.outcome, refused, "{call}");
    }
    // A manifest that says more than the code has: the platform would not have taken it.
    let mut lying = module();
    lying.functions.push(ModuleFunction::Scalar {
        name: "absent".to_owned(),
        arguments: vec![],
        returns: ColumnType::Float64,
    });
    let manifest = ModuleManifest {
        name: "m".to_owned(),
        version: "1".to_owned(),
        description: String::new(),
        functions: lying.functions.clone(),
        job: None,
    };
    let manifest = serde_json::to_vec(&manifest).unwrap();
    assert!(with_manifest(&lying.module, &manifest).is_err());
    assert!(inspect_module(&lying.module).is_ok());
}

async fn two_modules() {
    let second = SqlModule {
        name: "n".to_owned(),
        ..module()
    };
    let sql = "SELECT \"n.twice\"(\"m.twice\"(v)) AS d, \"m.total\"(v) AS a FROM t WHERE id = 4 GROUP BY 1";
    let completed = run_alone(order_with(sql, "", vec![module(), second]).await).await;
    assert_eq!(floats(&completed, "d"), [Some(4.0)]);
    assert_eq!(floats(&completed, "a"), [Some(1.0)]);
}
