//! The identifiers that are looked for.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::key::ValueDomain;
use crate::text::Bilingual;

/// A kind of identifier, in order of precedence: a column that could be two kinds is the earlier
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifier {
    /// Resident identity number, 18 digits or the older 15 (GB 11643).
    ResidentId,
    /// Unified social credit code (GB 32100), with both check characters.
    CreditCode,
    /// Bank card number, 12 to 19 digits with Luhn's check digit.
    BankCard,
    /// Organisation code of nine characters (GB 11714).
    OrganisationCode,
    /// Mobile number of mainland China.
    Mobile,
    /// Vehicle registration plate.
    Plate,
    /// E-mail address.
    Email,
    /// IPv4 address.
    Ipv4,
    /// Land line with area code.
    LandLine,
    /// Personal name in Han characters.
    Name,
    /// Postal address down to a street or house.
    Address,
    /// Longitude and latitude.
    Coordinates,
}

/// An identifier found inside a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub identifier: Identifier,
    /// Its bytes in the text as it was given.
    pub range: Range<usize>,
}

impl Identifier {
    /// Every kind, in order of precedence.
    pub const ALL: [Self; 12] = [
        Self::ResidentId,
        Self::CreditCode,
        Self::BankCard,
        Self::OrganisationCode,
        Self::Mobile,
        Self::Plate,
        Self::Email,
        Self::Ipv4,
        Self::LandLine,
        Self::Name,
        Self::Address,
        Self::Coordinates,
    ];

    /// The name used in documents (`resident_id`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResidentId => "resident_id",
            Self::CreditCode => "credit_code",
            Self::BankCard => "bank_card",
            Self::OrganisationCode => "organisation_code",
            Self::Mobile => "mobile",
            Self::Plate => "plate",
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
            Self::LandLine => "land_line",
            Self::Name => "name",
            Self::Address => "address",
            Self::Coordinates => "coordinates",
        }
    }

    /// The name that people use.
    pub fn title(self) -> Bilingual {
        let (zh, en) = match self {
            Self::ResidentId => ("居民身份证号", "resident ID number"),
            Self::CreditCode => ("统一社会信用代码", "unified social credit code"),
            Self::BankCard => ("银行卡号", "bank card number"),
            Self::OrganisationCode => ("组织机构代码", "organisation code"),
            Self::Mobile => ("手机号", "mobile number"),
            Self::Plate => ("机动车号牌", "vehicle plate"),
            Self::Email => ("电子邮箱", "e-mail address"),
            Self::Ipv4 => ("IP 地址", "IP address"),
            Self::LandLine => ("固定电话", "land line number"),
            Self::Name => ("姓名", "personal name"),
            Self::Address => ("地址", "address"),
            Self::Coordinates => ("经纬度坐标", "coordinates"),
        };
        Bilingual::new(zh, en)
    }

    /// The value domain that its tokens belong to, for kinds that name one thing.
    pub fn value_domain(self) -> Option<ValueDomain> {
        let name = match self {
            Self::ResidentId => "person-id",
            Self::CreditCode | Self::OrganisationCode => "enterprise-id",
            Self::BankCard => "bank-card",
            Self::Mobile => "mobile",
            Self::Plate => "vehicle",
            Self::Email => "email",
            Self::Ipv4 => "ip-address",
            Self::LandLine => "landline",
            Self::Name | Self::Address | Self::Coordinates => return None,
        };
        Some(ValueDomain::known(name))
    }

    /// Reads a name as documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|identifier| identifier.as_str() == name)
    }
}
