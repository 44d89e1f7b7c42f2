//! How the demonstration is told: a line for each step, what it shows, whether it held, how long it took.

use crate::cli::printable;
use crate::client::ClientError;
use sandbox::{Bilingual, Lang};
use std::io::{self, Write};
use std::time::Instant;

/// What a step shows, or why it did not hold.
pub(super) type Played = Result<Vec<Bilingual>, Broken>;

/// Why a step did not hold.
#[derive(Debug)]
pub(super) enum Broken {
    /// A call failed.
    Call(ClientError),
    /// The data are not as they should be.
    Expectation(Bilingual),
    /// What the step builds on did not hold.
    Before,
}

impl Broken {
    /// Something that is not as it should be.
    pub(super) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self::Expectation(Bilingual::new(zh, en))
    }

    fn text(&self, lang: Lang) -> String {
        match self {
            Self::Call(error) => {
                let findings = error.findings().iter().map(|finding| {
                    let reason = match lang {
                        Lang::Zh => &finding.reason.zh,
                        Lang::En => &finding.reason.en,
                    };
                    format!("; {} {}: {reason}", finding.rule, finding.subject)
                });
                format!("{}{}", error.text(lang), findings.collect::<String>())
            }
            Self::Expectation(reason) => reason.text(lang).to_owned(),
            Self::Before => says(
                "所依赖的步骤没有成立",
                "a step that it builds on did not hold",
            )
            .text(lang)
            .to_owned(),
        }
    }
}

impl From<ClientError> for Broken {
    fn from(error: ClientError) -> Self {
        Self::Call(error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::new(
            format!("本机操作失败：{error}"),
            format!("this machine: {error}"),
        )
    }
}

/// A text in both languages.
pub(super) fn says(zh: impl Into<String>, en: impl Into<String>) -> Bilingual {
    Bilingual::new(zh, en)
}

/// Holds, or says what is not as it should be.
pub(super) fn expect(
    holds: bool,
    zh: impl Into<String>,
    en: impl Into<String>,
) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken::new(zh, en))
    }
}

/// Two values that have to be equal.
pub(super) fn equal<T: PartialEq + std::fmt::Debug>(
    what_zh: &str,
    what_en: &str,
    found: &T,
    due: &T,
) -> Result<(), Broken> {
    expect(
        found == due,
        format!("{what_zh}：应为 {due:?}，实为 {found:?}"),
        format!("{what_en}: {due:?} was due, {found:?} was found"),
    )
}

/// The steps played so far.
pub(super) struct Story {
    lang: Lang,
    played: u32,
    failed: u32,
    begun: Instant,
}

impl Story {
    /// Nothing is played yet.
    pub(super) fn new(lang: Lang) -> Self {
        Self {
            lang,
            played: 0,
            failed: 0,
            begun: Instant::now(),
        }
    }

    /// Plays a step and tells how it went. A step that does not hold does not end the story.
    pub(super) async fn step(&mut self, title: Bilingual, play: impl Future<Output = Played>) {
        self.played += 1;
        let begun = Instant::now();
        let played = play.await;
        let ms = begun.elapsed().as_millis();
        let title = title.text(self.lang);
        let (mark, lines) = match &played {
            Ok(lines) => (
                "✓",
                lines
                    .iter()
                    .map(|line| line.text(self.lang).to_owned())
                    .collect(),
            ),
            Err(broken) => {
                self.failed += 1;
                let failed = says("未成立", "did not hold");
                (
                    "✗",
                    vec![format!(
                        "{}: {}",
                        failed.text(self.lang),
                        broken.text(self.lang)
                    )],
                )
            }
        };
        let mut text = format!("{mark} {:>2}  {title}  ({ms} ms)\n", self.played);
        for line in lines {
            for part in line.lines() {
                text.push_str(&format!("        {}\n", printable(part)));
            }
        }
        tell(&text);
    }

    /// Tells how it ended; whether every step held.
    pub(super) fn end(&self) -> bool {
        let (played, failed) = (self.played, self.failed);
        let seconds = self.begun.elapsed().as_secs_f64();
        let sum = if failed == 0 {
            says(
                format!("{played} 步全部成立，用时 {seconds:.1} 秒。"),
                format!("all {played} steps held, in {seconds:.1} s."),
            )
        } else {
            says(
                format!("{played} 步中有 {failed} 步未成立，用时 {seconds:.1} 秒。"),
                format!("{failed} of {played} steps did not hold, in {seconds:.1} s."),
            )
        };
        tell(&format!("\n{}\n", sum.text(self.lang)));
        failed == 0
    }
}

/// Writes to standard output; whoever closed it does not want to hear the story, which is played all the same.
pub(super) fn tell(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_does_not_hold_is_counted_and_the_story_goes_on() {
        let mut story = Story::new(Lang::En);
        story
            .step(says("一", "one"), async { Ok(vec![says("好", "fine")]) })
            .await;
        assert!(story.end());
        story
            .step(says("二", "two"), async { Err(Broken::Before) })
            .await;
        story
            .step(says("三", "three"), async { Ok(Vec::new()) })
            .await;
        assert!(!story.end());
        assert_eq!((story.played, story.failed), (3, 1));
    }

    #[test]
    fn what_was_due_and_what_was_found_are_both_told() {
        let broken = equal("行数", "rows", &3, &4)
            .err()
            .map(|broken| broken.text(Lang::En));
        assert_eq!(broken.as_deref(), Some("rows: 4 was due, 3 was found"));
    }
}
