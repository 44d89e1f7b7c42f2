//! Valid identifiers of every kind, made by their standards and not by the crate under test.

use std::sync::OnceLock;

use masking::Identifier;

use super::draw::Draw;

static REGIONS: Lines = Lines::of(include_str!("../../data/regions.csv"));
static HISTORIC: Lines = Lines::of(include_str!("../../data/regions_historic.csv"));
static SURNAMES: Lines = Lines::of(include_str!("../../data/surnames.txt"));
static AREAS: Lines = Lines::of(include_str!("../../data/area_codes.csv"));
const CREDIT: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const PROVINCES: &str = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新";
const PLATE_LETTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of given names, frequent and rare ones.
const GIVEN: &str = "伟芳娜敏静秀丽强磊军洋勇艳杰涛明超霞平刚桂英华玉兰红建国志文海梓涵子轩浩宇欣怡诗雨泽晨思佳\
    俊辉鹏飞玲燕萍雪梅婷莉琳倩颖洁慧云春凤珍福贵根财旺发昌盛松柏青山川河江湖金银铜银贤良善德才干\
    奕珩翊珂棠槿笙淮砚宸屹岑澍朗衡峤苒芮柠桐菀歆晗熙瑾瑜璟琰昱昊煜烨炜焕";
const STREETS: &[&str] = &[
    "湖滨南路",
    "人民路",
    "解放大道",
    "中山街",
    "长江西路",
    "建设巷",
    "文化路",
    "新华街",
    "滨海大道",
    "学府路",
    "仙岳路",
    "鹭江道",
    "和平里",
    "胜利村",
    "东风胡同",
    "幸福小区",
    "阳光花园",
    "科技园路",
    "江滨北路",
    "北环路",
];

/// A file's lines without comments, read once.
struct Lines(&'static str, OnceLock<Vec<&'static str>>);

impl Lines {
    const fn of(file: &'static str) -> Self {
        Self(file, OnceLock::new())
    }

    fn all(&self) -> &[&'static str] {
        self.1.get_or_init(|| {
            let lines = self.0.lines();
            lines
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .collect()
        })
    }

    fn any(&self, draw: &mut Draw) -> &'static str {
        self.all()[draw.below(self.all().len())]
    }
}

/// A valid identifier in its plain form.
pub(crate) fn valid(kind: Identifier, draw: &mut Draw) -> String {
    match kind {
        Identifier::ResidentId => resident_id(draw),
        Identifier::CreditCode => credit_code(draw),
        Identifier::BankCard => bank_card(draw),
        Identifier::OrganisationCode => organisation_code(draw),
        Identifier::Mobile => mobile(draw),
        Identifier::MachineNumber => {
            let head = draw.of(&["140", "141", "144", "10647", "10649"]);
            format!("{head}{}", draw.digits(13 - head.len()))
        }
        Identifier::Plate => plate(draw),
        Identifier::Passport => match draw.below(3) {
            0 => format!("E{}{}", draw.chars("ABCDEFGHJ", 1), draw.digits(7)),
            _ => format!(
                "{}{}",
                draw.of(&["E", "E", "D", "S", "P", "G"]),
                draw.digits(8)
            ),
        },
        Identifier::HomeReturnPermit => {
            let count = draw.of(&["8", "10"]).parse().unwrap();
            format!("{}{}", draw.of(&["H", "M"]), draw.digits(count))
        }
        Identifier::HkMacauPermit => match draw.below(2) {
            0 => format!("C{}", draw.digits(8)),
            _ => format!("C{}{}", draw.chars("ABCDEFGHJ", 1), draw.digits(7)),
        },
        Identifier::TaiwanPermit => draw.digits(8),
        Identifier::SocialSecurityNumber => match draw.below(2) {
            0 => format!("{}{}", draw.chars("ABCDEFGH", 1), draw.digits(8)),
            _ => format!("35{}", draw.digits(8)),
        },
        Identifier::MedicalInsuranceNumber => match draw.below(2) {
            0 => format!("{}{}", draw.chars("ABCDEFGH", 1), draw.digits(8)),
            _ => format!("3502{}", draw.digits(10)),
        },
        Identifier::Email => email(draw),
        Identifier::Ipv4 => ipv4(draw),
        Identifier::Ipv6 => ipv6(draw),
        Identifier::Mac => {
            let separator = draw.of(&[":", "-"]);
            let hex = draw.of(&["0123456789abcdef", "0123456789ABCDEF"]);
            let mut pairs: Vec<String> = (0..6).map(|_| draw.chars(hex, 2)).collect();
            // An address of digits alone, one in a hundred, is some other number.
            pairs[0] = if hex.ends_with('f') { "3c" } else { "3C" }.to_owned();
            pairs.join(separator)
        }
        Identifier::LandLine => land_line(draw),
        Identifier::Name => name(draw),
        Identifier::Address => address(draw),
        Identifier::Coordinates => coordinates(draw),
    }
}

