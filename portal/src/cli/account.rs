//! `egret account`: who may sign in, and as what.

use super::failure::Failure;
use super::output::{Column, column};
use super::remote::Session;
use super::remote::{Paging, Remote};
use super::{organisation, session};
use crate::http::dto::{AccountCreate, PageQuery, PasswordPut, PasswordReset, Role};
use sandbox::Lang;
use std::process::ExitCode;

/// Arguments of `egret account`.
#[derive(Debug, clap::Args)]
pub(crate) struct Account {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// 账号列表 · list accounts
    List(Paging),
    /// 新建账号；口令从标准输入读取 · make an account; its password is read from standard input
    Create {
        /// 登录名 · name to sign in with
        name: String,
        /// 机构标识或简称 · identifier or short name of the organisation
        #[arg(long)]
        organisation: String,
        /// 角色，可重复；租户以外的角色由安全管理员用 set-roles 授予 · role, may be repeated; roles outside of tenants are given by the security administrator, with set-roles
        #[arg(long = "role", value_enum)]
        roles: Vec<RoleName>,
    },
    /// 设置账号的全部角色 · set all roles of an account
    SetRoles {
        /// 账号标识或登录名 · identifier of the account, or its name
        id: String,
        /// 角色，可重复 · role, may be repeated
        #[arg(long = "role", required = true, value_enum)]
        roles: Vec<RoleName>,
    },
    /// 停用账号 · shut an account
    Disable {
        /// 账号标识或登录名 · identifier of the account, or its name
        id: String,
    },
    /// 重新启用账号 · open a shut account again
    Enable {
        /// 账号标识或登录名 · identifier of the account, or its name
        id: String,
    },
    /// 重设他人的口令，从标准输入读取；其会话与令牌随即失效 · set somebody's password anew, read from standard input; their sessions and tokens end
    ResetPassword {
        /// 账号标识或登录名 · identifier of the account, or its name
        id: String,
    },
    /// 修改自己的口令；先后从标准输入读取旧、新口令 · change one's own password: the old, then the new
    Password,
}

/// The roles as words of the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum RoleName {
    /// 开发者
    Developer,
    /// 主体管理员
    TenantAdmin,
    /// 审查员
    Reviewer,
    /// 提供方代表
    ProviderDelegate,
    /// 系统管理员
    SystemAdmin,
    /// 安全管理员
    SecurityAdmin,
    /// 审计管理员
    Auditor,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Developer => Self::Developer,
            RoleName::TenantAdmin => Self::TenantAdmin,
            RoleName::Reviewer => Self::Reviewer,
            RoleName::ProviderDelegate => Self::ProviderDelegate,
            RoleName::SystemAdmin => Self::SystemAdmin,
            RoleName::SecurityAdmin => Self::SecurityAdmin,
            RoleName::Auditor => Self::Auditor,
        }
    }
}

const COLUMNS: &[Column] = &[
    column("标识", "id", "/id"),
    column("登录名", "name", "/name"),
    column("机构", "organisation", "/organisation"),
    column("角色", "roles", "/roles"),
    column("停用", "disabled", "/disabled"),
    column("建立时间", "created", "/created_at"),
];

/// The identifier of an account that was given by it or by its name.
async fn identifier(session: &Session, named: String) -> Result<String, Failure> {
    if named.starts_with("acc_") {
        return Ok(named);
    }
    let mut page = PageQuery {
        limit: Some(sandbox::PAGE_LIMIT_MAX),
        cursor: None,
    };
    loop {
        let found = session.client.accounts(&page).await?;
        if let Some(account) = found.items.into_iter().find(|each| each.name == named) {
            return Ok(account.id);
        }
        if found.next_cursor.is_none() {
            return Err(Failure::new(
                format!("没有登录名为 {named} 的账号；见 egret account list"),
                format!("there is no account {named}; see egret account list"),
            ));
        }
        page.cursor = found.next_cursor;
    }
}

impl Account {
    pub(crate) fn run(self, lang: Lang) -> ExitCode {
        let verb = self.verb;
        self.remote.run(lang, async move |session| {
            let (client, printer) = (&session.client, &session.printer);
            match verb {
                Verb::List(paging) => {
                    printer.page(&client.accounts(&paging.query()).await?, COLUMNS)
                }
                Verb::Create {
                    name,
                    organisation,
                    roles,
                } => {
                    let password =
                        session::password(lang, "新账号的口令：", "password of the new account: ")?;
                    let account = AccountCreate {
                        name,
                        organisation: organisation::identifier(&session, organisation).await?,
                        roles: roles.into_iter().map(Role::from).collect(),
                        password,
                    };
                    let made = client.create_account(&account).await?;
                    printer.one(&made, COLUMNS)?;
                    if made.roles.is_empty() {
                        let id = &made.id;
                        printer.say(
                            &format!("该账号尚无角色；由安全管理员执行 egret account set-roles {id} --role 角色"),
                            &format!("the account has no role yet; the security administrator runs egret account set-roles {id} --role ROLE"),
                        )?;
                    }
                    Ok(())
                }
                Verb::SetRoles { id, roles } => {
                    let id = identifier(&session, id).await?;
                    let roles = roles.into_iter().map(Role::from).collect();
                    printer.one(&client.set_roles(&id, roles).await?, COLUMNS)
                }
                Verb::Disable { id } => {
                    let account = identifier(&session, id.clone()).await?;
                    client.disable_account(&account).await?;
                    printer.say(&format!("{id} 已停用"), &format!("{id} is shut"))
                }
                Verb::Enable { id } => {
                    let account = identifier(&session, id.clone()).await?;
                    client.enable_account(&account).await?;
                    printer.say(&format!("{id} 已启用"), &format!("{id} is open again"))
                }
                Verb::ResetPassword { id } => {
                    let account = identifier(&session, id.clone()).await?;
                    let password = session::password(lang, "新口令：", "new password: ")?;
                    client
                        .reset_password(&account, &PasswordReset { password })
                        .await?;
                    printer.say(
                        &format!("{id} 的口令已重设，其会话与令牌已失效"),
                        &format!("the password of {id} is set, and its sessions and tokens have ended"),
                    )
                }
                Verb::Password => {
                    let current = session::password(lang, "当前口令：", "current password: ")?;
                    let new = session::password(lang, "新口令：", "new password: ")?;
                    client
                        .change_password(&PasswordPut { current, new })
                        .await?;
                    printer.say("口令已修改", "the password is changed")
                }
            }
        })
    }
}
