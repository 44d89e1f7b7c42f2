//! Programs that use too much, end badly, or lie.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use runtime::{Completed, Fault, Limit, Limits, Order, Outcome};

use crate::support::{answer, never, pool, run_alone, task, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("limits::memory", memory),
        test("limits::threads_and_descriptors", threads_and_descriptors),
        test("limits::output", output),
        test("limits::wall_time", wall_time),
        test("limits::cpu_time", cpu_time),
        test("limits::bad_ends", bad_ends),
        test("limits::lies_over_the_control_socket", lies),
    ]
}

fn with(mut order: Order, change: impl FnOnce(&mut Limits)) -> Order {
    change(&mut order.limits);
    order
}

async fn memory() {
    let bytes = 300 << 20;
    for request in ["slowly", "once"] {
        let order = with(task("memory", request.as_bytes()), |limits| {
            limits.memory_bytes = bytes
        });
        let completed = run_alone(order).await;
        assert_eq!(
            completed.outcome,
            Outcome::LimitExceeded(Limit::Memory),
            "{request}"
        );
        assert!(completed.output.is_none());
        let peak = completed.meter.memory_peak_bytes;
        assert!(peak < bytes + (200 << 20), "{peak}");
        assert!(request == "once" || peak > 100 << 20, "{peak}");
    }
}

async fn threads_and_descriptors() {
    let threads: u32 = answer(&run_alone(task("threads", b"")).await)
        .parse()
        .unwrap();
    assert!((8..64).contains(&threads), "{threads}");
    let descriptors: u32 = answer(&run_alone(task("descriptors", b"")).await)
        .parse()
        .unwrap();
    assert!((8..320).contains(&descriptors), "{descriptors}");
}

async fn output() {
    let limit = 100_000;
    let answering = |bytes: u64| {
        with(task("answer", bytes.to_string().as_bytes()), |limits| {
            limits.output_bytes_max = limit
        })
    };
    let completed = run_alone(answering(limit)).await;
    assert_eq!(completed.output.unwrap().len() as u64, limit);
    let completed = run_alone(answering(limit + 1)).await;
    assert_eq!(
        completed.outcome,
        Outcome::LimitExceeded(Limit::OutputBytes)
    );
    assert!(completed.output.is_none());
    // Past the worker's own check the kernel's limit stands: no more than that is ever written.
    let order = with(task("overflow-output", b""), |limits| {
        limits.output_bytes_max = limit
    });
    let completed = run_alone(order).await;
    assert_eq!(completed.output.unwrap().len() as u64, limit);
    // Where the kernel's limit is wider, since it is one for all files, the supervisor looks again.
    let order = with(task("overflow-output", b""), |limits| {
        limits.output_bytes_max = 1_000
    });
    let completed = run_alone(order).await;
    assert_eq!(
        completed.outcome,
        Outcome::LimitExceeded(Limit::OutputBytes)
    );
    assert!(completed.output.is_none());
    assert!(completed.guest_log.len() as u64 <= Limits::default().guest_log_bytes);
}

async fn wall_time() {
    let started = Instant::now();
    let pool = pool(1).await;
    let dispatched = Instant::now();
    let order = with(task("spin", b""), |limits| limits.wall_ms = 300);
    let completed = pool.run(order, never()).await.unwrap();
    let took = dispatched.elapsed();
    assert_eq!(completed.outcome, Outcome::TimedOut);
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert!(completed.meter.cpu_us > 50_000, "{:?}", completed.meter);
    // The next run has a worker of its own.
    let completed = pool.run(task("echo", b"after"), never()).await.unwrap();
    assert_eq!(answer(&completed), "after");
    pool.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

async fn cpu_time() {
    let order = with(task("spin", b""), |limits| limits.cpu_s = 1);
    let completed = run_alone(order).await;
    assert_eq!(completed.outcome, Outcome::LimitExceeded(Limit::Cpu));
    assert!(completed.meter.wall_us < 20_000_000);
}

async fn bad_ends() {
    let pool = pool(2).await;
    for (name, outcome) in [
        ("refuse", Outcome::Faulted(Fault::TaskFailed)),
        ("nothing of this name", Outcome::Faulted(Fault::TaskUnknown)),
        ("panic", Outcome::Faulted(Fault::Panicked)),
        ("abort", Outcome::Faulted(Fault::Crashed)),
        ("crash", Outcome::Faulted(Fault::Crashed)),
    ] {
        let completed = pool
            .run(task(name, b"a secret value"), never())
            .await
            .unwrap();
        assert_eq!(completed.outcome, outcome, "{name}");
        assert_nothing_said(&completed);
    }
    pool.shutdown().await;
}

/// A panic's text may quote a value: it appears nowhere.
fn assert_nothing_said(completed: &Completed) {
    assert!(completed.output.is_none());
    assert!(!format!("{completed:?}").contains("secret"));
}

async fn lies() {
    let frame = |body: &str| {
        let mut frame = u32::try_from(body.len() + 1)
            .unwrap()
            .to_le_bytes()
            .to_vec();
        frame.push(1);
        frame.extend(body.as_bytes());
        frame
    };
    let mut long = u32::MAX.to_le_bytes().to_vec();
    long.extend([0; 64]);
    let sealed = r#"{"sealed":{"layers":[]}}"#;
    let broken = Outcome::Faulted(Fault::ProtocolViolated);
    let pool = pool(2).await;
    for (what, bytes) in [
        ("rubbish", b"\x05\0\0\0rubbish".to_vec()),
        ("a frame without end", long),
        ("another version", b"\x03\0\0\0\x02{}".to_vec()),
        ("an unknown message", frame(r#"{"open":{}}"#)),
        (
            "ready again",
            frame(r#"{"ready":{"layers":[],"cpu_us":0}}"#),
        ),
        ("sealed again", frame(sealed)),
        (
            "unknown fields",
            frame(r#"{"done":{"outcome":"finished","fuel":0,"rows_in":0,"rows_out":0,"x":1}}"#),
        ),
        (
            "text for an outcome",
            frame(r#"{"done":{"outcome":"a secret value","fuel":0,"rows_in":0,"rows_out":0}}"#),
        ),
    ] {
        let completed = pool.run(task("say", &bytes), never()).await.unwrap();
        assert_eq!(completed.outcome, broken, "{what}");
        assert_nothing_said(&completed);
    }
    // A forged end is an end, with an output that is what was written, and figures in bounds.
    let forged = frame(
        r#"{"done":{"outcome":"finished","fuel":18446744073709551615,"rows_in":0,"rows_out":18446744073709551615}}"#,
    );
    let completed = pool.run(task("say", &forged), never()).await.unwrap();
    assert_eq!(completed.outcome, Outcome::Finished);
    assert_eq!(completed.output.as_deref(), Some(&[][..]));
    let limits = Limits::default();
    assert!(completed.meter.fuel <= limits.fuel);
    assert!(completed.meter.rows_out <= limits.output_rows_max);
    pool.shutdown().await;
}
