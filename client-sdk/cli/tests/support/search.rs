//! Looking for words in bytes, however they may have been written.

use std::fs;
use std::path::Path;

/// Every file below `dir`, with its name and its bytes.
pub fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// Whether `word` stands in `bytes`: as it is, or as a debugger, a log or a dump shows bytes.
pub fn holds(bytes: &[u8], word: &str) -> bool {
    let all = |write: &dyn Fn(u8) -> String, between: &str| {
        let bytes: Vec<String> = word.bytes().map(write).collect();
        bytes.join(between)
    };
    let spaced: Vec<String> = word.chars().map(|c| c.to_string()).collect();
    [
        word.to_owned(),
        word.to_uppercase(),
        all(&|byte| format!("{byte:02x}"), ""),
        all(&|byte| format!("{byte:02X}"), ""),
        all(&|byte| format!("{byte:02x}"), " "),
        all(&|byte| byte.to_string(), ","),
        all(&|byte| byte.to_string(), ", "),
        // UTF-16.
        spaced.join("\0"),
    ]
    .iter()
    .any(|written| has(bytes, written.as_bytes()))
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
