//! From the options of a table to its transform.

use crate::date::parse_day;
use crate::error::PolicyError;
use crate::key::ValueDomain;
use crate::policy::ColumnPolicy;
use crate::policy::document::names::{BIN_OUTPUTS, DATUMS, LEVELS, PERIODS};
use crate::policy::document::options::Options;
use crate::transform::{
    DateShift, Geo, GeoCell, GeoLayout, Noise, NoiseShape, Permute, Surrogate, Transform,
};

const TRANSFORMS: &str = "keep, drop, token, permute, redact, bin, top_bottom, generalise_date, age_band, region, \
     shift_date, noise, microaggregate, shuffle, geo, surrogate, hierarchy";

impl Options {
    /// The rule of a column, or of a class of columns, which states no class of its own.
    pub(super) fn rule(mut self, may_state_class: bool) -> Result<ColumnPolicy, PolicyError> {
        let name = self.text("transform")?.ok_or_else(|| {
            self.fault(
                "option_missing",
                "未写 transform".to_owned(),
                "has no transform".to_owned(),
                TRANSFORMS,
            )
        })?;
        let transform = self.transform(&name)?;
        let (mut class, mut reason) = (None, None);
        if may_state_class {
            class = self.class()?;
            reason = self
                .text("reason")?
                .filter(|reason| !reason.trim().is_empty());
        }
        if class.is_some() && reason.is_none() {
            return Err(self.fault(
                "reason_missing",
                "指定了 class 却没有 reason".to_owned(),
                "states a class without a reason".to_owned(),
                "reason = \"…\"",
            ));
        }
        self.finish(
            (&format!("变换 {name}"), &format!("transform {name}")),
            &options_of(&name, may_state_class),
        )?;
        Ok(ColumnPolicy {
            transform,
            class,
            reason,
        })
    }

    fn transform(&mut self, name: &str) -> Result<Transform, PolicyError> {
        Ok(match name {
            "keep" => Transform::Keep,
            "drop" => Transform::Drop,
            "token" => Transform::Token {
                value_domain: self
                    .value_domain()?
                    .ok_or_else(|| self.missing("value_domain", "person-id"))?,
            },
            "permute" => self.permute()?,
            "redact" => self.redact()?,
            "bin" => Transform::Bin {
                width: self.positive("width")?,
                origin: self.number("origin")?.unwrap_or(0.0),
                output: self.choice("output", BIN_OUTPUTS, Some(BIN_OUTPUTS[0].1))?,
            },
            "top_bottom" => match self.bounds()? {
                (None, None) => return Err(self.missing("top", "100")),
                (bottom, top) => Transform::TopBottom { bottom, top },
            },
            "generalise_date" => Transform::GeneraliseDate {
                to: self.choice("to", PERIODS, None)?,
            },
            "age_band" => self.age_band()?,
            "region" => Transform::Region {
                to: self.choice("to", LEVELS, None)?,
                as_name: self.choice("output", &[("code", false), ("name", true)], Some(false))?,
            },
            "hash" | "md5" | "sha1" | "sha256" | "sm3" => Transform::Hash {
                algorithm: self.text("algorithm")?.unwrap_or_else(|| name.to_owned()),
            },
            _ => self.across(name)?,
        })
    }

    /// Transforms that read other columns, other rows or other tables.
    fn across(&mut self, name: &str) -> Result<Transform, PolicyError> {
        Ok(match name {
            "shift_date" => self.shift_date()?,
            "noise" => self.noise()?,
            "microaggregate" => Transform::Microaggregate {
                rows_min: self.whole("rows_min", 1, 10_000)?.unwrap_or(5),
            },
            "shuffle" => Transform::Shuffle {
                within: self.texts("within")?,
                rows_min: self.whole("rows_min", 1, 10_000)?.unwrap_or(5),
            },
            "geo" => self.geo()?,
            "surrogate" => self.surrogate()?,
            "hierarchy" => Transform::Hierarchy {
                hierarchy: self
                    .text("hierarchy")?
                    .ok_or_else(|| self.missing("hierarchy", "education"))?,
                levels: self.whole("levels", 1, 100)?.unwrap_or(1),
                otherwise: self.text("otherwise")?,
            },
            _ => {
                return Err(self.fault(
                    "transform_unknown",
                    format!("变换 {name:?} 未知"),
                    format!("transform {name:?} is unknown"),
                    TRANSFORMS,
                ));
            }
        })
    }

