//! Good data become a version, and what is wrong with them is told.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use sandbox::{ErrorKind, PageRequest, PushState};
use serde_json::json;

use crate::world::{HEADER, World, contract, entry, policy, resident_id, visit, visits};

/// A hundred visits, and four rows with something wrong.
fn dirty() -> String {
    let mut text = visits(0..100);
    let good = resident_id(200);
    let wrong_check = format!(
        "{}{}",
        &good[..17],
        if good.ends_with('1') { '2' } else { '1' }
    );
    text += &format!("{wrong_check},男,1980-01-01,7.5,复诊\n");
    text += ",女,1980-01-01,8.5,复诊\n";
    text += &visit(5, "重复");
    text += &format!("{good},男,2023-02-30,9.5,初诊\n");
    text
}

#[tokio::test]
async fn a_gb18030_file_with_faults_becomes_a_version_and_a_problem_list() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let text = dirty();
    let (bytes, _, _) = encoding_rs::GB18030.encode(&text);
    let push = world
        .open_push(json!({ "format": "csv", "bytes": bytes.len() }))
        .await
        .unwrap();
    world.send(push, &bytes).await.unwrap();
    assert_eq!(world.objects("raw").len(), 1);
    assert!(
        world.files_with(resident_id(3).as_bytes()).is_empty(),
        "raw data lie open"
    );
    let view = world.commit(push).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    assert_eq!(
        (view.rows_checked, view.rows_kept, view.problems),
        (104, 101, 4)
    );
    assert!(
        world.objects("raw").is_empty(),
        "raw data outlive their version"
    );

    let page = PageRequest {
        limit: 3,
        cursor: None,
    };
    let first = world
        .platform
        .push_problems(&world.admin, push, page)
        .await
        .unwrap();
    let page = PageRequest {
        limit: 3,
        cursor: first.next_cursor.clone(),
    };
    let second = world
        .platform
        .push_problems(&world.admin, push, page)
        .await
        .unwrap();
    let mut told: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|problem| {
            (
                problem.row,
                problem.column.clone().unwrap_or_default(),
                problem.rule.as_str(),
            )
        })
        .collect();
    told.sort();
    assert_eq!((told.len(), second.next_cursor), (4, None));
    assert_eq!(told[0], (101, "resident_id".to_owned(), "id-valid"));
    assert_eq!(told[1], (102, "resident_id".to_owned(), "unit_missing"));
    assert_eq!((told[2].0, told[2].2), (103, "one-row"));
    assert_eq!(told[3], (104, "born".to_owned(), "type"));
    let values = first
        .items
        .iter()
        .chain(&second.items)
        .map(|problem| &problem.masked_value);
    assert!(
        values
            .clone()
            .all(|value| !value.contains(&resident_id(200)[..17])),
        "{:?}",
        values.collect::<Vec<_>>()
    );

    let quality = world
        .platform
        .push_quality(&world.admin, push)
        .await
        .unwrap();
    assert!(
        quality.blocking.is_empty() && quality.score > 0.9,
        "{quality:?}"
    );
    let risk = world.platform.push_risk(&world.admin, push).await.unwrap();
    let after = risk.after.unwrap();
    assert_eq!((risk.before.rows, after.rows), (101, 101));
    assert!(
        after.classes < risk.before.classes && after.marketer < risk.before.marketer,
        "masking does not lower the risk"
    );

    let versions = world
        .platform
        .dataset_versions(&world.admin, "visits", PageRequest::default())
        .await
        .unwrap();
    let [version] = &versions.items[..] else {
        panic!("{versions:?}")
    };
    assert_eq!(
        (version.number, version.rows, Some(version.id)),
        (1, 101, view.version)
    );
    assert_eq!(Some(&version.manifest.source.sha256), view.sha256.as_ref());
    assert_eq!(
        version.manifest.source.encoding.map(|e| e.name()),
        Some("gb18030")
    );
    let universe = version.manifest.universe.clone().unwrap();
    assert_eq!(
        (universe.name.as_str(), universe.units),
        ("person-id@1", 101)
    );
    let columns: Vec<_> = version
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(columns, ["resident_id", "sex", "born", "cost", "remark"]);
    assert_eq!(
        version.columns[0]
            .token
            .as_ref()
            .map(|token| token.as_str()),
        Some("person-id")
    );
    world.platform.close().await;
}

