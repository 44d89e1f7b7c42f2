//! Overlapping labels: a private list holds everybody under one label, and all but one under another, so that one result holds both
//! halves of a differencing pair.

use std::fmt::Write as _;

use harness::{World, people};
use serde_json::json;

#[tokio::test]
async fn labels_of_a_private_list_that_overlap_in_all_but_one_do_not_both_leave() {
    let world = World::new().await;
    let set = json!({
        "grant": world.grant,
        "name": "labels",
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
    let listed: Vec<_> = people::people(1_200).into_iter().take(40).collect();
    let mut csv = String::from("id_number,label\n");
    for (place, person) in listed.iter().enumerate() {
        let _ = writeln!(csv, "{},all", person.resident_id);
        for missing in 0..12 {
            if missing != place {
                let _ = writeln!(csv, "{},but-{missing}", person.resident_id);
            }
        }
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
    let ran = world
        .sql(
            "select l.label, sum(r.income) as total, count(*) as n from residents r \
             join labels l on r.resident_id = l.id_number group by l.label",
        )
        .await;
    assert!(
        ran.rows().len() < 2,
        "labels that differ by one person left together: {:?}",
        ran.csv
    );
}
