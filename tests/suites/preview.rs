//! A policy is tried on the sample that the provider sent, before it is in force; whoever tries it sees no identifier.

use harness::World;
use serde_json::json;

const POLICY: &str = "version = 1\n\
    [columns.id_card]\ntransform = \"token\"\nvalue_domain = \"person-id\"\n\
    [columns.age]\ntransform = \"age_band\"\n";

#[tokio::test]
async fn a_policy_is_tried_on_the_sample() {
    let world = World::new().await;
    let organisations = world
        .system_admin
        .get("/organisations?limit=200")
        .await
        .ok();
    let all = organisations["items"].as_array().unwrap();
    let bureau = all.iter().find(|each| each["kind"] == "provider").unwrap();
    let person = harness::people::person(7).resident_id;
    let entry = |name: &str, sample: serde_json::Value| {
        json!({
            "name": name,
            "title": { "zh": "就诊", "en": "Visits" },
            "provider": bureau["id"],
            "industry": "卫生健康",
            "columns": [
                { "name": "id_card", "type": "string", "comment": "身份证号", "class": "direct_identifier" },
                { "name": "age", "type": "int64", "comment": "年龄" },
            ],
            "sample": sample,
        })
    };
    let rows = json!([{ "id_card": person, "age": 37 }]);
    let _ = world
        .system_admin
        .post("/datasets", &entry("visits", rows))
        .await
        .ok();
    let _ = world
        .system_admin
        .post("/datasets", &entry("empty", json!([])))
        .await
        .ok();
    let body = json!({ "toml": POLICY });
    for who in [&world.security_admin, &world.system_admin, &world.provider] {
        let answer = who.post("/datasets/visits/policy:preview", &body).await;
        let text = answer.text();
        assert!(!text.contains(&person), "{text}");
        let preview = answer.ok();
        assert_eq!(preview["before"][0]["age"], 37);
        let form = preview["before"][0]["id_card"].as_str().unwrap();
        assert!(form.len() == 18 && form.starts_with("00000000"), "{form}");
        assert_eq!(preview["after"][0]["age"], "30-39");
        assert_eq!(preview["after"][0]["id_card"].as_str().unwrap().len(), 26);
    }
    let policy = world.security_admin.get("/datasets/visits/policy").await;
    assert_eq!(policy.status, 404, "a preview puts nothing in force");
    for other in [&world.developer, &world.auditor, &world.reviewers[0]] {
        let answer = other.post("/datasets/visits/policy:preview", &body).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    let preview = |dataset: &'static str, toml: String| {
        let path = format!("/datasets/{dataset}/policy:preview");
        let admin = world.security_admin.clone();
        async move { admin.post(&path, &json!({ "toml": toml })).await }
    };
    let kept = POLICY.replace("\"token\"\nvalue_domain = \"person-id\"", "\"keep\"");
    let refused = preview("visits", kept).await.problem(422, "policy_refused");
    assert_eq!(
        refused["findings"][0]["rule"], "direct_identifier_kept",
        "{refused}"
    );
    preview("empty", POLICY.to_owned())
        .await
        .problem(409, "no_sample");
    let sm = format!("cipher_suite = \"sm\"\n{POLICY}");
    let sm = preview("visits", sm).await.problem(422, "policy_refused");
    assert_eq!(sm["findings"][0]["rule"], "cipher_suite_differs", "{sm}");
}
