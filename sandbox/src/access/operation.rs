//! Every operation of the API, by the name it has there.

macro_rules! operations {
    ($($variant:ident = $name:literal,)*) => {
        /// An operation of the API; its name is the operation's identifier in the API's description.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the name says it, and the API describes it")]
        pub enum Operation {
            $($variant,)*
        }

        impl Operation {
            /// All of them, in the order of the matrix.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the API and in the matrix.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

operations! {
    Me = "me",
    ChangePassword = "change_password",
    SignOut = "sign_out",
    ListPersonalTokens = "list_personal_tokens",
    CreatePersonalToken = "create_personal_token",
    RevokePersonalToken = "revoke_personal_token",
    ListOrganisations = "list_organisations",
    CreateOrganisation = "create_organisation",
    SetWeight = "set_weight",
    ListAccounts = "list_accounts",
    CreateAccount = "create_account",
    SetRoles = "set_roles",
    DisableAccount = "disable_account",
    EnableAccount = "enable_account",
    ResetPassword = "reset_password",
    Datasets = "datasets",
    RegisterDataset = "register_dataset",
    Dataset = "dataset",
    DatasetSample = "dataset_sample",
    DatasetVersions = "dataset_versions",
    DatasetQuality = "dataset_quality",
    Policy = "policy",
    SetPolicy = "set_policy",
    SuggestPolicy = "suggest_policy",
    PreviewPolicy = "preview_policy",
    OpenPush = "open_push",
    WritePushData = "write_push_data",
    CommitPush = "commit_push",
    Push = "push",
    PushProblems = "push_problems",
    PushQuality = "push_quality",
    PushRisk = "push_risk",
    FeedbackItems = "feedback_items",
    FeedbackItem = "feedback_item",
    AnswerFeedback = "answer_feedback",
    CloseFeedback = "close_feedback",
    Scenarios = "scenarios",
    ProposeScenario = "propose_scenario",
    Scenario = "scenario",
    SubmitScenario = "submit_scenario",
    ScenarioEvidence = "scenario_evidence",
    VoteScenario = "vote_scenario",
    RevokeScenario = "revoke_scenario",
    Grants = "grants",
    Apply = "apply",
    Grant = "grant",
    Consent = "consent",
    RevokeGrant = "revoke_grant",
    PrivateDatasets = "private_datasets",
    CreatePrivateDataset = "create_private_dataset",
    WritePrivateData = "write_private_data",
    DeletePrivateDataset = "delete_private_dataset",
    Keys = "keys",
    KeyRequests = "key_requests",
    KeyRequest = "key_request",
    RequestKeyAct = "request_key_act",
    ConfirmKeyRequest = "confirm_key_request",
    WithdrawKeyRequest = "withdraw_key_request",
    Modules = "modules",
    PushModule = "push_module",
    Module = "module",
    CheckSql = "check_sql",
    Jobs = "jobs",
    SubmitJob = "submit_job",
    Job = "job",
    Runs = "runs",
    Run = "run",
    CancelRun = "cancel_run",
    Releases = "releases",
    Release = "release",
    ReleaseEvidence = "release_evidence",
    ReleaseRows = "release_rows",
    VoteRelease = "vote_release",
    DownloadRelease = "download_release",
    ReleaseCertificate = "release_certificate",
    LedgerCheckpoint = "ledger_checkpoint",
    LedgerLeaves = "ledger_leaves",
    LedgerProof = "ledger_proof",
    LedgerConsistency = "ledger_consistency",
    VerifyLedger = "verify_ledger",
    Usage = "usage",
    Status = "status",
}
