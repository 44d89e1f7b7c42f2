//! The configuration file `egret.toml`: every key, its unit and its default.
//!
//! Unknown keys are refused. No secret stands in the file: keys that end in `_file` name a file that holds one, and
//! they alone can be overridden from the environment (`EGRET_DATABASE_URL_FILE`, …). The sample
//! `deploy/egret.toml` shows every key and is parsed by a test.

use crate::http::Bounds;
use crate::start::StartFailure;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The whole configuration; every part has defaults, so an empty file is one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// IP address and port to listen on; port 0 takes a free one. TLS ends in front of it.
    pub listen: SocketAddr,
    /// The folder of keys, of the SQLite database and of local objects; made on first start with mode 0700.
    pub data_dir: PathBuf,
    /// The name of the ledger, by which its checkpoints are known: a name of one's own, such as a domain with a path.
    pub origin: String,
    /// The folder of tables (number segments, card issuers, divisions, surnames, column names) in place of those built in.
    pub tables_dir: Option<PathBuf>,
    /// Bounds of the HTTP server.
    pub http: Http,
    /// What is logged.
    pub log: Log,
    /// Where state is kept.
    pub database: Database,
    /// Where objects (data, results, modules) are kept.
    pub objects: Objects,
    /// How tokens and masks are made.
    pub keys: Keys,
    /// The jailed worker processes.
    pub workers: Workers,
    /// Who has to approve.
    pub review: Review,
    /// What one organisation may keep.
    pub quotas: Quotas,
    /// Take a ledger without its anchor as it is; of the command line alone, for one start.
    #[serde(skip)]
    pub recover_anchor: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data_dir: PathBuf::from("egret-data"),
            origin: "egret.local/ledger".to_owned(),
            tables_dir: None,
            http: Http::default(),
            log: Log::default(),
            database: Database::default(),
            objects: Objects::default(),
            keys: Keys::default(),
            workers: Workers::default(),
            review: Review::default(),
            quotas: Quotas::default(),
            recover_anchor: false,
        }
    }
}

/// `[http]`: bounds of the HTTP http.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// IP addresses of the proxies in front of the server: the address that they name in `X-Forwarded-For` is the
    /// client's. Without them every request comes from whoever is connected.
    pub proxies: Vec<IpAddr>,
    /// Connections open at once, of which one address that is no proxy has half at most; more wait in the host's queue.
    pub connections_max: usize,
    /// Requests at work at once, of which one address has half at most; more are answered 503.
    pub requests_max: usize,
    /// Time for a client to send the headers of a request.
    pub header_timeout_ms: u64,
    /// Time for a client to send a JSON body; a sign-in has three seconds.
    pub body_timeout_ms: u64,
    /// Time for an answer; at least the longest wait for a run, 30,000.
    pub request_timeout_ms: u64,
    /// Time for an upload as a whole.
    pub upload_timeout_ms: u64,
    /// Longest pause inside an upload.
    pub upload_idle_timeout_ms: u64,
    /// Time for requests at work when the server is stopped.
    pub stop_grace_ms: u64,
    /// Largest JSON body.
    pub body_bytes_max: u64,
    /// Largest upload of a push or of a private data set.
    pub upload_bytes_max: u64,
    /// Largest WASM module.
    pub module_bytes_max: u64,
}

impl Default for Http {
    fn default() -> Self {
        let bounds = Bounds::default();
        Self {
            proxies: bounds.proxies,
            connections_max: 4_096,
            requests_max: bounds.requests_max,
            header_timeout_ms: 5_000,
            body_timeout_ms: bounds.body_timeout_ms,
            request_timeout_ms: bounds.request_timeout_ms,
            upload_timeout_ms: bounds.upload_timeout_ms,
            upload_idle_timeout_ms: bounds.upload_idle_timeout_ms,
            stop_grace_ms: 20_000,
            body_bytes_max: bounds.body_bytes_max,
            upload_bytes_max: bounds.upload_bytes_max,
            module_bytes_max: bounds.module_bytes_max,
        }
    }
}

/// `[log]`: what is written to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least severe level that is written; `EGRET_LOG` overrides it.
    pub level: LogLevel,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// A level of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What failed inside.
    Error,
    /// And what needs attention.
    Warn,
    /// And each request.
    #[default]
    Info,
    /// And the steps in between.
    Debug,
}

impl LogLevel {
    /// Reads the name that the configuration uses.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            _ => None,
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `[database]`: where state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Which database.
    pub kind: DatabaseKind,
    /// PostgreSQL: the file that holds the URL `postgres://user:password@host:port/database`, mode 0600.
    pub url_file: Option<PathBuf>,
}

/// Which database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// A file in the data folder.
    #[default]
    Sqlite,
    /// A PostgreSQL http.
    Postgres,
}

