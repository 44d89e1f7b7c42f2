//! The measurements that the demonstration embeds, as rows (see `data/README.md`).

use super::identities::Person;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type};
use arrow::error::ArrowError;
use bytes::Bytes;
use jiff::civil::Date;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;

const PERSONS: &[u8] = include_bytes!("data/persons.parquet");
const CLAIMS: &[u8] = include_bytes!("data/claims.parquet");
const EMPLOYMENT: &[u8] = include_bytes!("data/employment.parquet");
const TRIPS: &[u8] = include_bytes!("data/trips.parquet");

/// One person-year of medical spending.
pub(super) struct Claim {
    pub(super) person: Person,
    pub(super) year: i64,
    pub(super) district: String,
    pub(super) age: i64,
    pub(super) self_rated_health: String,
    pub(super) coinsurance_percent: i64,
    pub(super) family_size: i64,
    pub(super) visits: i64,
    pub(super) admissions: i64,
    pub(super) outpatient_cost: f64,
    pub(super) drug_cost: f64,
    pub(super) inpatient_cost: f64,
    pub(super) medical_cost: f64,
}

/// One interview about a person's work.
pub(super) struct Employment {
    pub(super) person: Person,
    pub(super) year: i64,
    pub(super) industry: Option<String>,
    pub(super) occupation_code: Option<i64>,
    pub(super) hours_per_week: Option<i64>,
    pub(super) weeks_worked: Option<i64>,
    pub(super) tenure_years: Option<f64>,
    pub(super) hourly_wage: f64,
    pub(super) union_member: Option<bool>,
}

/// One trip of a vehicle.
pub(super) struct Trip {
    pub(super) vehicle: u32,
    pub(super) driver: Person,
    pub(super) operator: String,
    pub(super) departed_on: Date,
    pub(super) hour: i64,
    pub(super) origin: String,
    pub(super) departure_delay_minutes: i64,
    pub(super) arrival_delay_minutes: i64,
    pub(super) driving_minutes: i64,
    pub(super) distance_km: i64,
}

/// The persons by number.
pub(super) struct Persons(BTreeMap<u32, Person>);

impl Persons {
    /// All of them.
    pub(super) fn read() -> Result<Self, ArrowError> {
        let table = Table::read(PERSONS)?;
        let (number, born, female) = (
            table.integers("subject")?,
            table.integers("birth_year")?,
            table.truths("female")?,
        );
        let persons = (0..table.rows())
            .map(|row| {
                let number = unsigned(number(row))?;
                let birth_year = i16::try_from(required(born(row))?)
                    .map_err(|_out_of_range| broken("birth_year"))?;
                Ok((
                    number,
                    Person {
                        number,
                        birth_year,
                        female: required(female(row))?,
                    },
                ))
            })
            .collect::<Result<_, ArrowError>>()?;
        Ok(Self(persons))
    }

    fn of(&self, number: Option<i64>) -> Result<Person, ArrowError> {
        self.0
            .get(&unsigned(number)?)
            .copied()
            .ok_or_else(|| broken("subject"))
    }
}

/// The claims, in the order of persons and years.
pub(super) fn claims(persons: &Persons) -> Result<Vec<Claim>, ArrowError> {
    let table = Table::read(CLAIMS)?;
    let (subject, year, district) = (
        table.integers("subject")?,
        table.integers("year")?,
        table.texts("district")?,
    );
    let (age, health) = (table.integers("age")?, table.texts("self_rated_health")?);
    let (coinsurance, family) = (
        table.integers("coinsurance_percent")?,
        table.integers("family_size")?,
    );
    let (visits, admissions) = (table.integers("visits")?, table.integers("admissions")?);
    let (outpatient, drug) = (
        table.numbers("outpatient_cost")?,
        table.numbers("drug_cost")?,
    );
    let (inpatient, medical) = (
        table.numbers("inpatient_cost")?,
        table.numbers("medical_cost")?,
    );
    (0..table.rows())
        .map(|row| {
            Ok(Claim {
                person: persons.of(subject(row))?,
                year: required(year(row))?,
                district: required(district(row))?,
                age: required(age(row))?,
                self_rated_health: required(health(row))?,
                coinsurance_percent: required(coinsurance(row))?,
                family_size: required(family(row))?,
                visits: required(visits(row))?,
                admissions: required(admissions(row))?,
                outpatient_cost: required(outpatient(row))?,
                drug_cost: required(drug(row))?,
                inpatient_cost: required(inpatient(row))?,
                medical_cost: required(medical(row))?,
            })
        })
        .collect()
}

/// The interviews, in the order of persons and years.
pub(super) fn employment(persons: &Persons) -> Result<Vec<Employment>, ArrowError> {
    let table = Table::read(EMPLOYMENT)?;
    let (subject, year, industry) = (
        table.integers("subject")?,
        table.integers("year")?,
        table.texts("industry")?,
    );
    let (occupation, hours) = (
        table.integers("occupation_code")?,
        table.integers("hours_per_week")?,
    );
    let (weeks, tenure) = (
        table.integers("weeks_worked")?,
        table.numbers("tenure_years")?,
    );
    let (wage, union) = (table.numbers("hourly_wage")?, table.truths("union_member")?);
    (0..table.rows())
        .map(|row| {
            Ok(Employment {
                person: persons.of(subject(row))?,
                year: required(year(row))?,
                industry: industry(row),
                occupation_code: occupation(row),
                hours_per_week: hours(row),
                weeks_worked: weeks(row),
                tenure_years: tenure(row),
                hourly_wage: required(wage(row))?,
                union_member: union(row),
            })
        })
        .collect()
}

