//! `egret demo`: the main job end to end on a platform of its own, played through the HTTP API as a client would.
//!
//! Each step says what it shows and checks it on the data: results are held against what the embedded measurements
//! give when they are counted here, without the platform. A step that does not hold makes the exit code 1.

mod acts;
mod cast;
mod claims;
mod employment;
mod identities;
mod offer;
mod source;
mod stage;
mod story;
mod trips;
mod truth;

use crate::client::Client;
use crate::config::{Config, Log, LogLevel};
use crate::server::{Host, Server, stop_signal};
use crate::start::StartFailure;
use acts::{intake, opening, proof, scenario, sql, wasm};
use sandbox::Lang;
use stage::Stage;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use story::{Story, says, tell};

/// Arguments of `egret demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// 演示后保持服务运行，并打印地址与账号 · leave the server running, and print its address and the sign-ins
    #[arg(long, conflicts_with = "exit")]
    keep: bool,
    /// 演示后退出（默认）；全部步骤成立时退出码为 0 · exit afterwards (as without it); 0 only if every step held
    #[arg(long)]
    exit: bool,
    /// 数据目录，须为空（默认：临时目录，结束时删除）· data folder, empty [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// 端口（默认：任一空闲端口）· port [default: any that is free]
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl Demo {
    /// 0 when every step held, else 1.
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        crate::log::start(
            Log {
                level: LogLevel::Error,
                ..Log::default()
            },
            |name| std::env::var(name).ok(),
        );
        let played = crate::cli::runtime()
            .map_err(|error| {
                StartFailure::new(
                    format!("无法启动：{error}"),
                    format!("cannot start: {error}"),
                )
            })
            .and_then(|runtime| runtime.block_on(self.play(lang)));
        match played {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failure) => {
                eprintln!("{}", failure.text(lang));
                ExitCode::FAILURE
            }
        }
    }

    async fn play(self, lang: Lang) -> Result<bool, StartFailure> {
        let folder = Folder::of(self.data_dir.as_deref())?;
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let server = Server::start(&config, Host::of_this_process()?).await?;
        let address = format!("http://{}", server.address());
        tell(&format!(
            "{}\n\n",
            says(
                format!(
                    "白鹭演示：平台 {address}，数据目录 {}",
                    folder.path().display()
                ),
                format!(
                    "Egret demo: platform at {address}, data in {}",
                    folder.path().display()
                ),
            )
            .text(lang)
        ));
        let client = Client::new(&address, lang)
            .map_err(|error| StartFailure::new(error.text(Lang::Zh), error.text(Lang::En)))?;
        let mut stage = Stage::new(client, folder.path().to_owned(), lang);
        // Whoever stops it half-way gets the machine back as it was.
        let held = tokio::select! {
            held = perform(&mut stage, lang) => Some(held),
            () = stopped() => None,
        };
        if self.keep && held.is_some() {
            keep(&stage, &address, folder.path(), lang);
            stopped().await;
        }
        server.stop().await;
        Ok(held.unwrap_or(false))
    }
}

/// Waits to be asked to stop. Where no signal can be waited for there is nothing to wait with, and it goes on at once.
async fn stopped() {
    if let Ok(signal) = stop_signal() {
        signal.await;
    }
}

