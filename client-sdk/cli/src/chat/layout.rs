//! From the model to rows of styled text: pure, so that tests can look at it.
//!
//! ```text
//!   bob · encrypted, verified               typing…   header
//!                     2026-11-24                      a new day
//!  12:01 bob  Are you there?
//!  12:02 you  Yes ✓✓ read
//!  ──────────────────────────────────────────────
//!  > what is being typed
//! ```

use martlet_client::{Direction, MessageState};

use super::model::{Entry, Link, Model, Said};
use crate::output::{Zone, is_group, reactions};
use crate::{ids, text};

/// The size of a terminal in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Header,
    Faint,
    Me,
    Peer,
    /// The ticks of a message that was read.
    Read,
    Bad,
}

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// One row of the screen, from the left.
pub(crate) type Row = Vec<Span>;

/// All rows, and where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) rows: Vec<Row>,
    pub(crate) cursor_column: usize,
}

/// The prompt before the typed line.
const PROMPT: &str = "> ";
/// The longest name beside a message, in columns.
const NAME_COLUMNS_MAX: usize = 16;
/// What own lines keep free for the longest ticks, so that these change in place.
const TICKS_COLUMNS: usize = 8;
/// Below this width, messages stand under their time and name.
const NARROW_COLUMNS: usize = 36;

/// Lays out the model. Scrolling past the oldest row is corrected in `model`.
pub(crate) fn render(model: &mut Model, size: Size, zone: &Zone) -> Screen {
    // A tiny terminal shows the typed line only, and then the newest rows.
    let header = usize::from(size.rows >= 4);
    let rule = usize::from(size.rows >= 3);
    let body_rows = size.rows.saturating_sub(header + rule + 1);
    let (mut body, above) = body(model, body_rows, size.columns, zone);
    body.resize(body_rows, Row::new());

    let mut rows = Vec::with_capacity(size.rows);
    if header > 0 {
        rows.push(header_row(model, size.columns, zone));
    }
    rows.append(&mut body);
    if rule > 0 {
        rows.push(rule_row(model.scrolled_rows, above, size.columns));
    }
    let room = size.columns.saturating_sub(PROMPT.len());
    let (typed, column) = model.editor.view(room);
    rows.push(vec![span(PROMPT, Style::Faint), span(typed, Style::Plain)]);
    Screen {
        rows,
        cursor_column: PROMPT.len() + column,
    }
}

/// The rows of the conversation that are in view, and whether there are some above them.
fn body(model: &mut Model, rows_max: usize, columns: usize, zone: &Zone) -> (Vec<Row>, bool) {
    // From the newest upwards: the length of a conversation does not matter.
    let wanted = rows_max + model.scrolled_rows + 1;
    let mut rows = Vec::new();
    for index in (0..model.entries.len()).rev() {
        if rows.len() >= wanted {
            break;
        }
        let mut entry = entry_rows(model, index, columns, zone);
        entry.reverse();
        rows.append(&mut entry);
    }
    model.scrolled_rows = model.scrolled_rows.min(rows.len().saturating_sub(rows_max));
    let above = rows.len() > rows_max + model.scrolled_rows;
    let mut shown: Vec<Row> = rows
        .into_iter()
        .skip(model.scrolled_rows)
        .take(rows_max)
        .collect();
    shown.reverse();
    (shown, above)
}

fn entry_rows(model: &Model, index: usize, columns: usize, zone: &Zone) -> Vec<Row> {
    let said = match model.entries.get(index) {
        Some(Entry::Said(said)) => said,
        Some(Entry::Notice(line)) => return notice_rows("* ", line, columns, Style::Faint),
        Some(Entry::Warning(line)) => return notice_rows("! ", line, columns, Style::Bad),
        None => return Vec::new(),
    };
    let mut rows = Vec::new();
    let day = zone.day(said.at);
    let earlier = model.entries.get(..index).unwrap_or_default().iter().rev();
    let mut previous = earlier.filter_map(|entry| match entry {
        Entry::Said(said) => Some(zone.day(said.at)),
        Entry::Notice(_) | Entry::Warning(_) => None,
    });
    if previous.next().as_ref() != Some(&day) {
        let indent = " ".repeat(columns.saturating_sub(day.len()) / 2);
        rows.push(vec![span(indent + &text::cut(&day, columns), Style::Faint)]);
    }
    rows.append(&mut said_rows(
        said,
        (name_columns(model), model.shows_ids),
        columns,
        zone,
    ));
    rows
}

