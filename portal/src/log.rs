//! The log: standard error, one line an event, this project's own crates only.

use crate::config::{Log, LogFormat, LogLevel};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts the log and makes panics part of it.
///
/// What libraries say is kept below warnings, as their details may quote values.
pub(crate) fn start(log: Log, env: impl Fn(&str) -> Option<String>) {
    let level = env("EGRET_LOG")
        .and_then(|text| LogLevel::parse(&text))
        .unwrap_or(log.level);
    let own = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let targets = Targets::new()
        .with_targets(["portal", "sandbox", "runtime", "review", "masking"].map(|name| (name, own)))
        .with_default(LevelFilter::ERROR);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second start in one process (tests, demo) keeps the first log.
    let _ = match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        // Where, not what: the text of a panic may hold values.
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(
            place,
            "a panic was caught; the request at work is answered 500"
        );
    }));
}
