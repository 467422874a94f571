//! The terminal while a chat is on it: taken over, painted, and given back whatever happens.

use std::io::{self, Stdout, Write};
use std::panic;
use std::thread;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, read};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

use super::layout::{Row, Screen, Size, Style};

/// A terminal in raw mode with a screen of its own. Dropping it gives the terminal back, which a
/// signal leads to as well; a panic does the same before it prints its message.
#[derive(Debug)]
pub(crate) struct Terminal {
    out: Stdout,
    /// What the terminal shows, so that only rows that differ are painted.
    shown: Vec<Row>,
}

impl Terminal {
    pub(crate) fn take_over() -> io::Result<Self> {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            default(panic);
        }));
        enable_raw_mode()?;
        // From here on the terminal is given back by `drop`.
        let mut terminal = Self {
            out: io::stdout(),
            shown: Vec::new(),
        };
        execute!(terminal.out, EnterAlternateScreen, EnableBracketedPaste)?;
        Ok(terminal)
    }

    pub(crate) fn size() -> io::Result<Size> {
        let (columns, rows) = size()?;
        // Some terminals say 0 while they start.
        Ok(Size {
            columns: usize::from(columns).max(1),
            rows: usize::from(rows).max(1),
        })
    }

    /// Paints everything anew next time: the terminal was resized, and what it shows is unknown.
    pub(crate) fn forget(&mut self) {
        self.shown.clear();
    }

    /// Shows the screen, in one write.
    pub(crate) fn show(&mut self, screen: Screen) -> io::Result<()> {
        let mut bytes = Vec::new();
        queue!(bytes, BeginSynchronizedUpdate, Hide)?;
        if self.shown.len() != screen.rows.len() {
            self.shown.clear();
            queue!(bytes, Clear(ClearType::All))?;
        }
        for (index, row) in screen.rows.iter().enumerate() {
            if self.shown.get(index) != Some(row) {
                paint(&mut bytes, coordinate(index), row)?;
            }
        }
        let last = coordinate(screen.rows.len().saturating_sub(1));
        queue!(bytes, MoveTo(coordinate(screen.cursor_column), last), Show)?;
        queue!(bytes, EndSynchronizedUpdate)?;
        self.shown = screen.rows;
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Keys, pastes and resizes, read on a thread of its own because reading them blocks. The thread
/// ends with the process.
pub(crate) fn input() -> io::Result<mpsc::UnboundedReceiver<Event>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let forward = move || {
        while let Ok(event) = read() {
            if sender.send(event).is_err() {
                break;
            }
        }
    };
    thread::Builder::new()
        .name("martlet-keys".to_owned())
        .spawn(forward)?;
    Ok(receiver)
}

fn paint(bytes: &mut Vec<u8>, index: u16, row: &Row) -> io::Result<()> {
    // Cleared first: clearing behind a full row would take its last character away.
    queue!(bytes, MoveTo(0, index), Clear(ClearType::CurrentLine))?;
    for span in row {
        match span.style {
            Style::Plain => {}
            Style::Header => queue!(bytes, SetAttribute(Attribute::Reverse))?,
            Style::Faint => queue!(bytes, SetForegroundColor(Color::DarkGrey))?,
            Style::Me => queue!(bytes, SetForegroundColor(Color::Green))?,
            Style::Peer => queue!(bytes, SetForegroundColor(Color::Yellow))?,
            Style::Read => queue!(bytes, SetForegroundColor(Color::Cyan))?,
            Style::Bad => queue!(bytes, SetForegroundColor(Color::Red))?,
        }
        queue!(
            bytes,
            Print(&span.text),
            SetAttribute(Attribute::Reset),
            ResetColor
        )?;
    }
    Ok(())
}

fn coordinate(cells: usize) -> u16 {
    u16::try_from(cells).unwrap_or(u16::MAX)
}

/// Safe to do twice. Failing halfway is no reason to stop: the terminal may be gone.
fn give_back() {
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        ResetColor,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}
