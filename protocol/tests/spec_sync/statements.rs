//! The numbered statements of SPEC.md, and where in the workspace a test names them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{text, transcripts};

/// The numbers that begin a statement, in the order of the text.
pub(crate) fn statements(spec: &str) -> Vec<String> {
    let starts = spec.lines().filter_map(|line| line.strip_prefix("- [M-"));
    starts
        .filter_map(|rest| rest.split_once(']'))
        .map(|(id, _)| format!("M-{id}"))
        .collect()
}

/// Section and number of a statement.
pub(crate) fn parts(id: &str) -> (u32, u32) {
    let numbers = id.strip_prefix("M-").and_then(|id| id.split_once('.'));
    let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    numbers.unwrap_or_else(|| panic!("{id} is not a statement's number"))
}

/// The statements that the section of informative ones lists.
pub(crate) fn informative(spec: &str) -> BTreeSet<String> {
    let mut sections = spec.split("\n## ");
    let section = sections.find(|part| part.contains(". Informative statements\n"));
    let section = section.expect("a section lists the informative statements");
    let words = section.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    let ids = words
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.starts_with("M-"));
    ids.map(str::to_owned).collect()
}

/// Every statement that a test of the workspace names as `[M-…]`: in `tests/`, behind the
/// `#[cfg(test)]` of a source file, in the notes of a transcript, or as what one breaks; and those
/// that `proofs.txt` gives to a test of another crate by its name.
pub(crate) fn referenced() -> BTreeSet<String> {
    let tests = test_code();
    let mut ids: BTreeSet<String> = brackets(&tests).chain(proofs(&tests)).collect();
    for session in transcripts("violations") {
        ids.insert(text(&session, "violates").to_owned());
    }
    for session in transcripts("sessions") {
        ids.extend(brackets(&session.to_string()));
    }
    ids
}

/// The text of every test in the workspace.
fn test_code() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 30, "the workspace was found");
    let mut code = String::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let inside = path.strip_prefix(&root).unwrap_or(&path);
        if inside.components().any(|part| part.as_os_str() == "tests") {
            code.push_str(&text);
        } else if let Some((_, tests)) = text.split_once("#[cfg(test)]") {
            code.push_str(tests);
        }
    }
    code
}

/// The statements of `proofs.txt`. Each of its tests must be among `tests`.
fn proofs(tests: &str) -> Vec<String> {
    let lines = include_str!("proofs.txt").lines();
    let rows = lines.filter(|line| !line.starts_with('#'));
    let proved = |row: &str| {
        let (id, test) = row.split_once(' ').expect("a statement and a test");
        let found = tests.contains(&format!("fn {}(", test.trim()));
        assert!(
            found,
            "proofs.txt: the workspace has no test {test}; which one proves {id}?"
        );
        id.to_owned()
    };
    rows.map(proved).collect()
}

/// The numbers in `[M-1.2]` brackets.
fn brackets(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("[M-").skip(1).filter_map(|rest| {
        let (id, _) = rest.split_once(']')?;
        let number = !id.is_empty() && id.chars().all(|c| c.is_ascii_digit() || c == '.');
        number.then(|| format!("M-{id}"))
    })
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let skipped = ["target", "data", ".git", "fuzz"]
            .iter()
            .any(|skip| name == *skip);
        if path.is_dir() && !skipped {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
