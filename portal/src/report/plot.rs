//! Bars, drawn as SVG.

use super::html::escaped;
use std::fmt::Write as _;

/// Width of a plot, and of the part that names the bars.
const WIDTH: f64 = 640.0;
const NAMES: f64 = 150.0;
/// Room for the value behind a bar.
const VALUES: f64 = 90.0;
const BAR: f64 = 14.0;
const GAP: f64 = 6.0;

/// A group of bars under one name: its values, each with its class of colour and its text.
pub(super) struct Bars {
    pub(super) name: String,
    pub(super) values: Vec<(f64, &'static str, String)>,
}

/// Horizontal bars; the longest is the greatest value, or `full` where that is given.
pub(super) fn bars(groups: &[Bars], full: Option<f64>, caption: &str) -> String {
    let values = groups.iter().flat_map(|group| &group.values);
    let greatest = values.map(|(value, _, _)| *value).fold(0.0, f64::max);
    let full = full.unwrap_or(greatest).max(f64::MIN_POSITIVE);
    let mut out = String::new();
    let mut y = GAP;
    for group in groups {
        let _ = write!(
            out,
            "<text x=\"0\" y=\"{:.0}\">{}</text>",
            y + BAR - 3.0,
            escaped(&group.name)
        );
        for (value, class, text) in &group.values {
            let width = (value / full).clamp(0.0, 1.0) * (WIDTH - NAMES - VALUES);
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{NAMES:.0}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{BAR:.0}\"/>\
                 <text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
                NAMES + width + 5.0,
                y + BAR - 3.0,
                escaped(text)
            );
            y += BAR + 2.0;
        }
        y += GAP;
    }
    format!(
        "<figure><svg viewBox=\"0 0 {WIDTH:.0} {y:.0}\" role=\"img\" aria-label=\"{caption}\">{out}</svg>\
         <figcaption>{caption}</figcaption></figure>",
        caption = escaped(caption)
    )
}
