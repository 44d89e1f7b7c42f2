//! Running texts that hold identifiers, and texts that only seem to.

use std::ops::Range;

use masking::{Identifier, find_identifiers};

use super::draw::Draw;
use super::kinds::{luhn, region, resident_check, resident_id, resident_id_15, valid};
use super::score::Score;

/// A text and what is in it; ranges are bytes.
pub(crate) struct Sample {
    pub(crate) text: String,
    pub(crate) spans: Vec<(Identifier, Range<usize>)>,
    /// What it was made as, for the failing cases.
    pub(crate) made_as: &'static str,
}

/// Texts per kind of identifier, and per kind of decoy.
pub(crate) const SAMPLES: usize = 400;
const DECOYS: usize = 200;

/// All texts with one identifier or more.
pub(crate) fn positives() -> Vec<Sample> {
    let mut samples = Vec::new();
    for (seed, kind) in (1..).zip(Identifier::ALL) {
        let mut draw = Draw::new(seed);
        samples.extend((0..SAMPLES).map(|_| positive(kind, &mut draw)));
    }
    let mut draw = Draw::new(77);
    samples.extend((0..SAMPLES).map(|_| several(&mut draw)));
    samples
}

/// All texts without any.
pub(crate) fn decoys() -> Vec<Sample> {
    let mut draw = Draw::new(1000);
    let mut samples = Vec::new();
    for (made_as, make) in DECOY_KINDS {
        samples.extend((0..DECOYS).map(|_| Sample {
            text: make(&mut draw),
            spans: Vec::new(),
            made_as,
        }));
    }
    samples
}

/// Looks into every text.
pub(crate) fn judge(score: &mut Score) {
    for sample in positives().iter().chain(&decoys()) {
        judge_one(sample, score);
    }
}

/// A find counts when kind and range are exactly right.
fn judge_one(sample: &Sample, score: &mut Score) {
    let hits = find_identifiers(&sample.text);
    let case = format!("[{}] {}", sample.made_as, sample.text);
    for (kind, range) in &sample.spans {
        let found = hits
            .iter()
            .any(|hit| hit.identifier == *kind && hit.range == *range);
        if found {
            score.right(*kind);
        } else {
            score.missed(*kind, &case);
        }
    }
    for hit in &hits {
        let expected = sample
            .spans
            .iter()
            .any(|(kind, range)| *kind == hit.identifier && *range == hit.range);
        if !expected {
            score.invented(
                hit.identifier,
                &format!("{} in {case}", &sample.text[hit.range.clone()]),
            );
        }
    }
}

fn positive(kind: Identifier, draw: &mut Draw) -> Sample {
    let plain = valid(kind, draw);
    let (before, value, after) = match kind {
        Identifier::ResidentId if draw.percent(10) => (
            draw.of(&["身份证号：", "旧身份证", "公民身份号码为"]),
            resident_id_15(draw),
            "，待更新",
        ),
        _ => (
            before(kind, draw),
            written(kind, plain, draw),
            after(kind, draw),
        ),
    };
    let start = before.len();
    let span = start..start + value.len();
    Sample {
        text: format!("{before}{value}{after}"),
        spans: vec![(kind, span)],
        made_as: "positive",
    }
}

/// A sentence with a name, a number and an address of one person.
fn several(draw: &mut Draw) -> Sample {
    let mut text = String::new();
    let mut spans = Vec::new();
    for (before, kind) in [
        ("联系人：", Identifier::Name),
        ("，身份证号", Identifier::ResidentId),
        ("，电话", Identifier::Mobile),
        ("，住", Identifier::Address),
        ("，卡号", Identifier::BankCard),
    ] {
        text.push_str(before);
        let value = written(kind, valid(kind, draw), draw);
        spans.push((kind, text.len()..text.len() + value.len()));
        text.push_str(&value);
    }
    text.push('。');
    Sample {
        text,
        spans,
        made_as: "several",
    }
}

