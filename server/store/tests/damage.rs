//! A data directory that lost an acknowledged commit never opens; one that lost none does.

#![cfg(feature = "rocksdb")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::fs;
use std::path::Path;

use martlet_store::rocks::{CommitNumber, Engine, StoreError, verify};
use support::{COMMITS, Killed, flip_bit, record_ends, value_of};

/// The newest commits whose records are cut at every byte.
const CUT_COMMITS: usize = 3;

#[test]
fn a_log_cut_anywhere_in_acknowledged_commits_is_refused_untouched() {
    let killed = Killed::new();
    let log = killed.log_bytes();
    let ends = record_ends(&log);
    // Commit n ends where record n + i ends; RocksDB may begin a log with records of its own.
    let first = ends.len() - CUT_COMMITS;
    for cut in ends[first - 1]..ends[ends.len() - 1] {
        let copy = killed.copy();
        fs::write(copy.log(), &log[..cut]).unwrap();
        let before = copy.contents();
        let whole = ends[first..].iter().filter(|end| **end <= cut).count();
        let newest = CommitNumber(COMMITS - CUT_COMMITS as u64 + whole as u64);
        match copy.open().unwrap_err() {
            StoreError::BehindMark {
                mark,
                newest: found,
                ..
            } => {
                assert_eq!((mark.0, found), (COMMITS, newest), "cut at {cut}");
            }
            other => panic!("cut at {cut}: {other}"),
        }
        assert_eq!(
            copy.contents(),
            before,
            "cut at {cut}: a refused directory was changed"
        );
    }
}

#[test]
fn a_log_cut_at_any_record_border_is_refused() {
    let killed = Killed::new();
    let log = killed.log_bytes();
    let ends = record_ends(&log);
    for cut in ends.iter().rev().skip(1) {
        let copy = killed.copy();
        fs::write(copy.log(), &log[..*cut]).unwrap();
        let error = copy.open().unwrap_err();
        assert!(
            matches!(error, StoreError::BehindMark { .. }),
            "cut at {cut}: {error}"
        );
        let message = error.to_string();
        assert!(
            message.contains(&format!("commit {COMMITS} was acknowledged")),
            "{message}"
        );
        assert!(
            message.contains(&format!("to {COMMITS} are missing")),
            "{message}"
        );
    }
}

#[test]
fn a_torn_tail_that_was_never_acknowledged_opens() {
    let killed = Killed::new();
    let log = killed.log_bytes();
    let ends = record_ends(&log);
    let first = ends.len() - CUT_COMMITS;
    let acknowledged = COMMITS - CUT_COMMITS as u64;
    // An opening that succeeds syncs many times; around the borders every byte is cut.
    let is_tried = |cut: &usize| {
        cut.is_multiple_of(13) || ends[first - 1..].iter().any(|end| end.abs_diff(*cut) <= 8)
    };
    for cut in (ends[first - 1]..=ends[ends.len() - 1]).filter(is_tried) {
        let copy = killed.copy();
        fs::write(copy.log(), &log[..cut]).unwrap();
        fs::write(copy.mark(), killed.mark_after(acknowledged)).unwrap();
        let engine = copy.open().unwrap();
        let whole = ends[first..].iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(engine.newest().0, acknowledged + whole, "cut at {cut}");
        support::assert_rows(&engine, acknowledged + whole);
    }
}

#[test]
fn a_deleted_or_emptied_log_is_refused() {
    let killed = Killed::new();
    let damages: [fn(&Path); 3] = [
        |log| fs::remove_file(log).unwrap(),
        |log| fs::write(log, b"").unwrap(),
        |log| fs::write(log, vec![0; fs::metadata(log).unwrap().len() as usize]).unwrap(),
    ];
    for damage in damages {
        let copy = killed.copy();
        damage(&copy.log());
        let error = copy.open().unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::BehindMark {
                    newest: CommitNumber(0),
                    ..
                }
            ),
            "{error}"
        );
    }
    let copy = killed.copy();
    fs::remove_dir_all(copy.rows()).unwrap();
    assert!(matches!(copy.open(), Err(StoreError::BehindMark { .. })));
}

