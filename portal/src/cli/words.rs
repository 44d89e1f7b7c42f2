//! The API's names of states, kinds and roles in Chinese, as `domain.md` of the design calls them.

use sandbox::Lang;

/// The Chinese word of a name, where it is one of the API's.
pub(crate) fn chinese(name: &str) -> Option<&'static str> {
    WORDS
        .iter()
        .find(|(english, _)| *english == name)
        .map(|(_, chinese)| *chinese)
        .or_else(|| sandbox::Role::parse(name).map(sandbox::Role::title))
}

/// Whether a name is a class of how a program ended with its kind behind it: `limit_exceeded:fuel`.
pub(crate) fn is_outcome(name: &str) -> bool {
    name.starts_with("limit_exceeded:") || name.starts_with("faulted:")
}

/// How a program ended, in words.
pub(crate) fn outcome(name: &str, lang: Lang) -> String {
    let (class, kind) = name.split_once(':').unwrap_or((name, ""));
    let found = OUTCOMES.iter().find(|(code, _, _)| *code == kind);
    match lang {
        Lang::Zh => {
            let class = chinese(class).unwrap_or(class);
            let kind = found.map_or(kind, |(_, zh, _)| zh);
            format!("{class}：{kind}")
        }
        Lang::En => {
            let class = class.replace('_', " ");
            let kind = found.map_or_else(|| kind.replace('_', " "), |(_, _, en)| (*en).to_owned());
            format!("{class}: {kind}")
        }
    }
}

/// The kinds of limits and faults, in both languages.
const OUTCOMES: &[(&str, &str, &str)] = &[
    ("cpu", "处理器时间", "processor time"),
    ("memory", "内存", "memory"),
    ("spill", "临时文件", "temporary files"),
    ("output_bytes", "结果字节数", "bytes of the result"),
    ("output_rows", "结果行数", "rows of the result"),
    ("fuel", "燃料（指令数）", "fuel, the count of instructions"),
    ("wasm_memory", "模块内存", "memory of the module"),
    ("compile_wall", "编译时间", "time to compile"),
    (
        "compile_cpu",
        "编译的处理器时间",
        "processor time to compile",
    ),
    ("compile_memory", "编译内存", "memory to compile"),
    ("code_bytes", "机器码字节数", "bytes of machine code"),
    ("program_invalid", "程序无效", "the program is not valid"),
    (
        "program_refused",
        "程序不被接受",
        "the program is not taken",
    ),
    ("input_invalid", "输入无效", "an input is not valid"),
    (
        "input_unsupported",
        "输入不受支持",
        "an input is not supported",
    ),
    ("engine_failed", "引擎失败", "the engine failed"),
    ("arithmetic", "算术错误", "arithmetic"),
    ("conversion", "类型转换错误", "a conversion of types"),
    ("guest_trapped", "模块陷入错误", "the module trapped"),
    (
        "guest_failed",
        "模块报告失败",
        "the module said that it failed",
    ),
    (
        "guest_output_invalid",
        "模块的输出无效",
        "the module's output is not valid",
    ),
    (
        "task_failed",
        "平台任务失败",
        "a task of the platform failed",
    ),
    ("task_unknown", "未知的平台任务", "a task that is not known"),
    ("panicked", "工作进程出错", "the worker panicked"),
    (
        "forbidden_call",
        "越权的系统调用",
        "a system call that is forbidden",
    ),
    ("crashed", "进程崩溃", "the process crashed"),
    (
        "protocol_violated",
        "违反工作进程协议",
        "the worker's protocol was broken",
    ),
];

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
    fn an_outcome_is_said_in_words() {
        assert!(is_outcome("limit_exceeded:fuel") && !is_outcome("finished"));
        assert_eq!(
            outcome("limit_exceeded:fuel", Lang::Zh),
            "超出限额：燃料（指令数）"
        );
        assert_eq!(
            outcome("limit_exceeded:fuel", Lang::En),
            "limit exceeded: fuel, the count of instructions"
        );
        assert_eq!(
            outcome("faulted:guest_trapped", Lang::Zh),
            "程序出错：模块陷入错误"
        );
    }

    #[test]
    fn no_name_has_two_words() {
        let mut names: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WORDS.len());
    }
}