/// The check character of GB 11643 by ISO 7064's pure system: the whole number is 1 modulo 11.
pub(crate) fn resident_check(body: &str) -> char {
    let sum = body
        .bytes()
        .fold(0, |sum, digit| (sum + u32::from(digit - b'0')) * 2 % 11);
    match (12 - sum) % 11 {
        10 => 'X',
        check => char::from_digit(check, 10).unwrap(),
    }
}

pub(crate) fn resident_id(draw: &mut Draw) -> String {
    // One in ten bears a code that is no longer in force.
    let file = if draw.percent(10) {
        &HISTORIC
    } else {
        &REGIONS
    };
    let body = format!(
        "{}{}{}",
        &file.any(draw)[..6],
        draw.day(1930, 2023),
        draw.digits(3)
    );
    let check = resident_check(&body);
    format!("{body}{check}")
}

pub(crate) fn resident_id_15(draw: &mut Draw) -> String {
    format!(
        "{}{}{}",
        &REGIONS.any(draw)[..6],
        &draw.day(1930, 1985)[2..],
        draw.digits(3)
    )
}

fn organisation_code(draw: &mut Draw) -> String {
    let body = match draw.below(3) {
        0 => format!("MA{}", draw.chars(CREDIT, 6)),
        _ => draw.digits(8),
    };
    let weights = [3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body
        .chars()
        .zip(weights)
        .map(|(char, w)| char.to_digit(36).unwrap() * w)
        .sum();
    let check = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        check => char::from_digit(check, 10).unwrap(),
    };
    format!("{body}{check}")
}

fn credit_code(draw: &mut Draw) -> String {
    let kind = draw.of(&["91", "92", "11", "12", "52", "93"]);
    let head = format!(
        "{kind}{}{}",
        &REGIONS.any(draw)[..6],
        organisation_code(draw)
    );
    let mut weight = 1;
    let mut sum = 0;
    for char in head.chars() {
        sum += CREDIT.find(char).unwrap() * weight;
        weight = weight * 3 % 31;
    }
    let check = CREDIT.as_bytes()[(31 - sum % 31) % 31];
    format!("{head}{}", char::from(check))
}