fn notice_rows(sign: &str, line: &str, columns: usize, style: Style) -> Vec<Row> {
    let line = format!("{sign}{}", text::one_line(line));
    let rows = text::wrap(&line, columns).into_iter();
    rows.map(|row| vec![span(row, style)]).collect()
}

/// How wide the names beside messages are: in a group as its longest one here.
fn name_columns(model: &Model) -> usize {
    let authors = model.entries.iter().filter_map(|entry| match entry {
        Entry::Said(said) if said.direction == Direction::Incoming => Some(said.author.as_str()),
        _ => None,
    });
    let peer = (!is_group(&model.peer)).then_some(model.peer.as_str());
    let widths = authors.chain(peer).map(text::width);
    widths
        .max()
        .unwrap_or(0)
        .clamp("you".len(), NAME_COLUMNS_MAX)
}

fn said_rows(
    said: &Said,
    (name_columns, shows_id): (usize, bool),
    columns: usize,
    zone: &Zone,
) -> Vec<Row> {
    let author = text::cut(&said.author, NAME_COLUMNS_MAX);
    let (name, style) = match said.direction {
        Direction::Incoming => (author.as_str(), Style::Peer),
        Direction::Outgoing => ("you", Style::Me),
    };
    let time = format!("{} ", zone.minute(said.at));
    let narrow = columns < NARROW_COLUMNS;
    let gutter = if narrow {
        1
    } else {
        time.len() + name_columns + 2
    };
    let padding = gutter.saturating_sub(time.len() + text::width(name));

    let room = columns
        .saturating_sub(gutter + TICKS_COLUMNS)
        .max(TICKS_COLUMNS);
    let lines = text::wrap(&text::harmless(&said.text), room);
    let last = lines.len() - 1;
    let mut rows = Vec::with_capacity(lines.len() + 3);
    let mut lead = vec![span(time, Style::Faint), span(name, style)];
    if narrow {
        rows.push(std::mem::take(&mut lead));
    } else {
        lead.push(span(" ".repeat(padding), Style::Plain));
    }
    if let Some(quote) = &said.quote {
        let mut row = std::mem::take(&mut lead);
        if row.is_empty() {
            row.push(span(" ".repeat(gutter), Style::Plain));
        }
        let quote = text::cut(&text::one_line(quote), room.saturating_sub(2));
        row.push(span(format!("> {quote}"), Style::Faint));
        rows.push(row);
    }
    for (index, line) in lines.into_iter().enumerate() {
        let mut row = std::mem::take(&mut lead);
        if row.is_empty() {
            row.push(span(" ".repeat(gutter), Style::Plain));
        }
        row.push(span(line, Style::Plain));
        if index == last && said.direction == Direction::Outgoing {
            row.extend(ticks(said.state));
        }
        rows.push(row);
    }
    if let Some(marks) = marks(said, shows_id) {
        let marks = text::cut(&marks, columns.saturating_sub(gutter));
        rows.push(vec![
            span(" ".repeat(gutter), Style::Plain),
            span(marks, Style::Faint),
        ]);
    }
    if let Some(reason) = failure(said) {
        for line in text::wrap(&reason, columns.saturating_sub(gutter).max(1)) {
            rows.push(vec![
                span(" ".repeat(gutter), Style::Plain),
                span(line, Style::Bad),
            ]);
        }
    }
    rows
}

/// What there is to know of a message beside what it says.
fn marks(said: &Said, shows_id: bool) -> Option<String> {
    let mut marks = Vec::new();
    if shows_id {
        marks.push(ids::short(said.id));
    }
    if said.edited {
        marks.push("edited".to_owned());
    }
    if !said.reactions.is_empty() {
        marks.push(text::one_line(&reactions(&said.reactions, "you")));
    }
    (!marks.is_empty()).then(|| marks.join(" · "))
}

/// Where an own message stands, as short as people know it.
fn ticks(state: MessageState) -> Option<Span> {
    match state {
        MessageState::Pending => Some(span(" …", Style::Faint)),
        MessageState::Sent => Some(span(" ✓", Style::Faint)),
        MessageState::Delivered => Some(span(" ✓✓", Style::Faint)),
        MessageState::Read => Some(span(" ✓✓ read", Style::Read)),
        _ => Some(span(" ✗", Style::Bad)),
    }
}

