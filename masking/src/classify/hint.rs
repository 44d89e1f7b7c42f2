//! What a column's name and comment say, in Chinese and in English.

use serde::{Deserialize, Serialize};

use crate::classify::identifier::Identifier;
use crate::fold::fold;

/// What a column is about, by its name and comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// An identifier of this kind.
    Identifier(Identifier),
    /// A register's own number for a person, an enterprise or another subject.
    SubjectNumber,
    /// Date of birth.
    BirthDate,
    /// Date or time of an event.
    EventDate,
    /// Age.
    Age,
    /// Sex or gender.
    Sex,
    /// Region, or its code.
    Region,
    /// Post code.
    Postcode,
    /// Ethnic group, nationality, education, occupation, marriage: who somebody is.
    Demographic,
    /// Diagnosis, disease, treatment, medicine.
    Health,
    /// Income, salary, balance, debt.
    Finance,
    /// Serial, order, version number: a number that only looks like an identifier.
    Serial,
    /// Amount, price, count: a measure.
    Amount,
    /// Free text.
    Remark,
}

/// Words of each meaning; the first line that matches wins. Chinese words are looked for anywhere, English ones as
/// whole words of the name (`_`, blanks and capitals part them). A word in `=…` must be the whole name.
const WORDS: &[(Meaning, &[&str])] = &[
    (
        Meaning::Serial,
        &[
            "订单",
            "流水号",
            "单号",
            "序号",
            "版本",
            "批次",
            "发票号",
            "order",
            "serial",
            "version",
            "sequence",
            "seq",
            "batch",
            "invoice",
            "=rownum",
            "=index",
            "uuid",
            "hash",
            "时间戳",
            "timestamp",
        ],
    ),
    (
        Meaning::SubjectNumber,
        &[
            "病历号",
            "住院号",
            "门诊号",
            "社保号",
            "社会保障号",
            "社保卡",
            "医保卡",
            "医保号",
            "参保号",
            "人员编号",
            "个人编号",
            "客户编号",
            "客户号",
            "会员号",
            "学号",
            "工号",
            "准考证",
            "护照",
            "通行证",
            "patient id",
            "person id",
            "member id",
            "user id",
            "customer id",
            "client id",
            "subject id",
            "employee id",
            "student id",
            "household id",
            "patient no",
            "person no",
            "passport",
            "grbh",
            "ybkh",
            "sbkh",
        ],
    ),
    (
        Meaning::Identifier(Identifier::CreditCode),
        &[
            "统一社会信用",
            "信用代码",
            "credit code",
            "uscc",
            "usci",
            "uscid",
            "social credit",
        ],
    ),
    (
        Meaning::Identifier(Identifier::OrganisationCode),
        &[
            "组织机构代码",
            "机构代码",
            "organisation code",
            "organization code",
            "org code",
            "orgcode",
        ],
    ),
    (
        Meaning::Identifier(Identifier::ResidentId),
        &[
            "身份证",
            "公民身份",
            "身份号码",
            "证件号",
            "证件编号",
            "id card",
            "idcard",
            "id no",
            "id number",
            "identity",
            "resident id",
            "citizen id",
            "national id",
            "cert no",
            "certno",
            "sfz",
            "sfzh",
            "sfzhm",
            "zjhm",
        ],
    ),
    (
        Meaning::Identifier(Identifier::BankCard),
        &[
            "银行卡",
            "卡号",
            "银行账号",
            "bank card",
            "bankcard",
            "card no",
            "card number",
            "pan",
            "yhkh",
        ],
    ),
    (
        Meaning::Identifier(Identifier::LandLine),
        &[
            "固定电话",
            "座机",
            "固话",
            "landline",
            "land line",
            "telephone",
            "office phone",
            "home phone",
        ],
    ),
    (
        Meaning::Identifier(Identifier::Mobile),
        &[
            "手机",
            "移动电话",
            "联系电话",
            "电话",
            "mobile",
            "cell",
            "cellphone",
            "phone",
            "msisdn",
            "sjh",
            "lxdh",
            "tel",
        ],
    ),
    (
        Meaning::Identifier(Identifier::Plate),
        &[
            "车牌",
            "号牌",
            "plate",
            "licence plate",
            "license plate",
            "vehicle no",
            "hphm",
            "cph",
        ],
    ),
    (
        Meaning::Identifier(Identifier::Email),
        &["邮箱", "电子邮件", "email", "e mail", "mailbox"],
    ),
    (
        Meaning::Identifier(Identifier::Ipv4),
        &["ip地址", "ip", "ipv4", "ip address", "client ip"],
    ),
    (
        Meaning::Identifier(Identifier::Coordinates),
        &[
            "经度",
            "纬度",
            "坐标",
            "经纬度",
            "longitude",
            "latitude",
            "lon",
            "lng",
            "lat",
            "coordinates",
            "geo point",
        ],
    ),
    (
        Meaning::Identifier(Identifier::Name),
        &[
            "姓名",
            "法定代表人",
            "法人代表",
            "联系人",
            "户主",
            "负责人",
            "=name",
            "full name",
            "person name",
            "patient name",
            "owner name",
            "customer name",
            "user name",
            "realname",
            "real name",
            "contact name",
            "first name",
            "last name",
            "surname",
            "xm",
        ],
    ),
    (
        Meaning::Identifier(Identifier::Address),
        &[
            "住址",
            "地址",
            "住所",
            "门牌",
            "address",
            "addr",
            "residence",
            "street",
        ],
    ),
    (
        Meaning::BirthDate,
        &[
            "出生",
            "生日",
            "birth",
            "birthday",
            "birthdate",
            "dob",
            "born",
            "csrq",
        ],
    ),
    (Meaning::Age, &["年龄", "=age", "age", "age years", "nl"]),
    (
        Meaning::Sex,
        &["性别", "sex", "gender", "female", "male", "xb"],
    ),
    (
        Meaning::Postcode,
        &[
            "邮编",
            "邮政编码",
            "postcode",
            "post code",
            "zip",
            "zipcode",
        ],
    ),
    (
        Meaning::Region,
        &[
            "行政区",
            "区划",
            "户籍",
            "籍贯",
            "省份",
            "城市",
            "区县",
            "街道",
            "社区",
            "乡镇",
            "region",
            "province",
            "city",
            "county",
            "district",
            "township",
            "community",
            "xzqh",
        ],
    ),
    (
        Meaning::Demographic,
        &[
            "民族",
            "国籍",
            "学历",
            "教育",
            "职业",
            "婚姻",
            "工作单位",
            "政治面貌",
            "race",
            "ethnic",
            "ethnicity",
            "nationality",
            "education",
            "occupation",
            "marital",
            "workclass",
            "employer",
            "native country",
        ],
    ),
    (
        Meaning::Health,
        &[
            "诊断",
            "疾病",
            "病种",
            "病情",
            "症状",
            "手术",
            "药品",
            "用药",
            "残疾",
            "检验",
            "化验",
            "过敏",
            "diagnosis",
            "disease",
            "icd",
            "icd10",
            "symptom",
            "treatment",
            "surgery",
            "drug",
            "medication",
            "disability",
            "allergy",
        ],
    ),
    (
        Meaning::Finance,
        &[
            "收入",
            "工资",
            "薪",
            "余额",
            "负债",
            "贷款",
            "低保",
            "救助",
            "纳税",
            "income",
            "salary",
            "wage",
            "balance",
            "debt",
            "loan",
            "credit score",
            "tax paid",
        ],
    ),
    (
        Meaning::Remark,
        &[
            "备注",
            "说明",
            "描述",
            "意见",
            "内容",
            "摘要",
            "remark",
            "remarks",
            "note",
            "notes",
            "comment",
            "comments",
            "description",
            "memo",
            "content",
        ],
    ),
    (
        Meaning::EventDate,
        &[
            "日期",
            "时间",
            "date",
            "datetime",
            "time",
            "day",
            "visited at",
            "created at",
            "rq",
        ],
    ),
    (
        Meaning::Amount,
        &[
            "金额", "数量", "价格", "次数", "费用", "amount", "price", "count", "quantity", "cost",
            "total", "fee",
        ],
    ),
];

