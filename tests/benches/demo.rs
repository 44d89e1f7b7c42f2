//! How long the demo takes from start to end.

use std::{process::Command, time::Instant};

use crate::record::{Figure, record};

pub(crate) fn run() {
    let start = Instant::now();
    let output = Command::new(harness::egret())
        .args(["demo", "--exit"])
        .output()
        .expect("egret starts");
    let taken = start.elapsed().as_secs_f64();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    record(&Figure {
        name: "demo_s",
        ours: taken,
        peer: None,
        unit: "s",
        note: &format!(
            "egret demo --exit, {}, every step checked",
            crate::record::PROFILE
        ),
    });
}
