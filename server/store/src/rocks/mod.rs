//! RocksDB behind the store: one engine, one committer thread, a few reader threads.