/// The trips, in the order of vehicles and time.
pub(super) fn trips(persons: &Persons) -> Result<Vec<Trip>, ArrowError> {
    let table = Table::read(TRIPS)?;
    let (vehicle, subject, operator) = (
        table.integers("vehicle")?,
        table.integers("subject")?,
        table.texts("operator")?,
    );
    let (day, hour, origin) = (
        table.days("departed_on")?,
        table.integers("hour")?,
        table.texts("origin")?,
    );
    let (departure, arrival) = (
        table.integers("departure_delay_minutes")?,
        table.integers("arrival_delay_minutes")?,
    );
    let (driving, distance) = (
        table.integers("driving_minutes")?,
        table.integers("distance_km")?,
    );
    (0..table.rows())
        .map(|row| {
            Ok(Trip {
                vehicle: unsigned(vehicle(row))?,
                driver: persons.of(subject(row))?,
                operator: required(operator(row))?,
                departed_on: required(day(row))?,
                hour: required(hour(row))?,
                origin: required(origin(row))?,
                departure_delay_minutes: required(departure(row))?,
                arrival_delay_minutes: required(arrival(row))?,
                driving_minutes: required(driving(row))?,
                distance_km: required(distance(row))?,
            })
        })
        .collect()
}

/// An embedded file in memory.
struct Table(RecordBatch);

impl Table {
    fn read(file: &'static [u8]) -> Result<Self, ArrowError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(file))?;
        let schema = reader.schema().clone();
        let batches = reader.build()?.collect::<Result<Vec<_>, _>>()?;
        Ok(Self(concat_batches(&schema, &batches)?))
    }

    fn rows(&self) -> usize {
        self.0.num_rows()
    }

    fn column(&self, name: &str, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let column = self.0.column_by_name(name).ok_or_else(|| broken(name))?;
        cast(column, data_type)
    }

    fn integers(&self, name: &str) -> Result<impl Fn(usize) -> Option<i64> + use<>, ArrowError> {
        let column = self
            .column(name, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone();
        Ok(move |row| column.is_valid(row).then(|| column.value(row)))
    }

    fn numbers(&self, name: &str) -> Result<impl Fn(usize) -> Option<f64> + use<>, ArrowError> {
        let column = self
            .column(name, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .clone();
        Ok(move |row| column.is_valid(row).then(|| column.value(row)))
    }

    fn texts(&self, name: &str) -> Result<impl Fn(usize) -> Option<String> + use<>, ArrowError> {
        let column = self
            .column(name, &DataType::Utf8)?
            .as_string::<i32>()
            .clone();
        Ok(move |row| column.is_valid(row).then(|| column.value(row).to_owned()))
    }

    fn truths(&self, name: &str) -> Result<impl Fn(usize) -> Option<bool> + use<>, ArrowError> {
        let column = self.column(name, &DataType::Boolean)?.as_boolean().clone();
        Ok(move |row| column.is_valid(row).then(|| column.value(row)))
    }

    fn days(&self, name: &str) -> Result<impl Fn(usize) -> Option<Date> + use<>, ArrowError> {
        let column = self
            .column(name, &DataType::Date32)?
            .as_primitive::<Date32Type>()
            .clone();
        let epoch = Date::constant(1970, 1, 1);
        Ok(move |row| {
            let day = column.is_valid(row).then(|| column.value(row))?;
            epoch
                .checked_add(jiff::Span::new().days(i64::from(day)))
                .ok()
        })
    }
}

fn required<T>(value: Option<T>) -> Result<T, ArrowError> {
    value.ok_or_else(|| broken("a required value"))
}

fn unsigned(value: Option<i64>) -> Result<u32, ArrowError> {
    u32::try_from(required(value)?).map_err(|_negative| broken("a number"))
}

fn broken(what: &str) -> ArrowError {
    ArrowError::ParseError(format!("the embedded data lack {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_embedded_data_are_what_the_readme_says() {
        let persons = Persons::read().unwrap();
        assert_eq!(persons.0.len(), 8_918);
        let claims = claims(&persons).unwrap();
        assert_eq!(claims.len(), 20_190);
        let total: f64 = claims.iter().map(|claim| claim.medical_cost).sum();
        assert!(
            (total / 20_190.0 - 171.567).abs() < 0.01,
            "the mean that the source reports: {total}"
        );
        let employment = employment(&persons).unwrap();
        assert_eq!(employment.len(), 28_534);
        assert_eq!(
            employment
                .iter()
                .filter(|row| row.industry.is_none())
                .count(),
            341
        );
        let trips = trips(&persons).unwrap();
        assert_eq!(trips.len(), 77_911);
        assert!(
            trips
                .iter()
                .all(|trip| trip.departed_on.year() == 2013 && trip.departed_on.month() <= 3)
        );
    }
}
