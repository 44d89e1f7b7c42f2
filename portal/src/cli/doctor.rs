//! `egret doctor`: what isolation this host can give, layer by layer, tried in a real worker.

use super::output::padded;
use super::words;
use crate::http::dto::{LayerState, LayerView};
use sandbox::{Bilingual, Lang};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `egret doctor`.
#[derive(clap::Args)]
pub struct Doctor {
    /// 输出形式 · form of the output
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

#[derive(serde::Serialize)]
struct Report {
    /// Whether a node on this host takes jobs.
    ready: bool,
    layers: Vec<LayerView>,
}

impl Doctor {
    /// Probes and prints. 0 when every required layer holds, else 1.
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let probed = std::env::current_exe().and_then(|executable| {
            let arguments = crate::server::worker_arguments();
            super::runtime()?
                .block_on(sandbox::probe(executable, arguments))
                .map_err(std::io::Error::other)
        });
        let layers: Vec<LayerView> = match probed {
            Ok(layers) => layers.iter().map(Into::into).collect(),
            Err(error) => {
                eprintln!("egret: {error}");
                return ExitCode::FAILURE;
            }
        };
        let ready = takes_jobs(&layers);
        let report = Report { ready, layers };
        let printed = match self.output {
            Form::Table => table(&report, lang),
            Form::Json => json(&report),
        };
        if printed.is_ok() && ready {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn json(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, report)?;
    writeln!(out)
}

fn table(report: &Report, lang: Lang) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for layer in &report.layers {
        writeln!(out, "{}", line(layer, lang))?;
    }
    writeln!(out, "{}", verdict(report.ready).text(lang))
}

/// Whether every required layer holds.
pub(crate) fn takes_jobs(layers: &[LayerView]) -> bool {
    !layers.is_empty()
        && layers
            .iter()
            .all(|layer| !layer.required || layer.state == LayerState::Enforced)
}

/// What follows from the layers.
pub(crate) fn verdict(takes_jobs: bool) -> Bilingual {
    if takes_jobs {
        Bilingual::new(
            "必需的隔离层全部生效；本机可以承接作业。",
            "every required layer holds; this host takes jobs.",
        )
    } else {
        Bilingual::new(
            "缺少必需的隔离层；本机不承接作业。",
            "a required layer is missing; this host takes no jobs.",
        )
    }
}

/// One layer as a line: name, state, whether it is required, details.
pub(crate) fn line(layer: &LayerView, lang: Lang) -> String {
    let state = match (layer.state, lang) {
        (LayerState::Enforced, Lang::Zh) => "生效".to_owned(),
        (LayerState::Enforced, Lang::En) => "enforced".to_owned(),
        (LayerState::Unavailable, Lang::Zh) => {
            format!("不可用（errno {}）", layer.errno.unwrap_or(0))
        }
        (LayerState::Unavailable, Lang::En) => {
            format!("unavailable (errno {})", layer.errno.unwrap_or(0))
        }
        (LayerState::Off, Lang::Zh) => "关闭".to_owned(),
        (LayerState::Off, Lang::En) => "off".to_owned(),
    };
    let required = match (layer.required, lang) {
        (true, Lang::Zh) => "必需",
        (true, Lang::En) => "required",
        (false, _) => "",
    };
    let name = match lang {
        Lang::Zh => words::chinese(&layer.layer).unwrap_or(&layer.layer),
        Lang::En => &layer.layer,
    };
    let columns = [padded(name, 20), padded(&state, 24), padded(required, 9)];
    format!("{} {}", columns.join(" "), layer.detail)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(required: bool, state: LayerState) -> LayerView {
        LayerView {
            layer: "seccomp".to_owned(),
            state,
            required,
            errno: (state == LayerState::Unavailable).then_some(38),
            detail: "tried".to_owned(),
        }
    }

    #[test]
    fn only_a_missing_required_layer_keeps_a_host_from_jobs() {
        use LayerState::{Enforced, Off, Unavailable};
        assert!(takes_jobs(&[
            layer(true, Enforced),
            layer(false, Unavailable)
        ]));
        assert!(!takes_jobs(&[
            layer(true, Enforced),
            layer(true, Unavailable)
        ]));
        assert!(!takes_jobs(&[layer(true, Off)]));
        assert!(!takes_jobs(&[]));
    }

    #[test]
    fn a_line_says_state_error_number_and_need() {
        let missing = layer(true, LayerState::Unavailable);
        let said = line(&missing, Lang::En);
        for word in ["seccomp", "unavailable (errno 38)", "required", "tried"] {
            assert!(said.contains(word), "{said}");
        }
        assert!(line(&missing, Lang::Zh).contains("不可用（errno 38）"));
        assert!(!line(&layer(false, LayerState::Off), Lang::En).contains("required"));
    }
}
