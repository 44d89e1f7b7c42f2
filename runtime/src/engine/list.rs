//! What the engine takes, as a page for people: `runtime/engine.md` is written from the lists that the engine looks at.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;

use super::{functions, plan};

fn page() -> String {
    let mut page = String::from(
        "# What the SQL engine takes\n\n\
         Everything that is not listed here is refused before a plan runs, by a second look inside the jail that does not \
         trust admission.\nWhat a tenant's SQL may use is less: see [formats](../portal/formats.md#sql). \
         This page is written from the code.\n",
    );
    let mut section = |title: &str, mut names: Vec<String>| {
        names.sort();
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        write!(page, "\n## {title}\n\n{}\n", names.join(", ")).unwrap();
    };
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    section("Nodes of a plan", texts(plan::NODES));
    section("Expressions", texts(plan::EXPRESSIONS));
    let operators = plan::OPERATORS.iter().map(ToString::to_string);
    section("Operators", operators.collect());
    let scalar = functions::scalar();
    let named = scalar.iter().map(|function| function.name().to_owned());
    section("Row functions", named.collect());
    let aggregate = functions::aggregate();
    let named = aggregate.iter().map(|function| function.name().to_owned());
    section("Aggregates", named.collect());
    let window = functions::window();
    let named = window.iter().map(|function| function.name().to_owned());
    section("Functions over windows", named.collect());
    page
}

#[test]
fn the_page_is_what_the_engine_takes() {
    assert_eq!(
        page(),
        include_str!("../../engine.md"),
        "write it anew: cargo test -p runtime --lib write_the_page -- --ignored"
    );
}

#[test]
#[ignore = "writes runtime/engine.md"]
fn write_the_page() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/engine.md");
    std::fs::write(path, page()).unwrap();
}
