//! The bodies of the API, one file per resource: what the server answers and what every client of it parses.
//!
//! They are apart from the domain types on purpose: a field is public only because it is written here. Requests
//! refuse unknown fields; answers may grow. Times are RFC 3339 in UTC, identifiers are opaque text with a prefix.

mod accounts;
mod common;
mod datasets;
mod feedback;
mod grants;
mod jobs;
mod keys;
mod ledger;
mod modules;
mod private_datasets;
mod pushes;
mod releases;
mod scenarios;
mod sessions;
mod status;

pub use accounts::{
    AccountCreate, AccountView, OrganisationCreate, OrganisationKind, OrganisationView,
    PasswordReset, Role, RolesPut, WeightPut,
};
pub use common::{Finding, Page, PageQuery, Problem, Severity, Span, Text};
pub use datasets::{
    CatalogueColumn, ColumnClass, ColumnType, DatasetCreate, DatasetVersionView, DatasetView,
    Level, LevelView, MeasureWish, PolicyPreview, PolicyPut, PolicySearchView, PolicySuggest,
    PolicySuggestion, PolicyView, PrivacyClass, PrivacyUnit, SampleView, UpdateCycle,
    VersionColumn,
};
pub use feedback::{
    FeedbackAnswer, FeedbackAnswerView, FeedbackAttempt, FeedbackCause, FeedbackClosing,
    FeedbackQuery, FeedbackState, FeedbackView,
};
pub use grants::{ApplicationCreate, ConsentCast, ConsentView, GrantState, GrantView};
pub use jobs::{
    AdmissionView, ColumnLineage, JobCreate, JobView, LayerState, LayerView, MeterView, Mode,
    Moment, OutputColumn, PinnedInput, Program, ProgramModule, ResultType, RunQuery, RunState,
    RunView, SqlCheck, TableUse, Waiting, WasmInput,
};
pub use keys::{KeyAct, KeyRequestCreate, KeyRequestState, KeyRequestView, KeyState, KeyView};
pub use ledger::{
    CheckpointView, ConsistencyQuery, ConsistencyView, LeafView, LeavesQuery, LedgerKeyView,
    LedgerKeysView, ProofView,
};
pub use modules::{ModuleQuery, ModuleView};
pub use private_datasets::{
    DataFormat, DataQuery, PrivateColumn, PrivateDatasetCreate, PrivateDatasetView,
};
pub use pushes::{
    ColumnScore, Contribution, DimensionScore, PopulationRiskView, ProblemAction, ProblemRecord,
    PushCreate, PushFault, PushRiskView, PushState, PushView, QualityPoint, QualityView, RiskView,
    RuleCount, RuleNote, SpecialUniquesView,
};
pub use releases::{
    ReleaseDecision, ReleaseEvidence, ReleaseQuery, ReleaseRows, ReleaseState, ReleaseView,
    ReleasedTable,
};
pub use scenarios::{
    ColumnRole, ColumnScope, Contract, Operations, OutputRules, Reason, ScenarioCreate,
    ScenarioEvidence, ScenarioState, ScenarioView, TableScope, VoteCast, VoteView,
};
pub use sessions::{AccountSelf, PasswordPut, SessionCreate, SessionView, TokenCreate, TokenView};
pub use status::{HealthView, StatusView, UsageRow, UsageView};
