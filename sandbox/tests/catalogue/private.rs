//! What a tenant brings is tokenised at once, and seen by nobody else.

use sandbox::{
    Actor, DataFormat, Error, ErrorKind, GrantId, PageRequest, PrivateDatasetId,
    PrivateDatasetRequest, PrivateDatasetView,
};
use serde_json::{Value, json};

use crate::world::{World, resident_id};

struct Brought {
    world: World,
    tenant: Actor,
    grant: GrantId,
}

impl Brought {
    async fn new() -> Self {
        let world = World::with_version().await;
        let (tenant, reviewers) = (world.tenant("acme").await, world.reviewers().await);
        let delegate = world.delegate().await;
        let id = world.approved(&tenant, &reviewers).await;
        let grant = world
            .platform
            .apply(&tenant, id, "study", 30)
            .await
            .unwrap()
            .id;
        world
            .platform
            .consent(&delegate, grant, true)
            .await
            .unwrap();
        Brought {
            world,
            tenant,
            grant,
        }
    }

    fn request(&self, name: &str, unit: Value) -> PrivateDatasetRequest {
        let columns = json!([
            { "name": "customer", "type": "string" },
            { "name": "spent", "type": "float64" },
            { "name": "since", "type": "date" },
        ]);
        PrivateDatasetRequest {
            grant: self.grant,
            name: name.to_owned(),
            columns: serde_json::from_value(columns).unwrap(),
            unit: serde_json::from_value(unit).unwrap(),
        }
    }

    async fn create(&self, name: &str) -> PrivateDatasetId {
        let unit = json!({ "column": "customer", "value_domain": "person-id" });
        let request = self.request(name, unit);
        self.world
            .platform
            .create_private_dataset(&self.tenant, request)
            .await
            .unwrap()
            .id
    }

    async fn write(&self, id: PrivateDatasetId, text: &str) -> Result<PrivateDatasetView, Error> {
        let data = futures::stream::iter([Ok(bytes::Bytes::from(text.to_owned()))]);
        self.world
            .platform
            .write_private_data(&self.tenant, id, DataFormat::Csv, data)
            .await
    }
}

fn customers(count: usize) -> String {
    (0..count).fold("customer,spent,since\n".to_owned(), |text, person| {
        text + &format!("{},{person}.25,2024-01-01\n", resident_id(person))
    })
}

#[tokio::test]
async fn keys_become_tokens_and_no_raw_key_is_stored() {
    let brought = Brought::new().await;
    let id = brought.create("customers").await;
    let versions = brought.world.objects("version").len();
    let view = brought.write(id, &customers(50)).await.unwrap();
    assert_eq!(view.rows, Some(50));
    assert!(
        brought.world.objects("raw").is_empty(),
        "the raw upload is kept"
    );
    assert!(
        brought
            .world
            .files_with(resident_id(7).as_bytes())
            .is_empty()
    );
    // Sent again it takes the place of what was there, and the same people get the same bytes.
    let again = brought.write(id, &customers(50)).await.unwrap();
    assert_eq!(again.sha256, view.sha256);
    assert_eq!(brought.world.objects("version").len(), versions + 1);
    brought
        .world
        .platform
        .delete_private_dataset(&brought.tenant, id)
        .await
        .unwrap();
    assert_eq!(brought.world.objects("version").len(), versions);
    let gone = brought.write(id, &customers(5)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    brought.world.platform.close().await;
}

#[tokio::test]
async fn another_tenant_sees_and_touches_nothing() {
    let brought = Brought::new().await;
    let id = brought.create("customers").await;
    let other = brought.world.tenant("other").await;
    let platform = &brought.world.platform;
    assert!(
        platform
            .private_datasets(&other, PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        platform
            .private_datasets(&brought.tenant, PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let error = platform
        .delete_private_dataset(&other, id)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let request = brought.request("mine", json!(null));
    let error = platform
        .create_private_dataset(&other, request)
        .await
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::NotFound,
        "under another tenant's grant"
    );
    let data = futures::stream::iter([Ok(bytes::Bytes::from(customers(2)))]);
    let error = platform
        .write_private_data(&other, id, DataFormat::Csv, data)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    brought.world.platform.close().await;
}

#[tokio::test]
async fn data_that_are_not_as_declared_are_named_and_not_kept() {
    let brought = Brought::new().await;
    let id = brought.create("customers").await;
    let versions = brought.world.objects("version").len();
    for (text, rule, subject) in [
        (
            "customer,spent,since\na,much,2024-01-01\n",
            "type",
            "row 1, spent",
        ),
        (
            "customer,spent,since\na,1,2024-02-30\n",
            "type",
            "row 1, since",
        ),
        ("customer,spent\na,1\n", "column_missing", "since"),
        ("customer,spent,since\na,1\n", "row_ragged", "row 1, #3"),
        ("", "file_empty", "data"),
    ] {
        let error = brought.write(id, text).await.unwrap_err();
        assert_eq!(error.code(), "private_data_invalid");
        let finding = &error.findings()[0];
        assert_eq!(
            (finding.rule.as_str(), finding.subject.as_str()),
            (rule, subject)
        );
    }
    assert_eq!(
        brought
            .write(id, "customer,spent,since\n")
            .await
            .unwrap_err()
            .code(),
        "no_rows"
    );
    assert_eq!(brought.world.objects("version").len(), versions);
    assert!(brought.world.objects("raw").is_empty());
    for (request, code) in [
        (brought.request("customers", json!(null)), "table_exists"),
        (brought.request("visits", json!(null)), "table_exists"),
        (
            brought.request("Bad Name", json!(null)),
            "private_dataset_invalid",
        ),
        (
            brought.request(
                "other",
                json!({ "column": "spent", "value_domain": "mobile" }),
            ),
            "private_dataset_invalid",
        ),
    ] {
        let made = brought
            .world
            .platform
            .create_private_dataset(&brought.tenant, request)
            .await;
        assert_eq!(made.unwrap_err().code(), code);
    }
    brought.world.pass(31);
    let late = brought.write(id, &customers(5)).await.unwrap_err();
    assert_eq!(late.code(), "grant_expired");
    assert_eq!(brought.world.objects("version").len(), versions);
    brought.world.platform.close().await;
}
