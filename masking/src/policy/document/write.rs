//! The one canonical form of a policy.

use std::fmt::Write;

use crate::policy::document::names::{
    BIN_OUTPUTS, DATUMS, LEVELS, PERIODS, SUITES, UNNAMED, name_of,
};
use crate::policy::document::options::CLASSES;
use crate::policy::{ColumnPolicy, Policy, UnnamedColumns};
use crate::transform::{
    DateShift, Geo, GeoCell, GeoLayout, Noise, NoiseShape, Permute, Surrogate, Transform,
};

type OptionsOf = Vec<(&'static str, String)>;

/// Writing into a string cannot fail, so results are let go.
pub(in crate::policy) fn write(policy: &Policy) -> String {
    let mut text = String::from("version = 1\n");
    if policy.unnamed != UnnamedColumns::Refuse {
        let name = name_of(UNNAMED, &policy.unnamed);
        let _ = writeln!(text, "unnamed_columns = {}", quoted(name));
    }
    if let Some(suite) = policy.cipher_suite {
        if let Some(note) = suite.permutation_note() {
            let _ = writeln!(text, "# {}", note.en);
        }
        let _ = writeln!(text, "cipher_suite = {}", quoted(name_of(SUITES, &suite)));
    }
    if let Some(measure) = &policy.measure {
        let _ = writeln!(text, "\n[measure]\nk_min = {}", measure.k_min);
        if let Some(l_min) = measure.l_min {
            let _ = writeln!(text, "l_min = {l_min}");
        }
        if let Some(t_max) = measure.t_max {
            let _ = writeln!(text, "t_max = {}", float(t_max));
        }
        if let Some(delta_max) = measure.delta_max {
            let _ = writeln!(text, "delta_max = {}", float(delta_max));
        }
        if let Some(beta_max) = measure.beta_max {
            let _ = writeln!(text, "beta_max = {}", float(beta_max));
        }
        if let Some(most) = measure.suppress_percent_max {
            let _ = writeln!(text, "suppress_percent_max = {}", float(most));
        }
    }
    for (name, hierarchy) in &policy.hierarchies {
        let _ = writeln!(text, "\n[hierarchies.{}]", quoted(name));
        for (group, members) in hierarchy.groups() {
            let members: Vec<String> = members.iter().map(|member| quoted(member)).collect();
            let _ = writeln!(text, "{} = [{}]", quoted(group), members.join(", "));
        }
    }
    for (target, rule) in &policy.rules {
        let _ = writeln!(text, "\n[rules.{}]", target.as_str());
        write_rule(rule, &mut text);
    }
    for (name, rule) in &policy.columns {
        let _ = writeln!(text, "\n[columns.{}]", quoted(name));
        write_rule(rule, &mut text);
    }
    text
}

fn write_rule(rule: &ColumnPolicy, text: &mut String) {
    let _ = writeln!(text, "transform = {}", quoted(rule.transform.name()));
    for (option, value) in options(&rule.transform) {
        let _ = writeln!(text, "{option} = {value}");
    }
    if let Some(class) = rule.class {
        let _ = writeln!(text, "class = {}", quoted(name_of(CLASSES, &class)));
    }
    if let Some(reason) = &rule.reason {
        let _ = writeln!(text, "reason = {}", quoted(reason));
    }
}

fn options(transform: &Transform) -> OptionsOf {
    match transform {
        Transform::Keep | Transform::Drop => Vec::new(),
        Transform::Token { value_domain } => vec![("value_domain", quoted(value_domain.as_str()))],
        Transform::Permute {
            permute,
            value_domain,
        } => {
            let mut options = permute_options(*permute);
            options.push(("value_domain", quoted(value_domain.as_str())));
            options
        }
        Transform::RedactConstant { text } => {
            vec![("style", quoted("constant")), ("text", quoted(text))]
        }
        Transform::RedactMask { first, last } => vec![
            ("style", quoted("mask")),
            ("first", first.to_string()),
            ("last", last.to_string()),
        ],
        Transform::RedactText => vec![("style", quoted("text"))],
        Transform::Bin {
            width,
            origin,
            output,
        } => vec![
            ("width", float(*width)),
            ("origin", float(*origin)),
            ("output", quoted(name_of(BIN_OUTPUTS, output))),
        ],
        Transform::TopBottom { bottom, top } => bounds(*bottom, *top),
        Transform::GeneraliseDate { to } => vec![("to", quoted(name_of(PERIODS, to)))],
        Transform::AgeBand { width, top, as_of } => {
            let mut options = vec![("width", width.to_string()), ("top", top.to_string())];
            if let Some((year, month, day)) = as_of {
                options.push(("as_of", format!("\"{year:04}-{month:02}-{day:02}\"")));
            }
            options
        }
        Transform::Region { to, as_name } => vec![
            ("to", quoted(name_of(LEVELS, to))),
            ("output", quoted(if *as_name { "name" } else { "code" })),
        ],
        Transform::Hash { algorithm } => vec![("algorithm", quoted(algorithm))],
        across => across_options(across),
    }
}

/// The options of transforms that read other columns, other rows or other tables.
fn across_options(transform: &Transform) -> OptionsOf {
    match transform {
        Transform::ShiftDate {
            subject,
            value_domain,
            shift,
        } => vec![
            ("subject", quoted(subject)),
            ("value_domain", quoted(value_domain.as_str())),
            match shift {
                DateShift::Days(days) => ("days", days.to_string()),
                DateShift::Birthday => ("follow_birthday", "true".to_owned()),
            },
        ],
        Transform::Noise {
            noise,
            subject,
            value_domain,
        } => {
            let mut options = vec![
                ("subject", quoted(subject)),
                ("value_domain", quoted(value_domain.as_str())),
            ];
            options.extend(noise_options(noise));
            options
        }
        Transform::Microaggregate { rows_min } => vec![("rows_min", rows_min.to_string())],
        Transform::Shuffle { within, rows_min } => {
            let within: Vec<String> = within.iter().map(|column| quoted(column)).collect();
            vec![
                ("within", format!("[{}]", within.join(", "))),
                ("rows_min", rows_min.to_string()),
            ]
        }
        Transform::Geo { geo } => geo_options(geo),
        Transform::Surrogate { surrogate } => surrogate_options(surrogate),
        Transform::Hierarchy {
            hierarchy,
            levels,
            otherwise,
        } => {
            let mut options = vec![
                ("hierarchy", quoted(hierarchy)),
                ("levels", levels.to_string()),
            ];
            options.extend(otherwise.as_ref().map(|text| ("otherwise", quoted(text))));
            options
        }
        _ => Vec::new(),
    }
}

fn permute_options(permute: Permute) -> OptionsOf {
    let mut options = vec![("kind", quoted(permute.name()))];
    match permute {
        Permute::ResidentId {
            keep_region,
            birth_band_years,
            unassigned_region,
        } => {
            options.push(("keep_region", keep_region.to_string()));
            options.push(("birth_band_years", birth_band_years.to_string()));
            options.push(("unassigned_region", unassigned_region.to_string()));
        }
        Permute::Mobile { keep } | Permute::BankCard { keep } => {
            options.push(("keep", keep.to_string()));
        }
        Permute::CreditCode | Permute::Plate => {}
    }
    options
}

fn noise_options(noise: &Noise) -> OptionsOf {
    let mut options = match noise.shape {
        NoiseShape::Uniform => vec![("distribution", quoted("uniform"))],
        NoiseShape::Laplace { scale } => {
            vec![("distribution", quoted("laplace")), ("scale", float(scale))]
        }
    };
    options.push(("amount_max", float(noise.amount_max)));
    options.extend(bounds(noise.bottom, noise.top));
    options.push(("decimals", noise.decimals.to_string()));
    options
}

fn geo_options(geo: &Geo) -> OptionsOf {
    let mut options = match &geo.layout {
        GeoLayout::Longitude { latitude } => {
            vec![
                ("layout", quoted("longitude")),
                ("latitude", quoted(latitude)),
            ]
        }
        GeoLayout::Latitude { longitude } => {
            vec![
                ("layout", quoted("latitude")),
                ("longitude", quoted(longitude)),
            ]
        }
        GeoLayout::LongitudeLatitude => vec![("layout", quoted("longitude_latitude"))],
        GeoLayout::LatitudeLongitude => vec![("layout", quoted("latitude_longitude"))],
    };
    options.push(("from", quoted(name_of(DATUMS, &geo.from))));
    options.push(("to", quoted(name_of(DATUMS, &geo.to))));
    match geo.cell {
        GeoCell::Grid { width_degrees } => {
            options.push(("output", quoted("grid")));
            options.push(("width_degrees", float(width_degrees)));
        }
        GeoCell::Geohash { characters } => {
            options.push(("output", quoted("geohash")));
            options.push(("characters", characters.to_string()));
        }
    }
    options
}

fn surrogate_options(surrogate: &Surrogate) -> OptionsOf {
    let mut options = vec![("kind", quoted(surrogate.kind()))];
    match surrogate {
        Surrogate::Name { keep_surname, sex } => {
            options.push(("keep_surname", keep_surname.to_string()));
            options.extend(sex.as_ref().map(|column| ("sex", quoted(column))));
        }
        Surrogate::Address { keep } => options.push(("keep", quoted(name_of(LEVELS, keep)))),
    }
    options
}

fn bounds(bottom: Option<f64>, top: Option<f64>) -> OptionsOf {
    [("bottom", bottom), ("top", top)]
        .into_iter()
        .filter_map(|(option, bound)| Some((option, float(bound?))))
        .collect()
}

/// A floating-point number with a fraction, as TOML wants it; reading it back gives the same
/// number.
fn float(number: f64) -> String {
    format!("{number:?}")
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            char if char.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(char));
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
