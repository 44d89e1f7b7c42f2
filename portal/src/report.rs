//! A report that can be printed: what a data set gave away, how good it was, what masking left of the risk.
//!
//! One HTML document without scripts and without anything fetched; the plots are drawn in it.

mod html;
mod plot;
mod tables;

use crate::http::dto::{QualityView, RiskView};
use html::Page;
use sandbox::Lang;
pub(crate) use tables::measure_rows;

/// What a report is about.
pub(crate) struct Report<'a> {
    /// What was measured: a data set or a file.
    pub(crate) subject: &'a str,
    /// Where it comes from and what was done, in order.
    pub(crate) facts: Vec<(Bilingual, String)>,
    /// What each column gives away.
    pub(crate) columns: Vec<ColumnLine>,
    /// How good the data were.
    pub(crate) quality: Option<&'a QualityView>,
    /// Risk before masking.
    pub(crate) before: &'a RiskView,
    /// Risk after masking.
    pub(crate) after: Option<&'a RiskView>,
    /// Measured level of GB/T 42460.
    pub(crate) level: Option<u8>,
}

/// A column, its class and why.
pub(crate) struct ColumnLine {
    pub(crate) column: String,
    pub(crate) class: String,
    pub(crate) confidence: f64,
    pub(crate) reason: String,
}

/// Two words for one thing.
type Bilingual = (&'static str, &'static str);

impl Report<'_> {
    /// The document, in one language.
    pub(crate) fn html(&self, lang: Lang) -> String {
        let mut page = Page::new(lang);
        page.title(&[("数据集报告", "data set report")], self.subject);
        tables::facts(&mut page, self);
        tables::columns(&mut page, &self.columns);
        if let Some(quality) = self.quality {
            tables::quality(&mut page, quality);
        }
        tables::risk(&mut page, self);
        page.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::http::dto::{
        ColumnScore, Contribution, DimensionScore, PopulationRiskView, RuleNote,
        SpecialUniquesView, Text,
    };
    use std::collections::BTreeMap;

    fn risk(k: u64) -> RiskView {
        RiskView {
            quasi_identifiers: vec!["age".to_owned(), "<district>".to_owned()],
            sensitive: Some("income".to_owned()),
            rows: 1_000,
            classes: 120,
            k,
            uniques: 3,
            prosecutor_max: 1.0 / f64::from(u32::try_from(k).unwrap()),
            prosecutor_avg: 0.12,
            marketer: 0.12,
            l_distinct: Some(2),
            l_entropy: Some(1.5),
            l_recursive: BTreeMap::from([(2, 1.25)]),
            t_closeness: Some(0.25),
            t_distance: Some("equal".to_owned()),
            delta_disclosure: Some(1.5),
            beta_basic: Some(0.75),
            beta_enhanced: None,
            special: Some(SpecialUniquesView {
                size_max: 3,
                rows: 2,
                by_size: BTreeMap::from([(1, 1), (2, 4)]),
                contributions: vec![Contribution {
                    column: "<district>".to_owned(),
                    share: 0.8,
                }],
                score_max: 8.0,
                intrusion: None,
                intrusion_max: None,
            }),
            population: Some(PopulationRiskView {
                rows: 9_000,
                k_map: 4,
                journalist_max: 0.25,
                journalist_avg: 0.125,
                delta_presence_min: 0.0,
                delta_presence_max: 0.5,
                unmatched: 7,
            }),
            histogram: BTreeMap::from([("1".to_owned(), 3), ("100+".to_owned(), 2)]),
        }
    }

    fn quality() -> QualityView {
        QualityView {
            rows_in: 1_000,
            rows_kept: 998,
            repaired: 4,
            score: 0.97,
            dimensions: vec![DimensionScore {
                dimension: "validity".to_owned(),
                score: 0.95,
            }],
            columns: vec![ColumnScore {
                column: "age".to_owned(),
                score: 0.5,
            }],
            rules: Vec::new(),
            notes: vec![RuleNote {
                rule: "volume_drift".to_owned(),
                message: Text {
                    zh: "行数为上次的 <b>3</b> 倍".to_owned(),
                    en: "rows: <b>3</b> times the last".to_owned(),
                },
            }],
            blocking: Vec::new(),
        }
    }

    fn document(lang: Lang) -> String {
        let (before, after, quality) = (risk(1), risk(8), quality());
        Report {
            subject: "claims <script>alert(1)</script>",
            facts: vec![(("行数", "rows"), "1000".to_owned())],
            columns: vec![ColumnLine {
                column: "age\" onload=\"x".to_owned(),
                class: "quasi_identifier".to_owned(),
                confidence: 0.8,
                reason: "name & comment".to_owned(),
            }],
            quality: Some(&quality),
            before: &before,
            after: Some(&after),
            level: Some(3),
        }
        .html(lang)
    }

    #[test]
    fn what_comes_from_data_is_text_and_nothing_else() {
        for lang in [Lang::Zh, Lang::En] {
            let document = document(lang);
            assert!(!document.contains("<script"), "{document}");
            assert!(document.contains("&lt;script&gt;"));
            assert!(document.contains("&lt;district&gt;"));
            assert!(document.contains("name &amp; comment"));
            assert!(document.contains("&lt;b&gt;3&lt;/b&gt;"));
            assert!(!document.contains("onload=\"x"));
            assert!(!document.contains("http"), "nothing is fetched");
        }
    }

    #[test]
    fn every_measure_has_its_line() {
        let (zh, en) = (document(Lang::Zh), document(Lang::En));
        for (name_zh, name_en, value) in [
            ("l（熵）", "l (entropy)", "1.5000"),
            ("l（递归", "l (recursive", "2: 1.2500"),
            ("δ（披露）", "δ (disclosure)", "1.5000"),
            ("β（相似）", "β (likeness)", "0.7500"),
            ("特殊唯一的行", "special unique rows", "2"),
            ("最小样本唯一", "minimal sample uniques", "1: 1  2: 4"),
            ("各列所占", "share of columns", "&lt;district&gt; 80.00 %"),
            ("特殊唯一最高分", "highest special unique score", "8"),
            ("k-map", "k-map", "4"),
            ("最高风险（记者）", "highest risk (journalist)", "25.00 %"),
            ("δ（在场）", "δ (presence)", "0.0000 … 0.5000"),
            ("总体中没有的行", "rows that the population lacks", "7"),
        ] {
            for (document, name) in [(&zh, name_zh), (&en, name_en)] {
                let line = (document.split("<tr>"))
                    .find(|line| line.contains(&format!("<td>{name}")))
                    .unwrap_or_else(|| panic!("no line for {name}"));
                assert!(line.contains(&format!("<td>{value}</td>")), "{line}");
            }
        }
        assert!(
            !en.contains("enhanced likeness") && !en.contains("is matched"),
            "what was not measured has no line"
        );
    }

    #[test]
    fn both_languages_say_the_same_with_plots() {
        let (zh, en) = (document(Lang::Zh), document(Lang::En));
        assert!(zh.contains("lang=\"zh-CN\"") && en.contains("lang=\"en\""));
        assert!(zh.contains("准标识符") && en.contains("quasi-identifier"));
        for document in [&zh, &en] {
            assert_eq!(
                document.matches("<svg").count(),
                3,
                "quality, classes, risk"
            );
            assert!(
                document.contains("12.50"),
                "k = 8 is a risk of 12.5 %: {document}"
            );
            assert_eq!(document.matches("<h2").count(), 4);
        }
    }
}
