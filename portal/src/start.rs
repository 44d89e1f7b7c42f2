//! Why the server could not start, for the person in front of it: one message, one remedy, in both languages.

use sandbox::{Bilingual, Lang};
use std::path::Path;

/// Why the server could not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    message: Bilingual,
    remedy: Option<Bilingual>,
}

impl StartFailure {
    /// A failure with nothing to advise.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            message: Bilingual::new(zh, en),
            remedy: None,
        }
    }

    /// Adds what would help.
    #[must_use]
    pub fn remedied(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.remedy = Some(Bilingual::new(zh, en));
        self
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        let path = path.display();
        Self::new(
            format!("无法读取 {path}：{}", sandbox::os_error(error).zh),
            format!("cannot read {path}: {}", sandbox::os_error(error).en),
        )
    }

    /// The message and the remedy, for printing.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let message = self.message.text(lang);
        match &self.remedy {
            Some(remedy) => format!("egret: {message}\n       {}", remedy.text(lang)),
            None => format!("egret: {message}"),
        }
    }
}

impl From<sandbox::Error> for StartFailure {
    fn from(error: sandbox::Error) -> Self {
        Self {
            message: error.message().clone(),
            remedy: error.remedy().cloned(),
        }
    }
}
