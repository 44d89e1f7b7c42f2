//! From submit to the released result in the client's hands, with a warm pool and a fresh jailed process per run.

use std::time::Instant;

use harness::World;
use serde_json::json;

use crate::record::{Figure, quantile, record};

const WARM_UP: usize = 10;
const RUNS: usize = 200;

pub(crate) async fn run() {
    let world = World::new().await;
    let sql =
        "select district, count(*) as n, sum(income) as total from residents group by district";
    let body = json!({ "grant": world.grant, "program": { "kind": "sql", "sql": sql } });
    let mut taken = Vec::with_capacity(RUNS);
    for round in 0..WARM_UP + RUNS {
        let start = Instant::now();
        let job = world.developer.post("/jobs", &body).await.ok();
        let run = job["run"].as_str().expect("a run").to_owned();
        let view = world
            .developer
            .get(&format!("/runs/{run}?wait_ms=10000"))
            .await
            .ok();
        let release = view["release"]
            .as_str()
            .unwrap_or_else(|| panic!("no release: {view}"));
        let result = world
            .developer
            .get(&format!("/releases/{release}/result"))
            .await;
        assert_eq!(result.status, 200, "{}", result.text());
        assert!(result.text().lines().count() == 7, "{}", result.text());
        if round >= WARM_UP {
            taken.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    taken.sort_by(f64::total_cmp);
    let note = format!(
        "POST /jobs, GET /runs?wait_ms, GET /releases/{{id}}/result over HTTP; 1,200 rows, SQLite, {}",
        crate::record::PROFILE
    );
    for (name, q) in [("turnaround_p50_ms", 0.5), ("turnaround_p99_ms", 0.99)] {
        record(&Figure {
            name,
            ours: quantile(&taken, q),
            peer: None,
            unit: "ms",
            note: &note,
        });
    }
}
