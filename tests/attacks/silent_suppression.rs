//! Silent suppression: whether a cell of one person was withheld answers a question about that person.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use harness::{Ran, World, people};
use serde_json::{Value, json};

use super::{DISTRICT, city_with_a_target};

/// A list of those of one district and the target, who lives elsewhere, with everything that a run and its result say.
async fn asked(world: &World, occupation: &str) -> Ran {
    world
        .sql(&format!(
            "select r.district, count(*) as n from residents r join list l on r.resident_id = l.id_number \
             where r.district <> '{DISTRICT}' or r.occupation = '{occupation}' group by r.district"
        ))
        .await
}

/// What does not name the run itself.
fn told(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        for name in [
            "id",
            "run",
            "job",
            "release",
            "timeline",
            "meter",
            "layers",
            "created_at",
            "released_at",
            "submitted_at",
            "ended_at",
        ] {
            members.remove(name);
        }
    }
    value
}

#[tokio::test]
async fn a_cell_of_one_person_is_missing_without_a_word() {
    let (world, target) = city_with_a_target().await;
    let set = json!({
        "grant": world.grant,
        "name": "list",
        "columns": [
            { "name": "id_number", "type": "string" },
            { "name": "label", "type": "string" },
        ],
        "unit": { "column": "id_number", "value_domain": "person-id" },
    });
    let set = world
        .tenant_admin
        .post("/private-datasets", &set)
        .await
        .ok();
    let mut csv = String::from("id_number,label\n");
    let others = people::people(1_200);
    let others = others.iter().filter(|person| person.district == "思明");
    for id in others
        .map(|person| &person.resident_id)
        .chain([&target.resident_id])
    {
        let _ = writeln!(csv, "{id},x");
    }
    let path = format!(
        "/private-datasets/{}/data?format=csv",
        set["id"].as_str().unwrap()
    );
    let _ = world
        .tenant_admin
        .upload(&path, csv.into_bytes())
        .await
        .ok();
    let yes = asked(&world, "宇航员").await;
    let no = asked(&world, "驯兽师").await;
    assert!(yes.csv.is_some(), "{}", yes.run);
    assert_eq!(yes.csv, no.csv);
    assert_eq!(told(yes.run), told(no.run));
    assert_eq!(told(yes.release.clone()), told(no.release.clone()));
    // Nor do the certificates tell them apart.
    let mut said = Vec::new();
    for ran in [&yes.release, &no.release] {
        let id = ran["id"].as_str().unwrap();
        let path = format!("/releases/{id}/certificate");
        let text = world.developer.get(&path).await.text();
        said.push(text.contains("partial") || text.contains("suppressed"));
        let certificate: Value = serde_json::from_str(&text).unwrap();
        let payload = certificate["dsse"]["payload"].as_str().unwrap();
        let payload = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
        assert!(
            !payload.contains("suppressed") && !payload.contains("partial"),
            "{payload}"
        );
        assert!(payload.contains("\"decision\":\"release\""), "{payload}");
    }
    assert_eq!(said, [false, false]);
}
