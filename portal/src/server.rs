//! Listening, connections and stopping: from a configuration to a server that answers.

use crate::config::{Config, DatabaseKind, ObjectStoreKind, Suite};
use crate::http::{self, Client, Peer, Share, Shares};
use crate::start::StartFailure;
use axum::http::HeaderMap;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sandbox::{
    CipherSuite, Clock, Database, Entropy, Objects, Platform, Settings, SystemClock, SystemEntropy,
    worker_tables,
};
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What the server takes from its host.
pub struct Host {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness of keys and identifiers.
    pub entropy: Arc<dyn Entropy>,
    /// The program that becomes a jailed worker: the binary `egret`.
    pub worker: PathBuf,
}

impl Host {
    /// The host's clock and randomness, and this program as its own worker.
    pub fn of_this_process() -> Result<Self, StartFailure> {
        let worker = std::env::current_exe().map_err(|error| {
            StartFailure::new(
                format!("无法确定本程序的路径：{error}"),
                format!("cannot find this program's own path: {error}"),
            )
        })?;
        Ok(Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker,
        })
    }
}

/// A server that answers, with its platform.
pub struct Server {
    address: SocketAddr,
    platform: Platform,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    grace: Duration,
}

impl Server {
    /// Opens the platform and answers on the configured address.
    ///
    /// The port is taken first: a server that cannot have it leaves nothing behind.
    pub async fn start(config: &Config, host: Host) -> Result<Self, StartFailure> {
        let listener = listen(config.listen).await?;
        let address = listener
            .local_addr()
            .map_err(|error| refused(config.listen, &error))?;
        let settings = settings(config, host.worker)?;
        let platform = Platform::open(settings, host.clock, Arc::clone(&host.entropy)).await?;
        let app = http::app(platform.clone(), host.entropy, config.bounds());
        let (stop, stopping) = watch::channel(false);
        let connections = Connections {
            app,
            permits: Arc::new(Semaphore::new(config.http.connections_max)),
            per_address_max: config.http.connections_max.div_ceil(2),
            proxies: config.http.proxies.clone(),
            open: Shares::default(),
            header_timeout: Duration::from_millis(config.http.header_timeout_ms),
            stopping,
        };
        let accepting = tokio::spawn(connections.accept(listener));
        let grace = Duration::from_millis(config.http.stop_grace_ms);
        Ok(Self {
            address,
            platform,
            stop,
            accepting,
            grace,
        })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The platform behind it.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Takes no more requests, finishes those at work inside the grace, closes the platform.
    pub async fn stop(self) {
        // Nobody listening any more is as good as stopped.
        let _ = self.stop.send(true);
        if tokio::time::timeout(self.grace, self.stop.closed())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.stop.receiver_count(),
                "requests were cut off: they took longer than the grace"
            );
        }
        self.accepting.abort();
        self.platform.close().await;
    }
}

/// Listens for SIGTERM and SIGINT from now on; what it answers resolves when one has come.
///
/// # Errors
/// The host permits no handlers.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartFailure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| refused(address, &error))
}

fn refused(address: SocketAddr, error: &io::Error) -> StartFailure {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartFailure::new(
            format!("地址 {address} 已被其他程序占用"),
            format!("the address {address} is taken by another program"),
        )
        .remedied(
            "停止该程序，或在 listen（--listen）中换一个端口。",
            "stop that program, or choose another port in listen (--listen).",
        ),
        io::ErrorKind::PermissionDenied => StartFailure::new(
            format!("不允许监听 {address}"),
            format!("listening on {address} is not permitted"),
        )
        .remedied("使用 1024 以上的端口。", "use a port above 1024."),
        _ => StartFailure::new(
            format!("无法监听 {address}：{}", sandbox::os_error(error).zh),
            format!(
                "cannot listen on {address}: {}",
                sandbox::os_error(error).en
            ),
        ),
    }
}

/// The platform's settings from the configuration; secrets are read from their files here.
fn settings(config: &Config, worker: PathBuf) -> Result<Settings, StartFailure> {
    let mut arguments = worker_arguments();
    if let Some(folder) = &config.tables_dir {
        arguments.extend(worker_tables(folder));
    }
    Ok(Settings {
        database: database(config)?,
        objects: objects(config)?,
        suite: match config.keys.suite {
            Suite::International => CipherSuite::International,
            Suite::Sm => CipherSuite::Sm,
        },
        workers: config.workers.count,
        spill_dir: config.workers.spill_dir.clone(),
        allow_degraded_jail: config.workers.allow_degraded_jail,
        origin: config.origin.clone(),
        single_review_body: config.review.single_body,
        recover_anchor: config.recover_anchor,
        quotas: sandbox::Quotas {
            modules_max: config.quotas.modules_max,
            module_bytes_max: config.quotas.module_bytes_max,
            private_bytes_max: config.quotas.private_bytes_max,
            tokens_max: config.quotas.tokens_max,
            proposals_max: config.quotas.proposals_max,
        },
        ..Settings::new(config.data_dir.clone(), worker, arguments)
    })
}

