//! A session with nothing in it but the listed functions and the staged files.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionConfig;

use super::files::{OneStore, StagedFiles};
use super::spill::{Scratch, SpillFiles};
use super::{called, functions};
use crate::guest::Functions;
use crate::limits::Limits;
use crate::staged_file::StagedFile;

/// Partitions of a plan without functions of modules, and threads of the engine: runs share the node, so one run
/// does not take all of it.
pub(crate) const PARTITIONS: usize = 2;
/// Files below this are read by one thread.
const SPLIT_BYTES_MIN: usize = 1024 * 1024;

/// A session for one run.
pub(super) fn open(
    files: Vec<StagedFile>,
    limits: &Limits,
    scratch: Option<Arc<Scratch>>,
    modules: Option<&Arc<Functions>>,
) -> datafusion::common::Result<SessionState> {
    let partitions = match modules {
        Some(_) => 1,
        None => PARTITIONS,
    };
    let batch_rows = usize::try_from(limits.batch_rows).unwrap_or(8_192);
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false)
        .with_repartition_file_min_size(SPLIT_BYTES_MIN)
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.execution.enable_recursive_ctes = false;
    // What a filter lets the engine skip would show in the time: every row is read.
    options.execution.parquet.pruning = false;
    options.execution.parquet.enable_page_index = false;
    options.execution.parquet.bloom_filter_on_read = false;
    options.execution.parquet.pushdown_filters = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.execution.planning_concurrency = partitions;
    let mut scalar = functions::scalar();
    let mut aggregate = functions::aggregate();
    if let Some(modules) = modules {
        scalar.extend(called::scalars(modules));
        aggregate.extend(called::aggregates(modules));
    }
    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(environment(files, limits, scratch)?))
        .with_session_id("run".to_owned())
        .with_scalar_functions(scalar)
        .with_aggregate_functions(aggregate)
        .with_window_functions(functions::window())
        .with_file_formats(Vec::new())
        .build())
}

fn environment(
    files: Vec<StagedFile>,
    limits: &Limits,
    scratch: Option<Arc<Scratch>>,
) -> datafusion::common::Result<RuntimeEnv> {
    let pool_bytes = usize::try_from(limits.engine_pool_bytes()).unwrap_or(usize::MAX);
    let disk = DiskManagerBuilder::default();
    let (pool, disk): (Arc<dyn MemoryPool>, _) = match scratch {
        // Whoever can spill leaves the others their share.
        Some(scratch) => (
            Arc::new(FairSpillPool::new(pool_bytes)),
            disk.with_temp_file_factory(Arc::new(SpillFiles(scratch))),
        ),
        // A query that outgrows the pool ends.
        None => (
            Arc::new(GreedyMemoryPool::new(pool_bytes)),
            disk.with_mode(DiskManagerMode::Disabled),
        ),
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(disk)
        .with_cache_manager(CacheManagerConfig::default())
        .with_object_store_registry(Arc::new(OneStore(Arc::new(StagedFiles::new(files)))))
        .build()
}
