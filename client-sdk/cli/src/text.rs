//! Text for terminals: harmless, measured in columns, broken into rows.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The sign in place of a character that must not reach a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Replaces what could move the cursor, change colours or reorder text: others wrote it. Newlines
/// and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_harmful) {
        let clean = |c| if is_harmful(c) { REPLACEMENT } else { c };
        Cow::Owned(text.chars().map(clean).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The same on one line: newlines and tabs become spaces.
pub(crate) fn one_line(text: &str) -> String {
    let blank = |c| {
        if matches!(c, '\n' | '\r' | '\t') {
            ' '
        } else {
            c
        }
    };
    harmless(&text.chars().map(blank).collect::<String>()).into_owned()
}

/// Tells a person something that is not part of the output.
pub(crate) fn tell(line: &str) {
    // Nothing depends on it being seen.
    let _ = writeln!(io::stderr(), "martlet: {}", one_line(line));
}

fn is_harmful(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t');
    // The embeddings, overrides and isolates of bidirectional text.
    control || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The longest beginning that fits, with an ellipsis when something was cut off.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used + 1 > columns {
            break;
        }
        kept.push_str(grapheme);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Breaks the text into rows of at most `columns`, between words where that is possible. A single
/// character that is wider than `columns` has its own row.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    text.split('\n')
        .flat_map(|line| wrap_line(&line.replace('\t', "    "), columns))
        .collect()
}

fn wrap_line(line: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut used = 0;
    for word in line.split_word_bounds() {
        let word_width = width(word);
        if used + word_width <= columns {
            row.push_str(word);
            used += word_width;
            continue;
        }
        if word_width <= columns && used > 0 {
            rows.push(std::mem::take(&mut row));
            used = 0;
            // The blank that a row ends with is not carried into the next one.
            if !word.trim().is_empty() {
                row.push_str(word);
                used = word_width;
            }
            continue;
        }
        for grapheme in word.graphemes(true) {
            let grapheme_width = grapheme.width();
            if used + grapheme_width > columns && used > 0 {
                rows.push(std::mem::take(&mut row));
                used = 0;
            }
            row.push_str(grapheme);
            used += grapheme_width;
        }
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_command_the_terminal_it_is_shown_on() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{202e}c\nd"),
            "a\u{fffd}[2Jb\u{fffd}c\nd"
        );
        assert_eq!(one_line("a\r\nb\x07"), "a  b\u{fffd}");
        assert!(matches!(harmless("plain, 日本 🦀"), Cow::Borrowed(_)));
    }

    #[test]
    fn columns_are_counted_as_a_terminal_shows_them() {
        for (text, columns) in [
            ("abc", 3),
            ("日本", 4),
            ("e\u{301}", 1),
            ("🦀", 2),
            ("👩‍👩‍👧", 2),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 0), "");
    }

    #[test]
    fn rows_break_between_words_and_long_words_break_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語です", 4), ["日本", "語で", "す"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
    }

    #[test]
    fn no_row_is_wider_than_asked_and_no_letter_is_lost() {
        let text = "A wide 世界, an e\u{301}, a 🦀 and averyveryverylongwordindeed to end with.";
        for columns in 2..60 {
            let rows = wrap(text, columns);
            assert!(rows.iter().all(|row| width(row) <= columns), "{columns}");
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&rows.concat()), letters(text), "{columns}");
        }
    }
}