/// The steps in their order; whether all held.
async fn perform(stage: &mut Stage, lang: Lang) -> bool {
    let mut story = Story::new(lang);
    let t = &mut story;
    t.step(
        says("机构、账号与登录", "organisations, accounts, signing in"),
        opening::people(stage),
    )
    .await;
    t.step(
        says(
            "平台的底座：数据库、密钥、隔离层",
            "what it stands on: database, keys, jail",
        ),
        opening::ground(stage),
    )
    .await;
    t.step(
        says(
            "三个行业的目录与脱敏策略",
            "catalogue entries and masking policies of three industries",
        ),
        intake::catalogue(stage),
    )
    .await;
    t.step(
        says(
            "推送：卫生健康（Parquet，埋有错误）",
            "push: health (Parquet with planted faults)",
        ),
        intake::push(stage, 0),
    )
    .await;
    t.step(
        says(
            "推送：社会保障（GB18030 CSV）",
            "push: social security (CSV in GB18030)",
        ),
        intake::push(stage, 1),
    )
    .await;
    t.step(
        says("推送：交通运输（CSV）", "push: transport (CSV)"),
        intake::push(stage, 2),
    )
    .await;
    t.step(says("数据量", "volume"), intake::volume(stage))
        .await;
    t.step(
        says(
            "质量报告与问题数据反馈",
            "quality report and problem list for the provider",
        ),
        intake::quality(stage),
    )
    .await;
    t.step(
        says("按策略脱敏", "masking by policy"),
        intake::masking(stage),
    )
    .await;
    t.step(
        says(
            "脱敏前后的重识别风险",
            "risk of re-identification before and after masking",
        ),
        intake::risk(stage),
    )
    .await;
    t.step(
        says("提出场景", "a scenario class is proposed"),
        scenario::propose(stage),
    )
    .await;
    t.step(
        says("两名审查员审定场景", "two reviewers approve the scenario"),
        scenario::approve(stage),
    )
    .await;
    t.step(
        says(
            "申请、数据提供方同意、授权",
            "application, providers' consent, grant",
        ),
        scenario::grant(stage),
    )
    .await;
    t.step(
        says("带入非公共数据", "the tenant brings a private data set"),
        scenario::private(stage),
    )
    .await;
    t.step(
        says(
            "SQL：公共数据与非公共数据关联汇总",
            "SQL: public and private data joined and aggregated",
        ),
        sql::join(stage),
    )
    .await;
    t.step(
        says(
            "WASM：读取投放数据，结果待审",
            "WASM: reads the staged data, the result is held",
        ),
        wasm::run(stage),
    )
    .await;
    t.step(
        says(
            "两名审查员凭依据表决，放行",
            "two reviewers vote on the evidence, it is released",
        ),
        wasm::vote(stage),
    )
    .await;
    t.step(
        says(
            "SQL：场景外的列被拒绝",
            "SQL: a column outside the scenario is refused",
        ),
        sql::outside(stage),
    )
    .await;
    t.step(
        says(
            "SQL：差分攻击的第二条被拒绝",
            "SQL: the second of a differencing pair is refused",
        ),
        sql::differencing(stage),
    )
    .await;
    t.step(
        says("离线验证溯源证书", "the certificate is verified offline"),
        proof::certificate(stage),
    )
    .await;
    t.step(says("存证账本", "the ledger"), proof::ledger(stage))
        .await;
    t.step(
        says("撤销场景", "the scenario is revoked"),
        proof::revocation(stage),
    )
    .await;
    story.end()
}

/// Says how to go on by hand.
fn keep(stage: &Stage, address: &str, data_dir: &Path, lang: Lang) {
    let mut text = says(
        format!(
            "服务仍在运行：{address}（数据目录 {}），Ctrl-C 结束。账号与口令：",
            data_dir.display()
        ),
        format!(
            "the server goes on: {address} (data in {}), Ctrl-C ends it. Accounts and passwords:",
            data_dir.display()
        ),
    )
    .text(lang)
    .to_owned();
    text.push('\n');
    for (account, password) in stage.cast.iter().flat_map(|cast| &cast.sign_ins) {
        text.push_str(&format!("    {account:<32} {password}\n"));
    }
    text.push_str(&format!(
        "    egret login --server {address} insurance-developer\n"
    ));
    tell(&text);
}

/// The data folder: a temporary one that goes with the demonstration, or the one asked for.
enum Folder {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Folder {
    fn of(given: Option<&Path>) -> Result<Self, StartFailure> {
        let Some(path) = given else {
            return tempfile::Builder::new()
                .prefix("egret-demo-")
                .tempdir()
                .map(Self::Temporary)
                .map_err(|error| {
                    StartFailure::new(
                        format!("无法建立临时目录：{error}"),
                        format!("cannot make a temporary folder: {error}"),
                    )
                });
        };
        let shown = path.display();
        // The story begins with nobody and nothing; on a platform in use its steps would not hold.
        let used = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            return Err(StartFailure::new(
                format!("数据目录 {shown} 不是空的"),
                format!("the data folder {shown} is not empty"),
            )
            .remedied(
                "换一个空目录，或不用 --data-dir。",
                "name an empty folder, or leave --data-dir out.",
            ));
        }
        Ok(Self::Given(path.to_owned()))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