/// `[objects]`: where objects are kept; they are encrypted before they go there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objects {
    /// Which store.
    pub kind: ObjectStoreKind,
    /// S3: the endpoint's URL.
    pub endpoint: Option<String>,
    /// S3: the bucket.
    pub bucket: Option<String>,
    /// S3: the region.
    pub region: Option<String>,
    /// S3: the file that holds the access key's identifier, mode 0600.
    pub access_key_id_file: Option<PathBuf>,
    /// S3: the file that holds the secret access key, mode 0600.
    pub secret_access_key_file: Option<PathBuf>,
}

/// Which object store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectStoreKind {
    /// A folder in the data folder.
    #[default]
    Local,
    /// An S3-compatible store.
    S3,
}

/// `[keys]`: how tokens and masks are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The suite of algorithms. A database remembers its own and is not opened with another.
    pub suite: Suite,
}

/// A suite of algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// HMAC-SHA256, HKDF-SHA256, FF1 over AES-256.
    #[default]
    International,
    /// HMAC-SM3, HKDF with SM3, FF1 over SM4.
    Sm,
}

/// `[workers]`: the jailed worker processes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Workers kept warm, and runs at once.
    pub count: usize,
    /// Where queries put what does not fit into their memory, encrypted; `spill` in the data folder unless said.
    pub spill_dir: Option<PathBuf>,
    /// Takes jobs although a required isolation layer is missing. Never where real data are.
    pub allow_degraded_jail: bool,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: 2,
            spill_dir: None,
            allow_degraded_jail: false,
        }
    }
}

/// `[review]`: who has to approve scenarios and held results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Review {
    /// There is one review body: two people of it suffice. Otherwise the two are of different bodies.
    pub single_body: bool,
}

/// `[quotas]`: what one organisation may keep at once; more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// WASM modules.
    pub modules_max: u64,
    /// Bytes of WASM modules together.
    pub module_bytes_max: u64,
    /// Bytes of private data sets together, as they are stored.
    pub private_bytes_max: u64,
    /// Personal tokens that are good.
    pub tokens_max: u64,
    /// Scenarios that it proposed and nobody has approved yet.
    pub proposals_max: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        let quotas = sandbox::Quotas::default();
        Self {
            modules_max: quotas.modules_max,
            module_bytes_max: quotas.module_bytes_max,
            private_bytes_max: quotas.private_bytes_max,
            tokens_max: quotas.tokens_max,
            proposals_max: quotas.proposals_max,
        }
    }
}

impl Config {
    /// Reads a configuration file; `env` looks up environment variables.
    pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Self, StartFailure> {
        let text =
            std::fs::read_to_string(path).map_err(|error| StartFailure::file(path, &error))?;
        let config = Self::parse(&text).map_err(|fault| {
            let path = path.display();
            StartFailure::new(
                format!("配置文件 {path} 无效：{}", chinese(&fault)),
                format!("the configuration file {path} is not valid: {fault}"),
            )
            .remedied(
                "每个配置项的说明见 deploy/egret.toml。",
                "deploy/egret.toml explains every key.",
            )
        })?;
        Ok(config.overridden(env))
    }

    /// Parses a configuration; a fault names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| placed(text, &error))?;
        config.checked()
    }

    /// Takes the names of secret files from the environment.
    #[must_use]
    pub fn overridden(mut self, env: impl Fn(&str) -> Option<String>) -> Self {
        let file = |name: &str| env(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        for (name, key) in [
            ("EGRET_DATABASE_URL_FILE", &mut self.database.url_file),
            (
                "EGRET_OBJECTS_ACCESS_KEY_ID_FILE",
                &mut self.objects.access_key_id_file,
            ),
            (
                "EGRET_OBJECTS_SECRET_ACCESS_KEY_FILE",
                &mut self.objects.secret_access_key_file,
            ),
        ] {
            if let Some(path) = file(name) {
                *key = Some(path);
            }
        }
        self
    }

    fn checked(self) -> Result<Self, String> {
        let http = &self.http;
        let positive = [
            (
                "http.connections_max",
                u64::try_from(http.connections_max).unwrap_or(u64::MAX),
            ),
            (
                "http.requests_max",
                u64::try_from(http.requests_max).unwrap_or(u64::MAX),
            ),
            ("http.header_timeout_ms", http.header_timeout_ms),
            ("http.body_timeout_ms", http.body_timeout_ms),
            ("http.upload_timeout_ms", http.upload_timeout_ms),
            ("http.upload_idle_timeout_ms", http.upload_idle_timeout_ms),
            ("http.body_bytes_max", http.body_bytes_max),
            ("http.upload_bytes_max", http.upload_bytes_max),
            ("http.module_bytes_max", http.module_bytes_max),
            (
                "workers.count",
                u64::try_from(self.workers.count).unwrap_or(u64::MAX),
            ),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(format!("{key} = 0, expected at least 1"));
            }
        }
        if http.request_timeout_ms < crate::http::WAIT_MS_MAX {
            return Err(format!(
                "http.request_timeout_ms = {}, expected at least {}",
                http.request_timeout_ms,
                crate::http::WAIT_MS_MAX
            ));
        }
        for (key, count) in [
            ("http.connections_max", http.connections_max),
            ("http.requests_max", http.requests_max),
        ] {
            if count > tokio::sync::Semaphore::MAX_PERMITS {
                return Err(format!("{key} = {count} is too many"));
            }
        }
        Ok(self)
    }

    /// The bounds of requests.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let http = &self.http;
        Bounds {
            body_bytes_max: http.body_bytes_max,
            upload_bytes_max: http.upload_bytes_max,
            module_bytes_max: http.module_bytes_max,
            request_timeout_ms: http.request_timeout_ms,
            upload_idle_timeout_ms: http.upload_idle_timeout_ms,
            upload_timeout_ms: http.upload_timeout_ms,
            requests_max: http.requests_max,
            body_timeout_ms: http.body_timeout_ms,
            proxies: http.proxies.clone(),
            ..Bounds::default()
        }
    }
}

