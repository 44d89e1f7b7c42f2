//! Roles and kinds of organisation, and which go together.

use std::fmt;

/// What an account may act as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Writes and submits programs of a tenant.
    Developer,
    /// Looks after a tenant's members and private data sets.
    TenantAdmin,
    /// Votes on scenarios and releases.
    Reviewer,
    /// Consents for a provider.
    ProviderDelegate,
    /// 系统管理员.
    SystemAdmin,
    /// 安全管理员.
    SecurityAdmin,
    /// 审计管理员.
    Auditor,
}

impl Role {
    /// All roles, in the order of the matrix.
    pub const ALL: [Self; 7] = [
        Self::Developer,
        Self::TenantAdmin,
        Self::Reviewer,
        Self::ProviderDelegate,
        Self::SystemAdmin,
        Self::SecurityAdmin,
        Self::Auditor,
    ];

    /// The name in the API and in storage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::TenantAdmin => "tenant_admin",
            Self::Reviewer => "reviewer",
            Self::ProviderDelegate => "provider_delegate",
            Self::SystemAdmin => "system_admin",
            Self::SecurityAdmin => "security_admin",
            Self::Auditor => "auditor",
        }
    }

    /// What people call it in Chinese.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Developer => "开发者",
            Self::TenantAdmin => "主体管理员",
            Self::Reviewer => "审查员",
            Self::ProviderDelegate => "提供方代表",
            Self::SystemAdmin => "系统管理员",
            Self::SecurityAdmin => "安全管理员",
            Self::Auditor => "审计管理员",
        }
    }

    /// The role of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The kind of organisation whose members may have the role.
    #[must_use]
    pub fn home(self) -> OrganisationKind {
        match self {
            Self::Developer | Self::TenantAdmin => OrganisationKind::Tenant,
            Self::Reviewer => OrganisationKind::ReviewBody,
            Self::ProviderDelegate => OrganisationKind::Provider,
            Self::SystemAdmin | Self::SecurityAdmin | Self::Auditor => OrganisationKind::Operator,
        }
    }
}

/// What an organisation is to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganisationKind {
    /// 一级开发主体.
    Operator,
    /// 二级开发主体.
    Tenant,
    /// 数据提供方.
    Provider,
    /// Whose members vote.
    ReviewBody,
}

impl OrganisationKind {
    /// The name in the API and in storage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::ReviewBody => "review_body",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Operator,
            Self::Tenant,
            Self::Provider,
            Self::ReviewBody,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// The roles of an account.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RoleSet(u8);

impl RoleSet {
    /// The set of these roles.
    #[must_use]
    pub fn of(roles: &[Role]) -> Self {
        Self(roles.iter().fold(0, |set, role| set | Self::bit(*role)))
    }

    /// Whether the role is among them.
    #[must_use]
    pub fn contains(self, role: Role) -> bool {
        self.0 & Self::bit(role) != 0
    }

    /// The roles, in the order of the matrix.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL
            .into_iter()
            .filter(move |role| self.contains(*role))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The three administrators are three people: no account is two of them.
    #[must_use]
    pub fn separates_duties(self) -> bool {
        self.iter()
            .filter(|role| role.home() == OrganisationKind::Operator)
            .count()
            <= 1
    }

    /// The form in storage.
    pub(crate) fn to_text(self) -> String {
        self.iter().map(Role::name).collect::<Vec<_>>().join(" ")
    }

    /// The set of a stored form; names that are not known give nothing.
    pub(crate) fn from_text(text: &str) -> Self {
        Self::of(
            &text
                .split_whitespace()
                .filter_map(Role::parse)
                .collect::<Vec<_>>(),
        )
    }

    fn bit(role: Role) -> u8 {
        match role {
            Role::Developer => 1,
            Role::TenantAdmin => 2,
            Role::Reviewer => 4,
            Role::ProviderDelegate => 8,
            Role::SystemAdmin => 16,
            Role::SecurityAdmin => 32,
            Role::Auditor => 64,
        }
    }
}

impl fmt::Debug for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Role::name)).finish()
    }
}
