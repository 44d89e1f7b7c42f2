//! Recall and precision per kind.

use std::collections::BTreeMap;

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

    /// Recall and precision of each kind.
    pub(crate) fn rates(&self) -> impl Iterator<Item = (Identifier, f64, f64)> {
        Identifier::ALL.into_iter().map(|kind| {
            let tally = self.tallies.get(&kind).copied().unwrap_or_default();
            let recall = share(tally.right, tally.right + tally.missed);
            (
                kind,
                recall,
                share(tally.right, tally.right + tally.invented),
            )
        })
    }

    /// Prints the table and fails below the recall and precision that are promised.
    #[allow(dead_code, reason = "the benches write figures instead")]
    pub(crate) fn check(&self, title: &str) {
        let mut below = Vec::new();
        println!("{title}\n{:<28}{:>8}{:>10}", "kind", "recall", "precision");
        for (kind, recall, precision) in self.rates() {
            println!("{:<28}{recall:>8.4}{precision:>10.4}", kind.as_str());
            if recall < 0.99 || precision < 0.98 {
                below.push(kind.as_str());
            }
        }
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
