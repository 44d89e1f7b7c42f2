#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use proptest::prelude::*;

use super::*;

const WHOLE: &str = r#"{
    "name": "scoring", "version": "1.2.0", "description": "how likely a loan fails",
    "functions": [
        {"kind": "scalar", "name": "score", "returns": "float64",
         "arguments": [{"name": "income", "data_type": "int64"}, {"name": "ratio", "data_type": "float64"}]},
        {"kind": "aggregate", "name": "distinct", "returns": "int64", "arguments": [{"name": "x", "data_type": "utf8"}]},
        {"kind": "table", "name": "bands", "columns": [{"name": "band", "data_type": "int32"}],
         "inputs": [{"columns": [{"name": "income", "data_type": "int64"}]}],
         "arguments": [{"name": "width", "data_type": "int64"}]}
    ],
    "job": {"inputs": [{"columns": [{"name": "income", "data_type": "int64"}]}],
            "output": [{"name": "band", "data_type": "int32"}]}
}"#;

fn fault(document: &str) -> String {
    ModuleManifest::parse(document.as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_whole_document_is_read_and_written_again() {
    let manifest = ModuleManifest::parse(WHOLE.as_bytes()).unwrap();
    assert_eq!(
        manifest.function("distinct").unwrap().exports(),
        ["distinct_update", "distinct_finish"]
    );
    assert_eq!(manifest.function("bands").unwrap().exports(), ["bands"]);
    assert_eq!(manifest.function("nothing"), None);
    let again = serde_json::to_vec(&manifest).unwrap();
    assert_eq!(ModuleManifest::parse(&again).unwrap(), manifest);
}

#[test]
fn what_is_wrong_is_named() {
    assert!(fault("{").contains("line 1 column 1"), "{}", fault("{"));
    let unknown = WHOLE.replace("\"description\"", "\"descripton\"");
    assert!(fault(&unknown).contains("unknown field `descripton`"));
    assert!(fault(&WHOLE.replace("\"score\"", "\"Score\"")).contains("\"Score\""));
    assert!(fault(&WHOLE.replace("\"score\"", "\"run\"")).contains("\"run\""));
    assert!(fault(&WHOLE.replace("\"score\"", "\"egret_seed\"")).contains("egret_seed"));
    // The two exports of the aggregate and a function of its own would be one.
    assert!(fault(&WHOLE.replace("\"score\"", "\"distinct_update\"")).contains("distinct"));
    assert!(fault(&WHOLE.replace("1.2.0", "")).contains("version"));
    assert!(fault(&WHOLE.replace("how likely", "how\\nlikely")).contains("description"));
    assert!(fault(&WHOLE.replace("\"ratio\"", "\"income\"")).contains("\"income\""));
    let date = WHOLE.replace(
        "\"width\", \"data_type\": \"int64\"",
        "\"width\", \"data_type\": \"date32\"",
    );
    assert!(fault(&date).contains("bands"), "{}", fault(&date));
    let without = WHOLE.replace(
        "\"columns\": [{\"name\": \"band\", \"data_type\": \"int32\"}]",
        "\"columns\": []",
    );
    assert!(fault(&without).contains("no or too many columns"));
}

#[test]
fn it_has_limits() {
    let long = format!("{}{}", " ".repeat(BYTES_MAX), WHOLE);
    assert!(matches!(
        ModuleManifest::parse(long.as_bytes()),
        Err(ManifestFault::TooLong(_))
    ));
    let function =
        |n: usize| format!(r#"{{"kind":"scalar","name":"f{n}","arguments":[],"returns":"int64"}}"#);
    let of = |count: usize| {
        let functions: Vec<String> = (0..count).map(function).collect();
        format!(
            r#"{{"name":"m","version":"1","functions":[{}]}}"#,
            functions.join(",")
        )
    };
    ModuleManifest::parse(of(FUNCTIONS_MAX).as_bytes()).unwrap();
    assert!(fault(&of(FUNCTIONS_MAX + 1)).contains("too many functions"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = ModuleManifest::parse(&bytes);
    }

    #[test]
    fn a_changed_document_is_answered_and_what_is_taken_stays_itself(at in 0usize..900, byte in any::<u8>()) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(manifest) = ModuleManifest::parse(&bytes) {
            let again = serde_json::to_vec(&manifest).unwrap();
            prop_assert_eq!(ModuleManifest::parse(&again).unwrap(), manifest);
        }
    }
}
