//! What may be done: a scenario class, a grant, a private data set.

use crate::demo::identities::mix;
use crate::demo::offer::Csv;
use crate::demo::stage::Stage;
use crate::demo::story::{Played, equal, expect, says};
use crate::demo::{claims, employment, trips, truth};
use crate::http::dto::{
    ApplicationCreate, CatalogueColumn, ColumnRole, ColumnScope, ColumnType, Contract, DataFormat,
    GrantState, Operations, OutputRules, PrivacyUnit, PrivateColumn, PrivateDatasetCreate,
    ScenarioCreate, ScenarioState, TableScope, VoteCast,
};
use std::collections::BTreeMap;

const PERSON: &str = "person-id";

/// The scenario class is proposed by the tenant and submitted.
pub(in crate::demo) async fn propose(stage: &mut Stage) -> Played {
    let developer = &stage.cast()?.developer;
    let create = ScenarioCreate {
        name: "driver-health-insurance".to_owned(),
        contract: contract(),
    };
    let draft = developer.propose_scenario(&create).await?;
    equal("状态", "state", &draft.state, &ScenarioState::Draft)?;
    let scenario = developer.submit_scenario(&draft.id).await?;
    equal("状态", "state", &scenario.state, &ScenarioState::Submitted)?;
    let (tables, columns) = (create.contract.tables.len(), columns_of(&create.contract));
    stage.scenario = Some(scenario.id);
    Ok(vec![says(
        format!(
            "营运驾驶员健康保障与普惠保险：{tables} 张表、{columns} 列，SQL 与 WASM，每格不少于 10 人"
        ),
        format!(
            "health cover for commercial drivers: {tables} tables, {columns} columns, SQL and WASM, cells of 10 persons or more"
        ),
    )])
}

fn columns_of(contract: &Contract) -> usize {
    contract
        .tables
        .iter()
        .map(|table| table.columns.len())
        .sum()
}

fn contract() -> Contract {
    use ColumnRole::{Dimension, Measure};
    Contract {
        purpose: "营运驾驶员健康保障与普惠保险产品设计".to_owned(),
        industry: "普惠金融".to_owned(),
        tables: vec![
            table(
                "claims",
                claims::NAME,
                "resident_id",
                &[
                    ("district", Dimension),
                    ("year", Dimension),
                    ("age", Dimension),
                    ("family_size", Dimension),
                    ("coinsurance_percent", Dimension),
                    ("visits", Measure),
                    ("drug_cost", Measure),
                    ("medical_cost", Measure),
                ],
            ),
            table(
                "employment",
                employment::NAME,
                "resident_id",
                &[
                    ("industry", Dimension),
                    ("year", Dimension),
                    ("hourly_wage", Measure),
                    ("hours_per_week", Measure),
                ],
            ),
            table(
                "trips",
                trips::NAME,
                "driver_id",
                &[
                    ("origin", Dimension),
                    ("hour", Dimension),
                    ("driving_minutes", Measure),
                    ("arrival_delay_minutes", Measure),
                ],
            ),
        ],
        operations: Operations {
            sql: true,
            wasm: true,
        },
        output: OutputRules {
            threshold: Some(10),
            ..OutputRules::default()
        },
        term_days: 180,
        refusals_max: 20,
    }
}

/// A table with its key and the other columns.
fn table(name: &str, dataset: &str, key: &str, columns: &[(&str, ColumnRole)]) -> TableScope {
    let key = ColumnScope {
        name: key.to_owned(),
        role: ColumnRole::Key,
        value_domain: Some(PERSON.to_owned()),
        sensitive: false,
    };
    let others = columns.iter().map(|(name, role)| ColumnScope {
        name: (*name).to_owned(),
        role: *role,
        value_domain: None,
        sensitive: false,
    });
    TableScope {
        name: name.to_owned(),
        dataset: dataset.to_owned(),
        columns: std::iter::once(key).chain(others).collect(),
        row_filter: None,
        unit: Some(PERSON.to_owned()),
    }
}

