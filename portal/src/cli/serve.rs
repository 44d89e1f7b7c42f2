//! `egret serve`: the server in the foreground, until it is asked to stop.

use super::doctor;
use crate::config::Config;
use crate::http::dto::LayerView;
use crate::server::{Host, Server, stop_signal};
use crate::start::StartFailure;
use sandbox::{Bilingual, Lang, Platform, TableFolder};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Arguments of `egret serve`.
#[derive(clap::Args)]
pub struct Serve {
    /// 配置文件（TOML）· configuration file
    #[arg(long, env = "EGRET_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// 监听地址，覆盖配置 · address and port, over the configuration
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// 数据目录，覆盖配置 · data folder, over the configuration
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// 账本锚文件丢失后，按数据库现状启动一次；记入账本 · start once without the ledger's lost anchor; written into the ledger
    #[arg(long)]
    recover_anchor: bool,
}

impl Serve {
    /// Serves until SIGTERM or SIGINT. 0 after an orderly stop, 1 when the server could not start.
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let env = |name: &str| std::env::var(name).ok();
        let served = self.config(env).and_then(|config| {
            crate::log::start(config.log, env);
            super::runtime()
                .map_err(|error| {
                    StartFailure::new(
                        format!("无法启动：{error}"),
                        format!("cannot start: {error}"),
                    )
                })?
                .block_on(serve(&config, lang))
        });
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{}", failure.text(lang));
                ExitCode::FAILURE
            }
        }
    }

    fn config(&self, env: impl Fn(&str) -> Option<String>) -> Result<Config, StartFailure> {
        let mut config = match &self.config {
            Some(path) => Config::load(path, env)?,
            None => Config::default().overridden(env),
        };
        if let Some(address) = self.listen {
            config.listen = address;
        }
        config.recover_anchor = self.recover_anchor;
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        Ok(config)
    }
}

async fn serve(config: &Config, lang: Lang) -> Result<(), StartFailure> {
    // Before anybody is told of the server, so that whoever stops it at once stops it in order.
    let stop = stop_signal().map_err(|error| {
        StartFailure::new(
            format!("无法接收停止信号：{error}"),
            format!("cannot receive the stop signal: {error}"),
        )
    })?;
    if let Some(folder) = &config.tables_dir {
        let tables = TableFolder::read(folder)?;
        tables.put_in_use()?;
        let files: Vec<&str> = tables.files().collect();
        tracing::info!(tables.files = ?files, "tables are read in place of those built in");
    }
    let hang_ups = hang_ups()?;
    let server = Server::start(config, Host::of_this_process()?).await?;
    let reloading = tokio::spawn(reload(
        hang_ups,
        server.platform().clone(),
        config.tables_dir.clone(),
    ));
    // The lines are for whoever started it; a closed standard output does not stop a server.
    let _ = announce(config, &server, lang);
    tracing::info!(address = %server.address(), "the server answers");
    stop.await;
    tracing::info!("the server stops");
    reloading.abort();
    server.stop().await;
    Ok(())
}

fn hang_ups() -> Result<Signal, StartFailure> {
    signal(SignalKind::hangup()).map_err(|error| {
        StartFailure::new(
            format!("无法接收挂起信号：{error}"),
            format!("cannot receive the hang-up signal: {error}"),
        )
    })
}

/// Reads the tables anew with every SIGHUP; tables with a fault change nothing.
async fn reload(mut hang_ups: Signal, platform: Platform, folder: Option<PathBuf>) {
    while hang_ups.recv().await.is_some() {
        let Some(folder) = &folder else {
            tracing::info!("SIGHUP: no tables_dir is configured, so there is nothing to read anew");
            continue;
        };
        let read = match TableFolder::read(folder) {
            Ok(tables) => platform.replace_tables(&tables).await.map(|()| tables),
            Err(error) => Err(error),
        };
        match read {
            Ok(tables) => {
                let files: Vec<&str> = tables.files().collect();
                tracing::info!(tables.files = ?files, "tables were read anew");
            }
            Err(error) => tracing::error!(%error, "tables were not read anew; those in use stay"),
        }
    }
}

fn announce(config: &Config, server: &Server, lang: Lang) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let line = |zh: &str, en: &str| Bilingual::new(zh, en).text(lang).to_owned();
    let data_dir = std::path::absolute(&config.data_dir)?;
    writeln!(
        out,
        "{:<10} http://{}",
        line("地址", "address"),
        server.address()
    )?;
    writeln!(
        out,
        "{:<10} {}",
        line("数据目录", "data"),
        data_dir.display()
    )?;
    let layers: Vec<LayerView> = server.platform().layers().iter().map(Into::into).collect();
    let isolation = line("隔离", "isolation");
    for layer in &layers {
        writeln!(out, "{isolation:<10} {}", doctor::line(layer, lang))?;
    }
    let verdict = if !doctor::takes_jobs(&layers) && config.workers.allow_degraded_jail {
        Bilingual::new(
            "缺少必需的隔离层；按 workers.allow_degraded_jail 仍承接作业。",
            "a required layer is missing; jobs are taken all the same, by workers.allow_degraded_jail.",
        )
    } else {
        doctor::verdict(doctor::takes_jobs(&layers))
    };
    writeln!(out, "{isolation:<10} {}", verdict.text(lang))?;
    out.flush()
}
