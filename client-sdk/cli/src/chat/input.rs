//! The line being typed, and what each key does to it.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::text;

/// The sign that stands for a pasted line break, which is sent as one.
const LINE_BREAK: char = '⏎';

/// What the person wants beside editing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing but to see the change.
    Edit,
    /// Send this.
    Submit(String),
    /// Leave.
    Quit,
    /// Show the page before this one,
    PageUp,
    /// or the one after.
    PageDown,
}

/// One line of text with a cursor. Invariant: `cursor` is the byte offset of a character a person
/// would call one, or the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Editor {
    text: String,
    cursor: usize,
}

impl Editor {
    /// Does what the key says.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Edit;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        match key.code {
            KeyCode::Enter => return self.submit(),
            KeyCode::PageUp => return Action::PageUp,
            KeyCode::PageDown => return Action::PageDown,
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace => self.remove_before(self.before()),
            KeyCode::Delete => self.remove_after(),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
        Action::Edit
    }

    /// Inserts text from the clipboard, line breaks included.
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the line is an order, and no message.
    pub(crate) fn is_order(&self) -> bool {
        self.text.starts_with('/')
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        let pasted = pasted.replace("\r\n", "\n").replace('\r', "\n");
        self.insert(&text::harmless(&pasted));
    }

    /// The part that fits into `columns`, and the cursor's column in it.
    pub(crate) fn view(&self, columns: usize) -> (String, usize) {
        let shown = |text: &str| {
            text.replace('\n', &LINE_BREAK.to_string())
                .replace('\t', " ")
        };
        let (before, after) = self.text.split_at(self.cursor);
        let (mut before, after) = (shown(before), shown(after));
        // The cursor needs a column of its own at the end.
        let room = columns.saturating_sub(1);
        while text::width(&before) > room {
            let first = before.graphemes(true).next().map_or(1, str::len);
            before.drain(..first);
        }
        let column = text::width(&before);
        let mut used = column;
        let fits = |grapheme: &&str| {
            used += text::width(grapheme);
            used <= room
        };
        let after: String = after.graphemes(true).take_while(fits).collect();
        (before + &after, column)
    }

    fn control(&mut self, code: KeyCode) -> Action {
        match code {
            KeyCode::Char('c') => return Action::Quit,
            KeyCode::Char('d') if self.text.is_empty() => return Action::Quit,
            KeyCode::Char('d') => self.remove_after(),
            KeyCode::Char('a') => self.cursor = 0,
            KeyCode::Char('e') => self.cursor = self.text.len(),
            KeyCode::Char('b') => self.cursor = self.before(),
            KeyCode::Char('f') => self.cursor = self.after(),
            KeyCode::Char('h') => self.remove_before(self.before()),
            KeyCode::Char('u') => self.remove_before(0),
            KeyCode::Char('k') => self.text.truncate(self.cursor),
            KeyCode::Char('w') => self.remove_before(self.word_before()),
            KeyCode::Left => self.cursor = self.word_before(),
            KeyCode::Right => self.cursor = self.word_after(),
            _ => {}
        }
        Action::Edit
    }

    fn submit(&mut self) -> Action {
        self.cursor = 0;
        let text = std::mem::take(&mut self.text);
        match text.trim() {
            "" => Action::Edit,
            "/quit" => Action::Quit,
            _ => Action::Submit(text),
        }
    }

    fn insert(&mut self, inserted: &str) {
        self.text.insert_str(self.cursor, inserted);
        self.cursor += inserted.len();
        // An accent joins the letter before it, and the cursor may not stay between them.
        let mut ends = self
            .text
            .grapheme_indices(true)
            .map(|(at, _)| at)
            .chain([self.text.len()]);
        let cursor = ends.find(|end| *end >= self.cursor);
        self.cursor = cursor.unwrap_or(self.text.len());
    }

    fn remove_before(&mut self, from: usize) {
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    fn remove_after(&mut self) {
        self.text.replace_range(self.cursor..self.after(), "");
    }

    /// Where the character before the cursor begins.
    fn before(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        before
            .grapheme_indices(true)
            .next_back()
            .map_or(0, |(at, _)| at)
    }

    /// Where the character under the cursor ends.
    fn after(&self) -> usize {
        let after = self.text.get(self.cursor..).unwrap_or_default();
        self.cursor + after.graphemes(true).next().map_or(0, str::len)
    }

    /// Where the word before the cursor begins.
    fn word_before(&self) -> usize {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        before
            .unicode_word_indices()
            .next_back()
            .map_or(0, |(at, _)| at)
    }

    /// Where the word after the cursor ends.
    fn word_after(&self) -> usize {
        let after = self.text.get(self.cursor..).unwrap_or_default();
        let word = after.unicode_word_indices().next();
        word.map_or(self.text.len(), |(at, word)| self.cursor + at + word.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, code: KeyCode) -> Action {
        editor.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn control(editor: &mut Editor, c: char) -> Action {
        editor.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
    }

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::default();
        for c in text.chars() {
            press(&mut editor, KeyCode::Char(c));
        }
        editor
    }

    #[test]
    fn enter_sends_what_was_typed_and_empties_the_line() {
        let mut editor = typed("hé 日本");
        assert_eq!(
            press(&mut editor, KeyCode::Enter),
            Action::Submit("hé 日本".to_owned())
        );
        assert_eq!(editor, Editor::default());
        assert_eq!(press(&mut typed("  "), KeyCode::Enter), Action::Edit);
    }

    #[test]
    fn there_are_three_ways_to_leave() {
        assert_eq!(press(&mut typed("/quit"), KeyCode::Enter), Action::Quit);
        assert_eq!(control(&mut typed("half a thought"), 'c'), Action::Quit);
        assert_eq!(control(&mut Editor::default(), 'd'), Action::Quit);
        let mut editor = typed("ab");
        press(&mut editor, KeyCode::Home);
        assert_eq!(control(&mut editor, 'd'), Action::Edit);
        assert_eq!(editor.text, "b");
    }

    #[test]
    fn one_backspace_removes_what_looks_like_one_character() {
        let mut editor = typed("ae\u{301}👩‍👩‍👧");
        press(&mut editor, KeyCode::Backspace);
        assert_eq!(editor.text, "ae\u{301}");
        press(&mut editor, KeyCode::Backspace);
        assert_eq!(editor.text, "a");
        press(&mut editor, KeyCode::Left);
        press(&mut editor, KeyCode::Backspace);
        assert_eq!(editor.text, "a");
    }

    #[test]
    fn words_and_line_ends_can_be_reached_and_removed() {
        let mut editor = typed("one two three");
        control(&mut editor, 'w');
        assert_eq!(editor.text, "one two ");
        control(&mut editor, 'a');
        press(&mut editor, KeyCode::Delete);
        assert_eq!(editor.text, "ne two ");
        press(&mut editor, KeyCode::Right);
        control(&mut editor, 'k');
        assert_eq!(editor.text, "n");
        control(&mut editor, 'u');
        assert_eq!(editor.text, "");
    }

    #[test]
    fn pasted_lines_stay_one_message_and_look_like_one_line() {
        let mut editor = Editor::default();
        editor.paste("one\r\ntwo\x1b[31m");
        assert_eq!(editor.view(40).0, "one⏎two\u{fffd}[31m");
        let sent = press(&mut editor, KeyCode::Enter);
        assert_eq!(sent, Action::Submit("one\ntwo\u{fffd}[31m".to_owned()));
    }

    #[test]
    fn the_cursor_is_always_in_view() {
        let mut editor = typed("日本語のとても長い文");
        let (shown, column) = editor.view(9);
        assert_eq!(
            (shown.as_str(), column),
            ("とても長い文".get(6..).unwrap(), 8)
        );
        press(&mut editor, KeyCode::Home);
        let (shown, column) = editor.view(9);
        assert_eq!((shown.as_str(), column), ("日本語の", 0));
    }
}
