//! The API's names of states, kinds and roles in Chinese, as `domain.md` of the design calls them.

/// The Chinese word of a name, where it is one of the API's.
pub(crate) fn chinese(name: &str) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(english, _)| *english == name)
        .map(|(_, chinese)| *chinese)
        .or_else(|| sandbox::Role::parse(name).map(sandbox::Role::title))
}

/// The members whose values are such names; elsewhere the same letters are a name that a person gave.
pub(crate) const MEMBERS: &[&str] = &[
    "state",
    "push_state",
    "decision",
    "kind",
    "organisation_kind",
    "roles",
    "role",
    "class",
    "action",
    "act",
    "mode",
    "outcome",
    "layer",
];

const WORDS: &[(&str, &str)] = &[
    // scenarios, grants, releases, runs, pushes
    ("draft", "草稿"),
    ("submitted", "已提交"),
    ("in_review", "审查中"),
    ("rejected", "未通过"),
    ("approved", "已通过"),
    ("expired", "已到期"),
    ("superseded", "已被替代"),
    ("revoked", "已撤销"),
    ("requested", "待同意"),
    ("active", "有效"),
    ("declined", "未获同意"),
    ("held", "待人工审查"),
    ("refused", "已拒绝"),
    ("scheduled", "待写出"),
    ("released", "已放行"),
    ("frozen", "已冻结"),
    ("void", "已作废"),
    ("release", "放行"),
    ("hold", "转人工"),
    ("refuse", "拒绝"),
    ("admitted", "已准入"),
    ("running", "运行中"),
    ("inspecting", "检查中"),
    ("releasing", "写出中"),
    ("failed", "失败"),
    ("killed", "已终止"),
    ("finished", "正常结束"),
    ("faulted", "程序出错"),
    ("limit_exceeded", "超出限额"),
    ("timed_out", "超时"),
    ("cancelled", "已取消"),
    ("open", "待处理"),
    ("received", "已接收"),
    ("checking", "检查中"),
    ("version", "已成版本"),
    ("quarantined", "已隔离"),
    ("answered", "已答复"),
    ("closed", "已关闭"),
    ("repaired", "已修复"),
    ("dropped", "已剔除"),
    ("kept", "保留"),
    ("retired", "已停用"),
    ("destroyed", "已销毁"),
    ("confirmed", "已执行"),
    ("withdrawn", "已撤回"),
    ("rotate", "轮换"),
    ("destroy", "销毁"),
    // classes, kinds; roles are named where they are defined
    ("direct_identifier", "直接标识符"),
    ("quasi_identifier", "准标识符"),
    ("sensitive", "敏感"),
    ("public", "公开"),
    ("key", "连接键"),
    ("dimension", "维度"),
    ("measure", "度量"),
    ("operator", "一级开发主体"),
    ("tenant", "二级开发主体"),
    ("provider", "数据提供方"),
    ("review_body", "审查机构"),
    // dimensions of quality
    ("completeness", "完整性"),
    ("uniqueness", "唯一性"),
    ("validity", "有效性"),
    ("consistency", "一致性"),
    ("timeliness", "时效性"),
    ("volume", "数据量"),
    ("stability", "稳定性"),
    // layers of the jail, and whether they hold
    ("identity", "独立身份"),
    ("user_namespace", "用户命名空间"),
    ("network_namespace", "网络命名空间"),
    ("mount_namespace", "挂载命名空间"),
    ("pid_namespace", "进程命名空间"),
    ("ipc_namespace", "进程间通信命名空间"),
    ("uts_namespace", "主机名命名空间"),
    ("empty_root", "空根目录"),
    ("descriptors", "文件描述符"),
    ("capabilities", "特权能力"),
    ("no_new_privileges", "禁止提权"),
    ("parent_death", "随监管进程终止"),
    ("resource_limits", "资源限额"),
    ("landlock", "Landlock 访问控制"),
    ("seccomp", "系统调用过滤"),
    ("executable_memory", "禁止新增可执行内存"),
    ("cgroup", "控制组"),
    ("enforced", "生效"),
    ("unavailable", "不可用"),
    ("off", "关闭"),
    ("production", "生产"),
    ("sample", "样例"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::{
        FeedbackState, GrantState, KeyAct, KeyRequestState, KeyState, OrganisationKind, PushState,
        ReleaseState, Role, RunState, ScenarioState,
    };
    use serde::Serialize;

    fn check<T: Serialize>(values: &[T]) {
        for value in values {
            let name = serde_json::to_value(value)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned));
            let name = name.unwrap_or_default();
            assert!(chinese(&name).is_some(), "no Chinese word for `{name}`");
        }
    }

    #[test]
    fn every_state_has_a_chinese_word() {
        use {
            FeedbackState as F, GrantState as G, PushState as P, ReleaseState as R, RunState as U,
            ScenarioState as S,
        };
        check(&[
            S::Draft,
            S::Submitted,
            S::InReview,
            S::Rejected,
            S::Approved,
            S::Expired,
        ]);
        check(&[S::Superseded, S::Revoked]);
        check(&[F::Open, F::Answered, F::Closed]);
        check(&[G::Requested, G::Active, G::Expired, G::Declined, G::Revoked]);
        check(&[
            R::Held,
            R::Refused,
            R::Scheduled,
            R::Released,
            R::Frozen,
            R::Void,
        ]);
        check(&[
            U::Admitted,
            U::Running,
            U::Inspecting,
            U::Releasing,
            U::Held,
            U::Released,
            U::Refused,
        ]);
        check(&[U::Finished, U::Failed, U::Killed]);
        check(&[
            P::Open,
            P::Received,
            P::Checking,
            P::Version,
            P::Quarantined,
            P::Rejected,
        ]);
        check(&[
            Role::Developer,
            Role::TenantAdmin,
            Role::Reviewer,
            Role::ProviderDelegate,
            Role::SystemAdmin,
        ]);
        check(&[Role::SecurityAdmin, Role::Auditor]);
        for layer in sandbox::Layer::ALL {
            assert!(
                chinese(&layer.to_string()).is_some(),
                "no Chinese word for `{layer}`"
            );
        }
        use {KeyRequestState as Q, KeyState as K};
        check(&[K::Active, K::Retired, K::Destroyed]);
        check(&[Q::Requested, Q::Confirmed, Q::Withdrawn, Q::Expired]);
        check(&[KeyAct::Rotate, KeyAct::Destroy]);
        use OrganisationKind as O;
        check(&[O::Operator, O::Tenant, O::Provider, O::ReviewBody]);
    }

    #[test]
    fn no_name_has_two_words() {
        let mut names: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORDS.len());
    }
}