#[test]
fn a_zeroed_tail_is_refused() {
    let killed = Killed::new();
    let log = killed.log_bytes();
    for from in record_ends(&log).iter().rev().skip(1) {
        let copy = killed.copy();
        let mut zeroed = log.clone();
        zeroed[*from..].fill(0);
        fs::write(copy.log(), zeroed).unwrap();
        let error = copy.open().unwrap_err();
        assert!(
            matches!(error, StoreError::BehindMark { .. }),
            "zeroed from {from}: {error}"
        );
    }
}

#[test]
fn a_flipped_bit_of_the_log_is_never_silent() {
    let killed = Killed::new();
    let log = killed.log_bytes();
    let mut random = support::Random(1);
    let mut refused = 0;
    for _ in 0..150 {
        let bit = random.below(log.len() as u64 * 8);
        let copy = killed.copy();
        fs::write(copy.log(), flip_bit(&log, bit)).unwrap();
        match copy.open() {
            // Only a bit that RocksDB does not use may leave everything as it was.
            Ok(engine) => support::assert_rows(&engine, COMMITS),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 140, "only {refused} of 150 flips were refused");
}

#[test]
fn a_flipped_bit_of_any_file_is_never_silent() {
    let killed = Killed::with_tables();
    let mut random = support::Random(2);
    let files = killed.files();
    assert!(
        files
            .iter()
            .any(|file| file.extension().is_some_and(|end| end == "sst"))
    );
    for file in files {
        let bytes = fs::read(killed.path().join(&file)).unwrap();
        for _ in 0..if bytes.is_empty() { 0 } else { 25 } {
            let bit = random.below(bytes.len() as u64 * 8);
            let copy = killed.copy();
            fs::write(copy.path().join(&file), flip_bit(&bytes, bit)).unwrap();
            let mut rows = Vec::new();
            let report = verify::verify(copy.path(), &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
            });
            if let Ok(report) = report {
                assert_eq!(report.newest.0, COMMITS, "bit {bit} of {}", file.display());
                assert_eq!(rows, killed.all_rows(), "bit {bit} of {}", file.display());
            }
        }
    }
}

#[test]
fn a_cut_or_older_list_of_table_files_is_refused_untouched() {
    let killed = Killed::with_tables();
    let manifest = killed.manifest();
    let bytes = fs::read(&manifest).unwrap();
    let name = manifest.file_name().unwrap();
    for cut in 0..bytes.len() {
        let copy = killed.copy();
        fs::write(copy.rows().join(name), &bytes[..cut]).unwrap();
        let before = copy.contents();
        let error = copy.open().unwrap_err();
        assert!(
            matches!(error, StoreError::ManifestDamaged { .. }),
            "cut at {cut}: {error}"
        );
        assert_eq!(
            copy.contents(),
            before,
            "cut at {cut}: a refused directory was changed"
        );
    }
    let copy = killed.copy();
    fs::rename(copy.rows().join(name), copy.rows().join("MANIFEST-000001")).unwrap();
    fs::write(copy.rows().join("CURRENT"), "MANIFEST-000001\n").unwrap();
    assert!(matches!(
        copy.open(),
        Err(StoreError::ManifestDamaged { .. })
    ));
}

#[test]
fn a_flipped_bit_in_the_list_of_table_files_is_refused() {
    let killed = Killed::with_tables();
    let manifest = killed.manifest();
    let bytes = fs::read(&manifest).unwrap();
    let copy = killed.copy();
    let path = copy.rows().join(manifest.file_name().unwrap());
    for bit in 0..bytes.len() as u64 * 8 {
        fs::write(&path, flip_bit(&bytes, bit)).unwrap();
        let error = copy.open().unwrap_err();
        assert!(
            matches!(error, StoreError::ManifestDamaged { .. }),
            "bit {bit}: {error}"
        );
    }
    fs::write(&path, &bytes).unwrap();
    support::assert_rows(&copy.open().unwrap(), COMMITS);
}