/// Two reviewers of two bodies approve what they saw; one alone is not enough, and a vote on other evidence is void.
pub(in crate::demo) async fn approve(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let id = stage.scenario()?;
    let stale = VoteCast {
        approve: true,
        evidence_digest: "0".repeat(64),
        comment: String::new(),
    };
    let refused = cast.reviewers[0].vote_scenario(id, &stale).await;
    expect(
        refused
            .as_ref()
            .is_err_and(|error| error.status() == Some(409)),
        "对未出示的依据的表决竟被接受",
        "a vote on evidence that was never shown was taken",
    )?;
    let mut states = Vec::new();
    let mut digest = String::new();
    for reviewer in &cast.reviewers {
        let evidence = reviewer.scenario_evidence(id).await?;
        digest.clone_from(&evidence.digest);
        let vote = VoteCast {
            approve: true,
            evidence_digest: evidence.digest,
            comment: "范围与用途相符".to_owned(),
        };
        states.push(reviewer.vote_scenario(id, &vote).await?.state);
    }
    expect(
        states.first() != Some(&ScenarioState::Approved),
        "一票即通过",
        "one vote was enough",
    )?;
    equal(
        "两票之后",
        "after two votes",
        &states.last().copied(),
        &Some(ScenarioState::Approved),
    )?;
    let digest = digest.get(..12).unwrap_or_default();
    Ok(vec![says(
        format!("两家审查机构各一票，均针对依据摘要 {digest}；一票不生效，旧依据的票不计"),
        format!(
            "one vote of each of two bodies, on evidence {digest}; one alone does not do, one on other evidence is refused"
        ),
    )])
}

/// The tenant applies; three bureaus consent; the grant is active.
pub(in crate::demo) async fn grant(stage: &mut Stage) -> Played {
    let cast = stage.cast()?;
    let application = ApplicationCreate {
        scenario: stage.scenario()?.to_owned(),
        purpose: "测算驾驶员补充医疗险的赔付水平".to_owned(),
        days: 90,
    };
    let grant = cast.developer.apply(&application).await?;
    equal(
        "申请之后",
        "after the application",
        &grant.state,
        &GrantState::Requested,
    )?;
    for (place, delegate) in cast.delegates.iter().enumerate() {
        let state = delegate.consent(&grant.id, true).await?.state;
        let due = if place + 1 == cast.delegates.len() {
            GrantState::Active
        } else {
            GrantState::Requested
        };
        equal("同意之后", "after the consent", &state, &due)?;
    }
    let id = grant.id;
    let line = says(
        format!("三个数据提供方逐一同意后授权生效：{id}，90 天"),
        format!("active once all three providers consented: {id}, for 90 days"),
    );
    stage.grant = Some(id);
    Ok(vec![line])
}

/// The tenant brings its customers; their identifiers become tokens on arrival.
pub(in crate::demo) async fn private(stage: &mut Stage) -> Played {
    let admin = &stage.cast()?.tenant_admin;
    let columns = [
        ("resident_id", ColumnType::String),
        ("product", ColumnType::String),
        ("premium", ColumnType::Float64),
    ];
    let create = PrivateDatasetCreate {
        grant: stage.grant()?.to_owned(),
        name: "customers".to_owned(),
        columns: columns
            .iter()
            .map(|(name, kind)| PrivateColumn {
                name: (*name).to_owned(),
                column_type: *kind,
            })
            .collect(),
        unit: Some(PrivacyUnit {
            column: "resident_id".to_owned(),
            value_domain: PERSON.to_owned(),
        }),
    };
    let (csv, rows) = customers(stage)?;
    let made = admin.create_private_dataset(&create).await?;
    let view = admin
        .send_private_data(&made.id, DataFormat::Csv, csv.into())
        .await?;
    equal("行数", "rows", &view.rows, &Some(rows))?;
    Ok(vec![says(
        format!("customers：{rows} 名客户（产品、保费），身份证号到达即换成本场景的假名"),
        format!(
            "customers: {rows} of them (product, premium); resident IDs become tokens on arrival"
        ),
    )])
}

fn customers(stage: &Stage) -> Result<(Vec<u8>, u64), crate::demo::story::Broken> {
    let header = ["resident_id", "product", "premium"].map(|name| CatalogueColumn {
        name: name.to_owned(),
        column_type: ColumnType::String,
        comment: String::new(),
        class: None,
        level: None,
    });
    let mut csv = Csv::new(&header);
    let persons: BTreeMap<u32, _> = stage
        .material()?
        .claims
        .iter()
        .map(|claim| (claim.person.number, claim.person))
        .collect();
    let mut rows = 0;
    for person in persons.values() {
        if let Some(product) = truth::product(person) {
            let premium = 200 + mix(u64::from(person.number) | 5 << 40) % 1_800;
            csv.line([
                person.resident_id(),
                product.to_owned(),
                premium.to_string(),
            ]);
            rows += 1;
        }
    }
    Ok((csv.into_text().into_bytes(), rows))
}