/// Appends Luhn's check digit.
pub(crate) fn luhn(body: &str) -> String {
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn bank_card(draw: &mut Draw) -> String {
    let (head, length) = [
        ("622202", 19),
        ("621700", 19),
        ("622848", 19),
        ("621661", 19),
        ("622588", 16),
        ("622262", 19),
        ("625910", 16),
        ("439225", 16),
        ("955880", 19),
        ("628268", 16),
    ][draw.below(10)];
    let body = format!("{head}{}", draw.digits(length - 1 - head.len()));
    luhn(&body)
}

fn mobile(draw: &mut Draw) -> String {
    let head = draw.of(&[
        "130", "133", "135", "138", "139", "150", "153", "158", "166", "173", "177", "180", "186",
        "189", "191", "198", "199", "147", "170",
    ]);
    format!("{head}{}", draw.digits(8))
}

fn plate(draw: &mut Draw) -> String {
    let head = format!(
        "{}{}",
        draw.chars(PROVINCES, 1),
        draw.chars(PLATE_LETTERS, 1)
    );
    match draw.below(10) {
        0..=5 => format!("{head}{}", draw.digits(5)),
        6 => format!("{head}{}{}", draw.chars(PLATE_LETTERS, 1), draw.digits(4)),
        7 => format!("{head}{}{}", draw.digits(4), draw.of(&["挂", "学", "警"])),
        8 => format!("{head}{}{}", draw.of(&["D", "F"]), draw.digits(5)),
        _ => format!("{head}{}{}", draw.digits(5), draw.of(&["D", "F"])),
    }
}

fn email(draw: &mut Draw) -> String {
    let user = match draw.below(3) {
        0 => {
            let count = draw.between(6, 10);
            draw.digits(count)
        }
        1 => {
            let count = draw.between(3, 9);
            draw.chars("abcdefghijklmnoprstuwxyz", count)
        }
        _ => format!(
            "{}.{}{}",
            draw.chars("abcdefghilmnostw", 4),
            draw.chars("abcdefghilmnostw", 5),
            draw.digits(2)
        ),
    };
    let host = draw.of(&[
        "qq.com",
        "163.com",
        "126.com",
        "gmail.com",
        "xm.gov.cn",
        "mail.xmu.edu.cn",
        "outlook.com",
    ]);
    format!("{user}@{host}")
}

fn ipv4(draw: &mut Draw) -> String {
    let head = draw.of(&["10", "192", "172", "117", "220", "59", "36"]);
    format!(
        "{head}.{}.{}.{}",
        draw.below(256),
        draw.below(256),
        draw.between(1, 254)
    )
}

fn ipv6(draw: &mut Draw) -> String {
    let hex = "0123456789abcdef";
    let group = |draw: &mut Draw| draw.chars("123456789abcdef", 1) + &draw.chars(hex, 3);
    match draw.below(3) {
        0 => format!(
            "fe80::{}:{}:{}:{}",
            group(draw),
            group(draw),
            group(draw),
            group(draw)
        ),
        1 => format!("240e:{}::{}", group(draw), group(draw)),
        _ => {
            let groups: Vec<String> = (0..7).map(|_| group(draw)).collect();
            format!("2408:{}", groups.join(":"))
        }
    }
}

fn land_line(draw: &mut Draw) -> String {
    let mut fields = AREAS.any(draw).split(',');
    let (code, lengths) = (fields.next().unwrap(), fields.next().unwrap());
    let length: usize = lengths[..1].parse().unwrap();
    format!(
        "{code}{}{}",
        draw.of(&["2", "3", "5", "6", "8"]),
        draw.digits(length - 1)
    )
}

pub(crate) fn name(draw: &mut Draw) -> String {
    let surnames = SURNAMES.all();
    // Four in five bear one of the hundred most frequent surnames.
    let count = if draw.percent(80) {
        100
    } else {
        surnames.len()
    };
    let surname = surnames[draw.below(count)];
    let given = if draw.percent(18) { 1 } else { 2 };
    format!("{surname}{}", draw.chars(GIVEN, given))
}

/// The full name of a county with those above it.
pub(crate) fn region(draw: &mut Draw) -> String {
    let find = |code: String| {
        REGIONS
            .all()
            .iter()
            .find_map(|line| line.split_once(',').filter(|(known, _)| *known == code))
            .map_or("", |(_, name)| name)
    };
    loop {
        let (code, name) = REGIONS.any(draw).split_once(',').unwrap();
        if code.ends_with("00")
            || code.starts_with('8')
            || code.starts_with("71")
            || name == "市辖区"
        {
            continue;
        }
        let city = find(format!("{}00", &code[..4]));
        let filler = matches!(
            city,
            "市辖区" | "县" | "省直辖县级行政区划" | "自治区直辖县级行政区划"
        );
        let city = if filler { "" } else { city };
        return format!("{}{city}{name}", find(format!("{}0000", &code[..2])));
    }
}

fn address(draw: &mut Draw) -> String {
    let region = region(draw);
    let street = draw.of(STREETS);
    let house = draw.between(1, 999);
    match draw.below(4) {
        0 => format!("{region}{street}{house}号"),
        1 => format!(
            "{region}{street}{house}号{}栋{}室",
            draw.between(1, 30),
            draw.between(101, 2505)
        ),
        2 => format!(
            "{region}{street}{house}号{}单元{}室",
            draw.between(1, 5),
            draw.between(101, 905)
        ),
        _ => format!("{region}{street}{house}号楼{}", draw.between(101, 2505)),
    }
}

fn coordinates(draw: &mut Draw) -> String {
    let (east, north) = place(draw);
    format!("{east},{north}")
}

/// Longitude and latitude inside China with six decimals.
pub(crate) fn place(draw: &mut Draw) -> (String, String) {
    let east = format!("{}.{}", draw.between(98, 121), draw.digits(6));
    (east, format!("{}.{}", draw.between(22, 42), draw.digits(6)))
}