/// The meaning of a column: its name is asked first, then its comment.
pub(crate) fn meaning(name: &str, comment: &str) -> Option<Meaning> {
    meaning_of(name).or_else(|| meaning_of(comment))
}

fn meaning_of(text: &str) -> Option<Meaning> {
    let text = fold(text);
    let words = words(&text);
    if words.is_empty() {
        return None;
    }
    let padded = format!(" {words} ");
    WORDS
        .iter()
        .find(|(_, known)| known.iter().any(|word| matches(word, &words, &padded)))
        .map(|(meaning, _)| *meaning)
}

fn matches(word: &str, words: &str, padded: &str) -> bool {
    if let Some(whole) = word.strip_prefix('=') {
        return words == whole;
    }
    if word.is_ascii() {
        padded.contains(&format!(" {word} "))
    } else {
        words.contains(word)
    }
}

/// Lower-case words with one blank between; Han characters and Latin letters part as well.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    let mut previous = ' ';
    for char in text.chars().take(400) {
        let starts_word = (char.is_uppercase()
            && (previous.is_lowercase() || previous.is_ascii_digit()))
            || (char.is_ascii() != previous.is_ascii());
        if !char.is_alphanumeric() || starts_word {
            words.push(' ');
        }
        if char.is_alphanumeric() {
            words.extend(char.to_lowercase());
        }
        previous = char;
    }
    words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("ip 地址", "ip地址")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_comments_in_both_languages() {
        use Identifier as I;
        use Meaning as M;
        let cases = [
            ("id_card", "", Some(M::Identifier(I::ResidentId))),
            ("IdCardNo", "", Some(M::Identifier(I::ResidentId))),
            ("c1", "参保人身份证号码", Some(M::Identifier(I::ResidentId))),
            ("身份证号", "", Some(M::Identifier(I::ResidentId))),
            ("uscc", "", Some(M::Identifier(I::CreditCode))),
            ("phone", "", Some(M::Identifier(I::Mobile))),
            ("mobilePhone", "", Some(M::Identifier(I::Mobile))),
            ("office_phone", "", Some(M::Identifier(I::LandLine))),
            ("name", "", Some(M::Identifier(I::Name))),
            ("product_name", "", None),
            ("企业名称", "", None),
            ("order_no", "手机号", Some(M::Serial)),
            ("订单号", "", Some(M::Serial)),
            ("birth_date", "", Some(M::BirthDate)),
            ("age", "", Some(M::Age)),
            ("average", "", None),
            ("patient_age", "", Some(M::Age)),
            ("Sex", "", Some(M::Sex)),
            ("诊断", "", Some(M::Health)),
            ("lon", "", Some(M::Identifier(I::Coordinates))),
            ("plate", "", Some(M::Identifier(I::Plate))),
            ("template", "", None),
            ("ip", "", Some(M::Identifier(I::Ipv4))),
            ("zip", "", Some(M::Postcode)),
            ("description", "", Some(M::Remark)),
            ("x", "", None),
            ("", "", None),
        ];
        for (name, comment, expected) in cases {
            assert_eq!(meaning(name, comment), expected, "{name} {comment}");
        }
    }
}
