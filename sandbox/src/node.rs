//! This node: its workers, what it has in hand, and who waits for news of it.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use runtime::{Completed, LayerReport, Order, PoolConfig, StartError, Supervisor};
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::task::JoinHandle;

use crate::access::{Actor, Object, Operation};
use crate::clock::Entropy;
use crate::error::Error;
use crate::job::{RateWindows, StagedCache};
use crate::platform::Platform;
use crate::release::HistoryCache;
use crate::settings::Settings;
use crate::tasks;

/// Orders that may wait for a worker: the driver takes no more runs than there are workers, so only
/// inspections and modules wait.
const ORDERS_WAITING_MAX: usize = 256;
/// News that a slow listener may miss before it has to look for itself.
const NEWS_KEPT: usize = 1_024;
/// Programs that are admitted at a time: planning is work, and hostile plans are much work.
const ADMISSIONS_MAX: usize = 2;
/// Bytes of staged files kept in memory.
const STAGED_BYTES_MAX: u64 = 1 << 30;

/// What a node has in hand beside the database.
pub(crate) struct Node {
    /// None where no worker can be started; the node then takes no runs.
    supervisor: Mutex<Option<Arc<Supervisor>>>,
    layers: Vec<LayerReport>,
    slots: usize,
    /// The node's name and this life of it: what leases are held under.
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) staged: StagedCache,
    pub(crate) history: HistoryCache,
    pub(crate) rates: RateWindows,
    pub(crate) admissions: Semaphore,
    in_hand: Mutex<HashMap<String, watch::Sender<bool>>>,
    news: broadcast::Sender<String>,
    wake: Notify,
    check: Notify,
    closing: watch::Sender<bool>,
    driver: Mutex<Option<JoinHandle<()>>>,
    accepting: AtomicBool,
}

/// A run in hand; let go when dropped.
pub(crate) struct InHand<'a> {
    node: &'a Node,
    run: String,
    /// Turns true when the run is to be stopped.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Workers, queue and isolation of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Whether it takes runs.
    pub accepting: bool,
    /// Warm workers.
    pub workers_ready: u64,
    /// Workers at work.
    pub workers_busy: u64,
    /// Runs that wait, on all nodes.
    pub queued: u64,
    /// Isolation layers.
    pub layers: Vec<LayerReport>,
}

impl Node {
    /// Starts the workers. A host that cannot give the required layers, or settings without workers,
    /// make a node that takes no runs but serves everything else.
    pub(crate) async fn start(settings: &Settings, entropy: &dyn Entropy) -> Result<Self, Error> {
        let (supervisor, layers) = workers(settings).await?;
        let mut nonce = [0; 8];
        entropy.fill(&mut nonce);
        let name = node_name(settings, entropy)?;
        let owner = format!("{name}/{}", hex::encode(nonce));
        let accepting = AtomicBool::new(supervisor.is_some());
        Ok(Self {
            supervisor: Mutex::new(supervisor.map(Arc::new)),
            layers,
            slots: settings.workers,
            name,
            owner,
            staged: StagedCache::new(STAGED_BYTES_MAX),
            history: HistoryCache::default(),
            rates: RateWindows::default(),
            admissions: Semaphore::new(ADMISSIONS_MAX),
            in_hand: Mutex::default(),
            news: broadcast::Sender::new(NEWS_KEPT),
            wake: Notify::new(),
            check: Notify::new(),
            closing: watch::Sender::new(false),
            driver: Mutex::default(),
            accepting,
        })
    }

    /// Runs at a time.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Whether this node takes runs.
    pub(crate) fn is_accepting(&self) -> bool {
        self.accepting.load(Ordering::Relaxed)
    }

    /// Tells whoever waits that a run has moved.
    pub(crate) fn changed(&self, run: &str) {
        // Nobody listening is no failure.
        let _ = self.news.send(run.to_owned());
    }

