//! Reads the vectors, for every test that needs them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part; a bad vector must fail it"
)]

pub(crate) mod tables;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the vectors are.
pub(crate) fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// The text of SPEC.md.
pub(crate) fn spec() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SPEC.md")).unwrap()
}

/// The cases of a file under `vectors/`. A file without cases would make a test that cannot fail.
pub(crate) fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(vectors().join(file)).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let cases = json["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{file} is empty");
    cases
}

/// Every transcript in a folder under `vectors/`, by name.
pub(crate) fn transcripts(folder: &str) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(vectors().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} is empty");
    let read = |path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    paths.into_iter().map(read).collect()
}

/// A text member of a case.
pub(crate) fn text<'v>(case: &'v Value, member: &str) -> &'v str {
    case[member]
        .as_str()
        .unwrap_or_else(|| panic!("{case} has no {member}"))
}

/// A hexadecimal member of a case.
pub(crate) fn bytes(case: &Value, member: &str) -> Vec<u8> {
    unhex(text(case, member))
}

/// The bytes that `text` stands for.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