#[test]
fn a_mark_damaged_in_one_copy_still_guards() {
    let killed = Killed::new();
    let mark = fs::read(killed.mark()).unwrap();
    for bit in [0, 100, 200, 4096 * 8, 4096 * 8 + 250] {
        let copy = killed.copy();
        fs::write(copy.mark(), flip_bit(&mark, bit)).unwrap();
        assert_eq!(copy.open().unwrap().newest().0, COMMITS);

        let copy = killed.copy();
        fs::write(copy.mark(), flip_bit(&mark, bit)).unwrap();
        let log = killed.log_bytes();
        let ends = record_ends(&log);
        fs::write(copy.log(), &log[..ends[ends.len() - 2]]).unwrap();
        assert!(matches!(copy.open(), Err(StoreError::BehindMark { .. })));
    }
}

#[test]
fn a_mark_that_is_missing_or_damaged_twice_is_refused() {
    let killed = Killed::new();
    let copy = killed.copy();
    let mark = fs::read(copy.mark()).unwrap();
    fs::write(copy.mark(), flip_bit(&flip_bit(&mark, 70), 4096 * 8 + 70)).unwrap();
    assert!(matches!(copy.open(), Err(StoreError::MarkDamaged { .. })));
    fs::remove_file(copy.mark()).unwrap();
    assert!(matches!(copy.open(), Err(StoreError::MarkMissing { .. })));
}

#[test]
fn files_of_another_directory_are_refused() {
    let killed = Killed::new();
    let other = Killed::with_seed(2);
    let copy = killed.copy();
    fs::copy(other.mark(), copy.mark()).unwrap();
    assert!(matches!(
        copy.open(),
        Err(StoreError::MarkForeign {
            commit: CommitNumber(COMMITS)
        })
    ));
    let copy = killed.copy();
    fs::copy(other.path().join("FORMAT"), copy.path().join("FORMAT")).unwrap();
    assert!(matches!(copy.open(), Err(StoreError::MarkForeign { .. })));
}

#[test]
fn another_number_of_shards_or_a_lost_format_is_refused() {
    let killed = Killed::new();
    let copy = killed.copy();
    let options = martlet_store::rocks::Options::new(support::SHARDS + 1, 1);
    assert!(matches!(
        Engine::open(copy.path(), &options),
        Err(StoreError::ShardsDiffer {
            found: support::SHARDS,
            ..
        })
    ));
    fs::remove_file(copy.path().join("FORMAT")).unwrap();
    assert!(matches!(copy.open(), Err(StoreError::FormatMissing { .. })));
    assert!(matches!(
        verify::verify(copy.path(), &mut |_, _| {}),
        Err(StoreError::FormatMissing { .. })
    ));
}

#[test]
fn a_directory_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _engine = support::open(directory.path()).unwrap();
    assert!(matches!(
        support::open(directory.path()),
        Err(StoreError::Locked { .. })
    ));
    assert!(matches!(
        verify::verify(directory.path(), &mut |_, _| {}),
        Err(StoreError::Locked { .. })
    ));
}

#[test]
fn a_creation_that_was_cut_short_is_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    drop(support::open(directory.path()).unwrap());
    fs::remove_file(directory.path().join("FORMAT")).unwrap();
    fs::remove_dir_all(directory.path().join("rows")).unwrap();
    let engine = support::open(directory.path()).unwrap();
    engine.commit(&support::batch(1)).unwrap();
    assert_eq!(support::get(&engine, 1), Some(value_of(1)));
}

#[test]
fn a_data_directory_is_created_with_the_directories_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b/c");
    drop(support::open(&deep).unwrap());
    assert!(deep.join("FORMAT").exists());
}
