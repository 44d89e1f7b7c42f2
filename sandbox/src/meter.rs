//! What a run is said to have used.

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::access::{Actor, Operation};
use crate::document::stored_count;
use crate::error::Error;
use crate::id::OrganisationId;
use crate::job::{Mode, reach};
use crate::platform::Platform;
use crate::storage::storage_error;

/// A second: a shorter difference in time may tell a loop from none.
const TIME_STEP_US: u64 = 1_000_000;
/// A tenth of a second: what is said of when something happened.
const MOMENT_STEP_US: u64 = 100_000;
/// A run of the proved lane takes 10 ms, or as often half as much again as it needs.
const QUERY_STEPS: Steps = Steps {
    first_us: 10_000,
    ratio: (3, 2),
};
/// A run in which a module takes part, which can spend time at will, takes a tenth of a second or as often four times
/// as much as it needs: six steps to its limit.
const MODULE_STEPS: Steps = Steps {
    first_us: 100_000,
    ratio: (4, 1),
};

/// Lengths that runs are made to have, each a multiple of the one before: of a run's time only its step is told,
/// which is few bits however long it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    first_us: u64,
    ratio: (u64, u64),
}

impl Steps {
    /// Those of a run, by whether a module takes part.
    pub(crate) fn of(calls_module: bool) -> Self {
        if calls_module {
            MODULE_STEPS
        } else {
            QUERY_STEPS
        }
    }

    /// The length of a run that took so long.
    pub(crate) fn up(self, micros: u64) -> u64 {
        let (times, by) = self.ratio;
        let mut step = self.first_us;
        while step < micros {
            step = step.saturating_mul(times) / by;
        }
        step
    }
}
/// About a second of a guest.
const FUEL_STEP: u64 = 1_000_000_000;
/// Rows are said in thousands.
const ROWS_STEP: u64 = 1_000;
/// Bytes are said in mebibytes.
const BYTES_STEP: u64 = 1 << 20;
/// Memory and what did not fit into it are said in quarters of a gibibyte.
const MEMORY_STEP: u64 = 1 << 28;

/// What a run used. Production figures are rounded up coarsely (see [`Meter::billed`]): how much a
/// program used depends on the data, and would be a way out for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Time in the worker, microseconds.
    pub wall_us: u64,
    /// Processor time, microseconds.
    pub cpu_us: u64,
    /// WASM fuel.
    pub fuel: u64,
    /// Rows read.
    pub rows_in: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Most memory at once.
    pub memory_peak_bytes: u64,
    /// Most bytes at once of what did not fit into memory.
    pub spill_bytes: u64,
}

impl Meter {
    /// The engine's exact figures.
    pub(crate) fn exact(meter: &runtime::Meter) -> Self {
        Self {
            wall_us: meter.wall_us,
            cpu_us: meter.cpu_us,
            fuel: meter.fuel,
            rows_in: meter.rows_in,
            bytes_in: meter.bytes_in,
            rows_out: meter.rows_out,
            bytes_out: meter.bytes_out,
            memory_peak_bytes: meter.memory_peak_bytes,
            spill_bytes: meter.spill_bytes,
        }
    }

    /// What is stored and shown of a run. Fuel, time, memory and sizes depend on the data, so a
    /// production run's figures are rounded up to coarse steps; rows and bytes of the inputs are those of
    /// the files, and what was written is not said at all. Sample runs run on rows that all may see: exact.
    pub(crate) fn billed(meter: &runtime::Meter, mode: Mode) -> Self {
        let exact = Self::exact(meter);
        match mode {
            Mode::Sample => exact,
            Mode::Production => Self {
                wall_us: up(exact.wall_us, TIME_STEP_US),
                cpu_us: up(exact.cpu_us, TIME_STEP_US),
                fuel: up(exact.fuel, FUEL_STEP),
                rows_in: up(exact.rows_in, ROWS_STEP),
                bytes_in: up(exact.bytes_in, BYTES_STEP),
                rows_out: 0,
                bytes_out: 0,
                memory_peak_bytes: up(exact.memory_peak_bytes, MEMORY_STEP),
                spill_bytes: up(exact.spill_bytes, MEMORY_STEP),
            },
        }
    }
}