/// What starts a jailed worker: this program with its hidden subcommand.
#[must_use]
pub fn worker_arguments() -> Vec<OsString> {
    vec![OsString::from(crate::WORKER_SUBCOMMAND)]
}

fn database(config: &Config) -> Result<Database, StartFailure> {
    match config.database.kind {
        DatabaseKind::Sqlite => Ok(Database::Sqlite),
        DatabaseKind::Postgres => {
            let file = required("database.url_file", config.database.url_file.as_ref())?;
            Ok(Database::Postgres { url: secret(file)? })
        }
    }
}

fn objects(config: &Config) -> Result<Objects, StartFailure> {
    let keys = &config.objects;
    match keys.kind {
        ObjectStoreKind::Local => Ok(Objects::Local),
        ObjectStoreKind::S3 => Ok(Objects::S3 {
            endpoint: required("objects.endpoint", keys.endpoint.as_ref())?.clone(),
            bucket: required("objects.bucket", keys.bucket.as_ref())?.clone(),
            region: required("objects.region", keys.region.as_ref())?.clone(),
            access_key_id: secret(required(
                "objects.access_key_id_file",
                keys.access_key_id_file.as_ref(),
            )?)?,
            secret_access_key: secret(required(
                "objects.secret_access_key_file",
                keys.secret_access_key_file.as_ref(),
            )?)?,
        }),
    }
}

fn required<'a, T>(key: &str, value: Option<&'a T>) -> Result<&'a T, StartFailure> {
    value.ok_or_else(|| {
        StartFailure::new(
            format!("配置缺少 {key}"),
            format!("the configuration lacks {key}"),
        )
        .remedied(
            "每个配置项的说明见 deploy/egret.toml。",
            "deploy/egret.toml explains every key.",
        )
    })
}

/// Reads a secret from its file, which nobody else may read.
fn secret(path: &Path) -> Result<String, StartFailure> {
    let open = |path: &Path| -> io::Result<(String, u32)> {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)?.permissions().mode();
        Ok((std::fs::read_to_string(path)?, mode))
    };
    let (secret, mode) = open(path).map_err(|error| StartFailure::file(path, &error))?;
    let shown = path.display();
    if mode & 0o077 != 0 {
        return Err(StartFailure::new(
            format!("{shown} 可被他人读取（权限 {:04o}）", mode & 0o7777),
            format!("others may read {shown} (mode {:04o})", mode & 0o7777),
        )
        .remedied(format!("chmod 600 {shown}"), format!("chmod 600 {shown}")));
    }
    let secret = secret.trim().to_owned();
    if secret.is_empty() {
        return Err(StartFailure::new(
            format!("{shown} 是空文件"),
            format!("{shown} is empty"),
        ));
    }
    Ok(secret)
}

/// The connections of a server.
struct Connections {
    app: axum::Router,
    permits: Arc<Semaphore>,
    /// Connections by address, and how many one address may have that is no proxy.
    open: Shares,
    per_address_max: usize,
    proxies: Vec<IpAddr>,
    header_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Connections {
    async fn accept(mut self, listener: TcpListener) {
        let mut stopping = self.stopping.clone();
        loop {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Closed at once: it would take the place of somebody else.
                    let Some(share) = self.share(peer.ip()) else {
                        continue;
                    };
                    let serving = self.serve(stream, peer.ip());
                    tokio::spawn(async move {
                        serving.await;
                        drop((share, permit));
                    });
                }
                // Out of descriptors, or the peer is gone already: neither ends the server, neither may spin.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn share(&self, peer: IpAddr) -> Option<Share> {
        let peer = peer.to_canonical();
        let max = if self.proxies.contains(&peer) {
            usize::MAX
        } else {
            self.per_address_max
        };
        self.open
            .take(Client::of(Some(Peer(peer)), &HeaderMap::new(), &[]), max)
    }

    fn serve(
        &mut self,
        stream: TcpStream,
        peer: IpAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        let app = TowerToHyperService::new(self.app.clone());
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            app.call(request)
        });
        let mut stopping = self.stopping.clone();
        let header_timeout = self.header_timeout;
        async move {
            // Answers are small and complete: none has to wait for the next.
            let _ = stream.set_nodelay(true);
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(header_timeout)
                .max_headers(64)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                // What a client breaks off is no event of the server's.
                _ = connection.as_mut() => return,
                _ = stopping.wait_for(|stop| *stop) => {}
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
