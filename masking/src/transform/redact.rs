//! Values or parts of values hidden.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};

use crate::classify::{Identifier, find_identifiers};
use crate::error::MaskError;
use crate::transform::text_values;

/// The same text in place of every value.
pub(crate) fn constant(values: &dyn Array, text: &str) -> ArrayRef {
    let mut redacted = StringBuilder::new();
    for row in 0..values.len() {
        redacted.append_option(values.is_valid(row).then_some(text));
    }
    Arc::new(redacted.finish())
}

/// Stars in place of all characters but the first and last ones; a value too short to hide anything
/// is hidden whole.
pub(crate) fn mask(values: &dyn Array, first: usize, last: usize) -> Result<ArrayRef, MaskError> {
    map(values, |text| masked(text, first, last))
}

/// The identifiers inside each text replaced by their kind in brackets.
pub(crate) fn text(values: &dyn Array) -> Result<ArrayRef, MaskError> {
    map(values, redacted)
}

pub(crate) fn masked(text: &str, first: usize, last: usize) -> String {
    let length = text.chars().count();
    let shown = first.saturating_add(last);
    let (first, last) = if shown >= length {
        (0, 0)
    } else {
        (first, last)
    };
    text.chars()
        .enumerate()
        .map(|(place, char)| {
            if place < first || place >= length - last {
                char
            } else {
                '*'
            }
        })
        .collect()
}

/// A text in which each identifier is replaced by the name of its kind: `【手机号】`.
pub(crate) fn redacted(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut from = 0;
    for hit in find_identifiers(text) {
        if let Some(before) = text.get(from..hit.range.start) {
            result.push_str(before);
        }
        result.push('【');
        result.push_str(label(hit.identifier));
        result.push('】');
        from = hit.range.end;
    }
    result.push_str(text.get(from..).unwrap_or(""));
    result
}

fn label(identifier: Identifier) -> &'static str {
    match identifier {
        Identifier::ResidentId => "身份证号",
        Identifier::CreditCode => "信用代码",
        Identifier::OrganisationCode => "机构代码",
        Identifier::Mobile => "手机号",
        Identifier::BankCard => "银行卡号",
        Identifier::Plate => "车牌号",
        Identifier::Email => "邮箱",
        Identifier::Ipv4 => "IP地址",
        Identifier::LandLine => "电话",
        Identifier::Name => "姓名",
        Identifier::Address => "地址",
        Identifier::Coordinates => "坐标",
        Identifier::MachineNumber => "物联网号码",
        Identifier::Passport => "护照号",
        Identifier::HomeReturnPermit | Identifier::HkMacauPermit | Identifier::TaiwanPermit => {
            "通行证号"
        }
        Identifier::SocialSecurityNumber => "社保号",
        Identifier::MedicalInsuranceNumber => "医保号",
        Identifier::Ipv6 => "IP地址",
        Identifier::Mac => "MAC地址",
    }
}

fn map(values: &dyn Array, transform: impl Fn(&str) -> String) -> Result<ArrayRef, MaskError> {
    let texts = text_values(values)?;
    let mut mapped = StringBuilder::with_capacity(texts.len(), texts.get_buffer_memory_size());
    for text in texts.as_string::<i32>() {
        mapped.append_option(text.map(&transform));
    }
    Ok(Arc::new(mapped.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_in_remarks_go_and_the_rest_stays() {
        let text = "患者王小明，身份证11010519491231002X，电话１３８００１３８０００，血压正常";
        assert_eq!(
            redacted(text),
            "患者【姓名】，身份证【身份证号】，电话【手机号】，血压正常"
        );
        assert_eq!(redacted("无"), "无");
        assert_eq!(redacted(""), "");
    }

    #[test]
    fn every_kind_of_identifier_is_covered() {
        let cases = [
            (
                Identifier::ResidentId,
                "证件11010519491231002X。",
                "11010519491231002X",
            ),
            (
                Identifier::CreditCode,
                "单位91350200MA31ABCD0D开票",
                "91350200MA31ABCD0D",
            ),
            (
                Identifier::BankCard,
                "卡号6222020000000000000，",
                "6222020000000000000",
            ),
            (
                Identifier::OrganisationCode,
                "组织机构代码12345678-8。",
                "12345678",
            ),
            (Identifier::Mobile, "电话13800138000晚上", "13800138000"),
            (Identifier::Plate, "车牌闽DA1B2C停在门口", "闽DA1B2C"),
            (
                Identifier::Email,
                "发到 li.ming@example.com 即可",
                "li.ming@example.com",
            ),
            (Identifier::Ipv4, "来自192.168.10.25的请求", "192.168.10.25"),
            (Identifier::LandLine, "座机0592-2123456转3", "2123456"),
            (Identifier::Name, "患者王小明，复诊", "王小明"),
            (
                Identifier::Address,
                "住福建省厦门市思明区湖滨南路15号，",
                "湖滨南路15号",
            ),
            (
                Identifier::Coordinates,
                "位于118.0894,24.4798附近",
                "118.0894",
            ),
            (
                Identifier::MachineNumber,
                "物联网卡1440012345678停用",
                "1440012345678",
            ),
            (Identifier::Passport, "护照E12345678遗失", "E12345678"),
            (Identifier::HomeReturnPermit, "回乡证H12345678", "H12345678"),
            (
                Identifier::HkMacauPermit,
                "往来港澳通行证C12345678",
                "C12345678",
            ),
            (Identifier::TaiwanPermit, "台胞证12345678", "12345678"),
            (
                Identifier::SocialSecurityNumber,
                "社保卡号D12345678",
                "D12345678",
            ),
            (
                Identifier::MedicalInsuranceNumber,
                "医保编号3502001234567",
                "3502001234567",
            ),
            (
                Identifier::Ipv6,
                "来自2001:db8::8a2e:370:7334的请求",
                "2001:db8",
            ),
            (
                Identifier::Mac,
                "网卡3c:52:82:1f:0a:9b在线",
                "3c:52:82:1f:0a:9b",
            ),
        ];
        for (identifier, text, secret) in cases {
            let redacted = redacted(text);
            assert!(!redacted.contains(secret), "{text} {redacted}");
            assert!(redacted.contains(label(identifier)), "{text} {redacted}");
        }
        assert_eq!(cases.len(), Identifier::ALL.len());
    }

    #[test]
    fn stars_hide_all_but_the_ends() {
        assert_eq!(masked("王小明", 1, 0), "王**");
        assert_eq!(masked("13800138000", 3, 2), "138******00");
        assert_eq!(masked("王", 1, 0), "*");
        assert_eq!(masked("", 1, 1), "");
        assert_eq!(masked("ab", usize::MAX, 1), "**");
    }

    #[test]
    fn nulls_stay_null() {
        let values = StringArray::from(vec![Some("a"), None]);
        for redacted in [
            constant(&values, "*"),
            mask(&values, 0, 0).unwrap(),
            text(&values).unwrap(),
        ] {
            assert_eq!((redacted.len(), redacted.null_count()), (2, 1));
            assert!(redacted.is_null(1));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_can_be_found_is_left(before in "[甲乙丙 ，。]{0,8}", after in "[甲乙丙 ，。]{0,8}") {
            let text = format!("{before}13800138000{after}11010519491231002X");
            prop_assert!(find_identifiers(&redacted(&text)).is_empty());
        }

        #[test]
        fn any_text_is_redacted(text in any::<String>()) {
            let _ = redacted(&text);
        }
    }
}