    fn permute(&mut self) -> Result<Transform, PolicyError> {
        const KINDS: &[(&str, u8)] = &[
            ("resident_id", 0),
            ("mobile", 1),
            ("bank_card", 2),
            ("credit_code", 3),
            ("plate", 4),
        ];
        let permute = match self.choice("kind", KINDS, None)? {
            0 => Permute::ResidentId {
                keep_region: match self.whole("keep_region", 2, 6)?.unwrap_or(6) {
                    2 => 2,
                    4 => 4,
                    6 => 6,
                    _ => return Err(self.value("keep_region", "2, 4, 6")),
                },
                birth_band_years: self.whole("birth_band_years", 1, 300)?.unwrap_or(10),
                unassigned_region: self.flag("unassigned_region")?.unwrap_or(false),
            },
            1 => Permute::Mobile {
                keep: self.length("keep", 3, 11)?.unwrap_or(3),
            },
            2 => Permute::BankCard {
                keep: self.length("keep", 6, 19)?.unwrap_or(6),
            },
            3 => Permute::CreditCode,
            _ => Permute::Plate,
        };
        let value_domain = self
            .value_domain()?
            .unwrap_or_else(|| permute.value_domain());
        Ok(Transform::Permute {
            permute,
            value_domain,
        })
    }

    fn redact(&mut self) -> Result<Transform, PolicyError> {
        const STYLES: &[(&str, u8)] = &[("constant", 0), ("mask", 1), ("text", 2)];
        Ok(match self.choice("style", STYLES, Some(0))? {
            0 => Transform::RedactConstant {
                text: self.text("text")?.unwrap_or_else(|| "***".to_owned()),
            },
            1 => Transform::RedactMask {
                first: self.length("first", 0, 1000)?.unwrap_or(0),
                last: self.length("last", 0, 1000)?.unwrap_or(0),
            },
            _ => Transform::RedactText,
        })
    }

    fn bounds(&mut self) -> Result<(Option<f64>, Option<f64>), PolicyError> {
        match (self.number("bottom")?, self.number("top")?) {
            (Some(bottom), Some(top)) if bottom > top => Err(self.value("bottom", "bottom ≤ top")),
            bounds => Ok(bounds),
        }
    }

    fn age_band(&mut self) -> Result<Transform, PolicyError> {
        let as_of = match self.text("as_of")? {
            None => None,
            Some(text) => match parse_day(&text) {
                Some(day) => Some((day.year, day.month, day.day)),
                None => return Err(self.value("as_of", "2025-12-31")),
            },
        };
        let width = self.whole("width", 1, 100)?.unwrap_or(10);
        let top = self.whole("top", 1, 150)?.unwrap_or(90);
        Ok(Transform::AgeBand { width, top, as_of })
    }

    fn subject(&mut self) -> Result<(String, ValueDomain), PolicyError> {
        let subject = self
            .text("subject")?
            .ok_or_else(|| self.missing("subject", "id_card"))?;
        let value_domain = self
            .value_domain()?
            .unwrap_or_else(|| ValueDomain::known("person-id"));
        Ok((subject, value_domain))
    }

    fn shift_date(&mut self) -> Result<Transform, PolicyError> {
        let (subject, value_domain) = self.subject()?;
        let follows = self.flag("follow_birthday")?.unwrap_or(false);
        let days = self.whole("days", 1, 36_500)?;
        let shift = match (follows, days) {
            (true, Some(_)) => return Err(self.value("days", "days | follow_birthday = true")),
            (true, None) => DateShift::Birthday,
            (false, days) => DateShift::Days(days.unwrap_or(180)),
        };
        Ok(Transform::ShiftDate {
            subject,
            value_domain,
            shift,
        })
    }

