//! ARCHITECTURE.md names the functions of a run; this keeps the names true.

/// Every `path` that is followed by a `name` in backquotes must be a file that defines or declares the name.
#[test]
fn the_walk_names_functions_that_are_there() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let text = std::fs::read_to_string(format!("{root}/ARCHITECTURE.md")).unwrap();
    let walk = text
        .split("## A run, from submit to release")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the walk");
    let quoted: Vec<&str> = walk.split('`').skip(1).step_by(2).collect();
    let mut checked = 0;
    for pair in quoted.windows(2) {
        let [file, name] = pair else { continue };
        if std::path::Path::new(file)
            .extension()
            .is_none_or(|extension| extension != "rs")
        {
            continue;
        }
        let source = std::fs::read_to_string(format!("{root}/{file}"))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        if name.contains('/') {
            continue;
        }
        let there =
            source.contains(&format!("fn {name}")) || source.contains(&format!("struct {name}"));
        assert!(there, "{file} has no {name}");
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} names were found in the walk");
}