/// Why an own message will not be read.
fn failure(said: &Said) -> Option<String> {
    let why = match said.state {
        MessageState::Failed => {
            let refusal = said.refusal.as_deref().unwrap_or("the server refused it");
            return Some(format!("not sent: {refusal}"));
        }
        MessageState::Expired => "it expired before it was fetched",
        MessageState::Overflow => "the inbox there was full",
        MessageState::Held => "it could not be opened there",
        MessageState::DeviceGone => "the device there was removed",
        _ => return None,
    };
    Some(format!("not delivered: {why}"))
}

fn header_row(model: &Model, columns: usize, zone: &Zone) -> Row {
    let link = match &model.link {
        Link::Connecting => "connecting… ".to_owned(),
        // What the other side does is what a person looks for there.
        Link::Online => match model.activity(zone) {
            Some(activity) => format!("{} ", text::one_line(&activity)),
            None => "connected ".to_owned(),
        },
        Link::Offline {
            cause,
            retry_at: Some(at),
        } => {
            format!("offline, trying again at {}: {cause} ", zone.second(*at))
        }
        Link::Offline {
            cause,
            retry_at: None,
        } => format!("offline for good: {cause} "),
    };
    let mark = match model.verified {
        Some(true) => " · encrypted, verified",
        Some(false) => " · encrypted, not verified",
        None => " · encrypted",
    };
    let title = text::one_line(&model.title());
    let full = format!(" {title}{mark}");
    // Where there is no room for both, the connection is more important; `verified` stays.
    let short = match model.verified {
        Some(true) => format!(" {title} ✓"),
        _ => format!(" {title}"),
    };
    let fits = text::width(&full) + text::width(&link) + 2 <= columns;
    let peer = text::cut(if fits { &full } else { &short }, columns);
    let room = columns.saturating_sub(text::width(&peer) + 2);
    let link = text::cut(&text::one_line(&link), room);
    let between = columns.saturating_sub(text::width(&peer) + text::width(&link));
    vec![span(
        format!("{peer}{}{link}", " ".repeat(between)),
        Style::Header,
    )]
}

fn rule_row(below: usize, above: bool, columns: usize) -> Row {
    let hint = match (below, above) {
        (0, false) => String::new(),
        (0, true) => " PageUp for more ".to_owned(),
        (below, _) => format!(" {below} newer below: PageDown "),
    };
    let hint = text::cut(&hint, columns.saturating_sub(2));
    let rest = columns.saturating_sub(2 + text::width(&hint));
    vec![span(
        text::cut(&format!("──{hint}{}", "─".repeat(rest)), columns),
        Style::Faint,
    )]
}

