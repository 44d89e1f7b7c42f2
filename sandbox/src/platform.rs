//! The platform: everything that its parts stand on, opened in the one order that leaves nothing half-made.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{task::AbortHandle, time::MissedTickBehavior};

use crate::{
    access::{self, Actor, Authorisation, Object, Operation},
    clock::{Clock, Entropy},
    error::Error,
    folder::DataFolder,
    id::OrganisationId,
    identity::{Attempts, LastUses, Passwords, bootstrap},
    intake::Intake,
    keys::{KeyFolder, Keys},
    ledger::{Log, Pseudonyms, Signer, anchored},
    mask_key,
    node::Node,
    objects::ObjectVault,
    settings::{Database, Settings},
    storage::{self, Store},
};

/// How far the anchor may stay behind the log.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);

/// The platform. A clone is another handle to the same.
#[derive(Clone)]
pub struct Platform(Arc<Parts>);

struct Parts {
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<Keys>,
    store: Store,
    log: Log,
    objects: ObjectVault,
    intake: Intake,
    node: Node,
    passwords: Passwords,
    attempts: Attempts,
    last_uses: LastUses,
    anchoring: OnceLock<AbortHandle>,
    // Given up last.
    _folder: DataFolder,
}

impl Platform {
    /// Opens a platform; makes it when the data folder is empty.
    ///
    /// # Errors
    /// Names what is in the way: the folder held by another server, a key file, the database, the object store, a missing layer of
    /// the jail, a ledger that was rolled back.
    pub async fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let folder = DataFolder::hold(&settings.data_dir)?;
        let anchor = settings.data_dir.join("anchor");
        let database = match &settings.database {
            Database::Sqlite => storage::Database::Sqlite {
                file: settings.data_dir.join("egret.db"),
            },
            Database::Postgres { url } => storage::Database::Postgres { url: url.clone() },
        };
        // Before a key or a file is made: whoever has no database yet leaves nothing half-made behind.
        if let Err(error) = database.look(anchored(&anchor)).await {
            folder.leave();
            return Err(error);
        }
        let keeper = KeyFolder::open(&settings.data_dir.join("keys"))?;
        let keys = Keys::open(Box::new(keeper), settings.suite, &*entropy)?;
        let pseudonyms = Pseudonyms::new(keys.pseudonyms.bytes());
        let store = Store::open(
            &database,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            pseudonyms,
        )
        .await?;
        Log::begin(&store, &anchor).await?;
        keys.check(&store).await?;
        let signer = Signer::new(
            &settings.origin,
            keys.checkpoint.bytes(),
            keys.certificate.bytes(),
        )?;
        let log = Log::open(&store, signer, &anchor, settings.recover_anchor).await?;
        let objects = ObjectVault::open(
            &settings.objects,
            &settings.data_dir,
            keys.objects.bytes(),
            Arc::clone(&entropy),
        )?;
        objects.check(&settings.objects).await?;
        let passwords = Passwords::default();
        bootstrap(&store, &passwords, &*clock, &*entropy, &settings.data_dir).await?;
        let idle_max = SignedDuration::from_mins(i64::from(settings.operator_idle_minutes));
        let last_uses = LastUses::new(clock.now(), idle_max);
        let node = Node::start(&settings, &*entropy).await?;
        let platform = Self(Arc::new(Parts {
            settings,
            clock,
            entropy,
            keys: Arc::new(keys),
            store,
            log,
            objects,
            intake: Intake::default(),
            node,
            passwords,
            attempts: Attempts::default(),
            last_uses,
            anchoring: OnceLock::new(),
            _folder: folder,
        }));
        mask_key::complete(&platform).await?;
        platform.resume_intake().await?;
        platform.start_driver().await?;
        platform.keep_anchored();
        Ok(platform)
    }

    /// Lets go of the database. Work in progress is taken up at the next start.
    pub async fn close(self) {
        self.0.node.close().await;
        self.0.intake.close().await;
        if let Some(anchoring) = self.0.anchoring.get() {
            anchoring.abort();
        }
        // Best effort, for the anchor only says what the database holds in any case.
        let _ = self.0.log.checkpoint(&self.0.store).await;
        self.0.store.close().await;
    }

    /// Signs the log as it grows, so that a database that is rolled back later is noticed.
    fn keep_anchored(&self) {
        let parts = Arc::downgrade(&self.0);
        let task = tokio::spawn(async move {
            let mut turns = tokio::time::interval(ANCHOR_EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                let Some(parts) = parts.upgrade() else { return };
                if let Err(error) = parts.log.checkpoint(&parts.store).await {
                    tracing::error!(error = %error, "the ledger was not anchored");
                }
            }
        });
        // Opened once, so set once.
        let _ = self.0.anchoring.set(task.abort_handle());
    }

    /// The one decision whether an actor may do something.
    pub(crate) fn authorise(
        &self,
        actor: &Actor,
        operation: Operation,
        object: Object,
    ) -> Result<Authorisation, Error> {
        access::authorise(actor, operation, object)
    }

    /// How far the actor's lists reach: everything (none), or one organisation.
    pub(crate) fn scope(
        &self,
        actor: &Actor,
        operation: Operation,
    ) -> Result<Option<OrganisationId>, Error> {
        access::scope(actor, operation)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// The keys, for a closure that outlives this handle.
    pub(crate) fn keys_handle(&self) -> Arc<Keys> {
        Arc::clone(&self.0.keys)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    pub(crate) fn node(&self) -> &Node {
        &self.0.node
    }

    pub(crate) fn objects(&self) -> &ObjectVault {
        &self.0.objects
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.0.intake
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.0.last_uses
    }

    /// Whether the database answers; nobody has to be signed in to ask.
    pub async fn database_answers(&self) -> bool {
        self.store().answers().await
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }
}

#[cfg(test)]
mod tests;
