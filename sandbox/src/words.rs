//! What libraries and the host say in English alone, in both languages.

use std::io;

use masking::Bilingual;

/// Why the host did not do something.
#[must_use]
pub fn os_error(error: &io::Error) -> Bilingual {
    use io::ErrorKind as K;
    let known = match error.kind() {
        K::NotFound => Some(("没有这个文件或目录", "no such file or folder")),
        K::PermissionDenied => Some(("没有权限", "permission denied")),
        K::AlreadyExists => Some(("已经存在", "it exists already")),
        K::IsADirectory => Some(("是一个目录", "it is a folder")),
        K::NotADirectory => Some(("不是目录", "it is no folder")),
        K::StorageFull => Some(("磁盘已满", "the disk is full")),
        K::QuotaExceeded => Some(("磁盘配额已满", "the disk quota is used up")),
        K::ReadOnlyFilesystem => Some(("文件系统只读", "the file system is read-only")),
        K::FileTooLarge => Some(("文件过大", "the file is too large")),
        K::InvalidData => Some(("内容不是 UTF-8 文本", "its content is no UTF-8 text")),
        K::UnexpectedEof => Some(("内容不完整", "it ends too early")),
        K::ConnectionRefused => Some(("连接被拒绝", "the connection is refused")),
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            Some(("连接中断", "the connection broke off"))
        }
        K::TimedOut => Some(("超时", "it took too long")),
        K::AddrInUse => Some(("地址已被占用", "the address is in use")),
        _ => None,
    };
    match (known, error.raw_os_error()) {
        (Some((zh, en)), _) => Bilingual::new(zh, en),
        (None, Some(number)) => Bilingual::new(format!("系统错误 {number}"), error.to_string()),
        (None, None) => Bilingual::new("读写失败", error.to_string()),
    }
}

/// What a parser of structured text found, without the place that it ends its message with.
#[must_use]
pub fn parse_error(message: &str) -> Bilingual {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _place)| message);
    Bilingual::new(chinese(message), message)
}

/// The Chinese of the messages of `serde`, of its JSON parser and of query strings. Names stay as they are.
fn chinese(message: &str) -> String {
    let expected = |rest: &str| {
        rest.replace(", expected one of ", "，应为 ")
            .replace(", expected ", "，应为 ")
            .replace(" or ", " 或 ")
    };
    for (english, zh) in [
        ("missing field ", "缺少字段 "),
        ("unknown field ", "没有这个字段："),
        ("duplicate field ", "字段重复："),
        ("unknown variant ", "没有这个值："),
        ("invalid type: ", "类型不符："),
        ("invalid value: ", "值无效："),
        ("invalid length ", "长度不符："),
    ] {
        if let Some(rest) = message.strip_prefix(english) {
            return format!("{zh}{}", kinds(&expected(rest)));
        }
    }
    let whole = [
        ("EOF while parsing", "内容在此中断"),
        ("expected value", "此处应为一个值"),
        ("expected ident", "此处应为 true、false 或 null"),
        ("expected `:`", "此处应为冒号"),
        ("expected `,` or `}`", "此处应为逗号或右花括号"),
        ("expected `,` or `]`", "此处应为逗号或右方括号"),
        ("expected an object", "应为一个对象"),
        ("key must be a string", "键须为字符串"),
        ("trailing characters", "结尾之后还有内容"),
        ("trailing comma", "多余的逗号"),
        ("control character", "字符串中有控制字符"),
        ("invalid escape", "转义无效"),
        ("lone leading surrogate", "转义无效"),
        ("invalid unicode code point", "Unicode 码位无效"),
        ("number out of range", "数值超出范围"),
        ("invalid number", "数值无效"),
        ("invalid digit found in string", "不是整数"),
        ("recursion limit exceeded", "嵌套过深"),
    ];
    whole
        .iter()
        .find(|(english, _)| message.starts_with(english))
        .map_or("内容不符".to_owned(), |(_, zh)| (*zh).to_owned())
}

/// The names of kinds of values.
fn kinds(text: &str) -> String {
    [
        ("there are no fields", "没有任何字段"),
        ("integer ", "整数 "),
        ("floating point ", "小数 "),
        ("boolean ", "布尔值 "),
        ("string ", "字符串 "),
        ("character ", "字符 "),
        ("a string", "字符串"),
        ("a boolean", "布尔值"),
        ("a sequence", "列表"),
        ("a map", "对象"),
        ("sequence", "列表"),
        ("map", "对象"),
        ("struct ", "对象 "),
        ("null", "空值"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (english, zh)| {
        text.replace(english, zh)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "read by the parser alone")]
    struct Body {
        name: String,
        days: u32,
        kind: Kind,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        First,
        Second,
    }

    #[test]
    fn what_a_parser_says_is_chinese_with_the_names_as_they_are() {
        for (json, expect) in [
            (r#"{"name": "a"}"#, "缺少字段 `days`"),
            (
                r#"{"nam": "a"}"#,
                "没有这个字段：`nam`，应为 `name`, `days`, `kind`",
            ),
            (r#"{"name": 3}"#, "类型不符：整数 `3`，应为 字符串"),
            (
                r#"{"name": "a", "days": -1}"#,
                "值无效：整数 `-1`，应为 u32",
            ),
            (r#"{"name": "a", "name": "b"}"#, "字段重复：`name`"),
            (
                r#"{"kind": "third"}"#,
                "没有这个值：`third`，应为 `first` 或 `second`",
            ),
            (r#"{"name": "a""#, "内容在此中断"),
            (r#"{"name" "a"}"#, "此处应为冒号"),
            (r#"{"name": a}"#, "此处应为一个值"),
        ] {
            let error = serde_json::from_str::<Body>(json).unwrap_err();
            assert_eq!(parse_error(&error.to_string()).zh, expect, "{json}");
        }
    }

    #[test]
    fn what_the_host_says_has_no_english_in_its_chinese() {
        let missing = std::fs::read("/nowhere/at/all").unwrap_err();
        assert_eq!(os_error(&missing).zh, "没有这个文件或目录");
        for number in 1..134 {
            let said = os_error(&io::Error::from_raw_os_error(number));
            assert!(
                !said.zh.chars().any(|letter| letter.is_ascii_alphabetic()),
                "{said:?}"
            );
        }
    }
}
