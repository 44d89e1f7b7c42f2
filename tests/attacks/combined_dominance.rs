//! Combined dominance: a cell that is refused because one person holds nearly all of it follows from cells that leave.

use harness::{Ran, Setup, World, people};

use super::{DISTRICT, assert_released};

/// What the rich person of the district has: most of the district's income, and little of the city's.
const FORTUNE: i64 = 40_000_000;
const ELSEWHERE: &str = "'思明', '海沧', '集美', '同安', '翔安'";

async fn city_with_one_rich() -> World {
    let mut residents = people::people(1_200);
    let rich = residents
        .iter_mut()
        .find(|person| person.district == DISTRICT)
        .expect("somebody lives there");
    rich.income = FORTUNE;
    world(residents).await
}

async fn world(people: Vec<people::Person>) -> World {
    World::with(Setup {
        people,
        ..Setup::default()
    })
    .await
}

fn only(ran: &Ran, column: &str) -> Option<f64> {
    ran.rows().first()?.get(column)?.parse().ok()
}

#[tokio::test]
async fn the_difference_of_two_sums_is_not_one_persons_income() {
    let world = city_with_one_rich().await;
    let of = async |filter: &str| {
        world
            .sql(&format!(
                "select sum(income) as total from residents {filter}"
            ))
            .await
    };
    let alone = of(&format!("where district = '{DISTRICT}'")).await;
    assert_eq!(only(&alone, "total"), None, "the cell itself is dominated");
    let all = of("").await;
    assert_released(&all);
    let others = of(&format!("where district in ({ELSEWHERE})")).await;
    let stolen = (|| Some(only(&all, "total")? - only(&others, "total")?))();
    assert!(
        stolen.is_none(),
        "the sum of the city less that of the other districts: {stolen:?}, of which {FORTUNE} are one person's"
    );
}

#[tokio::test]
async fn means_and_counts_are_sums() {
    let world = city_with_one_rich().await;
    let of = async |filter: &str| {
        world
            .sql(&format!(
                "select avg(income) as mean, count(*) as n from residents {filter}"
            ))
            .await
    };
    let others = of(&format!("where district in ({ELSEWHERE})")).await;
    assert_released(&others);
    let all = of("").await;
    let sum = |ran: &Ran| Some(only(ran, "mean")? * only(ran, "n")?);
    let stolen = (|| Some(sum(&all)? - sum(&others)?))();
    assert!(stolen.is_none(), "means give the sum: {stolen:?}");
}

#[tokio::test]
async fn a_total_less_all_its_other_parts_is_not_one_persons_income() {
    let world = city_with_one_rich().await;
    let parts = world
        .sql("select district, sum(income) as total from residents group by district")
        .await;
    assert_released(&parts);
    assert_eq!(
        parts.rows().len(),
        5,
        "the sixth is dominated: {:?}",
        parts.csv
    );
    let all = world
        .sql("select sum(income) as total from residents")
        .await;
    let inner: f64 = parts
        .rows()
        .iter()
        .filter_map(|row| row["total"].parse::<f64>().ok())
        .sum();
    let stolen = only(&all, "total").map(|total| total - inner);
    assert!(stolen.is_none(), "six cells give the seventh: {stolen:?}");
}

#[tokio::test]
async fn a_difference_in_which_three_people_have_anything_does_not_leave() {
    let mut residents = people::people(1_200);
    let mut kept = 0;
    for person in residents.iter_mut().filter(|p| p.occupation == "店员") {
        kept += 1;
        if kept > 3 {
            person.income = 0;
        }
    }
    let truth: i64 = residents
        .iter()
        .filter(|person| person.occupation == "店员")
        .map(|person| person.income)
        .sum();
    let world = world(residents).await;
    let all = world
        .sql("select sum(income) as total from residents")
        .await;
    assert_released(&all);
    let others = world
        .sql("select sum(income) as total from residents where occupation in ('教师', '司机', '医生', '工人')")
        .await;
    let stolen = (|| Some(only(&all, "total")? - only(&others, "total")?))();
    assert!(
        stolen.is_none(),
        "three of many people have an income: {stolen:?}, in truth {truth}"
    );
}

#[tokio::test]
async fn honest_totals_and_parts_still_leave() {
    let world = World::new().await;
    let mut cells = 0;
    for dimension in ["district", "sex", "district, sex"] {
        let ran = world
            .sql(&format!(
                "select {dimension}, sum(income) as total, avg(income) as mean from residents group by {dimension}"
            ))
            .await;
        cells += ran.rows().len();
    }
    let all = world
        .sql("select sum(income) as total from residents")
        .await;
    assert_released(&all);
    assert_eq!(cells, 6 + 2 + 12, "a plain table and its margins");
}
