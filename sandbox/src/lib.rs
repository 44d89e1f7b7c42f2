//! The platform's own state: organisations, catalogue, scenarios, jobs, releases, ledger, keys, storage.
//!
//! [`Platform`] is the whole: [`Platform::open`] makes or opens one, and its methods, spread over a file per aggregate, are
//! everything that can be done with it. Each takes the [`Actor`] who asks, decides access in one place, and changes state
//! only together with a ledger leaf.
//!
//! What this crate does **not** do: it knows no HTTP, no command line and no configuration file; it plans no SQL and judges no
//! program (`review`), and it executes nothing (`runtime`).

mod access;
mod application;
mod catalogue;
mod clock;
mod document;
mod error;
mod feedback;
mod folder;
mod id;
mod idempotency;
mod identity;
mod intake;
mod job;
mod keys;
mod ledger;
mod mask_key;
mod meter;
mod module;
mod module_run;
mod node;
mod objects;
mod page;
mod platform;
mod private;
mod quota;
mod release;
mod scenario;
mod settings;
mod storage;
mod table_file;
mod tables;
mod tasks;
mod words;

pub use access::{Actor, MATRIX_TEXT, Operation, OrganisationKind, Role, RoleSet};
pub use application::{Consent, Grant, GrantState};
pub use catalogue::{
    CatalogueEntry, Column, ColumnType, DatasetView, Level, PolicyFacts, PolicyPreview,
    PolicySuggestion, PolicyView, PrivacyUnit, SampleRow, SourceFacts, UniverseFacts, UpdateCycle,
    VersionColumn, VersionManifest, VersionView,
};
pub use clock::{Clock, Entropy, SystemClock, SystemEntropy};
pub use error::{Error, ErrorKind};
pub use feedback::{
    FeedbackAnswer, FeedbackAttempt, FeedbackCause, FeedbackClosing, FeedbackState, FeedbackView,
};
pub use id::{
    AccountId, DatasetId, FeedbackId, GrantId, IdError, JobId, KeyRequestId, MaskKeyId, ModuleId,
    OrganisationId, PrivateDatasetId, PushId, ReleaseId, RunId, ScenarioId, SessionId, TokenId,
    VersionId,
};
pub use identity::{
    Account, AccountRequest, Organisation, OrganisationRequest, PersonalToken, Session,
};
pub use intake::{
    DataFormat, IntakeFault, IntakeLimits, PieceRange, PolicySearched, PushManifest, PushRisk,
    PushState, PushView, QualityPoint, SEARCH_SECONDS_MAX, TextEncoding,
};
pub use ledger::{
    Checkpoint, ConsistencyProof, InclusionProof, LeafRecord, LedgerKeys, NoteError, ProofError,
    VerifyingKey, leaf_hash, verify_consistency, verify_detail,
};
pub use mask_key::{
    KeyAct, KeyOwner, KeyRequest, KeyRequestState, KeyRequestView, KeyState, KeyUsed, MaskKeyView,
};
pub use masking::{
    Action as ProblemAction, Bilingual, CipherSuite, Class, ClosenessDistance, ColumnClass,
    Fault as MaskFault, Identifier, InformationLoss, Lang, Measure as MaskMeasure,
    Policy as MaskPolicy, PolicyError as MaskPolicyError, PolicyFound, PolicyWish, PopulationRisk,
    Problem, QualityReport, QualityRules, RiskReport, RuleCount, RuleNote, SpecialUniques,
    Transform as MaskTransform, ValueDomain,
};
pub use page::{PAGE_LIMIT_MAX, Page, PageRequest};
pub use platform::Platform;
pub use private::{PrivateDatasetRequest, PrivateDatasetView};
pub use review::{
    ColumnRole, ColumnScope, Contract, Finding, Operations, OutputRules, Severity, Span, SqlLimits,
    TableScope,
};
pub use scenario::{APPROVALS_NEEDED, Evidence, ScenarioState, ScenarioView, ScenarioVote, Vote};
pub use settings::{Database, Objects, Quotas, Settings};
pub use table_file::{
    MaskKey, MaskOutcome, PlannedColumn, Reading, TableError, TableFile, mask_file, mask_passes,
    plan_file, preview_file, risk_file, scan_file, search_file, shown_cells,
};
pub use tables::{TableFolder, worker_tables};
pub use words::{os_error, parse_error};

pub use idempotency::{Idempotency, IdempotencyClaim, KeptAnswer};
pub use job::{
    AdmissionView, JobRequest, JobView, Mode, Moment, PinnedInput, Program, ProgramModule,
    ReleaseState, RunState, RunView, Waiting, WasmInput,
};
pub use meter::{Meter, Usage};
pub use module::{MODULE_BYTES_MAX, ModuleView, module_fault};
pub use module_run::{LocalProgram, ModuleRan, ModuleRun, ModuleRunError, run_module};
pub use node::{NodeStatus, worker_main};
pub use release::{
    Certificate, CertificateError, Envelope, EnvelopeSignature, RELEASE_APPROVALS_NEEDED,
    ReleaseEvidence, ReleaseRows, ReleaseView, ReleaseVote, VerifiedCertificate,
    verify_certificate,
};
pub use review::{
    ColumnLineage, ColumnType as ResultType, Decision, OutputColumn, Preview, TableUse,
};
pub use runtime::{
    GuestInterface, Layer, LayerReport, LayerState, MANIFEST_SECTION, ManifestFault, ModuleFacts,
    ModuleFault, ModuleFunction, ModuleManifest, inspect_module, module_from_text, probe,
    with_manifest,
};
