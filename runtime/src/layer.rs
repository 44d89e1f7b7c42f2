//! The layers of the jail, and what is known of each on this host.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One layer of the jail. Any single one may fail without opening the jail; together they are what
/// the platform promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The worker runs under an identity that owns nothing, not the server's.
    Identity,
    /// Own user namespace: no privilege outside.
    UserNamespace,
    /// Own network namespace, without an interface that is up.
    NetworkNamespace,
    /// Own mount namespace.
    MountNamespace,
    /// Own process namespace: no other process has a name.
    PidNamespace,
    /// Own System V IPC and message queues.
    IpcNamespace,
    /// Own host name.
    UtsNamespace,
    /// The root directory is an empty read-only file system; no /proc.
    EmptyRoot,
    /// No descriptor but the control socket and the null device.
    Descriptors,
    /// All capability sets empty, the bounding set too.
    Capabilities,
    /// No gain of privilege through exec.
    NoNewPrivileges,
    /// The worker dies with its supervisor.
    ParentDeath,
    /// Memory, CPU, descriptors, file size, processes; no core files.
    ResourceLimits,
    /// No file, no TCP, no signal and no abstract socket, by landlock.
    Landlock,
    /// The system call allow-list, for all threads.
    Seccomp,
    /// After the program is loaded, no memory becomes executable.
    ExecutableMemory,
    /// Memory and process count by cgroup, beside the resource limits.
    Cgroup,
}

/// Whether a layer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// It was entered, and a try from inside was turned away.
    Enforced,
    /// The host does not give it; 0 when there was no error but the try was not turned away.
    Unavailable {
        /// The host's error number.
        errno: i32,
    },
    /// Not asked for, by configuration or because another layer makes it moot.
    Off,
}

/// What is known of one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// Whether it holds.
    pub state: LayerState,
    /// How it was tried, or what stood in the way. Written by the platform, never by a guest.
    pub detail: String,
}

impl Layer {
    /// All layers, in the order in which they are entered and reported.
    pub const ALL: [Self; 17] = [
        Self::Identity,
        Self::UserNamespace,
        Self::NetworkNamespace,
        Self::MountNamespace,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::EmptyRoot,
        Self::Descriptors,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::ParentDeath,
        Self::ResourceLimits,
        Self::Landlock,
        Self::Seccomp,
        Self::ExecutableMemory,
        Self::Cgroup,
    ];

    /// Whether a node refuses to take jobs without it. Three are not: the identity (an ordinary
    /// user's server has no other to give), landlock (kernels before 5.13; root and seccomp already
    /// leave nothing to open) and the cgroup (needs delegation; resource limits stand).
    pub fn required(self) -> bool {
        !matches!(self, Self::Identity | Self::Landlock | Self::Cgroup)
    }

    /// Stable name, as serialised.
    pub fn code(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::UserNamespace => "user_namespace",
            Self::NetworkNamespace => "network_namespace",
            Self::MountNamespace => "mount_namespace",
            Self::PidNamespace => "pid_namespace",
            Self::IpcNamespace => "ipc_namespace",
            Self::UtsNamespace => "uts_namespace",
            Self::EmptyRoot => "empty_root",
            Self::Descriptors => "descriptors",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::ParentDeath => "parent_death",
            Self::ResourceLimits => "resource_limits",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::ExecutableMemory => "executable_memory",
            Self::Cgroup => "cgroup",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl LayerReport {
    pub(crate) fn new(layer: Layer, state: LayerState, detail: impl Into<String>) -> Self {
        Self {
            layer,
            state,
            detail: detail.into(),
        }
    }

    /// Whether the layer holds.
    pub fn enforced(&self) -> bool {
        self.state == LayerState::Enforced
    }
}

impl fmt::Display for LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            LayerState::Enforced => write!(f, "{}: enforced ({})", self.layer, self.detail),
            LayerState::Unavailable { errno } => {
                write!(
                    f,
                    "{}: unavailable, errno {errno} ({})",
                    self.layer, self.detail
                )
            }
            LayerState::Off => write!(f, "{}: off ({})", self.layer, self.detail),
        }
    }
}

/// The required layers that do not hold.
pub(crate) fn missing(layers: &[LayerReport]) -> Vec<LayerReport> {
    Layer::ALL
        .into_iter()
        .filter(|layer| layer.required())
        .filter_map(
            |layer| match layers.iter().find(|report| report.layer == layer) {
                Some(report) if report.enforced() => None,
                Some(report) => Some(report.clone()),
                None => {
                    let state = LayerState::Unavailable { errno: 0 };
                    Some(LayerReport::new(
                        layer,
                        state,
                        "the worker did not report it",
                    ))
                }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn codes_are_the_serialised_names_and_all_are_listed_once() {
        for layer in Layer::ALL {
            assert_eq!(serde_json::to_value(layer).unwrap(), layer.code());
        }
        let unique: std::collections::BTreeSet<_> = Layer::ALL.into_iter().collect();
        assert_eq!(unique.len(), Layer::ALL.len());
    }

    #[test]
    fn a_layer_that_is_not_reported_is_missing() {
        let mut layers: Vec<_> = Layer::ALL
            .into_iter()
            .map(|layer| LayerReport::new(layer, LayerState::Enforced, ""))
            .collect();
        assert!(missing(&layers).is_empty());
        layers.retain(|report| report.layer != Layer::Seccomp && report.layer != Layer::Cgroup);
        let gone: Vec<_> = missing(&layers)
            .into_iter()
            .map(|report| report.layer)
            .collect();
        assert_eq!(gone, [Layer::Seccomp]);
    }
}
