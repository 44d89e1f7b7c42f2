//! Scores of a data set over time, as `egret dataset quality-history` prints them.

use super::failure::{Failure, label};
use super::output::Format;
use super::push::dimension;
use super::remote::Session;
use crate::http::dto::{PageQuery, QualityPoint};
use sandbox::Lang;
use std::collections::{BTreeMap, BTreeSet};

/// The scores of a data set's pushes: of its dimensions, or of its columns.
pub(super) async fn print(
    session: &Session,
    name: &str,
    page: &PageQuery,
    by_column: bool,
) -> Result<(), Failure> {
    let points = session.client.dataset_quality(name, page).await?;
    let (printer, lang) = (&session.printer, session.printer.lang);
    if printer.format == Format::Json {
        return printer.json(&points);
    }
    let scored: Vec<(&QualityPoint, BTreeMap<String, f64>)> = points
        .items
        .iter()
        .map(|point| (point, scores(point, by_column, lang)))
        .collect();
    let names: BTreeSet<&String> = scored
        .iter()
        .flat_map(|(_, scores)| scores.keys())
        .collect();
    let rows: Vec<Vec<String>> = scored
        .iter()
        .map(|(point, scores)| row(point, scores, &names))
        .collect();
    let fixed = [
        label(lang, "推送", "push"),
        label(lang, "版本", "version"),
        label(lang, "时间", "at"),
        label(lang, "问题", "problems"),
        label(lang, "总分", "score"),
    ];
    let named = names.iter().map(|name| (*name).clone());
    let headings: Vec<String> = fixed.map(str::to_owned).into_iter().chain(named).collect();
    printer.cells(&headings, &rows)?;
    printer.more("--cursor", points.next_cursor.as_deref());
    Ok(())
}

fn scores(point: &QualityPoint, by_column: bool, lang: Lang) -> BTreeMap<String, f64> {
    if by_column {
        let columns = point.columns.iter();
        return columns
            .map(|each| (each.column.clone(), each.score))
            .collect();
    }
    let dimensions = point.dimensions.iter();
    dimensions
        .map(|each| (dimension(&each.dimension, lang), each.score))
        .collect()
}

fn row(
    point: &QualityPoint,
    scores: &BTreeMap<String, f64>,
    names: &BTreeSet<&String>,
) -> Vec<String> {
    let share = |score: &f64| format!("{:.2} %", score * 100.0);
    let version = point.version.map(|number| number.to_string());
    let mut row = vec![
        point.push.clone(),
        version.unwrap_or_default(),
        point.at.clone(),
        point.problems.to_string(),
        share(&point.score),
    ];
    row.extend(
        names
            .iter()
            .map(|name| scores.get(*name).map(share).unwrap_or_default()),
    );
    row
}
