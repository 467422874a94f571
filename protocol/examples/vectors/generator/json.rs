//! Writes JSON: enough for the vectors, the same bytes every time.

use std::fmt::Write;

/// A JSON value. Keys keep the order in which they are given.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// At most 2^53, which every JSON reader keeps; larger integers are decimal text.
    Number(u64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn hex(bytes: &[u8]) -> Self {
        Self::Text(hex(bytes))
    }

    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// The text of a file. Containers above `depth_of_lines` are spread over lines, deeper ones
    /// stand on one line, so that a diff shows one case per line.
    pub(crate) fn file(&self, depth_of_lines: usize) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, depth_of_lines);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize, depth_of_lines: usize) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => {
                let _ = write!(out, "{value}");
            }
            Self::Text(text) => quote(out, text),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    separate(out, index, depth, depth_of_lines);
                    item.write(out, depth + 1, depth_of_lines);
                }
                finish(out, items.len(), depth, depth_of_lines);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    separate(out, index, depth, depth_of_lines);
                    quote(out, key);
                    out.push_str(": ");
                    value.write(out, depth + 1, depth_of_lines);
                }
                finish(out, members.len(), depth, depth_of_lines);
                out.push('}');
            }
        }
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn separate(out: &mut String, index: usize, depth: usize, depth_of_lines: usize) {
    if index > 0 {
        out.push(',');
    }
    if depth < depth_of_lines {
        out.push('\n');
        out.push_str(&"  ".repeat(depth + 1));
    } else if index > 0 {
        out.push(' ');
    }
}

fn finish(out: &mut String, len: usize, depth: usize, depth_of_lines: usize) {
    if depth < depth_of_lines && len > 0 {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
