//! One function per operation of the API, in the order of its resources.

use super::{Client, ClientError, Upload, segment};
use crate::http::dto::*;
use serde_json::json;

type Answer<T> = Result<T, ClientError>;

/// Sessions, accounts, organisations, tokens.
impl Client {
    /// Signs in; the answer holds the token.
    pub async fn sign_in(&self, account: &str, password: &str) -> Answer<SessionView> {
        let body = SessionCreate {
            account: account.to_owned(),
            password: password.to_owned(),
        };
        self.anonymous().post("/sessions", &body).await
    }

    /// Ends the session behind this client's token.
    pub async fn sign_out(&self) -> Answer<()> {
        self.delete("/sessions/current").await
    }

    /// Who is asking.
    pub async fn me(&self) -> Answer<AccountSelf> {
        self.read("/me").await
    }

    /// Changes one's own password.
    pub async fn change_password(&self, body: &PasswordPut) -> Answer<()> {
        self.act("/me:password", body).await
    }

    /// One's personal tokens, without their secrets.
    pub async fn tokens(&self, page: &PageQuery) -> Answer<Page<TokenView>> {
        self.read_with("/tokens", page).await
    }

    /// Makes a personal token; the answer holds its secret, once.
    pub async fn create_token(&self, body: &TokenCreate) -> Answer<TokenView> {
        self.post("/tokens", body).await
    }

    /// Ends a personal token.
    pub async fn revoke_token(&self, id: &str) -> Answer<()> {
        self.delete(&format!("/tokens/{}", segment(id))).await
    }

    /// Organisations.
    pub async fn organisations(&self, page: &PageQuery) -> Answer<Page<OrganisationView>> {
        self.read_with("/organisations", page).await
    }

    /// Gives a tenant's runs more turns in the queue, or fewer.
    pub async fn set_weight(&self, id: &str, body: &WeightPut) -> Answer<OrganisationView> {
        self.put(&format!("/organisations/{}/weight", segment(id)), body)
            .await
    }

    /// Makes an organisation.
    pub async fn create_organisation(&self, body: &OrganisationCreate) -> Answer<OrganisationView> {
        self.post("/organisations", body).await
    }

    /// Accounts.
    pub async fn accounts(&self, page: &PageQuery) -> Answer<Page<AccountView>> {
        self.read_with("/accounts", page).await
    }

    /// Makes an account.
    pub async fn create_account(&self, body: &AccountCreate) -> Answer<AccountView> {
        self.post("/accounts", body).await
    }

    /// Sets the roles of an account.
    pub async fn set_roles(&self, id: &str, roles: Vec<Role>) -> Answer<AccountView> {
        self.put(
            &format!("/accounts/{}/roles", segment(id)),
            &RolesPut { roles },
        )
        .await
    }

    /// Opens a shut account again.
    pub async fn enable_account(&self, id: &str) -> Answer<()> {
        self.act(&format!("/accounts/{}:enable", segment(id)), &json!({}))
            .await
    }

    /// Sets somebody's password anew.
    pub async fn reset_password(&self, id: &str, body: &PasswordReset) -> Answer<()> {
        self.act(&format!("/accounts/{}:reset-password", segment(id)), body)
            .await
    }

    /// Shuts an account.
    pub async fn disable_account(&self, id: &str) -> Answer<()> {
        self.act(&format!("/accounts/{}:disable", segment(id)), &json!({}))
            .await
    }
}

/// Masking keys.
impl Client {
    /// The masking keys, by their commitments.
    pub async fn keys(&self, page: &PageQuery) -> Answer<Page<KeyView>> {
        self.read_with("/keys", page).await
    }

    /// Requests for acts on keys.
    pub async fn key_requests(&self, page: &PageQuery) -> Answer<Page<KeyRequestView>> {
        self.read_with("/key-requests", page).await
    }

    /// A request for an act on a key.
    pub async fn key_request(&self, id: &str) -> Answer<KeyRequestView> {
        self.read(&format!("/key-requests/{}", segment(id))).await
    }

    /// Asks for an act on a key.
    pub async fn request_key_act(&self, body: &KeyRequestCreate) -> Answer<KeyRequestView> {
        self.post("/key-requests", body).await
    }

    /// Confirms what another asked for.
    pub async fn confirm_key_request(&self, id: &str) -> Answer<KeyRequestView> {
        let path = format!("/key-requests/{}:confirm", segment(id));
        self.post(&path, &json!({})).await
    }