    /// News of runs that move from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<String> {
        self.news.subscribe()
    }

    /// Tells the driver that there may be something to do.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Tells the driver that runs in hand may have been ended by somebody else.
    pub(crate) fn check_runs(&self) {
        self.check.notify_one();
    }

    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) async fn check_asked(&self) {
        self.check.notified().await;
    }

    /// Turns true when the node is to stop.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Takes a run in hand; none when it is in hand already.
    pub(crate) fn take(&self, run: &str) -> Option<InHand<'_>> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if in_hand.contains_key(run) {
            return None;
        }
        let (stop, stopped) = watch::channel(false);
        in_hand.insert(run.to_owned(), stop);
        Some(InHand {
            node: self,
            run: run.to_owned(),
            stop: stopped,
        })
    }

    /// Whether the run is in this node's hand.
    pub(crate) fn has(&self, run: &str) -> bool {
        self.in_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(run)
    }

    /// The runs in hand.
    pub(crate) fn runs_in_hand(&self) -> Vec<String> {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        in_hand.keys().cloned().collect()
    }

    /// Stops a run if it is in this node's hand.
    pub(crate) fn stop(&self, run: &str) {
        let in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = in_hand.get(run) {
            stop.send_replace(true);
        }
    }

    /// Runs an order in a jail.
    pub(crate) async fn run(
        &self,
        order: Order,
        stop: watch::Receiver<bool>,
    ) -> Result<Completed, Error> {
        let supervisor = {
            let held = self
                .supervisor
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            held.clone()
        };
        let supervisor = supervisor.ok_or_else(no_workers)?;
        supervisor
            .run(order, stop)
            .await
            .map_err(|source| match source {
                runtime::RunError::Order(_) => Error::internal("run an order", source),
                _ => no_workers().with_source(source),
            })
    }

    pub(crate) fn set_driver(&self, driver: JoinHandle<()>) {
        *self.driver.lock().unwrap_or_else(PoisonError::into_inner) = Some(driver);
    }

    /// Stops the driver and the workers. What was in hand is taken up again at the next start.
    pub(crate) async fn close(&self) {
        self.accepting.store(false, Ordering::Relaxed);
        self.closing.send_replace(true);
        for run in self.runs_in_hand() {
            self.stop(&run);
        }
        let driver = self
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(driver) = driver {
            // A driver that panicked has nothing more in hand.
            let _ = driver.await;
        }
        let supervisor = self
            .supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(supervisor) = supervisor.and_then(Arc::into_inner) {
            supervisor.shutdown().await;
        }
    }

    fn status(&self, queued: u64) -> NodeStatus {
        let held = self
            .supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = |figure: usize| u64::try_from(figure).unwrap_or(u64::MAX);
        let (ready, busy) = held.as_ref().map_or((0, 0), |supervisor| {
            let queue = supervisor.queue();
            (count(queue.idle), count(queue.running))
        });
        NodeStatus {
            accepting: self.is_accepting(),
            workers_ready: ready,
            workers_busy: busy,
            queued,
            layers: self.layers.clone(),
        }
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut in_hand = self
            .node
            .in_hand
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_hand.remove(&self.run);
    }
}

impl Platform {
    /// The isolation layers of this node's workers, as they were tried at its start.
    #[must_use]
    pub fn layers(&self) -> &[LayerReport] {
        &self.node().layers
    }

    /// Workers, queue and isolation of this node.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn status(&self, actor: &Actor) -> Result<NodeStatus, Error> {
        self.authorise(actor, Operation::Status, Object::Platform)?;
        let queued = self
            .store()
            .read("status", |conn| {
                Box::pin(async move { crate::job::waiting(conn).await })
            })
            .await?;
        Ok(self.node().status(queued))
    }
}

async fn workers(settings: &Settings) -> Result<(Option<Supervisor>, Vec<LayerReport>), Error> {
    if settings.workers == 0 {
        return Ok((None, Vec::new()));
    }
    let spill = settings
        .spill_dir
        .clone()
        .unwrap_or_else(|| settings.data_dir.join("spill"));
    crate::folder::make_private(&spill)?;
    let config = PoolConfig {
        executable: settings.worker_executable.clone(),
        args: settings.worker_args.clone(),
        size: settings.workers,
        queue_max: ORDERS_WAITING_MAX,
        spill: Some(spill),
        allow_degraded: settings.allow_degraded_jail,
    };
    match Supervisor::start(config).await {
        Ok(supervisor) => {
            let layers = supervisor.layers().to_vec();
            Ok((Some(supervisor), layers))
        }
        Err(StartError::LayersMissing(layers)) => {
            tracing::error!(
                layers = ?layers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "the jail lacks required layers; this node takes no runs"
            );
            Ok((None, layers))
        }
        Err(source) => Err(Error::unavailable(
            "workers_unavailable",
            "无法启动隔离工作进程。",
            "the jailed workers cannot be started.",
        )
        .with_remedy(
            "运行 egret doctor 查看原因。",
            "egret doctor says what is in the way.",
        )
        .with_source(source)),
    }
}

/// The name under which this node holds leases: made once, kept in its folder.
fn node_name(settings: &Settings, entropy: &dyn Entropy) -> Result<String, Error> {
    let file = settings.data_dir.join("node");
    let failed = |source: std::io::Error| {
        Error::unavailable(
            "node_file",
            format!("无法读写 {}。", file.display()),
            format!("{} cannot be read or written.", file.display()),
        )
        .with_source(source)
    };
    match std::fs::read_to_string(&file) {
        Ok(name) if name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(name),
        Ok(_) => Err(Error::invalid(
            "node_file",
            format!("{} 已损坏。", file.display()),
            format!("{} is damaged.", file.display()),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut nonce = [0; 8];
            entropy.fill(&mut nonce);
            let name = hex::encode(nonce);
            let new = file.with_extension("new");
            std::fs::write(&new, &name).map_err(failed)?;
            std::fs::rename(&new, &file).map_err(failed)?;
            Ok(name)
        }
        Err(error) => Err(failed(error)),
    }
}

pub(crate) fn no_workers() -> Error {
    Error::unavailable(
        "workers_unavailable",
        "本节点目前不能运行作业。",
        "this node cannot run jobs at present.",
    )
    .with_remedy(
        "稍后重试；若持续出现，请运维人员运行 egret doctor。",
        "try again later; if it persists, egret doctor tells the operator why.",
    )
}

/// The whole life of a worker process: what the hidden subcommand `worker-jail` calls first of all.
pub fn worker_main() -> ExitCode {
    if crate::tables::read_for_worker(std::env::args_os()).is_err() {
        return ExitCode::FAILURE;
    }
    runtime::worker_main(tasks::TASKS)
}