impl Meter {
    /// What a tenant is told of its own production run with a module: what such a run uses, a module can make say
    /// anything. Those who run and audit the platform see all of it.
    pub(crate) fn told(self) -> Self {
        Self {
            rows_in: self.rows_in,
            bytes_in: self.bytes_in,
            ..Self::default()
        }
    }
}

/// What an organisation used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The organisation.
    pub organisation: OrganisationId,
    /// Metered runs.
    pub runs: u64,
    /// Their sum; the peaks of memory and spill are the largest of them.
    pub meter: Meter,
}

impl Platform {
    /// What was used: by the tenant itself, or by everybody for those who run and audit the platform. A tenant is not told
    /// what its production runs with modules used beyond rows and bytes read.
    ///
    /// # Errors
    /// Denied, or storage that fails.
    pub async fn usage(&self, actor: &Actor) -> Result<Vec<Usage>, Error> {
        let organisation = reach(actor, Operation::Usage)?;
        self.store()
            .read("usage", move |conn| {
                Box::pin(async move {
                    let failed = |source| storage_error("read what was used", source);
                    // Sums are cast back: PostgreSQL makes numerics of them.
                    let rows = sqlx::query(
                        "SELECT organisation_id, COUNT(*), CAST(SUM(told * wall_us) AS BIGINT), CAST(SUM(told * cpu_us) AS BIGINT), \
                         CAST(SUM(told * fuel) AS BIGINT), CAST(SUM(rows_in) AS BIGINT), CAST(SUM(bytes_in) AS BIGINT), \
                         CAST(SUM(rows_out) AS BIGINT), CAST(SUM(bytes_out) AS BIGINT), MAX(told * memory_peak_bytes), \
                         MAX(told * spill_bytes) \
                         FROM (SELECT meters.*, CASE WHEN $1 = '' OR jobs.kind = 'sql' OR runs.mode = 'sample' THEN 1 ELSE 0 END AS told \
                               FROM meters JOIN runs ON runs.id = meters.run_id JOIN jobs ON jobs.id = runs.job_id \
                               WHERE ($2 = '' OR meters.organisation_id = $3)) AS seen \
                         GROUP BY organisation_id ORDER BY organisation_id",
                    )
                    .bind(organisation.as_str())
                    .bind(organisation.as_str())
                    .bind(organisation.as_str())
                    .fetch_all(conn)
                    .await
                    .map_err(failed)?;
                    rows.iter().map(usage_of).collect()
                })
            })
            .await
    }
}

fn usage_of(row: &AnyRow) -> Result<Usage, Error> {
    let failed = |source| storage_error("read what was used", source);
    let organisation: String = row.try_get(0).map_err(failed)?;
    Ok(Usage {
        organisation: organisation
            .parse()
            .map_err(|source| Error::internal("read a stored identifier", source))?,
        runs: figure(row, 1).map_err(failed)?,
        meter: meter_at(row, 2).map_err(failed)?,
    })
}

/// The nine figures of a meter from a position on.
fn meter_at(row: &AnyRow, first: usize) -> Result<Meter, sqlx::Error> {
    Ok(Meter {
        wall_us: figure(row, first)?,
        cpu_us: figure(row, first + 1)?,
        fuel: figure(row, first + 2)?,
        rows_in: figure(row, first + 3)?,
        bytes_in: figure(row, first + 4)?,
        rows_out: figure(row, first + 5)?,
        bytes_out: figure(row, first + 6)?,
        memory_peak_bytes: figure(row, first + 7)?,
        spill_bytes: figure(row, first + 8)?,
    })
}

fn figure(row: &AnyRow, place: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(place)
        .map(|figure| u64::try_from(figure).unwrap_or(0))
}

/// The meter of a run; none while it has not ended.
pub(crate) async fn of_run(conn: &mut AnyConnection, run: &str) -> Result<Option<Meter>, Error> {
    let failed = |source| storage_error("read a meter", source);
    let row = sqlx::query(
        "SELECT wall_us, cpu_us, fuel, rows_in, bytes_in, rows_out, bytes_out, memory_peak_bytes, spill_bytes \
         FROM meters WHERE run_id = $1",
    )
    .bind(run)
    .fetch_optional(conn)
    .await
    .map_err(failed)?;
    row.map(|row| meter_at(&row, 0)).transpose().map_err(failed)
}