fn before(kind: Identifier, draw: &mut Draw) -> &'static str {
    let list: &[&str] = match kind {
        Identifier::ResidentId => &["患者身份证", "证件号", "核对", "编号：", "", "（", "本人"],
        Identifier::CreditCode => &["信用代码", "单位", "纳税人", "", "："],
        Identifier::BankCard => &["卡号", "打到", "账户：", "", "尾款付至", "银行卡"],
        Identifier::OrganisationCode => &["组织机构代码", "组织机构代码：", "机构代码为"],
        Identifier::Mobile => &["请拨", "电话", "联系", "", "手机：", "回电"],
        Identifier::MachineNumber => &["物联网卡", "物联卡号", "物联网号码："],
        Identifier::Plate => &["车牌", "车辆", "", "肇事车", "号牌："],
        Identifier::Passport => &["护照", "护照号：", "护照号码", "持护照"],
        Identifier::HomeReturnPermit => &["回乡证", "港澳居民来往内地通行证", "来往内地通行证号："],
        Identifier::HkMacauPermit => &["港澳通行证", "往来港澳通行证号", "往来港澳通行证："],
        Identifier::TaiwanPermit => &["台胞证", "台湾居民来往大陆通行证", "台胞证号："],
        Identifier::SocialSecurityNumber => &["社保卡", "社保号：", "社会保障卡号"],
        Identifier::MedicalInsuranceNumber => &["医保卡号", "医保编号：", "医疗保险号"],
        Identifier::Email => &["发到", "邮箱：", "", "联系邮箱"],
        Identifier::Ipv4 | Identifier::Ipv6 => &["来自", "IP：", "", "登录地址"],
        Identifier::Mac => &["网卡", "MAC：", "", "设备"],
        Identifier::LandLine => &["座机", "电话：", "", "传真"],
        Identifier::Name => &[
            "姓名：",
            "患者：",
            "联系人",
            "申请人：",
            "户主",
            "法定代表人：",
        ],
        Identifier::Address => &["家住", "地址：", "", "寄到", "现居住在"],
        Identifier::Coordinates => &["位于", "坐标", "", "定位："],
    };
    draw.of(list)
}

fn after(kind: Identifier, draw: &mut Draw) -> &'static str {
    let list: &[&str] = match kind {
        Identifier::Name => &["，男", "。", "（已核实）", "、", " 35岁"],
        Identifier::Address => &["，请查收", "。", "", " 收"],
        Identifier::Email | Identifier::Ipv6 | Identifier::Ipv4 | Identifier::Mac => {
            &["的", "，已核", "。", "）", ""]
        }
        _ => &["已核", "，男", "。", "的", "", "）", "；", "、尽快"],
    };
    draw.of(list)
}

/// One of the ways in which people write an identifier.
fn written(kind: Identifier, plain: String, draw: &mut Draw) -> String {
    let way = draw.below(10);
    match (kind, way) {
        (Identifier::Name | Identifier::Address | Identifier::Plate, _) if way > 1 => plain,
        (Identifier::Plate, 0) => {
            let second = plain.char_indices().nth(2).unwrap().0;
            format!("{}·{}", &plain[..second], &plain[second..])
        }
        (Identifier::Name | Identifier::Address | Identifier::Plate, _) => plain,
        (Identifier::Mobile, 0) => format!("{} {} {}", &plain[..3], &plain[3..7], &plain[7..]),
        (Identifier::Mobile, 1) => format!("{}-{}-{}", &plain[..3], &plain[3..7], &plain[7..]),
        (Identifier::Mobile, 2) => format!("+86{plain}"),
        (Identifier::Mobile, 3) => format!("+86 {plain}"),
        (Identifier::Mobile, 4) => format!("0086{plain}"),
        (Identifier::ResidentId, 0) => {
            format!("{} {} {}", &plain[..6], &plain[6..14], &plain[14..])
        }
        (Identifier::ResidentId, 1) => plain.to_lowercase(),
        (Identifier::BankCard, 0..=2) => {
            let digits: Vec<char> = plain.chars().collect();
            digits
                .chunks(4)
                .map(|four| four.iter().collect())
                .collect::<Vec<String>>()
                .join(" ")
        }
        (Identifier::OrganisationCode, 0..=4) => format!("{}-{}", &plain[..8], &plain[8..]),
        (Identifier::LandLine, 0..=4) => {
            let area = if plain.starts_with("010") || plain.starts_with("02") {
                3
            } else {
                4
            };
            let (area, local) = plain.split_at(area);
            match way {
                0 => format!("（{area}）{local}"),
                1 => format!("{area} {local}"),
                2 => format!("+86 {} {local}", &area[1..]),
                _ => format!("{area}-{local}"),
            }
        }
        (Identifier::Coordinates, 0) => plain.replace(',', ", "),
        (Identifier::Coordinates, 1) => plain.replace(',', "，纬度"),
        (Identifier::Email, _) => plain,
        (_, 9) => full_width(&plain),
        _ => plain,
    }
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '!'..='~' => char::from_u32(u32::from(char) + 0xfee0).unwrap(),
            char => char,
        })
        .collect()
}

