//! Recall and precision per kind.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use masking::Identifier;

/// What was right, missed and invented, for one kind.
#[derive(Clone, Copy, Default)]
struct Tally {
    right: usize,
    missed: usize,
    invented: usize,
}

#[derive(Default)]
pub(crate) struct Score {
    tallies: BTreeMap<Identifier, Tally>,
    failures: Vec<String>,
}

impl Score {
    pub(crate) fn right(&mut self, kind: Identifier) {
        self.tallies.entry(kind).or_default().right += 1;
    }

    pub(crate) fn missed(&mut self, kind: Identifier, case: &str) {
        self.tallies.entry(kind).or_default().missed += 1;
        self.failures
            .push(format!("missed {}: {case}", kind.as_str()));
    }

    pub(crate) fn invented(&mut self, kind: Identifier, case: &str) {
        self.tallies.entry(kind).or_default().invented += 1;
        self.failures
            .push(format!("invented {}: {case}", kind.as_str()));
    }

    /// Prints the table and fails below the recall and precision that are promised.
    pub(crate) fn check(&self, title: &str) {
        let mut table = format!(
            "{title}\n{:<28}{:>8}{:>10}{:>8}\n",
            "kind", "recall", "precision", "n"
        );
        let mut below = Vec::new();
        for kind in Identifier::ALL {
            let tally = self.tallies.get(&kind).copied().unwrap_or_default();
            let recall = share(tally.right, tally.right + tally.missed);
            let precision = share(tally.right, tally.right + tally.invented);
            let count = tally.right + tally.missed;
            writeln!(
                table,
                "{:<28}{recall:>8.4}{precision:>10.4}{count:>8}",
                kind.as_str()
            )
            .unwrap();
            if recall < 0.99 || precision < 0.98 {
                below.push(kind.as_str());
            }
        }
        println!("{table}");
        for failure in self.failures.iter().take(400) {
            println!("{failure}");
        }
        assert!(
            below.is_empty(),
            "{title}: below recall 0.99 or precision 0.98: {below:?}"
        );
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}