/// Stores what a run used, once.
pub(crate) async fn keep(
    conn: &mut AnyConnection,
    run: &str,
    organisation: &str,
    meter: &Meter,
    at: i64,
) -> Result<(), Error> {
    let mut insert = sqlx::query(
        "INSERT INTO meters (run_id, organisation_id, wall_us, cpu_us, fuel, rows_in, bytes_in, rows_out, bytes_out, \
         memory_peak_bytes, spill_bytes, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (run_id) DO NOTHING",
    )
    .bind(run)
    .bind(organisation);
    for figure in [
        meter.wall_us,
        meter.cpu_us,
        meter.fuel,
        meter.rows_in,
        meter.bytes_in,
        meter.rows_out,
        meter.bytes_out,
        meter.memory_peak_bytes,
        meter.spill_bytes,
    ] {
        insert = insert.bind(stored_count(figure)?);
    }
    insert
        .bind(at)
        .execute(conn)
        .await
        .map_err(|source| storage_error("store a meter", source))?;
    Ok(())
}

/// Microseconds, rounded up to what is said of when something happened.
pub(crate) fn whole_moments(micros: u64) -> u64 {
    up(micros, MOMENT_STEP_US)
}

/// When a run came into a state, as it is shown: how long a program took depends on the data.
pub(crate) fn moment(at: jiff::Timestamp) -> jiff::Timestamp {
    let Ok(micros) = u64::try_from(at.as_microsecond()) else {
        return at;
    };
    i64::try_from(whole_moments(micros))
        .ok()
        .and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok())
        .unwrap_or(at)
}

fn up(figure: u64, step: u64) -> u64 {
    figure.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used() -> runtime::Meter {
        runtime::Meter {
            wall_us: 1,
            cpu_us: 1_000_001,
            fuel: 123,
            rows_in: 20_190,
            bytes_in: 5,
            rows_out: 17,
            bytes_out: 4_096,
            memory_peak_bytes: 3 << 27,
            spill_bytes: 3 << 27,
        }
    }

    #[test]
    fn a_production_meter_tells_nothing_fine() {
        let billed = Meter::billed(&used(), Mode::Production);
        let expected = Meter {
            wall_us: 1_000_000,
            cpu_us: 2_000_000,
            fuel: 1_000_000_000,
            rows_in: 21_000,
            bytes_in: 1 << 20,
            rows_out: 0,
            bytes_out: 0,
            memory_peak_bytes: 1 << 29,
            spill_bytes: 1 << 29,
        };
        assert_eq!(billed, expected);
        let mut other = used();
        (other.rows_out, other.fuel, other.wall_us) = (18, 999_999_999, 999_999);
        assert_eq!(Meter::billed(&other, Mode::Production), expected);
    }

    #[test]
    fn of_a_time_only_its_step_is_told() {
        let query = Steps::of(false);
        let lengths = [1, 10_000, 10_001, 15_000, 15_001, 36_000, 1_000_000];
        assert_eq!(
            lengths.map(|micros| query.up(micros)),
            [10_000, 10_000, 15_000, 15_000, 22_500, 50_625, 1_297_440]
        );
        let module = Steps::of(true);
        let mut seen = std::collections::BTreeSet::new();
        for millis in 1..60_000 {
            let length = module.up(millis * 1_000);
            assert!(length >= millis * 1_000);
            seen.insert(length);
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
    }

    #[test]
    fn a_tenant_is_told_what_its_module_read_and_no_more() {
        let billed = Meter::billed(&used(), Mode::Production);
        let told = billed.told();
        assert_eq!((told.rows_in, told.bytes_in), (21_000, 1 << 20));
        assert_eq!((told.wall_us, told.cpu_us, told.fuel), (0, 0, 0));
        assert_eq!((told.memory_peak_bytes, told.spill_bytes), (0, 0));
    }

    #[test]
    fn a_sample_meter_is_exact_and_nothing_overflows() {
        assert_eq!(Meter::billed(&used(), Mode::Sample), Meter::exact(&used()));
        let most = runtime::Meter {
            fuel: u64::MAX,
            ..used()
        };
        assert_eq!(Meter::billed(&most, Mode::Production).fuel, u64::MAX);
    }
}
