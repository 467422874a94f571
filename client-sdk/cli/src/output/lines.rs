//! The writer of lines: each is one write, in the format of whoever reads them.

use std::io::{self, Stdout, Write};

use martlet_client::{
    Client, Device, Event, Group, GroupReceipts, GroupUpdate, Identity, Message, MessageId,
    MessageState, Millis, Presence, Related, SafetyNumber, Settings,
};

use super::groups::{self, GroupNames};
use super::plain::{Reader, Zone};
use super::{json, people, plain};

/// Whom the lines are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Programs.
    Json,
    /// People.
    Plain,
}

impl Format {
    pub(crate) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Plain }
    }
}

/// Lines to one writer. Each is written whole and flushed, so that a reader never sees half of one
/// and never waits for one.
#[derive(Debug)]
pub(crate) struct Output<W> {
    out: W,
    format: Format,
    reader: Reader,
}

impl Output<Stdout> {
    /// To standard output, on behalf of this account.
    pub(crate) fn stdout(format: Format, identity: &Identity) -> Self {
        Self {
            out: io::stdout(),
            format,
            reader: Reader {
                me: identity.handle.clone(),
                zone: Zone::system(),
                groups: GroupNames::default(),
            },
        }
    }
}

impl<W: Write> Output<W> {
    /// Learns what the groups of this account are called now.
    pub(crate) async fn learn_groups(&mut self, client: &Client) -> anyhow::Result<()> {
        self.reader.groups = GroupNames::of_all(&client.groups().await?);
        Ok(())
    }

    /// Prints what happened; events that concern only the connection print nothing.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        let line = match self.format {
            Format::Json => json::event(event, &self.reader.me),
            Format::Plain => plain::event(event, &self.reader),
        };
        line.map_or(Ok(()), |line| self.line(line))
    }

    /// Prints one state that an own message reached.
    pub(crate) fn state(
        &mut self,
        id: MessageId,
        state: MessageState,
        at: Millis,
    ) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => json::state(id, state, at),
            Format::Plain => format!("{id} {state}"),
        })
    }

    /// Prints one message of a conversation; for people, if they want, with its short id.
    pub(crate) fn history(&mut self, message: &Message, ids: bool) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => json::history(message, &self.reader.me),
            Format::Plain => plain::history(message, &self.reader, ids),
        })
    }

    /// Prints where one message stands.
    pub(crate) fn status(&mut self, message: &Message) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => json::state(message.id, message.state, message.changed_at),
            Format::Plain => plain::status(message, &self.reader),
        })
    }

    /// Prints a group in one line.
    pub(crate) fn listed_group(&mut self, group: &Group) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => groups::whole_json(group),
            Format::Plain => groups::listed(group),
        })
    }

    /// Prints a group and who is in it.
    pub(crate) fn group(&mut self, group: &Group) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => groups::whole_json(group),
            Format::Plain => groups::whole(group),
        })
    }

    /// Prints who has changed what of a group.
    pub(crate) fn group_update(&mut self, update: &GroupUpdate) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => groups::update_json(update),
            Format::Plain => groups::dated_update(update, &self.reader),
        })
    }

    /// Prints how far a message to a group is at its members.
    pub(crate) fn group_receipts(&mut self, receipts: &GroupReceipts) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => groups::receipts_json(receipts),
            Format::Plain => groups::receipts(receipts),
        })
    }

    /// Prints whether somebody is there.
    pub(crate) fn presence(
        &mut self,
        peer: &str,
        state: Presence,
        last_seen: Option<Millis>,
    ) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => people::presence_json(peer, state, last_seen),
            Format::Plain => people::presence(state, last_seen, &self.reader.zone),
        })
    }

    /// Prints a contact, or somebody who is blocked.
    pub(crate) fn related(&mut self, related: &Related) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => people::related_json(related),
            Format::Plain => people::related(related),
        })
    }

    /// Prints what this account lets others know.
    pub(crate) fn settings(&mut self, settings: &Settings) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => people::settings_json(settings),
            Format::Plain => people::settings(settings),
        })
    }

    /// Prints one device of this account.
    pub(crate) fn device(&mut self, device: &Device) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => json::device(device),
            Format::Plain => plain::device(device),
        })
    }

    /// Prints the number that both sides of a conversation see.
    pub(crate) fn safety_number(
        &mut self,
        peer: &str,
        number: &SafetyNumber,
        verified: bool,
    ) -> io::Result<()> {
        self.line(match self.format {
            Format::Json => json::safety_number(peer, number, verified),
            Format::Plain => plain::safety_number(number),
        })
    }

    /// Prints a state that an own message reached, naming it by its text: for people only.
    pub(crate) fn step(
        &mut self,
        text: &str,
        state: MessageState,
        refusal: Option<&str>,
    ) -> io::Result<()> {
        self.line(plain::step(text, state, refusal))
    }

    fn line(&mut self, mut line: String) -> io::Result<()> {
        line.push('\n');
        write_whole(&mut self.out, &line)
    }
}

/// The reason alone would not say which of this process's files is meant.
fn write_whole(out: &mut impl Write, line: &str) -> io::Result<()> {
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| io::Error::new(error.kind(), format!("standard output: {error}")))
}

/// Tells a person that this home has an account now.
pub(crate) fn registered(identity: &Identity) -> io::Result<()> {
    let Identity {
        server,
        handle,
        user,
        device,
    } = identity;
    print(&format!(
        "registered {handle} at {server} (user {user}, device {device})"
    ))
}

/// Prints one line, or some that belong together, for people.
pub(crate) fn print(line: &str) -> io::Result<()> {
    write_whole(&mut io::stdout(), &format!("{line}\n"))
}

/// Whether the command failed only because nobody reads its output any more.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_client::{GapReason, Position};

    /// Remembers each write, and whether it was flushed.
    #[derive(Default)]
    struct Recorder {
        writes: Vec<String>,
        flushed: usize,
    }

    impl Write for Recorder {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushed = self.writes.len();
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_at_once_and_whole() {
        let (out, zone) = (Recorder::default(), Zone::utc());
        let mut output = Output {
            out,
            format: Format::Json,
            reader: Reader {
                me: "alice".to_owned(),
                zone,
                groups: GroupNames::default(),
            },
        };
        let event = Event::Gap {
            from: Position(3),
            to: Position(5),
            reason: GapReason::Expired,
        };
        output.event(&event).unwrap();
        output
            .state(MessageId([1; 16]), MessageState::Sent, Millis(7))
            .unwrap();
        assert_eq!(output.out.writes.len(), 2);
        assert_eq!(output.out.flushed, 2);
        assert!(output.out.writes.iter().all(|line| line.ends_with("}\n")));
    }

    #[test]
    fn a_closed_pipe_is_told_from_a_full_disk() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&closed.into()));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(!is_closed_pipe(&full.into()));
    }
}
