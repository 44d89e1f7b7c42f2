//! One attack, one file: the program, what is tried, and the criterion, which is computed on the data.
//!
//! Each attack has a server and people of its own, for the audit of history looks at everything that was ever released.
//! The attacker is a tenant with an active grant who knows everything about the target but one secret.

use harness::{Ran, Setup, World, people};

mod averaging;
mod combined_dominance;
mod differencing;
mod hidden_classes;
mod history_space;
mod linked_tables;
mod margins;
mod ordinary_visits;
mod overlapping_groups;
mod overlapping_labels;
mod prefix_labels;
mod quasi_identifier_explosion;
mod row_isolation;
mod semantic_rewrites;
mod sensitive_lists;
mod several_rows;
mod silent_suppression;
mod singling_out;
mod tracker;
mod two_registers;
mod version_differencing;

/// The district of the target.
const DISTRICT: &str = "湖里";

/// A city with one astronaut, whose income is the secret.
async fn city_with_a_target() -> (World, people::Person) {
    let (residents, target) = residents_with_a_target();
    let world = World::with(Setup {
        people: residents,
        ..Setup::default()
    })
    .await;
    (world, target)
}

fn residents_with_a_target() -> (Vec<people::Person>, people::Person) {
    let mut residents = people::people(1_200);
    let target = residents
        .iter_mut()
        .find(|person| person.district == DISTRICT)
        .expect("somebody lives there");
    "宇航员".clone_into(&mut target.occupation);
    target.income = 123_457;
    let target = target.clone();
    (residents, target)
}

/// The first query of a pair must be useful: a defence that refuses everything proves nothing.
#[track_caller]
fn assert_released(ran: &Ran) {
    assert!(
        ran.csv.is_some(),
        "nothing was released: run {} release {}",
        ran.run,
        ran.release
    );
}

/// What an attacker gets by taking one released cell from another, where both were released.
fn difference(wide: &Ran, narrow: &Ran, key: &str, value: &str, column: &str) -> Option<f64> {
    Some(wide.cell(key, value, column)? - narrow.cell(key, value, column)?)
}
