//! Quality rules that compare a push with the clock, with the version before it, and with another data set.

use sandbox::{OrganisationKind, PageRequest, PushState, PushView, QualityReport};
use serde_json::json;

use crate::world::{World, resident_id, visits};

const RULES: &str = r#"
version = 1

[[rules]]
name = "fresh"
kind = "timely"
column = "day"
days = 10

[[rules]]
name = "size"
kind = "volume_drift"
percent = 50
blocking = true

[[rules]]
name = "kinds"
kind = "share_drift"
column = "kind"
max = 0.25

[[rules]]
name = "known-people"
kind = "reference"
column = "resident_id"
dataset = "visits"
dataset_column = "resident_id"
tolerance = 0.1
blocking = true
"#;

const POLICY: &str = r#"
version = 1

[columns.resident_id]
transform = "token"
value_domain = "person-id"

[columns.day]
transform = "keep"

[columns.kind]
transform = "keep"
"#;

impl World {
    /// A data set of events with these rules, of a provider.
    async fn events(&self, name: &str, provider: &str, rules: &str) {
        let entry = json!({
            "name": name,
            "title": { "zh": "事件", "en": "events" },
            "provider": provider,
            "industry": "卫生健康",
            "columns": [
                { "name": "resident_id", "type": "string", "comment": "身份证号" },
                { "name": "day", "type": "date", "comment": "日期" },
                { "name": "kind", "type": "string", "comment": "类别" },
            ],
            "unit": { "column": "resident_id", "value_domain": "person-id" },
            "quality_rules": rules,
        });
        let entry = serde_json::from_value(entry).unwrap();
        self.platform
            .register_dataset(&self.admin, entry)
            .await
            .unwrap();
        self.platform
            .set_policy(&self.security, name, POLICY)
            .await
            .unwrap();
    }

    async fn pushed_into(&self, dataset: &str, csv: &str) -> (PushView, QualityReport) {
        let manifest = serde_json::from_value(json!({ "format": "csv" })).unwrap();
        let push = self
            .platform
            .open_push(&self.admin, dataset, manifest)
            .await
            .unwrap();
        self.send(push.id, csv.as_bytes()).await.unwrap();
        let view = self.commit(push.id).await;
        let report = self
            .platform
            .push_quality(&self.admin, push.id)
            .await
            .unwrap();
        (view, report)
    }
}

/// Events of persons, one a day before 2026; every `second`-th is of the second kind.
fn events(persons: std::ops::Range<usize>, second: usize) -> String {
    let header = "resident_id,day,kind\n".to_owned();
    persons.fold(header, |text, person| {
        let kind = if person % second == 0 { "乙" } else { "甲" };
        text + &format!(
            "{},2025-12-{:02},{kind}\n",
            resident_id(person),
            1 + person % 31
        )
    })
}

fn failed(report: &QualityReport) -> Vec<(&str, u64, u64)> {
    report
        .rules
        .iter()
        .map(|rule| (rule.rule.as_str(), rule.checked, rule.failed))
        .collect()
}

#[tokio::test]
async fn a_push_is_compared_with_the_clock_the_version_before_and_another_data_set() {
    let world = World::with_version().await;
    let bureau = world.bureau.to_string();
    world.events("events", &bureau, RULES).await;

    // Four of a hundred are nobody's visits; there is nothing before to compare with.
    let (first, report) = world.pushed_into("events", &events(4..104, 4)).await;
    assert_eq!(first.state, PushState::Version, "{first:?}");
    let looked = [
        ("fresh", 1, 0),
        ("size", 0, 0),
        ("kinds", 0, 0),
        ("known-people", 100, 4),
    ];
    assert_eq!(failed(&report), looked);
    assert_eq!(report.dimensions["timeliness"], 1.0);

    // The clock goes on, the shares turn: told, and not blocking.
    world.pass(20);
    let (second, report) = world.pushed_into("events", &events(0..90, 1)).await;
    assert_eq!(second.state, PushState::Version, "{second:?}");
    let looked = [
        ("fresh", 1, 1),
        ("size", 1, 0),
        ("kinds", 1, 1),
        ("known-people", 90, 0),
    ];
    assert_eq!(failed(&report), looked, "{report:?}");
    let notes: Vec<_> = report.notes.iter().map(|note| note.rule.as_str()).collect();
    assert_eq!(notes, ["fresh", "size", "kinds"]);

    // A third of the rows is no version; nor are strangers beyond the tolerance.
    let (few, report) = world.pushed_into("events", &events(0..30, 1)).await;
    assert_eq!(
        (few.state, &report.blocking[..]),
        (PushState::Rejected, &["size".to_owned()][..])
    );
    let (strangers, report) = world.pushed_into("events", &events(50..150, 1)).await;
    assert_eq!(strangers.state, PushState::Rejected, "{strangers:?}");
    assert_eq!(report.blocking, ["known-people"]);
    assert_eq!(strangers.problems, 50, "each is told with its row");

    // Over time: all pushes for whom reports are, versions for everybody else.
    let tenant = world.tenant("acme").await;
    let page = sandbox::PageRequest::default;
    let all = world
        .platform
        .dataset_quality(&world.admin, "events", page())
        .await
        .unwrap();
    let versions = world
        .platform
        .dataset_quality(&tenant, "events", page())
        .await
        .unwrap();
    let numbers = |page: &sandbox::Page<sandbox::QualityPoint>| {
        let mut numbers: Vec<_> = page.items.iter().map(|point| point.version).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(&all), [None, None, Some(1), Some(2)]);
    assert_eq!(numbers(&versions), [Some(1), Some(2)]);
    let second = versions
        .items
        .iter()
        .find(|point| point.version == Some(2))
        .unwrap();
    assert_eq!(second.dimensions["timeliness"], 0.0);
    assert!(second.columns.contains_key("kind") && second.score < 1.0);
    world.platform.close().await;
}