/// Visits as a Parquet file that is many encrypted chunks long.
fn parquet(persons: usize) -> Vec<u8> {
    let texts = |text: fn(usize) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..persons).map(text)))
    };
    let cost = (0..persons).map(|person| f64::from(u32::try_from(person).unwrap()) + 0.5);
    let batch = RecordBatch::try_from_iter([
        ("remark", texts(|person| format!("复诊 {}", person % 7))),
        ("resident_id", texts(resident_id)),
        ("sex", texts(|person| ["男", "女"][person % 2].to_owned())),
        (
            "born",
            texts(|person| format!("1980-02-{}", if person % 300 == 0 { 30 } else { 28 })),
        ),
        ("cost", Arc::new(Float64Array::from_iter_values(cost))),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn a_parquet_file_is_read_in_place_under_its_encryption() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let data = parquet(30_000);
    assert!(data.len() > 6 * 65_536, "too small to be many chunks");
    let push = world
        .open_push(json!({ "format": "parquet" }))
        .await
        .unwrap();
    world.send(push, &data).await.unwrap();
    assert!(world.files_with(resident_id(3).as_bytes()).is_empty());
    let view = world.commit(push).await;
    // Every 300th was born on a 30 February.
    assert_eq!(
        (view.state, view.rows_kept, view.problems),
        (PushState::Version, 30_000, 100),
        "{view:?}"
    );
    world.platform.close().await;
}

#[tokio::test]
async fn a_sample_is_masked_and_shows_nobody() {
    let world = World::with_version().await;
    let rows = world
        .platform
        .dataset_sample(&world.admin, "visits")
        .await
        .unwrap();
    assert_eq!(rows.len(), 20);
    let raw: Vec<String> = (0..100).map(resident_id).collect();
    for row in &rows {
        let token = row["resident_id"].as_str().unwrap();
        assert!(
            token.len() == 26 && !raw.iter().any(|id| id == token),
            "{row:?}"
        );
        assert!(!row.contains_key("__egret_unit"), "{row:?}");
    }
    world.platform.close().await;
}

#[tokio::test]
async fn the_same_people_have_the_same_numbers_in_the_next_version() {
    let world = World::with_version().await;
    let view = world.pushed(&visits(50..130)).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    // Fifteen digits, lower case and spaces name the same people again.
    let mut text = HEADER.to_owned();
    for person in 0..20 {
        text += &visit(person, "复诊")
            .replacen('X', "x", 1)
            .replacen(',', " ,", 1);
    }
    let view = world.pushed(&text).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    let versions = world
        .platform
        .dataset_versions(&world.admin, "visits", PageRequest::default())
        .await
        .unwrap();
    let units: Vec<_> = versions
        .items
        .iter()
        .map(|version| {
            (
                version.number,
                version.manifest.universe.clone().unwrap().units,
            )
        })
        .collect();
    assert_eq!(units, [(3, 130), (2, 130), (1, 100)]);
    assert_eq!(world.objects("units").len(), 2);
    world.platform.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_rejected_with_its_place_and_leaves_nothing() {
    let world = World::with_version().await;
    let (versions, units) = (world.objects("version").len(), world.objects("units").len());
    let mut ragged = visits(0..50);
    ragged += "1,2\n";
    let mut ill_encoded = visits(0..50).into_bytes();
    ill_encoded.extend_from_slice(b"\xFF\xFE,a,b,c,d\n");
    for (data, rule, row) in [
        (ragged.into_bytes(), "row_ragged", Some(51)),
        (ill_encoded, "encoding", Some(51)),
        (b"a,b\n1,2\n".to_vec(), "header_mismatch", Some(0)),
        (
            b"resident_id,sex,born,cost\n".to_vec(),
            "column_missing",
            None,
        ),
        (HEADER.as_bytes().to_vec(), "blocking_rule", None),
        (visits(0..3).into_bytes(), "blocking_rule", None),
        (Vec::new(), "file_empty", None),
    ] {
        let push = world.open_push(json!({ "format": "csv" })).await.unwrap();
        world.send(push, &data).await.unwrap();
        let view = world.commit(push).await;
        assert_eq!(view.state, PushState::Rejected, "{rule}: {view:?}");
        assert_eq!(
            (view.faults[0].rule.as_str(), view.faults[0].row),
            (rule, row),
            "{view:?}"
        );
        assert_eq!(view.version, None);
        let again = world
            .platform
            .commit_push(&world.admin, push)
            .await
            .unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
    }
    let push = world
        .open_push(json!({ "format": "parquet" }))
        .await
        .unwrap();
    world.send(push, b"PAR1 this is none PAR1").await.unwrap();
    let view = world.commit(push).await;
    assert_eq!(
        (view.state, view.faults[0].rule.as_str()),
        (PushState::Rejected, "parquet_damaged")
    );
    assert_eq!(
        (world.objects("version").len(), world.objects("units").len()),
        (versions, units)
    );
    assert!(world.objects("raw").is_empty());
    world.platform.close().await;
}

#[tokio::test]
async fn data_that_are_not_those_of_the_manifest_are_not_kept() {
    let world = World::new().await;
    let data = visits(0..20);
    let sha256 = "0".repeat(64);
    for (manifest, code) in [
        (
            json!({ "format": "csv", "sha256": sha256 }),
            "digest_mismatch",
        ),
        (
            json!({ "format": "csv", "bytes": data.len() + 1 }),
            "size_mismatch",
        ),
        (
            json!({ "format": "csv", "bytes": data.len() - 1 }),
            "data_too_large",
        ),
    ] {
        let push = world.open_push(manifest).await.unwrap();
        let error = world.send(push, data.as_bytes()).await.unwrap_err();
        assert_eq!(error.code(), code);
        let view = world.platform.push(&world.admin, push).await.unwrap();
        assert_eq!((view.state, view.bytes), (PushState::Open, 0));
        let error = world
            .platform
            .commit_push(&world.admin, push)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "push_without_data");
    }
    let push = world.open_push(json!({ "format": "csv" })).await.unwrap();
    let broken = futures::stream::iter([
        Ok(bytes::Bytes::from_static(b"resident_id,")),
        Err(std::io::Error::other("gone")),
    ]);
    let error = world
        .platform
        .write_push_data(&world.admin, push, broken)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "upload_broken")
    );
    assert!(world.objects("raw").is_empty(), "half an upload is kept");
    for manifest in [
        json!({ "format": "csv", "sha256": "xyz" }),
        json!({ "format": "parquet", "encoding": "gbk" }),
        json!({ "format": "csv", "bytes": u64::MAX }),
        json!({ "format": "csv", "sample": [{ "nonesuch": 1 }] }),
    ] {
        assert!(
            world.open_push(manifest.clone()).await.is_err(),
            "{manifest}"
        );
    }
    world.platform.close().await;
}