    /// Takes a request back, or refuses it.
    pub async fn withdraw_key_request(&self, id: &str) -> Answer<KeyRequestView> {
        let path = format!("/key-requests/{}:withdraw", segment(id));
        self.post(&path, &json!({})).await
    }
}

/// Data sets, masking policies, pushes.
impl Client {
    /// The data catalogue.
    pub async fn datasets(&self, page: &PageQuery) -> Answer<Page<DatasetView>> {
        self.read_with("/datasets", page).await
    }

    /// Registers a data set.
    pub async fn register_dataset(&self, body: &DatasetCreate) -> Answer<DatasetView> {
        self.post("/datasets", body).await
    }

    /// A catalogue entry.
    pub async fn dataset(&self, name: &str) -> Answer<DatasetView> {
        self.read(&format!("/datasets/{}", segment(name))).await
    }

    /// The sample of a data set.
    pub async fn dataset_sample(&self, name: &str) -> Answer<SampleView> {
        self.read(&format!("/datasets/{}/sample", segment(name)))
            .await
    }

    /// The versions of a data set.
    pub async fn dataset_versions(
        &self,
        name: &str,
        page: &PageQuery,
    ) -> Answer<Page<DatasetVersionView>> {
        self.read_with(&format!("/datasets/{}/versions", segment(name)), page)
            .await
    }

    /// The scores of a data set's pushes, newest first.
    pub async fn dataset_quality(
        &self,
        name: &str,
        page: &PageQuery,
    ) -> Answer<Page<QualityPoint>> {
        self.read_with(&format!("/datasets/{}/quality", segment(name)), page)
            .await
    }

    /// The masking policy in force.
    pub async fn policy(&self, dataset: &str) -> Answer<PolicyView> {
        self.read(&format!("/datasets/{}/policy", segment(dataset)))
            .await
    }

    /// Puts a masking policy in force.
    pub async fn set_policy(&self, dataset: &str, toml: &str) -> Answer<PolicyView> {
        self.put(
            &format!("/datasets/{}/policy", segment(dataset)),
            &PolicyPut {
                toml: toml.to_owned(),
            },
        )
        .await
    }

    /// A masking policy that fits what the columns hold.
    pub async fn suggest_policy(
        &self,
        dataset: &str,
        wish: &PolicySuggest,
    ) -> Answer<PolicySuggestion> {
        self.post(
            &format!("/datasets/{}/policy:suggest", segment(dataset)),
            wish,
        )
        .await
    }

    /// The provider's sample before and after a policy.
    pub async fn preview_policy(&self, dataset: &str, toml: &str) -> Answer<PolicyPreview> {
        let body = PolicyPut {
            toml: toml.to_owned(),
        };
        let path = format!("/datasets/{}/policy:preview", segment(dataset));
        self.post(&path, &body).await
    }

    /// Opens a push.
    pub async fn open_push(&self, dataset: &str, manifest: &PushCreate) -> Answer<PushView> {
        self.post(&format!("/datasets/{}/pushes", segment(dataset)), manifest)
            .await
    }

    /// Sends the data of a push, or the next piece of them.
    pub async fn send_push_data(&self, push: &str, data: Upload) -> Answer<PushView> {
        self.upload(&format!("/pushes/{}/data", segment(push)), &[(); 0], data)
            .await
    }

    /// Lets the data of a push be checked and masked.
    pub async fn commit_push(&self, push: &str) -> Answer<PushView> {
        self.post(&format!("/pushes/{}:commit", segment(push)), &json!({}))
            .await
    }

    /// A push.
    pub async fn push(&self, id: &str) -> Answer<PushView> {
        self.read(&format!("/pushes/{}", segment(id))).await
    }

    /// The problem records of a push.
    pub async fn push_problems(&self, id: &str, page: &PageQuery) -> Answer<Page<ProblemRecord>> {
        self.read_with(&format!("/pushes/{}/problems", segment(id)), page)
            .await
    }

    /// The quality report of a push.
    pub async fn push_quality(&self, id: &str) -> Answer<QualityView> {
        self.read(&format!("/pushes/{}/quality", segment(id))).await
    }

    /// The risk of a push before and after masking.
    pub async fn push_risk(&self, id: &str) -> Answer<PushRiskView> {
        self.read(&format!("/pushes/{}/risk", segment(id))).await
    }
}

/// The feedback list.
impl Client {
    /// Items of the feedback list.
    pub async fn feedback(&self, query: &FeedbackQuery) -> Answer<Page<FeedbackView>> {
        self.read_with("/feedback", query).await
    }

