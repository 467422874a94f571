//! Reading the tree: which files there are, and what in a Rust file is code.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file of the repository.
pub(crate) struct Source {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    pub text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("protocol/ has a parent")
        .to_path_buf()
}

/// Every text file that people wrote, sorted by path.
pub(crate) fn files() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("the tree is readable") {
        let path = entry.expect("the tree is readable").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci" && name != ".cargo";
            let generated = matches!(name, "target" | "data" | "vectors" | "corpus" | "artifacts");
            if !hidden && !generated {
                walk(root, &path, found);
            }
        } else if is_written_by_people(name)
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_str().expect("paths are UTF-8").replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

fn is_written_by_people(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "rs" | "toml" | "md" | "sh" | "c" | "h" | "sql")
        || matches!(name, "Makefile" | "run" | ".gitignore" | ".gitattributes")
}

/// The part of a Rust file before its inline `#[cfg(test)] mod … {`.
pub(crate) fn production(text: &str) -> &str {
    let mut offset = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let opens = lines.peek().is_some_and(|next| {
            next.trim_start().starts_with("mod ") && next.trim_end().ends_with('{')
        });
        if line.trim() == "#[cfg(test)]" && opens {
            return text.get(..offset).expect("an offset of a line");
        }
        offset += line.len();
    }
    text
}

/// The text with comments and the insides of literals blanked, line for line.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut index = 0;
    while index < chars.len() {
        let end = match (at(index), at(index + 1)) {
            ('/', '/') => skip_until(&chars, index, |rest| rest.starts_with(&['\n'])),
            ('/', '*') => skip_until(&chars, index + 2, |rest| rest.starts_with(&['*', '/'])) + 2,
            ('r', '"' | '#') if !is_word(at(index.wrapping_sub(1))) => skip_raw(&chars, index),
            ('"', _) => skip_quoted(&chars, index, '"'),
            ('\'', '\\') => skip_quoted(&chars, index, '\''),
            ('\'', _) if at(index + 2) == '\'' => index + 3,
            _ => index,
        };
        if end == index {
            out.push(at(index));
            index += 1;
        } else {
            let blanked = chars.iter().take(end).skip(index);
            out.extend(blanked.map(|&c| if c == '\n' { '\n' } else { ' ' }));
            index = end;
        }
    }
    out
}

/// Whether `c` may be part of a name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn skip_until(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len())
        .find(|&index| chars.get(index..).is_some_and(&found))
        .unwrap_or(chars.len())
}

fn skip_quoted(chars: &[char], from: usize, quote: char) -> usize {
    let mut index = from + 1;
    while let Some(&c) = chars.get(index) {
        index += if c == '\\' { 2 } else { 1 };
        if c == quote {
            break;
        }
    }
    index
}

/// `r"…"` or `r#"…"#`; a raw identifier (`r#type`) is no literal and is left alone.
fn skip_raw(chars: &[char], from: usize) -> usize {
    let hashes = chars
        .iter()
        .skip(from + 1)
        .take_while(|&&c| c == '#')
        .count();
    if chars.get(from + 1 + hashes) != Some(&'"') {
        return from;
    }
    let mut closing = vec!['"'];
    closing.resize(1 + hashes, '#');
    skip_until(chars, from + 2 + hashes, |rest| rest.starts_with(&closing)) + closing.len()
}