#[tokio::test]
async fn data_sent_again_take_the_place_of_what_was_sent() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let push = world.open_push(json!({ "format": "csv" })).await.unwrap();
    world.send(push, b"not what was meant").await.unwrap();
    world.send(push, visits(0..40).as_bytes()).await.unwrap();
    assert_eq!(world.objects("raw").len(), 1);
    let view = world.commit(push).await;
    assert_eq!((view.state, view.rows_kept), (PushState::Version, 40));
    let late = world.send(push, b"too late").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Conflict);
    world.platform.close().await;
}

#[tokio::test]
async fn a_push_that_a_stop_interrupts_is_processed_once_after_the_start() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let push = world.open_push(json!({ "format": "csv" })).await.unwrap();
    world
        .send(push, visits(0..60_000).as_bytes())
        .await
        .unwrap();
    world
        .platform
        .commit_push(&world.admin, push)
        .await
        .unwrap();
    // Somewhere in the middle of it.
    while world
        .platform
        .push(&world.admin, push)
        .await
        .unwrap()
        .rows_checked
        == 0
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let world = world.restarted().await;
    let view = world.decided(push).await;
    assert_eq!(
        (view.state, view.rows_kept),
        (PushState::Version, 60_000),
        "{view:?}"
    );
    let versions = world
        .platform
        .dataset_versions(&world.admin, "visits", PageRequest::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 1);
    assert_eq!(
        (world.objects("version").len(), world.objects("raw").len()),
        (1, 0)
    );
    world.platform.close().await;
}