#[tokio::test]
async fn whom_another_provider_knows_is_counted_and_not_told() {
    let world = World::with_version().await;
    let other = world
        .organisation("other-bureau", OrganisationKind::Provider)
        .await;
    let rules = &RULES[RULES.rfind("[[rules]]").unwrap()..];
    let rules = format!(
        "version = 1\n{}\non_fail = \"drop\"\n",
        rules.replace("0.1", "0.9")
    );
    world.events("events", &other.to_string(), &rules).await;
    let (push, report) = world.pushed_into("events", &events(50..150, 4)).await;
    assert_eq!(
        (push.state, push.problems, push.rows_kept),
        (PushState::Version, 0, 100)
    );
    assert_eq!(failed(&report), [("known-people", 100, 50)]);

    // What cannot be compared does not pass for compared.
    for (name, broken, why) in [
        (
            "events_2",
            rules.replace("\"visits\"", "\"nonesuch\""),
            "no data set nonesuch",
        ),
        (
            "events_3",
            rules.replace(
                "dataset_column = \"resident_id\"",
                "dataset_column = \"sex\"",
            ),
            "no tokens",
        ),
    ] {
        world.events(name, &other.to_string(), &broken).await;
        let (push, report) = world.pushed_into(name, &events(0..20, 4)).await;
        assert_eq!(push.state, PushState::Rejected, "{name}");
        assert!(report.notes[0].message.en.contains(why), "{report:?}");
    }
    world.platform.close().await;
}

#[tokio::test]
async fn columns_that_are_others_are_a_line_of_the_report() {
    let world = World::with_version().await;
    let renamed = visits(0..20)
        .replacen("remark", "note", 1)
        .replacen("born", "birthday", 1);
    let (push, report) = world.pushed_into("visits", &renamed).await;
    assert_eq!(push.state, PushState::Rejected);
    let note = &report.notes[0];
    assert_eq!(note.rule, "schema_drift");
    assert_eq!(
        note.message.en,
        "columns added: birthday, note; columns missing: born, remark"
    );
    let line = r#"{"resident_id":"x","sex":"男","born":"2000-01-01","cost":1,"remark":"a"}"#;
    let more = line.replace("}", r#","extra":1}"#);
    let manifest = json!({ "format": "jsonl" });
    let id = world.open_push(manifest).await.unwrap();
    world
        .send(id, format!("{line}\n{more}\n").as_bytes())
        .await
        .unwrap();
    world.commit(id).await;
    let report = world.platform.push_quality(&world.admin, id).await.unwrap();
    assert_eq!(
        report.notes[0].message.en,
        "columns added: extra; columns missing: -"
    );
    world.platform.close().await;
}

#[tokio::test]
async fn the_newest_row_of_each_person_becomes_the_version() {
    let world = World::new().await;
    let rules = r#"
version = 1

[[rules]]
name = "newest"
kind = "unique"
column = "resident_id"
on_fail = "drop"
survivor = "newest"
by = "day"
"#;
    let bureau = world.bureau.to_string();
    world.events("calls", &bureau, rules).await;
    let mut text = "resident_id,day,kind\n".to_owned();
    for person in 0..60 {
        let (id, day) = (resident_id(person), 1 + person % 20);
        text += &format!(
            "{id},2025-11-{:02},甲\n{id},2025-12-{day:02},乙\n{id},2025-12-01,丙\n",
            3 + day
        );
    }
    let (view, report) = world.pushed_into("calls", &text).await;
    assert_eq!(view.state, PushState::Version, "{view:?}");
    assert_eq!(
        (view.rows_kept, report.rows_in, report.rows_kept),
        (60, 180, 60)
    );
    let problems = world
        .platform
        .push_problems(&world.admin, view.id, PageRequest::default())
        .await
        .unwrap();
    let rows: Vec<u64> = problems
        .items
        .iter()
        .map(|problem| problem.row)
        .take(4)
        .collect();
    // Of the first person's rows, two are of 1 December: the second of the three stays, as the first of them.
    assert_eq!(rows, [1, 3, 4, 6]);
    assert!(problems.items[0].message.en.contains("newest day"));
    world.platform.close().await;
}
