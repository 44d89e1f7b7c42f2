#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use proptest::prelude::*;

use super::*;
use Identifier as I;

fn check(text: &str, expected: &[(Identifier, &str)]) {
    let found: Vec<(Identifier, &str)> = find_identifiers(text)
        .into_iter()
        .map(|hit| {
            (
                hit.identifier,
                text.get(hit.range).expect("a slice of the text"),
            )
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn beside_han_characters() {
    check(
        "患者身份证11010519491231002X已核",
        &[(I::ResidentId, "11010519491231002X")],
    );
    check("请拨13800138000联系", &[(I::Mobile, "13800138000")]);
    check(
        "卡号6222021234567890128已挂失",
        &[(I::BankCard, "6222021234567890128")],
    );
    check("车牌闽D12345违停", &[(I::Plate, "闽D12345")]);
    check(
        "新能源车闽DD12345和闽D12345F",
        &[(I::Plate, "闽DD12345"), (I::Plate, "闽D12345F")],
    );
    check(
        "邮箱li.ming@example.com。",
        &[(I::Email, "li.ming@example.com")],
    );
    check("来自192.168.1.10的请求", &[(I::Ipv4, "192.168.1.10")]);
    check("座机0592-2345678转", &[(I::LandLine, "0592-2345678")]);
    check("座机（010）62345678", &[(I::LandLine, "（010）62345678")]);
    check(
        "代码91350100M000100Y43公司",
        &[(I::CreditCode, "91350100M000100Y43")],
    );
    check("代码91350100M000100Y44公司", &[]);
    check(
        "组织机构代码D2143569-X",
        &[(I::OrganisationCode, "D2143569-X")],
    );
    check(
        "位置118.0894,24.4798处",
        &[(I::Coordinates, "118.0894,24.4798")],
    );
}

#[test]
fn written_in_other_ways() {
    check(
        "１３８００１３８０００",
        &[(I::Mobile, "１３８００１３８０００")],
    );
    check("138 0013 8000", &[(I::Mobile, "138 0013 8000")]);
    check("138-0013-8000。", &[(I::Mobile, "138-0013-8000")]);
    check(
        "1 3 8 0 0 1 3 8 0 0 0",
        &[(I::Mobile, "1 3 8 0 0 1 3 8 0 0 0")],
    );
    check("+86 138 0013 8000", &[(I::Mobile, "+86 138 0013 8000")]);
    check("+8613800138000", &[(I::Mobile, "+8613800138000")]);
    check("008613800138000", &[(I::Mobile, "008613800138000")]);
    check(
        "138\u{200b}0013\u{200b}8000",
        &[(I::Mobile, "138\u{200b}0013\u{200b}8000")],
    );
    check(
        "110105 19491231 002x",
        &[(I::ResidentId, "110105 19491231 002x")],
    );
    check(
        "身份证号：110105491231002",
        &[(I::ResidentId, "110105491231002")],
    );
    check(
        "6222 0212 3456 7890 128",
        &[(I::BankCard, "6222 0212 3456 7890 128")],
    );
    check("闽D·12345", &[(I::Plate, "闽D·12345")]);
    check("闽d12345", &[(I::Plate, "闽d12345")]);
    check("粤Z1234港", &[(I::Plate, "粤Z1234港")]);
}

#[test]
fn neighbours_and_several() {
    check(
        "13800138000 13900139000",
        &[(I::Mobile, "13800138000"), (I::Mobile, "13900139000")],
    );
    check(
        "13800138000,11010519491231002X",
        &[
            (I::Mobile, "13800138000"),
            (I::ResidentId, "11010519491231002X"),
        ],
    );
    check(
        "电话13800138000/0592-2345678",
        &[(I::Mobile, "13800138000"), (I::LandLine, "0592-2345678")],
    );
}

#[test]
fn decoys() {
    for decoy in [
        "订单2138001380001",
        "A13800138000",
        "13800138000B",
        "12800138000",
        "15400138000",
        "110105194912310021",
        "11010519490231002X",
        "11010519491331002X",
        "110105491231002",
        "2023-01-15 10:20:30",
        "20230115102030",
        "1673749230123",
        "6222021234567890127",
        "4111111111111112",
        "版本1.2.3.4",
        "v1.2.3.4",
        "1.2.3.4.5",
        "256.1.1.1",
        "a@b",
        "@example.com",
        "闽I12345",
        "闽D1234",
        "闽D1234567",
        "比分3.142,2.718",
        "12345678-9",
        "0192-2345678",
        "高血压三级，服用氨氯地平5mg",
        "厦门市思明区鹭江街道",
        "他走了三里路",
        "",
    ] {
        check(decoy, &[]);
    }
}

#[test]
fn documents_by_the_nearest_word() {
    check("护照：E12345678", &[(I::Passport, "E12345678")]);
    check("passport no. EA1234567", &[(I::Passport, "EA1234567")]);
    check(
        "来往内地通行证H1234567890",
        &[(I::HomeReturnPermit, "H1234567890")],
    );
    check(
        "往来港澳通行证C12345678",
        &[(I::HkMacauPermit, "C12345678")],
    );
    check("台胞证01234567", &[(I::TaiwanPermit, "01234567")]);
    check("台胞证有效期20300101", &[]);
    check(
        "台胞证01234567，到20300101",
        &[(I::TaiwanPermit, "01234567")],
    );
    check("护照已交。编号E12345678", &[]);
    check("型号E12345678", &[]);
    check(
        "社保卡号D12345678，医保编号3502001234567",
        &[
            (I::SocialSecurityNumber, "D12345678"),
            (I::MedicalInsuranceNumber, "3502001234567"),
        ],
    );
    check(
        "物联网卡1440012345678",
        &[(I::MachineNumber, "1440012345678")],
    );
    check("1440012345678", &[]);
}

#[test]
fn addresses_of_hosts_and_interfaces() {
    check(
        "来自2001:db8::8a2e:370:7334的",
        &[(I::Ipv6, "2001:db8::8a2e:370:7334")],
    );
    check("IP:fe80::1", &[(I::Ipv6, "fe80::1")]);
    check("std::vec::new 12:30:45 a::b", &[]);
    check("MAC:3C-52-82-1F-0A-9B", &[(I::Mac, "3C-52-82-1F-0A-9B")]);
    check("3c52.821f.0a9b上线", &[(I::Mac, "3c52.821f.0a9b")]);
    check("3c:52:82:1f:0a:9b:11", &[]);
    check("12-34-56-78-90-12", &[]);
    check("座机+86 592 2345678", &[(I::LandLine, "+86 592 2345678")]);
}

#[test]
fn coordinates_need_decimals_or_a_word() {
    let pair = "118.0894,24.4798";
    check(pair, &[(I::Coordinates, pair)]);
    check("118.089,24.479", &[]);
    check("坐标118.089,24.479", &[(I::Coordinates, "118.089,24.479")]);
    check(
        "经度118.0894，纬度24.4798。",
        &[(I::Coordinates, "118.0894，纬度24.4798")],
    );
    check("单价98.1234元和24.5678元", &[]);
    check("2.3522,48.8566", &[]);
}

#[test]
fn cards_need_issuer_or_word() {
    // Luhn holds for one in ten numbers; 1000000000000008 begins with no issuer.
    check("1000000000000008", &[]);
    check("卡号1000000000000008", &[(I::BankCard, "1000000000000008")]);
}

#[test]
fn a_resident_number_that_passes_other_checks_is_a_resident_number() {
    // Passes Luhn as well.
    check(
        "350203199001010018",
        &[(I::ResidentId, "350203199001010018")],
    );
}

#[test]
fn names_behind_words() {
    check("姓名：王小明，男", &[(I::Name, "王小明")]);
    check("患者李四今日入院", &[(I::Name, "李四")]);
    check("联系人欧阳娜娜", &[(I::Name, "欧阳娜娜")]);
    check("王先生来电", &[(I::Name, "王")]);
    check("请找陈建国老师", &[(I::Name, "陈建国")]);
    check("患者高血压", &[]);
}

#[test]
fn addresses() {
    check(
        "家住福建省厦门市思明区湖滨南路1号，电话",
        &[(I::Address, "福建省厦门市思明区湖滨南路1号")],
    );
    check(
        "厦门市集美区杏林湾路12号3栋502室",
        &[(I::Address, "厦门市集美区杏林湾路12号3栋502室")],
    );
    check(
        "寄到思明区莲前西路2号楼301",
        &[(I::Address, "思明区莲前西路2号楼301")],
    );
}

#[test]
fn a_huge_cell_is_read_in_linear_time() {
    let cell = "住思明区湖滨路1号电话13800138000".repeat(30_000);
    let start = std::time::Instant::now();
    assert_eq!(find_identifiers(&cell).len(), 60_000);
    assert!(start.elapsed().as_secs() < 20);
    assert!(find_identifiers(&"9".repeat(1_000_000)).is_empty());
    assert!(find_identifiers(&"@.-".repeat(300_000)).is_empty());
    assert!(find_identifiers(&"厦门市路".repeat(200_000)).is_empty());
}

/// Every finder, whatever the cheap look says.
fn thorough(text: &str) -> usize {
    let tables = Tables::built_in();
    let mut folded = Folded::default();
    folded.fill(text);
    let mut found = Vec::new();
    number::find(tables, folded.chars(), &mut found);
    latin::find(tables, folded.chars(), &mut found);
    cue::find(tables, folded.chars(), &mut found);
    place::find(tables, folded.chars(), &mut found);
    without_overlap(&mut found).len()
}

proptest! {
    #[test]
    fn the_cheap_look_misses_nothing(text in "[0-9０-９①㊀@＠.闽D厦门市路号室王先生姓名：a-z\u{200b}⼀里⾥]{0,40}") {
        prop_assert_eq!(find_identifiers(&text).len(), thorough(&text));
    }

    #[test]
    fn any_text_gives_ordered_slices(text in "[ -~0-9０-９\\-x@.·闽D厦门市路号室王姓名：a-z\u{200b}]{0,80}") {
        let mut end = 0;
        for hit in find_identifiers(&text) {
            prop_assert!(hit.range.start >= end && hit.range.end > hit.range.start);
            prop_assert!(text.get(hit.range.clone()).is_some());
            end = hit.range.end;
        }
    }

    #[test]
    fn any_unicode_text_is_taken(text in any::<String>()) {
        for hit in find_identifiers(&text) {
            prop_assert!(text.get(hit.range).is_some());
        }
    }

    #[test]
    fn a_resident_number_is_found_between_han(region in 110000u32..660000, day in 0i64..60000, order in 0u32..1000) {
        use jiff::{ToSpan, civil::date};
        let birth = date(1900, 1, 1) + day.days();
        let body = format!("{region}{}{order:03}", birth.strftime("%Y%m%d"));
        let check_char = crate::classify::check::resident_check(body.as_bytes()).unwrap();
        let id = format!("{body}{}", char::from(check_char));
        let text = format!("前文{id}后文");
        let hits = find_identifiers(&text);
        prop_assert_eq!(hits.len(), 1);
        prop_assert_eq!(hits[0].identifier, I::ResidentId);
        prop_assert_eq!(&text[hits[0].range.clone()], id.as_str());
    }
}
