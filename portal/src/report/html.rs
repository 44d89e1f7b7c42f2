//! A document built of text that is escaped in one place.

use sandbox::Lang;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");

/// A document in one language.
pub(super) struct Page {
    pub(super) lang: Lang,
    body: String,
}

impl Page {
    pub(super) fn new(lang: Lang) -> Self {
        Self {
            lang,
            body: String::new(),
        }
    }

    /// One of two words.
    pub(super) fn word<'a>(&self, (zh, en): (&'a str, &'a str)) -> &'a str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    pub(super) fn title(&mut self, kind: &[(&str, &str)], subject: &str) {
        let kind: Vec<&str> = kind.iter().map(|word| self.word(*word)).collect();
        let (kind, subject) = (escaped(&kind.join(" ")), escaped(subject));
        self.raw(&format!("<h1>{subject}</h1><p class=\"kind\">{kind}</p>"));
    }

    pub(super) fn heading(&mut self, words: (&str, &str)) {
        let text = escaped(self.word(words));
        self.raw(&format!("<h2>{text}</h2>"));
    }

    pub(super) fn note(&mut self, words: (&str, &str)) {
        let text = escaped(self.word(words));
        self.raw(&format!("<p>{text}</p>"));
    }

    /// A table; headings may be none.
    pub(super) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let mut out = String::from("<table>");
        if !headings.is_empty() {
            out.push_str("<thead><tr>");
            for heading in headings {
                let _ = write!(out, "<th>{}</th>", escaped(heading));
            }
            out.push_str("</tr></thead>");
        }
        out.push_str("<tbody>");
        for row in rows {
            out.push_str("<tr>");
            for cell in row {
                let _ = write!(out, "<td>{}</td>", escaped(cell));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table>");
        self.raw(&out);
    }

    /// Markup that was escaped where it was made.
    pub(super) fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    pub(super) fn finish(self) -> String {
        let lang = match self.lang {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        };
        format!(
            "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Egret</title>\
             <style>\n{STYLE}</style></head><body>\n{}</body></html>\n",
            self.body
        )
    }
}

/// Text that can stand in markup and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