    /// An item of the feedback list.
    pub async fn feedback_item(&self, id: &str) -> Answer<FeedbackView> {
        self.read(&format!("/feedback/{}", segment(id))).await
    }

    /// Answers an item for the provider.
    pub async fn answer_feedback(&self, id: &str, text: &str) -> Answer<FeedbackView> {
        let body = FeedbackAnswer {
            text: text.to_owned(),
        };
        self.post(&format!("/feedback/{}:answer", segment(id)), &body)
            .await
    }

    /// Closes an item as the operator.
    pub async fn close_feedback(&self, id: &str, reason: &str) -> Answer<FeedbackView> {
        self.post(
            &format!("/feedback/{}:close", segment(id)),
            &Reason::from(reason),
        )
        .await
    }
}

/// Scenarios, grants, private data sets.
impl Client {
    /// The scenario catalogue.
    pub async fn scenarios(&self, page: &PageQuery) -> Answer<Page<ScenarioView>> {
        self.read_with("/scenarios", page).await
    }

    /// Proposes a scenario.
    pub async fn propose_scenario(&self, body: &ScenarioCreate) -> Answer<ScenarioView> {
        self.post("/scenarios", body).await
    }

    /// A scenario.
    pub async fn scenario(&self, id: &str) -> Answer<ScenarioView> {
        self.read(&format!("/scenarios/{}", segment(id))).await
    }

    /// Hands a scenario to the reviewers.
    pub async fn submit_scenario(&self, id: &str) -> Answer<ScenarioView> {
        self.post(&format!("/scenarios/{}:submit", segment(id)), &json!({}))
            .await
    }

    /// What a reviewer votes on.
    pub async fn scenario_evidence(&self, id: &str) -> Answer<ScenarioEvidence> {
        self.read(&format!("/scenarios/{}/evidence", segment(id)))
            .await
    }

    /// Votes on a scenario.
    pub async fn vote_scenario(&self, id: &str, vote: &VoteCast) -> Answer<ScenarioView> {
        self.post(&format!("/scenarios/{}/votes", segment(id)), vote)
            .await
    }

    /// Ends a scenario for cause.
    pub async fn revoke_scenario(&self, id: &str, reason: &str) -> Answer<ScenarioView> {
        self.post(
            &format!("/scenarios/{}:revoke", segment(id)),
            &Reason::from(reason),
        )
        .await
    }

    /// Grants and applications.
    pub async fn grants(&self, page: &PageQuery) -> Answer<Page<GrantView>> {
        self.read_with("/grants", page).await
    }

    /// Applies for a grant.
    pub async fn apply(&self, body: &ApplicationCreate) -> Answer<GrantView> {
        self.post("/grants", body).await
    }

    /// A grant.
    pub async fn grant(&self, id: &str) -> Answer<GrantView> {
        self.read(&format!("/grants/{}", segment(id))).await
    }

    /// Answers for a provider.
    pub async fn consent(&self, grant: &str, consent: bool) -> Answer<GrantView> {
        self.post(
            &format!("/grants/{}/consents", segment(grant)),
            &ConsentCast { consent },
        )
        .await
    }

    /// Ends a grant for cause.
    pub async fn revoke_grant(&self, id: &str, reason: &str) -> Answer<GrantView> {
        self.post(
            &format!("/grants/{}:revoke", segment(id)),
            &Reason::from(reason),
        )
        .await
    }

    /// One's private data sets.
    pub async fn private_datasets(&self, page: &PageQuery) -> Answer<Page<PrivateDatasetView>> {
        self.read_with("/private-datasets", page).await
    }

    /// Makes a private data set.
    pub async fn create_private_dataset(
        &self,
        body: &PrivateDatasetCreate,
    ) -> Answer<PrivateDatasetView> {
        self.post("/private-datasets", body).await
    }

    /// Sends the data of a private data set.
    pub async fn send_private_data(
        &self,
        id: &str,
        format: DataFormat,
        data: Upload,
    ) -> Answer<PrivateDatasetView> {
        self.upload(
            &format!("/private-datasets/{}/data", segment(id)),
            &DataQuery { format },
            data,
        )
        .await
    }

    /// Deletes a private data set.
    pub async fn delete_private_dataset(&self, id: &str) -> Answer<()> {
        self.delete(&format!("/private-datasets/{}", segment(id)))
            .await
    }
}

/// Modules, jobs, runs, releases.
impl Client {
    /// One's modules.
    pub async fn modules(&self, page: &PageQuery) -> Answer<Page<ModuleView>> {
        self.read_with("/modules", page).await
    }

