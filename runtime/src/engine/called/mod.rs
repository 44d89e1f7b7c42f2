//! Functions of modules as the engine calls them: by row, by group, and as tables.
//!
//! A query with such functions runs in one partition, so that a guest is called in an order that the plan and the data
//! decide, and burns the same fuel each time.

mod aggregate;
mod scalar;
mod table;

use std::fmt;
use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) use table::{CALL_PREFIX, CalledRows, rows_of};

use crate::guest::Functions;
use crate::manifest::ModuleFunction;
use crate::outcome::Outcome;

/// The scalar functions of a run's modules.
pub(super) fn scalars(functions: &Arc<Functions>) -> Vec<Arc<ScalarUDF>> {
    let named = functions.all().filter_map(|(name, place, declared)| {
        let ModuleFunction::Scalar {
            arguments, returns, ..
        } = declared
        else {
            return None;
        };
        let function = scalar::CalledScalar::new(functions, name, place, arguments, *returns);
        Some(Arc::new(ScalarUDF::new_from_impl(function)))
    });
    named.collect()
}

/// The aggregates of a run's modules.
pub(super) fn aggregates(functions: &Arc<Functions>) -> Vec<Arc<AggregateUDF>> {
    let named = functions.all().filter_map(|(name, place, declared)| {
        let ModuleFunction::Aggregate {
            arguments, returns, ..
        } = declared
        else {
            return None;
        };
        let function = aggregate::CalledAggregate::new(functions, name, place, arguments, *returns);
        Some(Arc::new(AggregateUDF::new_from_impl(function)))
    });
    named.collect()
}

/// The end of a guest on its way through the engine; [`Functions::ended`] keeps how.
#[derive(Debug)]
struct GuestEnded;

impl fmt::Display for GuestEnded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a module's function ended the run")
    }
}

impl std::error::Error for GuestEnded {}

fn ended(_: Outcome) -> DataFusionError {
    DataFusionError::External(Box::new(GuestEnded))
}
