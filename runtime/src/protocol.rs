//! Frames between supervisor and worker over the control socket.
//!
//! A frame is a length (4 bytes, little-endian, of what follows), a version byte and one JSON
//! value. The worker is hostile once it has a program, so the supervisor reads with [`Decoder`],
//! which bounds every frame before it keeps a byte of it, and parses into closed types.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::layer::LayerReport;
use crate::limits::Limits;
use crate::manifest::ModuleFunction;
use crate::order::{InputFormat, OutputField, SqlModule};
use crate::outcome::Outcome;

/// Version of the frames. Both ends are one executable, so there is no negotiation.
const VERSION: u8 = 1;
/// Longest frame that a worker may send.
pub(crate) const WORKER_FRAME_BYTES_MAX: usize = 32 * 1024;
/// Longest frame that the supervisor sends: 128 input names, 256 column names, and four manifests, escaped.
pub(crate) const ORDER_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
const HEADER_BYTES: usize = 4;
/// Most layers in one report.
const LAYERS_MAX: usize = 32;
/// Longest detail of a layer.
const DETAIL_BYTES_MAX: usize = 512;

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum FromWorker {
    /// The inner process exists; a descriptor of it comes with the frame.
    Forked,
    /// The jail is entered and the engine is warm.
    Ready {
        /// What holds.
        layers: Vec<LayerReport>,
        /// CPU time used for warming up, which no run pays for.
        cpu_us: u64,
        /// What the code of a compile worker fits.
        compatibility: Option<[u8; 32]>,
    },
    /// The program is loaded and the last layer is entered; from here on nothing can be believed.
    Sealed {
        /// What was added.
        layers: Vec<LayerReport>,
    },
    /// The run ended.
    Done(Done),
}

/// The end of a run as the worker tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) fuel: u64,
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
}

/// What the supervisor says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ToWorker {
    /// The worker is in its cgroup and may enter the jail.
    Enter(WorkerKind),
    /// Proves the layer that kills, by dying of it.
    Trial,
    /// A run. Descriptors come with the frame: program, output, log, the machine code of modules that a plan calls, the
    /// inputs, and the scratch file if there is one.
    Run(Box<RunHeader>),
}

/// What a worker gets ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkerKind {
    /// Running a program. It has no compiler.
    Run,
    /// Compiling a module. It has no engine, and never runs what it makes.
    Compile,
}

/// A run without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunHeader {
    pub(crate) program: ProgramKind,
    pub(crate) inputs: Vec<InputHeader>,
    /// Whether a scratch file comes last.
    pub(crate) scratch: bool,
    pub(crate) limits: Limits,
}

impl RunHeader {
    /// How many descriptors hold machine code of modules that a plan calls.
    pub(crate) fn modules(&self) -> usize {
        match &self.program {
            ProgramKind::Sql { modules, .. } => modules.len(),
            _ => 0,
        }
    }

    /// How many bytes the first descriptor may hold.
    pub(crate) fn program_bytes_max(&self) -> u64 {
        match self.program {
            ProgramKind::Wasm { .. } => self.limits.code_bytes_max,
            _ => self.limits.program_bytes_max,
        }
    }
}

/// What kind of program the first descriptor holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ProgramKind {
    /// A plan. The machine code of its modules comes behind it, in this order.
    Sql {
        modules: Vec<ModuleHeader>,
        seed: [u8; 32],
    },
    /// Machine code, of an interface that its exports tell.
    Wasm {
        output: Vec<OutputField>,
        seed: [u8; 32],
    },
    Task {
        name: String,
    },
    /// A module, of which machine code is to be made.
    Compile,
}

/// What the worker needs to know of a module besides its machine code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModuleHeader {
    pub(crate) name: String,
    pub(crate) functions: Vec<ModuleFunction>,
}

impl ModuleHeader {
    pub(crate) fn of(module: &SqlModule) -> Self {
        Self {
            name: module.name.clone(),
            functions: module.functions.clone(),
        }
    }
}

/// What the worker needs to know of an input besides its descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InputHeader {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) format: InputFormat,
}

/// A frame that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolFault {
    #[error("frame is longer than permitted")]
    TooLong,
    #[error("frame is empty or has another version")]
    Version,
    #[error("frame does not parse")]
    Malformed,
}

/// One frame as bytes.
pub(crate) fn encode<T: Serialize>(
    message: &T,
    bytes_max: usize,
) -> Result<Vec<u8>, ProtocolFault> {
    let mut frame = vec![0; HEADER_BYTES];
    frame.push(VERSION);
    serde_json::to_writer(&mut frame, message).map_err(|_| ProtocolFault::Malformed)?;
    let body = frame.len() - HEADER_BYTES;
    if body > bytes_max {
        return Err(ProtocolFault::TooLong);
    }
    let length = u32::try_from(body).map_err(|_| ProtocolFault::TooLong)?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Puts frames together from whatever arrives. After a fault it stays at fault.
#[derive(Debug)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    bytes_max: usize,
    fault: Option<ProtocolFault>,
}

