//! Times the search on Adult: eight quasi-identifiers, k = 5, no suppression (Flash as published:
//! 27.4 ms, 115 checks), and nine with suppression. Run in a release build.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people at a terminal"
)]

#[path = "../tests/adult/data.rs"]
mod data;

use std::time::Instant;

use masking::{Generaliser, Goal, InformationLoss, Requirement};

fn main() {
    let batch = data::rows(true);
    for (has_occupation, suppression_max, loss) in [
        (false, 0.0, InformationLoss::Discernibility),
        (true, 0.0, InformationLoss::Discernibility),
        (true, 0.04, InformationLoss::Generalisation),
        (true, 1.0, InformationLoss::Generalisation),
        (true, 0.04, InformationLoss::Discernibility),
        (true, 0.04, InformationLoss::AverageClassSize),
        (true, 0.04, InformationLoss::NonUniformEntropy),
        (true, 0.04, InformationLoss::CertaintyPenalty),
    ] {
        let goal = Goal {
            requirement: Requirement::k(5),
            suppression_max,
            loss,
        };
        let start = Instant::now();
        let mut generaliser = Generaliser::new(data::quasi(has_occupation), None).expect("columns");
        generaliser.observe(&batch).expect("a batch that fits");
        let observed = start.elapsed();
        let solution = generaliser.solve(&goal, &mut || false).expect("a solution");
        let solved = start.elapsed() - observed;
        println!(
            "{} columns, {loss:?}, suppression {suppression_max}: {} at {:?}, {} checks, observe {observed:.1?}, solve {solved:.1?}",
            solution.levels().len(),
            solution.loss(),
            solution.levels(),
            solution.checks(),
        );
    }
}