fn span(text: impl Into<String>, style: Style) -> Span {
    Span {
        text: text.into(),
        style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::model::tests::message;
    use martlet_client::{Change, Event, MessageId, Millis, OfflineCause, Receipt};

    fn plain(row: &Row) -> String {
        row.iter().map(|span| span.text.as_str()).collect()
    }

    fn lines(model: &mut Model, columns: usize, rows: usize) -> Vec<String> {
        let screen = render(model, Size { columns, rows }, &Zone::utc());
        screen.rows.iter().map(plain).collect()
    }

    fn conversation() -> Model {
        let history = vec![
            message(1, Direction::Incoming, "Are you there?"),
            message(2, Direction::Outgoing, "Yes"),
        ];
        Model::new("alice".to_owned(), "bob".to_owned(), history)
    }

    #[test]
    fn the_screen_shows_who_said_what_when_and_where_own_lines_stand() {
        let mut model = conversation();
        model.apply(Event::Online {
            server: String::new(),
        });
        model.editor.paste("hm");
        assert_eq!(
            lines(&mut model, 44, 7),
            [
                " bob · encrypted                  connected ",
                "                 2026-09-21",
                "14:14 bob  Are you there?",
                "14:15 you  Yes ✓✓",
                "",
                "────────────────────────────────────────────",
                "> hm",
            ]
        );
    }

    #[test]
    fn quotes_edits_reactions_and_ids_stand_with_their_message() {
        let mut model = conversation();
        let one = MessageId([1; 16]);
        let text = "Are you here?".to_owned();
        model.changed(one, Change::Edited { text });
        model.reacted(one, "👍".to_owned());
        let (text, quote) = ("Of course".to_owned(), Some("Are you\nthere?".to_owned()));
        let at = Millis(1_790_000_240_000);
        model.sent(MessageId([3; 16]), (text, quote), at);
        model.shows_ids = true;
        assert_eq!(
            lines(&mut model, 44, 11)[2..9],
            [
                "14:14 bob  Are you here?",
                "           010101 · edited · 👍 you",
                "14:15 you  Yes ✓✓",
                "           020202",
                "14:17 you  > Are you there?",
                "           Of course …",
                "           030303",
            ]
        );
    }

    #[test]
    fn a_read_receipt_changes_the_ticks_and_nothing_else() {
        let mut model = conversation();
        let before = lines(&mut model, 60, 8);
        let (id, by) = (MessageId([2; 16]), "bob".to_owned());
        let receipt = Receipt {
            id,
            state: MessageState::Read,
            by,
            at: Millis(0),
        };
        model.apply(Event::Receipt(receipt));
        let after = lines(&mut model, 60, 8);
        let changed = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after);
        let changed: Vec<_> = changed.map(|(_, after)| after.as_str()).collect();
        assert_eq!(changed, ["14:15 you  Yes ✓✓ read"]);
    }

    #[test]
    fn nothing_is_ever_wider_or_higher_than_the_terminal() {
        let mut model = conversation();
        let id = MessageId([9; 16]);
        model.sent(
            id,
            (
                "日本語 🦀 and a verylongwordwithoutanyspaces".to_owned(),
                None,
            ),
            Millis(0),
        );
        model.notice("carol wrote: something that is rather long".to_owned());
        model.apply(Event::Offline {
            cause: OfflineCause::Lost,
            retry_at: Some(Millis(1)),
        });
        model
            .editor
            .paste("typing 日本語 at length, more than fits on one row");
        for columns in 20..100 {
            for rows in 1..12 {
                let screen = lines(&mut model, columns, rows);
                assert_eq!(screen.len(), rows);
                for line in screen {
                    assert!(text::width(&line) <= columns, "{columns}x{rows}: {line}");
                }
            }
        }
    }

    #[test]
    fn paging_up_ends_at_the_oldest_row_and_says_what_is_below() {
        let history = (1..=20).map(|n| message(n, Direction::Incoming, &format!("m{n}")));
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), history.collect());
        let bottom = lines(&mut model, 40, 9);
        assert!(
            bottom[6].ends_with("m20") && bottom[7].contains("PageUp"),
            "{bottom:?}"
        );
        model.scrolled_rows = 1000;
        let top = lines(&mut model, 40, 9);
        assert!(
            top[1].contains("2026-09-21") && top[2].ends_with("m1"),
            "{top:?}"
        );
        assert!(top[7].contains("15 newer below"), "{top:?}");
        assert_eq!(model.scrolled_rows, 15);
    }

    #[test]
    fn the_title_says_whether_the_other_side_was_verified() {
        let mut model = conversation();
        model.link = Link::Online;
        for (verified, columns, title) in [
            (Some(true), 40, " bob · encrypted, verified    connected "),
            (
                Some(false),
                42,
                " bob · encrypted, not verified  connected ",
            ),
            (Some(true), 20, " bob ✓    connected "),
            (Some(false), 20, " bob      connected "),
        ] {
            model.verified = verified;
            assert_eq!(lines(&mut model, columns, 5)[0], title);
        }
    }

    #[test]
    fn a_warning_cannot_pose_as_a_row_of_its_own() {
        let mut model = conversation();
        model.entries.push(Entry::Warning("one\ntwo".to_owned()));
        let screen = lines(&mut model, 40, 8);
        assert!(screen.contains(&"! one two".to_owned()), "{screen:?}");
    }

    #[test]
    fn a_message_cannot_pose_as_a_row_of_its_own() {
        let text = "hi\n14:16 you  I owe you ✓✓ read";
        let history = vec![message(1, Direction::Incoming, text)];
        let mut model = Model::new("alice".to_owned(), "bob".to_owned(), history);
        let screen = lines(&mut model, 60, 6);
        assert_eq!(screen[3], "           14:16 you  I owe you ✓✓ read");
    }
}
