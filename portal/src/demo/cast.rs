//! Who plays: organisations, accounts, and a client for each.

use super::story::Broken;
use crate::client::Client;
use crate::http::dto::{AccountCreate, OrganisationCreate, OrganisationKind, Role};
use sandbox::{Entropy, SystemEntropy};
use std::path::Path;

/// The file that the first start of a platform leaves for its operator.
const INITIAL_SIGN_INS: &str = "initial-sign-ins.txt";

/// The organisations' identifiers and everybody's client.
pub(super) struct Cast {
    pub(super) system_admin: Client,
    pub(super) security_admin: Client,
    pub(super) auditor: Client,
    /// Identifiers of the three bureaus, in the order of the data sets.
    pub(super) bureaus: [String; 3],
    /// Their delegates.
    pub(super) delegates: [Client; 3],
    /// Reviewers of two review bodies.
    pub(super) reviewers: [Client; 2],
    pub(super) developer: Client,
    pub(super) tenant_admin: Client,
    /// Account and password of everybody, for whoever goes on by hand.
    pub(super) sign_ins: Vec<(String, String)>,
}

/// Account, organisation, role of those who are not of the operator.
const BUREAUS: [(&str, &str); 3] = [
    ("health-bureau", "卫生健康局"),
    ("social-security-bureau", "社会保障局"),
    ("transport-bureau", "交通运输局"),
];
const REVIEW_BODIES: [(&str, &str); 2] = [
    ("data-office", "数据管理局"),
    ("ethics-board", "数据伦理委员会"),
];
const TENANT: (&str, &str) = ("egret-insurance", "白鹭普惠保险");

impl Cast {
    /// Signs the operator's administrators in, and makes everybody else.
    pub(super) async fn assemble(client: &Client, data_dir: &Path) -> Result<Self, Broken> {
        let file = data_dir.join(INITIAL_SIGN_INS);
        let text = std::fs::read_to_string(&file).map_err(|error| {
            let shown = file.display();
            Broken::new(
                format!("无法读取 {shown}：{error}"),
                format!("cannot read {shown}: {error}"),
            )
        })?;
        let mut makes = Maker {
            client,
            sign_ins: Vec::new(),
            admin: client.clone(),
            security: client.clone(),
        };
        let system_admin = makes.first(&text, "system-admin").await?;
        let security_admin = makes.first(&text, "security-admin").await?;
        let auditor = makes.first(&text, "auditor").await?;
        makes.admin = system_admin.clone();
        makes.security = security_admin.clone();

        let mut bureaus = Vec::new();
        let mut delegates = Vec::new();
        for (name, title) in BUREAUS {
            let bureau = makes
                .organisation(name, title, OrganisationKind::Provider)
                .await?;
            delegates.push(
                makes
                    .account(&format!("{name}-delegate"), &bureau, Role::ProviderDelegate)
                    .await?,
            );
            bureaus.push(bureau);
        }
        let mut reviewers = Vec::new();
        for (name, title) in REVIEW_BODIES {
            let body = makes
                .organisation(name, title, OrganisationKind::ReviewBody)
                .await?;
            reviewers.push(
                makes
                    .account(&format!("{name}-reviewer"), &body, Role::Reviewer)
                    .await?,
            );
        }
        let tenant = makes
            .organisation(TENANT.0, TENANT.1, OrganisationKind::Tenant)
            .await?;
        let developer = makes
            .account("insurance-developer", &tenant, Role::Developer)
            .await?;
        let tenant_admin = makes
            .account("insurance-admin", &tenant, Role::TenantAdmin)
            .await?;
        Ok(Self {
            system_admin,
            security_admin,
            auditor,
            bureaus: all(bureaus)?,
            delegates: all(delegates)?,
            reviewers: all(reviewers)?,
            developer,
            tenant_admin,
            sign_ins: makes.sign_ins,
        })
    }
}

fn all<T, const N: usize>(items: Vec<T>) -> Result<[T; N], Broken> {
    items.try_into().map_err(|_other_number| Broken::Before)
}

/// Makes organisations and accounts, and remembers the passwords.
struct Maker<'a> {
    client: &'a Client,
    admin: Client,
    security: Client,
    sign_ins: Vec<(String, String)>,
}

impl Maker<'_> {
    /// Signs in as an account of the first start.
    async fn first(&mut self, text: &str, account: &str) -> Result<Client, Broken> {
        let password = password_of(text, account).ok_or_else(|| {
            Broken::new(
                format!("{INITIAL_SIGN_INS} 中没有 {account}"),
                format!("{account} is not in {INITIAL_SIGN_INS}"),
            )
        })?;
        self.sign_in(account, password).await
    }

    async fn organisation(
        &self,
        name: &str,
        title: &str,
        kind: OrganisationKind,
    ) -> Result<String, Broken> {
        let create = OrganisationCreate {
            name: name.to_owned(),
            title: title.to_owned(),
            kind,
        };
        Ok(self.admin.create_organisation(&create).await?.id)
    }

    /// Makes an account and gives it its role: two acts of two administrators, as it is everywhere outside of tenants.
    async fn account(
        &mut self,
        name: &str,
        organisation: &str,
        role: Role,
    ) -> Result<Client, Broken> {
        let password = password();
        let create = AccountCreate {
            name: name.to_owned(),
            organisation: organisation.to_owned(),
            roles: Vec::new(),
            password: password.clone(),
        };
        let made = self.admin.create_account(&create).await?;
        self.security.set_roles(&made.id, vec![role]).await?;
        self.sign_in(name, password).await
    }

    async fn sign_in(&mut self, account: &str, password: String) -> Result<Client, Broken> {
        let session = self.client.sign_in(account, &password).await?;
        self.sign_ins.push((account.to_owned(), password));
        Ok(self.client.with_token(session.token))
    }
}

/// The password of an account in the file of the first start: the last word of the line that begins with it.
fn password_of(text: &str, account: &str) -> Option<String> {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.len() > 1 && words[0].trim_end_matches(':') == account)
        .and_then(|words| words.last().map(|password| (*password).to_owned()))
}

fn password() -> String {
    let mut bytes = [0; 12];
    SystemEntropy.fill(&mut bytes);
    format!("Demo-{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_by_its_account() {
        let text = "# sign-ins\nsystem-admin  one\nauditor:\ttwo\n";
        assert_eq!(password_of(text, "system-admin").as_deref(), Some("one"));
        assert_eq!(password_of(text, "auditor").as_deref(), Some("two"));
        assert_eq!(password_of(text, "security-admin"), None);
    }
}
