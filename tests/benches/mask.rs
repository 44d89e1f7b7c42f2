//! Masking: what finding identifiers, transforms, whole files and the search for a generalisation cost.

mod detect;
mod files;
mod flash;
mod transforms;

/// The parts, each by its name.
pub(crate) const PARTS: [(&str, fn()); 4] = [
    ("detect", detect::run),
    ("transforms", transforms::run),
    ("files", files::run),
    ("flash", flash::run),
];

/// A count as a number to divide by.
#[allow(clippy::cast_precision_loss, reason = "counts of rows, far below 2^53")]
fn number(count: usize) -> f64 {
    count as f64
}

/// The shortest of some runs, in seconds: the cores may be busy with something else.
fn shortest(rounds: usize, mut run: impl FnMut()) -> f64 {
    let seconds = (0..rounds).map(|_| {
        let start = std::time::Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}