type Make = fn(&mut Draw) -> String;

/// What looks like identifiers and is none.
const DECOY_KINDS: [(&str, Make); 34] = [
    ("order number", |draw| {
        format!("订单{}{}已发货", draw.day(2020, 2024), draw.digits(10))
    }),
    ("order number of 19 digits", |draw| {
        format!(
            "流水号{}{}，已入账",
            draw.of(&["1", "2", "3"]),
            draw.digits(18)
        )
    }),
    ("timestamp in milliseconds", |draw| {
        format!("时间戳17{}", draw.digits(11))
    }),
    ("timestamp in seconds", |draw| {
        format!("创建于17{}秒", draw.digits(8))
    }),
    ("written time", |draw| {
        format!(
            "{} 10:2{}:3{} 登记",
            draw.day(2020, 2024),
            draw.digits(1),
            draw.digits(1)
        )
    }),
    ("hyphenated time", |draw| {
        format!(
            "2023-0{}-1{} 08:1{}:22.123",
            draw.between(1, 9),
            draw.digits(1),
            draw.digits(1)
        )
    }),
    ("random Luhn number", |draw| {
        let count = draw.between(15, 18);
        let body = format!("{}{}", draw.between(1, 9), draw.digits(count - 1));
        format!("批次{}入库", luhn(&body))
    }),
    ("random 18 digits", |draw| {
        format!("编码{}{}", draw.between(1, 9), draw.digits(17))
    }),
    ("resident number with a wrong check", |draw| {
        let id = resident_id(draw);
        let body = &id[..17];
        let right = resident_check(body);
        let wrong = "0123456789X"
            .chars()
            .cycle()
            .skip(draw.below(11))
            .find(|char| *char != right)
            .unwrap();
        format!("身份证{body}{wrong}不通过")
    }),
    ("resident number with an impossible date", |draw| {
        let body = format!(
            "3502031990{}{}",
            draw.of(&["0230", "1301", "0431", "0001"]),
            draw.digits(3)
        );
        format!("身份证{body}{}不存在", resident_check(&body))
    }),
    ("resident number inside a longer one", |draw| {
        format!("流水{}{}", resident_id(draw), draw.digits(3))
    }),
    ("resident number glued to letters", |draw| {
        format!("ID{}A", resident_id(draw))
    }),
    ("credit code with a wrong check", |draw| {
        let code = valid(Identifier::CreditCode, draw);
        let wrong = if code.ends_with('3') { '4' } else { '3' };
        format!("信用代码{}{wrong}有误", &code[..17])
    }),
    ("mobile that is not allotted", |draw| {
        format!(
            "电话{}{}空号",
            draw.of(&["140", "154", "160", "164", "179", "194", "120"]),
            draw.digits(8)
        )
    }),
    ("mobile inside a longer number", |draw| {
        format!("单号{}{}", valid(Identifier::Mobile, draw), draw.digits(4))
    }),
    ("eleven digits", |draw| {
        format!("合同{}{}", draw.between(2, 9), draw.digits(10))
    }),
    ("card with a wrong check", |draw| {
        let card = valid(Identifier::BankCard, draw);
        let (body, check) = card.split_at(card.len() - 1);
        format!("卡号{body}{}有误", (check.parse::<u32>().unwrap() + 1) % 10)
    }),
    ("version number", |draw| {
        format!(
            "{}{}.{}.{}.{}",
            draw.of(&["版本", "升级到版本", "固件", "version "]),
            draw.below(12),
            draw.below(30),
            draw.below(30),
            draw.below(200)
        )
    }),
    ("five numbers with dots", |draw| {
        format!(
            "章节{}.{}.{}.{}.{}",
            draw.below(9),
            draw.below(9),
            draw.below(9),
            draw.below(9),
            draw.below(9)
        )
    }),
    ("prices", |draw| {
        format!(
            "原价{}.{}，现价{}.{}",
            draw.between(90, 130),
            draw.digits(2),
            draw.between(20, 50),
            draw.digits(2)
        )
    }),
    ("measures", |draw| {
        format!(
            "血压{}.{},体温{}.{}",
            draw.between(90, 130),
            draw.digits(3),
            draw.between(35, 40),
            draw.digits(3)
        )
    }),
    ("plate letters that are none", |draw| {
        format!(
            "车牌{}I{}无效",
            draw.of(&["闽", "京", "粤"]),
            draw.digits(5)
        )
    }),
    ("model after a word", |draw| {
        format!(
            "{}B{}型号",
            draw.of(&["最新", "全新", "阿里云"]),
            draw.digits(5)
        )
    }),
    ("service number", |draw| {
        format!(
            "热线{}",
            draw.of(&["95588", "400-820-8820", "12345", "10086", "800-810-8888"])
        )
    }),
    ("date beside a permit", |draw| {
        format!("台胞证有效期至{}", draw.day(2024, 2034))
    }),
    ("document number without a word", |draw| {
        format!(
            "型号{}{}库存",
            draw.of(&["E", "H", "C", "M"]),
            draw.digits(8)
        )
    }),
    ("disease", |draw| {
        format!(
            "患者{}，复诊",
            draw.of(&[
                "糜烂性胃病",
                "皮肤过敏",
                "白发增多",
                "黄褐斑",
                "方便照顾",
                "高热不退",
                "胡言乱语",
                "毛发脱落",
                "高血压",
                "白内障",
                "黄疸",
                "胃炎",
                "肺炎",
                "关节炎",
                "甲状腺结节",
                "严重贫血"
            ])
        )
    }),
    ("nobody", |draw| {
        format!(
            "{}{}",
            draw.of(&["联系人", "负责人：", "户主"]),
            draw.of(&["暂无", "待定", "不详", "未填写", "同上"])
        )
    }),
    ("region alone", |draw| format!("辖区：{}", region(draw))),
    ("road without a house", |draw| {
        format!(
            "{}在{}施工",
            draw.day(2020, 2024),
            draw.of(&["湖滨南路", "人民路", "北环路"])
        )
    }),
    ("document of an authority", |draw| {
        format!(
            "依据厦府办〔202{}〕{}号文件",
            draw.below(5),
            draw.between(1, 300)
        )
    }),
    ("at sign", |draw| {
        format!(
            "@{} 请处理{}%",
            draw.of(&["all", "运维", "zhang"]),
            draw.below(100)
        )
    }),
    ("code with colons", |draw| {
        format!(
            "std::{}::{} 报错{}",
            draw.of(&["vec", "fmt", "add"]),
            draw.of(&["dead", "beef", "new"]),
            draw.digits(4)
        )
    }),
    ("plain remark", |draw| {
        format!(
            "第{}次随访，情况{}，下次{}月{}日",
            draw.below(9),
            draw.of(&["良好", "稳定", "一般"]),
            draw.between(1, 12),
            draw.between(1, 28)
        )
    }),
];
