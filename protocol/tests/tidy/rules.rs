//! The rules: each takes a path and a text and gives one message per sin.

use crate::source::{code_only, is_word, production};
use crate::tables::{BANNED, BANNED_STD, COLUMNS_MAX, LEFTOVERS, LINES_MAX, PLACES};

/// Each file says in its first line what it is for.
pub(crate) fn first_line(path: &str, text: &str) -> Vec<String> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") || first.starts_with("#!") {
        return Vec::new();
    }
    vec![error(
        path,
        1,
        "the first line must be `//! …`: what this file is for",
    )]
}

/// Lines and files that fit on a screen and in a head.
pub(crate) fn size(path: &str, text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX && !line.contains("://") {
            errors.push(error(
                path,
                index + 1,
                &format!("{columns} columns, at most 100"),
            ));
        }
    }
    let lines = production(text).lines().count();
    if lines > LINES_MAX {
        errors.push(error(
            path,
            lines,
            &format!("{lines} lines before its tests, at most 500"),
        ));
    }
    errors
}

/// Nothing is left unfinished, and nothing names a registry or somebody's machine.
pub(crate) fn words(path: &str, text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in LEFTOVERS.iter().chain(PLACES) {
            if line.contains(word) {
                errors.push(error(
                    path,
                    index + 1,
                    &format!("`{word}` has no place here"),
                ));
            }
        }
    }
    errors
}

/// A pure tree does no I/O, starts nothing and reads no clock.
pub(crate) fn purity(path: &str, text: &str) -> Vec<String> {
    let code = code_only(production(text));
    let mut errors = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for word in BANNED.iter().filter(|word| contains_word(line, word)) {
            errors.push(error(path, index + 1, &format!("`{word}` in a pure place")));
        }
    }
    for (line, name) in names_after("std::", &code) {
        if BANNED_STD.contains(&name.as_str()) {
            errors.push(error(path, line, &format!("`std::{name}` in a pure place")));
        }
    }
    errors
}

/// A manifest's `[dependencies]` name only the workspace crates, and packages, they may.
pub(crate) fn arrows(
    path: &str,
    manifest: &str,
    ours: &[&str],
    outside: Option<&[&str]>,
) -> Vec<String> {
    let mut errors = Vec::new();
    let mut section = "";
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
            continue;
        }
        if !matches!(section, "[dependencies]" | "[build-dependencies]") {
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        let allowed = if name.starts_with("martlet-") {
            ours.contains(&name)
        } else {
            outside.is_none_or(|outside| outside.contains(&name))
        };
        if !allowed {
            errors.push(error(
                path,
                index + 1,
                &format!("`{name}` is no arrow of this crate"),
            ));
        }
    }
    errors
}

/// A module names only modules below it in `order`, and does not climb out by `super`.
///
/// `module` is the file's path inside the crate's `src`, one part per module. `exports` says in
/// which module a name of the crate's root is defined.
pub(crate) fn layers(
    path: &str,
    module: &[&str],
    text: &str,
    order: &[&str],
    exports: &[(String, String)],
) -> Vec<String> {
    let code = code_only(production(text));
    let Some(here) = module.first() else {
        return Vec::new();
    };
    let Some(rank) = order.iter().position(|name| name == here) else {
        return vec![error(
            path,
            1,
            &format!("module `{here}` is not in the table of tidy"),
        )];
    };
    let mut errors = Vec::new();
    for (line, name) in names_after("crate::", &code) {
        let export = exports.iter().find(|(exported, _)| *exported == name);
        let named = export.map_or(&name, |(_, module)| module);
        match order.iter().position(|other| other == named) {
            Some(other) if other >= rank => {}
            Some(_) => {
                errors.push(error(
                    path,
                    line,
                    &format!("`{here}` names `{named}`, above it"),
                ));
            }
            None => errors.push(error(
                path,
                line,
                &format!("`crate::{named}` is in no module"),
            )),
        }
    }
    for (index, line) in code.lines().enumerate() {
        if line.contains(&"super::".repeat(module.len())) {
            errors.push(error(
                path,
                index + 1,
                "`super` climbs out of the top-level module",
            ));
        }
    }
    errors
}

/// Each name that a crate's root takes over by `pub use`, with the module it comes from.
pub(crate) fn exports(lib: &str) -> Vec<(String, String)> {
    let code = code_only(lib);
    let mut exports = Vec::new();
    for statement in code.split(';') {
        let Some((visibility, path)) = statement.trim().rsplit_once("use ") else {
            continue;
        };
        let Some((module, names)) = path.split_once("::") else {
            continue;
        };
        if !visibility.trim_end().ends_with(['b', ')']) {
            continue;
        }
        for name in names.split(['{', '}', ',']) {
            let name = name.rsplit("::").next().unwrap_or_default();
            let name = name.rsplit(" as ").next().unwrap_or_default().trim();
            if !name.is_empty() {
                exports.push((name.to_owned(), module.trim().to_owned()));
            }
        }
    }
    exports
}

/// Each name that stands after `prefix`, also inside one pair of braces, with its line.
fn names_after(prefix: &str, code: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|rest| rest.find(prefix)) {
        let start = from + found;
        from = start + prefix.len();
        let before = code.get(..start).unwrap_or_default();
        if before.ends_with(|c| is_word(c) || c == '$') {
            continue;
        }
        let line = before.matches('\n').count() + 1;
        let rest = code.get(from..).unwrap_or_default();
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(group_names(group).into_iter().map(|name| (line, name)));
        } else {
            names.push((line, rest.chars().take_while(|&c| is_word(c)).collect()));
        }
    }
    names
}

/// The first name of each entry of a `use` group whose opening brace has been taken.
fn group_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut entry = String::new();
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut entry)),
            _ if depth == 0 => entry.push(c),
            _ => {}
        }
    }
    names.push(entry);
    let first = |entry: &String| entry.trim().chars().take_while(|&c| is_word(c)).collect();
    names
        .iter()
        .map(first)
        .filter(|name: &String| !name.is_empty())
        .collect()
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).unwrap_or_default();
        let after = line.get(start + word.len()..).unwrap_or_default();
        !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}

fn error(path: &str, line: usize, what: &str) -> String {
    format!("{path}:{line}: error: {what}")
}
