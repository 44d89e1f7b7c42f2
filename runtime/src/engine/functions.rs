//! The functions that exist in the engine. What is not listed cannot be named by a plan, whatever
//! admission thought of it: nothing here reads a clock, draws a random number, or answers with more
//! than a small multiple of its input.

use std::sync::Arc;

use datafusion::functions::{core, datetime, math, string, unicode};
use datafusion::functions_aggregate::{average, count, grouping, min_max, stddev, sum, variance};
use datafusion::functions_window::{cume_dist, lead_lag, nth_value, ntile, rank, row_number};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use super::{holdings, units};

/// Row functions.
pub(super) fn scalar() -> Vec<Arc<ScalarUDF>> {
    vec![
        core::coalesce(),
        core::greatest(),
        core::least(),
        core::nullif(),
        core::nvl(),
        core::nvl2(),
        datetime::date_bin(),
        datetime::date_part(),
        datetime::date_trunc(),
        datetime::make_date(),
        math::abs(),
        math::ceil(),
        math::exp(),
        math::floor(),
        math::ln(),
        math::log10(),
        math::power(),
        math::round(),
        math::signum(),
        math::sqrt(),
        math::trunc(),
        string::ascii(),
        string::bit_length(),
        string::btrim(),
        string::concat(),
        string::contains(),
        string::ends_with(),
        string::lower(),
        string::ltrim(),
        string::octet_length(),
        string::rtrim(),
        string::split_part(),
        string::starts_with(),
        string::upper(),
        unicode::character_length(),
        unicode::left(),
        unicode::reverse(),
        unicode::right(),
        unicode::strpos(),
        unicode::substr(),
    ]
}

/// Aggregates, the two control aggregates among them.
pub(super) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    vec![
        average::avg_udaf(),
        count::count_udaf(),
        grouping::grouping_udaf(),
        min_max::max_udaf(),
        min_max::min_udaf(),
        stddev::stddev_pop_udaf(),
        stddev::stddev_udaf(),
        sum::sum_udaf(),
        variance::var_pop_udaf(),
        variance::var_samp_udaf(),
        units::function(),
        holdings::function(),
    ]
}

/// Functions over a window of rows.
pub(super) fn window() -> Vec<Arc<WindowUDF>> {
    vec![
        cume_dist::cume_dist_udwf(),
        lead_lag::lag_udwf(),
        lead_lag::lead_udwf(),
        nth_value::first_value_udwf(),
        nth_value::last_value_udwf(),
        ntile::ntile_udwf(),
        rank::dense_rank_udwf(),
        rank::percent_rank_udwf(),
        rank::rank_udwf(),
        row_number::row_number_udwf(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_tells_the_time_draws_or_blows_up_is_there() {
        let names: Vec<String> = scalar()
            .iter()
            .flat_map(|function| {
                let names = std::iter::once(function.name().to_owned());
                names
                    .chain(function.aliases().iter().cloned())
                    .collect::<Vec<_>>()
            })
            .collect();
        for name in [
            "now",
            "current_date",
            "current_time",
            "random",
            "uuid",
            "repeat",
            "lpad",
            "rpad",
            "range",
            "version",
            "regexp_match",
            "to_timestamp",
            "arrow_typeof",
            "input_file_name",
            "replace",
        ] {
            assert!(!names.iter().any(|known| known == name), "{name}");
        }
    }
}