#[tokio::test]
async fn a_store_that_fails_is_waited_out_and_costs_no_push() {
    let world = World::new().await;
    world.set_policy(&policy("keep")).await.unwrap();
    let push = world.open_push(json!({ "format": "csv" })).await.unwrap();
    world
        .send(push, visits(0..20_000).as_bytes())
        .await
        .unwrap();
    // No folder can be made where a file is.
    let area = world.area("version");
    std::fs::write(&area, b"in the way").unwrap();
    world
        .platform
        .commit_push(&world.admin, push)
        .await
        .unwrap();
    let mut seen = false;
    loop {
        let state = world.platform.push(&world.admin, push).await.unwrap().state;
        seen |= state == PushState::Checking;
        if seen && state == PushState::Received {
            break;
        }
        assert!(matches!(state, PushState::Received | PushState::Checking));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    std::fs::remove_file(&area).unwrap();
    let view = world.decided(push).await;
    assert_eq!(
        (view.state, view.rows_kept),
        (PushState::Version, 20_000),
        "{view:?}"
    );
    world.platform.close().await;
}

#[tokio::test]
async fn entries_with_faults_are_refused_with_each_of_them() {
    let world = World::new().await;
    let mut bad = entry("Visits 2", "");
    bad["columns"][1]["name"] = json!("resident_id");
    bad["unit"]["column"] = json!("cost");
    bad["title"]["en"] = json!(" ");
    let error = world.register(bad).await.unwrap_err();
    let rules: Vec<_> = error
        .findings()
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    for rule in [
        "entry_name",
        "column_duplicate",
        "unit_column",
        "entry_text",
    ] {
        assert!(rules.contains(&rule), "{rules:?}");
    }
    let rules =
        "version = 1\n[[rules]]\nname = \"x\"\nkind = \"not_null\"\ncolumn = \"nonesuch\"\n";
    let error = world.register(entry("visits_2", rules)).await.unwrap_err();
    assert_eq!(error.findings()[0].rule, "quality_rules");
    let taken = world.register(entry("visits", "")).await.unwrap_err();
    assert_eq!(
        (taken.kind(), taken.code()),
        (ErrorKind::Conflict, "dataset_exists")
    );
    let tenant = world.tenant("acme").await;
    let denied = world.platform.open_push(
        &tenant,
        "visits",
        serde_json::from_value(json!({ "format": "csv" })).unwrap(),
    );
    assert_eq!(denied.await.unwrap_err().kind(), ErrorKind::Denied);
    // Without a policy nobody knows what a column would be.
    let early = world
        .platform
        .propose_scenario(&tenant, "costs", contract())
        .await
        .unwrap_err();
    assert_eq!(early.findings()[0].rule, "dataset_not_masked");
    world.platform.close().await;
}