impl Decoder {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            bytes_max,
            fault: None,
        }
    }

    /// Takes what arrived. The caller reads at most [`Decoder::room`] bytes at a time.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// How much may be read: one frame beyond what is kept.
    pub(crate) fn room(&self) -> usize {
        (HEADER_BYTES + self.bytes_max)
            .saturating_sub(self.buffer.len())
            .max(1)
    }

    /// The next complete frame, if there is one.
    pub(crate) fn next<T: DeserializeOwned + Bounded>(
        &mut self,
    ) -> Result<Option<T>, ProtocolFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.take().inspect_err(|fault| {
            self.fault = Some(*fault);
            self.buffer.clear();
        })
    }

    fn take<T: DeserializeOwned + Bounded>(&mut self) -> Result<Option<T>, ProtocolFault> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > self.bytes_max {
            return Err(ProtocolFault::TooLong);
        }
        let end = HEADER_BYTES + length;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let Some((VERSION, body)) = self.buffer[HEADER_BYTES..end]
            .split_first()
            .map(|(version, body)| (*version, body))
        else {
            return Err(ProtocolFault::Version);
        };
        let message: T = serde_json::from_slice(body).map_err(|_| ProtocolFault::Malformed)?;
        if !message.bounded() {
            return Err(ProtocolFault::Malformed);
        }
        self.buffer.drain(..end);
        Ok(Some(message))
    }
}

/// A message whose parts are within bounds of their own.
pub(crate) trait Bounded {
    fn bounded(&self) -> bool;
}

impl Bounded for FromWorker {
    fn bounded(&self) -> bool {
        match self {
            Self::Forked | Self::Done(_) => true,
            Self::Ready { layers, .. } | Self::Sealed { layers } => {
                layers.len() <= LAYERS_MAX
                    && layers.iter().all(|report| {
                        report.detail.len() <= DETAIL_BYTES_MAX
                            && !report.detail.chars().any(char::is_control)
                    })
            }
        }
    }
}

impl Bounded for ToWorker {
    fn bounded(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::layer::{Layer, LayerState};
    use crate::outcome::Fault;
    use proptest::prelude::*;

    fn decoder() -> Decoder {
        Decoder::new(WORKER_FRAME_BYTES_MAX)
    }

    fn ready() -> FromWorker {
        let layer = LayerReport::new(Layer::Seccomp, LayerState::Enforced, "open: EPERM");
        FromWorker::Ready {
            layers: vec![layer],
            cpu_us: 7,
            compatibility: Some([255; 32]),
        }
    }

    fn done() -> FromWorker {
        let outcome = Outcome::Faulted(Fault::GuestTrapped);
        FromWorker::Done(Done {
            outcome,
            fuel: 1,
            rows_in: 2,
            rows_out: 3,
        })
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let mut bytes = encode(&ready(), WORKER_FRAME_BYTES_MAX).unwrap();
        bytes.extend(encode(&done(), WORKER_FRAME_BYTES_MAX).unwrap());
        for cut in 1..bytes.len() {
            let mut decoder = decoder();
            let mut seen = Vec::new();
            for part in bytes.chunks(cut) {
                decoder.push(part);
                while let Some(message) = decoder.next::<FromWorker>().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, [ready(), done()]);
        }
    }

    #[test]
    fn a_long_frame_is_refused_by_its_header_alone() {
        let mut decoder = decoder();
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.next::<FromWorker>(), Err(ProtocolFault::TooLong));
        decoder.push(&encode(&ready(), WORKER_FRAME_BYTES_MAX).unwrap());
        assert_eq!(
            decoder.next::<FromWorker>(),
            Err(ProtocolFault::TooLong),
            "stays at fault"
        );
    }

    #[test]
    fn control_characters_and_crowds_of_layers_are_refused() {
        let report = |detail: &str| LayerReport::new(Layer::Cgroup, LayerState::Off, detail);
        for layers in [
            vec![report("\u{1b}[2J")],
            vec![report(""); 33],
            vec![report(&"x".repeat(600))],
        ] {
            let mut decoder = decoder();
            let frame = FromWorker::Sealed { layers };
            decoder.push(&encode(&frame, WORKER_FRAME_BYTES_MAX).unwrap());
            assert_eq!(decoder.next::<FromWorker>(), Err(ProtocolFault::Malformed));
        }
    }

    #[test]
    fn messages_that_exceed_their_bound_are_not_sent() {
        let frame = FromWorker::Sealed {
            layers: vec![LayerReport::new(
                Layer::Cgroup,
                LayerState::Off,
                "x".repeat(WORKER_FRAME_BYTES_MAX),
            )],
        };
        assert_eq!(
            encode(&frame, WORKER_FRAME_BYTES_MAX),
            Err(ProtocolFault::TooLong)
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_nor_pile_up(parts in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..600), 0..40,
        )) {
            let mut decoder = Decoder::new(1024);
            for part in parts {
                let mut rest = &part[..];
                while !rest.is_empty() {
                    let take = rest.len().min(decoder.room());
                    decoder.push(&rest[..take]);
                    rest = &rest[take..];
                    while let Ok(Some(_)) = decoder.next::<FromWorker>() {}
                    prop_assert!(decoder.buffer.len() <= 1024 + HEADER_BYTES);
                }
            }
        }

        #[test]
        fn a_flipped_byte_gives_a_fault_or_a_message_but_no_panic(at in 0usize..200, bit in 0u8..8) {
            let mut bytes = encode(&ready(), WORKER_FRAME_BYTES_MAX).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let mut decoder = decoder();
            decoder.push(&bytes);
            let _ = decoder.next::<FromWorker>();
        }
    }
}
