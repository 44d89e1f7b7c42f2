//! Progress on the terminal: bytes of an upload, the state of a wait. Nothing is drawn where there is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Bytes of an upload.
pub(crate) fn bytes(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    bar
}

/// A wait whose state is told as it changes.
pub(crate) fn wait(message: impl Into<String>) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_message(message.into());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