/// A fault of a configuration in Chinese; keys and values stay as they are.
fn chinese(fault: &str) -> String {
    let place = fault.strip_prefix("line ").and_then(|rest| {
        let (line, rest) = rest.split_once(", column ")?;
        let (column, message) = rest.split_once(": ")?;
        Some((line, column, message))
    });
    if let Some((line, column, message)) = place {
        let said = sandbox::parse_error(message).zh;
        return format!("第 {line} 行第 {column} 列：{said}");
    }
    match fault.split_once(", expected at least ") {
        Some((set, least)) => format!("{set}，至少应为 {least}"),
        None => fault.replace(" is too many", " 过大"),
    }
}

/// The message of a TOML error with its line and column, without quoting the file.
fn placed(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message.to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    const SAMPLE: &str = include_str!("../../deploy/egret.toml");

    fn no_env(_name: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_sample_says_the_defaults() {
        let sample = Config::parse(SAMPLE).unwrap();
        let data_dir = PathBuf::from("/var/lib/egret");
        assert_eq!(
            sample,
            Config {
                data_dir,
                ..Config::default()
            }
        );
    }

    #[test]
    fn the_sample_names_every_key() {
        // What is set, and what is shown in a comment because it has no default.
        let shown: String = SAMPLE
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .fold(String::new(), |mut all, line| {
                if line.contains(" = ") || line.starts_with('[') {
                    all.push_str(line);
                    all.push('\n');
                }
                all
            });
        let config = Config::parse(&shown).unwrap();
        assert!(config.tables_dir.is_some());
        assert!(config.database.url_file.is_some());
        assert!(config.objects.endpoint.is_some());
        assert!(config.objects.bucket.is_some());
        assert!(config.objects.region.is_some());
        assert!(config.objects.access_key_id_file.is_some());
        assert!(config.objects.secret_access_key_file.is_some());
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn faults_name_their_place() {
        let fault = Config::parse("[http]\nbody_bytes_max = 1\nport = 3\n").unwrap_err();
        assert!(
            fault.starts_with("line 3, column 1: unknown field `port`"),
            "{fault}"
        );
        let fault = Config::parse("[log]\nlevel = \"loud\"").unwrap_err();
        assert!(
            fault.starts_with("line 2, column 9: unknown variant `loud`"),
            "{fault}"
        );
        let fault = Config::parse("[workers]\ncount = 0").unwrap_err();
        assert_eq!(fault, "workers.count = 0, expected at least 1");
        let fault = Config::parse("[http]\nrequest_timeout_ms = 1").unwrap_err();
        assert_eq!(
            fault,
            "http.request_timeout_ms = 1, expected at least 30000"
        );
        assert!(Config::parse("[workers]\ncount = -1").is_err());
        assert!(Config::parse("[http").is_err());
    }

    #[test]
    fn faults_are_said_in_chinese_too() {
        for (fault, expect) in [
            (
                "line 3, column 1: unknown field `port`, expected `a` or `b`",
                "第 3 行第 1 列：没有这个字段：`port`，应为 `a` 或 `b`",
            ),
            (
                "workers.count = 0, expected at least 1",
                "workers.count = 0，至少应为 1",
            ),
        ] {
            assert_eq!(chinese(fault), expect);
        }
    }

    #[test]
    fn the_environment_overrides_secret_files_alone() {
        let config = Config::default().overridden(|name| Some(format!("/secrets/{name}")));
        assert_eq!(
            config.database.url_file,
            Some(PathBuf::from("/secrets/EGRET_DATABASE_URL_FILE"))
        );
        let mut expect = Config::default();
        expect.database.url_file = config.database.url_file.clone();
        expect.objects.access_key_id_file = config.objects.access_key_id_file.clone();
        expect.objects.secret_access_key_file = config.objects.secret_access_key_file.clone();
        assert_eq!(config, expect);
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = Config::load(Path::new("/nowhere/egret.toml"), no_env).unwrap_err();
        assert!(
            failure
                .text(sandbox::Lang::En)
                .contains("/nowhere/egret.toml")
        );
        assert!(
            failure
                .text(sandbox::Lang::Zh)
                .contains("无法读取 /nowhere/egret.toml")
        );
    }
}
