//! Who may do what: one table, one place that decides.
//!
//! An [`Authorisation`] can be made here alone, and every change takes one.

mod matrix;
mod operation;
mod role;

pub use matrix::MATRIX_TEXT;
pub(crate) use matrix::Reach;
pub use operation::Operation;
pub use role::{OrganisationKind, Role, RoleSet};

use masking::{Bilingual, Lang};

use crate::{
    error::Error,
    id::{AccountId, OrganisationId},
};

/// Who is asking: an account that signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Its organisation.
    pub organisation: OrganisationId,
    /// What that organisation is.
    pub organisation_kind: OrganisationKind,
    /// What the account may act as.
    pub roles: RoleSet,
    /// Digest of the session or token behind the request.
    pub(crate) credential: String,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// The platform as a whole, or something that belongs to no single organisation.
    Platform,
    /// Something that belongs to an organisation.
    Of(OrganisationId),
}

/// The right to do one thing once. Only [`authorise`] and [`system`] make one.
#[derive(Debug)]
pub(crate) struct Authorisation {
    by: By,
    #[allow(
        dead_code,
        reason = "shown by Debug in traces; the ledger names the act itself"
    )]
    operation: &'static str,
}

#[derive(Debug)]
enum By {
    Account(AccountId),
    System,
}

impl Authorisation {
    /// The name that the ledger's pseudonym is made from.
    pub(crate) fn actor_name(&self) -> String {
        match self.by {
            By::Account(account) => account.to_string(),
            By::System => "system".to_owned(),
        }
    }
}

/// Acts of the platform itself, which follow from what a person was authorised to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemOperation {
    /// The first start makes the operator's accounts.
    Bootstrap,
    /// A sign-in, successful or not.
    SignIn,
    /// A push is checked and becomes a version or not.
    Intake,
    /// A run moves on.
    Run,
    /// A result is decided and released.
    Release,
}

/// Says which roles may: the matrix is no secret, and whoever asks in vain needs to know whom to ask.
fn not_permitted(operation: Operation) -> Error {
    let may = Role::ALL
        .into_iter()
        .filter(|role| matrix::reach(operation, *role) != Reach::Never);
    let (zh, en): (Vec<&str>, Vec<&str>) = may.map(|role| (role.title(), role.name())).unzip();
    let remedy = if en.is_empty() {
        Bilingual::new("没有角色可以执行此操作。", "no role permits this.")
    } else {
        Bilingual::new(
            format!(
                "可执行此操作的角色：{}；角色由安全管理员授予。",
                zh.join("、")
            ),
            format!(
                "roles that may: {}; the security administrator gives them.",
                en.join(", ")
            ),
        )
    };
    Error::denied(
        "not_permitted",
        "您的角色不能执行此操作。",
        "your role does not permit this.",
    )
    .with_remedy(remedy.text(Lang::Zh), remedy.text(Lang::En))
}

/// Decides whether the actor may do this to that.
///
/// # Errors
/// *Denied* when no role of the actor may ever do it, *not found* when roles may but the object is another organisation's:
/// whether it exists is not told.
pub(crate) fn authorise(
    actor: &Actor,
    operation: Operation,
    object: Object,
) -> Result<Authorisation, Error> {
    let reach = actor
        .roles
        .iter()
        .map(|role| matrix::reach(operation, role))
        .max();
    let allowed = match (reach.unwrap_or(Reach::Never), object) {
        (Reach::Any, _) | (Reach::Own, Object::Platform) => true,
        (Reach::Own, Object::Of(organisation)) => organisation == actor.organisation,
        (Reach::Never, _) => return Err(not_permitted(operation)),
    };
    if allowed {
        Ok(Authorisation {
            by: By::Account(actor.account),
            operation: operation.name(),
        })
    } else {
        Err(Error::not_found(
            "没有这个对象，或您无权看到它。",
            "there is no such object, or you may not see it.",
        ))
    }
}

/// The right of the platform itself.
pub(crate) fn system(operation: SystemOperation) -> Authorisation {
    let operation = match operation {
        SystemOperation::Bootstrap => "bootstrap",
        SystemOperation::SignIn => "sign_in",
        SystemOperation::Intake => "intake",
        SystemOperation::Run => "run",
        SystemOperation::Release => "release",
    };
    Authorisation {
        by: By::System,
        operation,
    }
}

/// How far the actor reaches with an operation that lists things: everything, or its own organisation's.
///
/// # Errors
/// *Denied* when no role of the actor may.
pub(crate) fn scope(actor: &Actor, operation: Operation) -> Result<Option<OrganisationId>, Error> {
    authorise(actor, operation, Object::Platform)?;
    let any = actor
        .roles
        .iter()
        .any(|role| matrix::reach(operation, role) == Reach::Any);
    Ok(if any { None } else { Some(actor.organisation) })
}
