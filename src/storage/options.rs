//! How RocksDB is set up to need little memory.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, InfoLogger, LogLevel, Options};

pub(super) const MIB: usize = 1 << 20;
/// How many files of a family may wait to be merged before writes are slowed down.
pub(super) const FILES_THAT_SLOW_WRITES: u64 = 20;

/// Of a whole database.
pub(super) fn options(cache: &Cache) -> Options {
    let mut options = family_options(cache);
    options.set_db_write_buffer_size(8 * MIB);
    options.set_max_total_wal_size(8 * MIB as u64);
    options.set_max_background_jobs(2);
    options.set_max_open_files(64);
    options.set_max_file_opening_threads(1);
    options.set_table_cache_num_shard_bits(2);
    options.set_max_manifest_file_size(MIB);
    options.set_manifest_preallocation_size(64 << 10);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, |_, message| {
        tracing::debug!(message = message.trim_end(), "rocksdb");
    }));
    options
}

/// Of one column family.
pub(super) fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(4 * MIB);
    options.set_arena_block_size(64 << 10);
    options.set_max_write_buffer_number(2);
    options.set_target_file_size_base(4 * MIB as u64);
    options.set_max_bytes_for_level_base(16 * MIB as u64);
    options.set_level_zero_slowdown_writes_trigger(FILES_THAT_SLOW_WRITES as i32);
    options
}
