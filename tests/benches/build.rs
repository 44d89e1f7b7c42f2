//! How long a clean build takes, and how large the binary is.

use std::{process::Command, time::Instant};

use crate::record::{Figure, record, root};

pub(crate) fn run() {
    let target = tempfile::tempdir().expect("a temporary folder");
    let start = Instant::now();
    let status = Command::new("cargo")
        .args(["build", "--locked", "--offline", "-p", "portal"])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target.path())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the build failed");
    record(&Figure {
        name: "build_clean_s",
        ours: start.elapsed().as_secs_f64(),
        peer: None,
        unit: "s",
        note: "cargo build -p portal, dev profile, empty target folder, crates already downloaded",
    });
    for (name, file) in [
        ("binary_dev_mib", target.path().join("debug/egret")),
        ("binary_release_mib", harness::egret()),
    ] {
        let bytes = std::fs::metadata(&file).expect("the binary").len();
        #[allow(clippy::cast_precision_loss, reason = "a size in mebibytes")]
        let ours = bytes as f64 / f64::from(1 << 20);
        record(&Figure {
            name,
            ours,
            peer: None,
            unit: "MiB",
            note: "egret, not stripped",
        });
    }
}
