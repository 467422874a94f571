//! The fuzz corpus as tests: what a fuzzer once found interesting is run on every change.
#![allow(
    clippy::unwrap_used,
    reason = "a corpus that cannot be read must fail the test"
)]

#[path = "../examples/vectors/generator/mod.rs"]
#[allow(dead_code, reason = "the seeds are one part of what it makes")]
mod generator;

use std::path::{Path, PathBuf};

use martlet_protocol::fuzzing;

/// A target's name and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("chunks", fuzzing::chunks),
    ("lists", fuzzing::lists),
    ("parts", fuzzing::parts),
    ("payload", fuzzing::payload),
    ("records", fuzzing::records),
    ("rosters", fuzzing::rosters),
    ("stream", fuzzing::stream),
    ("text", fuzzing::text),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_in_the_corpus_breaks_a_promise() {
    for (target, body) in TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let files = names(&folder);
        assert!(!files.is_empty(), "{target} has seeds");
        for file in files {
            body(&std::fs::read(folder.join(file)).unwrap());
        }
    }
}

#[test]
fn the_corpus_holds_the_seeds_that_the_vectors_give() {
    for (target, name, bytes) in generator::seeds() {
        let path = fuzz().join("corpus").join(target).join(name);
        assert_eq!(
            std::fs::read(&path).unwrap_or_default(),
            bytes,
            "{}",
            path.display()
        );
    }
}

#[test]
fn each_fuzz_target_is_one_call_of_a_body_that_is_tested_here() {
    let bodies: Vec<String> = TARGETS
        .iter()
        .map(|(name, _)| format!("{name}.rs"))
        .collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), bodies);
    for (name, _) in TARGETS {
        let path = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("fuzzing::{name}(data)")), "{name}");
        assert!(text.lines().count() <= 15, "{name}");
    }
}
