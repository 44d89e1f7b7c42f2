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
    /// Number of a machine or SIM card without a person (13 digits).
    MachineNumber,
    /// Vehicle registration plate.
    Plate,
    /// Passport of mainland China.
    Passport,
    /// Mainland travel permit of a resident of Hong Kong or Macau.
    HomeReturnPermit,
    /// Exit permit to Hong Kong and Macau.
    HkMacauPermit,
    /// Mainland travel permit of a resident of Taiwan.
    TaiwanPermit,
    /// Number of a social security card or account.
    SocialSecurityNumber,
    /// Number of a medical insurance card or account.
    MedicalInsuranceNumber,
    /// E-mail address.
    Email,
    /// IPv4 address.
    Ipv4,
    /// IPv6 address.
    Ipv6,
    /// Hardware address of a network interface (EUI-48).
    Mac,
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
    pub const ALL: [Self; 21] = [
        Self::ResidentId,
        Self::CreditCode,
        Self::BankCard,
        Self::OrganisationCode,
        Self::Mobile,
        Self::MachineNumber,
        Self::Plate,
        Self::Passport,
        Self::HomeReturnPermit,
        Self::HkMacauPermit,
        Self::TaiwanPermit,
        Self::SocialSecurityNumber,
        Self::MedicalInsuranceNumber,
        Self::Email,
        Self::Ipv4,
        Self::Ipv6,
        Self::Mac,
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
            Self::MachineNumber => "machine_number",
            Self::Plate => "plate",
            Self::Passport => "passport",
            Self::HomeReturnPermit => "home_return_permit",
            Self::HkMacauPermit => "hk_macau_permit",
            Self::TaiwanPermit => "taiwan_permit",
            Self::SocialSecurityNumber => "social_security_number",
            Self::MedicalInsuranceNumber => "medical_insurance_number",
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Mac => "mac",
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
            Self::MachineNumber => ("物联网号码", "machine number"),
            Self::Plate => ("机动车号牌", "vehicle plate"),
            Self::Passport => ("护照号", "passport number"),
            Self::HomeReturnPermit => ("来往内地通行证号", "home-return permit number"),
            Self::HkMacauPermit => ("往来港澳通行证号", "Hong Kong and Macau permit number"),
            Self::TaiwanPermit => ("台湾居民来往大陆通行证号", "Taiwan permit number"),
            Self::SocialSecurityNumber => ("社会保障号", "social security number"),
            Self::MedicalInsuranceNumber => ("医疗保险号", "medical insurance number"),
            Self::Email => ("电子邮箱", "e-mail address"),
            Self::Ipv4 => ("IPv4 地址", "IPv4 address"),
            Self::Ipv6 => ("IPv6 地址", "IPv6 address"),
            Self::Mac => ("MAC 地址", "MAC address"),
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
            Self::Ipv4 | Self::Ipv6 => "ip-address",
            Self::MachineNumber => "machine-number",
            Self::Passport => "passport",
            Self::HomeReturnPermit => "home-return-permit",
            Self::HkMacauPermit => "hk-macau-permit",
            Self::TaiwanPermit => "taiwan-permit",
            Self::SocialSecurityNumber => "social-security",
            Self::MedicalInsuranceNumber => "medical-insurance",
            Self::Mac => "mac-address",
            Self::LandLine => "landline",
            Self::Name | Self::Address | Self::Coordinates => return None,
        };
        Some(ValueDomain::known(name))
    }

    /// Whether values alone never tell it: its form is that of many other numbers, so a column's
    /// name or comment, or words beside it, must say what it is.
    pub(crate) fn needs_context(self) -> bool {
        matches!(
            self,
            Self::MachineNumber
                | Self::Passport
                | Self::HomeReturnPermit
                | Self::HkMacauPermit
                | Self::TaiwanPermit
                | Self::SocialSecurityNumber
                | Self::MedicalInsuranceNumber
        )
    }

    /// Whether it is the number of a document that tells who a person is.
    pub(crate) fn is_document(self) -> bool {
        matches!(
            self,
            Self::ResidentId
                | Self::Passport
                | Self::HomeReturnPermit
                | Self::HkMacauPermit
                | Self::TaiwanPermit
        )
    }

    /// Reads a name as documents write it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|identifier| identifier.as_str() == name)
    }
}