    fn noise(&mut self) -> Result<Transform, PolicyError> {
        let (subject, value_domain) = self.subject()?;
        let amount_max = self.not_negative("amount_max", "100")?;
        let shape = match self.choice("distribution", &[("uniform", 0), ("laplace", 1)], Some(0))? {
            0 => NoiseShape::Uniform,
            _ => NoiseShape::Laplace {
                scale: self.positive("scale")?,
            },
        };
        let (bottom, top) = self.bounds()?;
        let decimals = self.whole("decimals", 0, 9)?.unwrap_or(2);
        Ok(Transform::Noise {
            noise: Noise {
                shape,
                amount_max,
                bottom,
                top,
                decimals,
            },
            subject,
            value_domain,
        })
    }

    fn geo(&mut self) -> Result<Transform, PolicyError> {
        const LAYOUTS: &[(&str, u8)] = &[
            ("longitude", 0),
            ("latitude", 1),
            ("longitude_latitude", 2),
            ("latitude_longitude", 3),
        ];
        let layout = match self.choice("layout", LAYOUTS, None)? {
            0 => GeoLayout::Longitude {
                latitude: self
                    .text("latitude")?
                    .ok_or_else(|| self.missing("latitude", "lat"))?,
            },
            1 => GeoLayout::Latitude {
                longitude: self
                    .text("longitude")?
                    .ok_or_else(|| self.missing("longitude", "lon"))?,
            },
            2 => GeoLayout::LongitudeLatitude,
            _ => GeoLayout::LatitudeLongitude,
        };
        let from = self.choice("from", DATUMS, None)?;
        let to = self.choice("to", DATUMS, Some(from))?;
        let cell = match self.choice("output", &[("grid", 0), ("geohash", 1)], Some(0))? {
            0 => GeoCell::Grid {
                width_degrees: self.positive("width_degrees")?,
            },
            _ => GeoCell::Geohash {
                characters: self
                    .whole("characters", 1, 12)?
                    .ok_or_else(|| self.missing("characters", "5"))?,
            },
        };
        Ok(Transform::Geo {
            geo: Geo {
                layout,
                from,
                to,
                cell,
            },
        })
    }

    fn surrogate(&mut self) -> Result<Transform, PolicyError> {
        let surrogate = match self.choice("kind", &[("name", 0), ("address", 1)], None)? {
            0 => Surrogate::Name {
                keep_surname: self.flag("keep_surname")?.unwrap_or(false),
                sex: self.text("sex")?,
            },
            _ => Surrogate::Address {
                keep: self.choice("keep", LEVELS, None)?,
            },
        };
        Ok(Transform::Surrogate { surrogate })
    }
}

fn options_of(transform: &str, may_state_class: bool) -> String {
    let options = match transform {
        "token" => "value_domain",
        "permute" => {
            "kind, value_domain; resident_id: keep_region, birth_band_years, unassigned_region; \
             mobile, bank_card: keep"
        }
        "redact" => "style; constant: text; mask: first, last",
        "bin" => "width, origin, output",
        "top_bottom" => "bottom, top",
        "generalise_date" => "to",
        "age_band" => "width, top, as_of",
        "region" => "to, output",
        "shift_date" => "subject, value_domain, days, follow_birthday",
        "noise" => {
            "subject, value_domain, distribution, amount_max, bottom, top, decimals; laplace: scale"
        }
        "microaggregate" => "rows_min",
        "shuffle" => "within, rows_min",
        "geo" => {
            "layout, from, to, output; longitude: latitude; latitude: longitude; grid: width_degrees; \
             geohash: characters"
        }
        "surrogate" => "kind; name: keep_surname, sex; address: keep",
        "hierarchy" => "hierarchy, levels, otherwise",
        _ => "",
    };
    match (options.is_empty(), may_state_class) {
        (true, true) => "class, reason".to_owned(),
        (false, true) => format!("{options}; class, reason"),
        (_, false) => options.to_owned(),
    }
}