    /// Pushes a module.
    pub async fn push_module(&self, name: &str, bytes: Vec<u8>) -> Answer<ModuleView> {
        self.post_bytes(
            "/modules",
            &ModuleQuery {
                name: name.to_owned(),
            },
            bytes,
        )
        .await
    }

    /// A module.
    pub async fn module(&self, id: &str) -> Answer<ModuleView> {
        self.read(&format!("/modules/{}", segment(id))).await
    }

    /// Whether SQL would be admitted.
    pub async fn check_sql(&self, body: &SqlCheck) -> Answer<AdmissionView> {
        self.post("/sql:check", body).await
    }

    /// One's jobs.
    pub async fn jobs(&self, page: &PageQuery) -> Answer<Page<JobView>> {
        self.read_with("/jobs", page).await
    }

    /// Submits a job; its run begins.
    pub async fn submit_job(&self, body: &JobCreate) -> Answer<JobView> {
        self.post("/jobs", body).await
    }

    /// A job.
    pub async fn job(&self, id: &str) -> Answer<JobView> {
        self.read(&format!("/jobs/{}", segment(id))).await
    }

    /// One's runs.
    pub async fn runs(&self, page: &PageQuery) -> Answer<Page<RunView>> {
        self.read_with("/runs", page).await
    }

    /// A run; answers when it has ended or after `wait_ms`, at most 30,000.
    pub async fn run(&self, id: &str, wait_ms: u64) -> Answer<RunView> {
        self.read_with(&format!("/runs/{}", segment(id)), &RunQuery { wait_ms })
            .await
    }

    /// Stops a run.
    pub async fn cancel_run(&self, id: &str) -> Answer<RunView> {
        self.post(&format!("/runs/{}:cancel", segment(id)), &json!({}))
            .await
    }

    /// Releases.
    pub async fn releases(&self, query: &ReleaseQuery) -> Answer<Page<ReleaseView>> {
        self.read_with("/releases", query).await
    }

    /// A release.
    pub async fn release(&self, id: &str) -> Answer<ReleaseView> {
        self.read(&format!("/releases/{}", segment(id))).await
    }

    /// What a reviewer votes on.
    pub async fn release_evidence(&self, id: &str) -> Answer<ReleaseEvidence> {
        self.read(&format!("/releases/{}/evidence", segment(id)))
            .await
    }

    /// Rows of a held release.
    pub async fn release_rows(&self, id: &str, page: &PageQuery) -> Answer<ReleaseRows> {
        self.read_with(&format!("/releases/{}/rows", segment(id)), page)
            .await
    }

    /// Votes on a held release.
    pub async fn vote_release(&self, id: &str, vote: &VoteCast) -> Answer<ReleaseView> {
        self.post(&format!("/releases/{}/votes", segment(id)), vote)
            .await
    }

    /// The released bytes.
    pub async fn download(&self, release: &str) -> Answer<Vec<u8>> {
        self.read_bytes(&format!("/releases/{}/result", segment(release)))
            .await
    }

    /// The certificate of a release, as it is to be kept.
    pub async fn certificate(&self, release: &str) -> Answer<Vec<u8>> {
        self.read_bytes(&format!("/releases/{}/certificate", segment(release)))
            .await
    }
}

/// Ledger, use, status.
impl Client {
    /// The newest checkpoint.
    pub async fn checkpoint(&self) -> Answer<CheckpointView> {
        self.read("/ledger/checkpoint").await
    }

    /// Leaves.
    pub async fn leaves(&self, query: &LeavesQuery) -> Answer<Page<LeafView>> {
        self.read_with("/ledger/leaves", query).await
    }

    /// The proof that a leaf is in the log.
    pub async fn proof(&self, index: u64) -> Answer<ProofView> {
        self.read(&format!("/ledger/proofs/{index}")).await
    }

    /// The proof that the log only grew.
    pub async fn consistency(&self, from: u64, to: u64) -> Answer<ConsistencyView> {
        self.read_with("/ledger/consistency", &ConsistencyQuery { from, to })
            .await
    }

    /// The public keys, as the file that `certificate verify --key` reads.
    pub async fn public_keys(&self) -> Answer<Vec<u8>> {
        self.read_bytes("/ledger/keys").await
    }

    /// What was used.
    pub async fn usage(&self) -> Answer<UsageView> {
        self.read("/usage").await
    }

    /// Workers, queue and isolation.
    pub async fn status(&self) -> Answer<StatusView> {
        self.read("/status").await
    }
}
