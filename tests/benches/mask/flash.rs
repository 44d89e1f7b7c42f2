//! The search for the best generalisation of the data set Adult, beside the Python library anjana.

use masking::{Generaliser, Goal, InformationLoss, Requirement};
use serde_json::Value;

use super::shortest;
use crate::{
    adult,
    record::{Figure, folder, record},
};

/// What the best generalisation of eight columns costs, and the levels of its columns.
const DISCERNIBILITY: f64 = 55_170_356.0;
const LEVELS: [usize; 8] = [1, 1, 1, 1, 3, 2, 2, 1];
const PEER: &str = "anjana 1.2.3";

pub(super) fn run() {
    let batch = adult::rows(true);
    let goal = Goal {
        requirement: Requirement::k(5),
        suppression_max: 0.0,
        loss: InformationLoss::Discernibility,
    };
    let mut checks = 0;
    let ours = 1e3
        * shortest(10, || {
            let mut generaliser = Generaliser::new(adult::quasi(false), None).expect("hierarchies");
            generaliser.observe(&batch).expect("a batch that fits");
            let solution = generaliser.solve(&goal, &mut || false).expect("a solution");

            assert_eq!(solution.levels(), LEVELS);
            assert!((solution.loss() - DISCERNIBILITY).abs() < 0.5 && solution.is_optimal());
            checks = solution.checks();
        });
    let peer = anjana();
    let beside = match &peer {
        Ok(peer) => format!("the peer's discernibility is {}", peer["discernibility"]),
        Err(why) => format!("no peer: {why}"),
    };
    record(&Figure {
        name: "flash_adult_ms",
        ours,
        peer: (peer.ok()).and_then(|peer| Some((PEER, peer["ms"].as_f64()?))),
        unit: "ms",
        note: &format!(
            "30,162 rows read from a batch, 8 columns, k = 5: the optimum, discernibility 55170356, in {checks} checks; best of 10; {beside}"
        ),
    });
}

/// The same task with the same rows and hierarchies.
fn anjana() -> Result<Value, String> {
    let python = harness::python("bench")?;
    let rows = folder().join("adult.csv");
    std::fs::create_dir_all(folder()).expect("a folder for the results");
    write(&rows);
    let said = harness::run_script(&python, "anjana.py", &[&rows.display().to_string()])?;
    serde_json::from_str(&said).map_err(|error| error.to_string())
}

fn write(path: &std::path::Path) {
    use arrow::util::display::{ArrayFormatter, FormatOptions};
    let batch = adult::rows(true);
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> = (batch.columns().iter())
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a column"))
        .collect();
    let names = batch.schema();
    let names = names.fields().iter().map(|field| field.name().clone());
    let mut lines = vec![names.collect::<Vec<String>>().join(",")];
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| column.value(row).to_string());
        lines.push(cells.collect::<Vec<String>>().join(","));
    }
    std::fs::write(path, lines.join("\n") + "\n").expect("a file for the peer");
}
