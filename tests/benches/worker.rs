//! What a jailed worker costs: from nothing to done (cold), and handed out of the pool (warm).

use std::time::Instant;

use runtime::{Limits, Order, PoolConfig, Program, Supervisor};
use tokio::sync::watch;

use crate::{
    WORKER,
    record::{Figure, quantile, record},
};

const ROUNDS: usize = 50;

pub(crate) async fn run() {
    let mut cold = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let pool = pool(1).await;
        cold.push(start.elapsed().as_secs_f64() * 1e3);
        pool.shutdown().await;
    }
    let pool = pool(2).await;
    let mut warm = Vec::new();
    for _ in 0..ROUNDS {
        // The pool refills behind a run; what is measured is a pool that is full.
        while pool.queue().idle < 2 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        let (_keep, cancel) = watch::channel(false);
        let order = Order {
            program: Program::Task {
                name: "nothing".to_owned(),
                request: Vec::new(),
            },
            inputs: Vec::new(),
            limits: Limits::default(),
        };
        let completed = pool.run(order, cancel).await.expect("the pool runs");
        warm.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(completed.output.is_some(), "{}", completed.outcome);
    }
    pool.shutdown().await;
    cold.sort_by(f64::total_cmp);
    warm.sort_by(f64::total_cmp);
    record(&Figure {
        name: "worker_cold_ms",
        ours: quantile(&cold, 0.5),
        peer: None,
        unit: "ms",
        note: "median of 50: exec, jail, engine warm-up and the trial of each layer, until the pool is ready",
    });
    record(&Figure {
        name: "worker_warm_ms",
        ours: quantile(&warm, 0.5),
        peer: None,
        unit: "ms",
        note: "median of 50: an empty task through a warm worker, until its output is back",
    });
}

/// A pool whose workers are this program.
pub(crate) async fn pool(size: usize) -> Supervisor {
    Supervisor::start(PoolConfig {
        executable: std::env::current_exe().expect("a program knows its path"),
        args: vec![WORKER.into()],
        size,
        queue_max: 16,
        spill: None,
        allow_degraded: false,
    })
    .await
    .expect("the jail holds here")
}

/// The task that does nothing.
pub(crate) fn nothing(_request: &[u8], _inputs: Vec<std::fs::File>) -> Result<Vec<u8>, ()> {
    Ok(vec![1])
}
