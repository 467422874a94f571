//! The command line: what may be asked for, and the help that says so.

mod change;
mod group;
mod people;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use martlet_client::crypto::identity::is_device_name;
use martlet_client::{MessageId, MessageState};

pub(crate) use change::{Delete, Edit, React, Timer, Until, life};
pub(crate) use group::{
    Answer, Create, Group, GroupCommand, Info, Leave, ListGroups, Members, RenameGroup, SetRights,
    SetRole,
};
pub(crate) use people::{
    Accept, Block, Contacts, Patience, PresenceOf, SettingsOf, Switch, Unblock,
};

const EXAMPLES: &str = "\
Two people on one machine, with `martletd serve --dev` running:
  martlet --home /tmp/alice register --server 127.0.0.1:7400 --name alice
  martlet --home /tmp/bob register --server 127.0.0.1:7400 --name bob
  martlet --home /tmp/alice send bob 'Are you there?'
  martlet --home /tmp/bob chat alice
  martlet --home /tmp/alice history bob --ids     each message with the end of its id
  martlet --home /tmp/alice edit bob ID 'Are you here?'
  martlet --home /tmp/alice timer bob 1day        messages disappear from now on
  martlet --home /tmp/alice group create us bob   a group; it is '#us' where a NAME is wanted

A second device for alice, and a look at whether nobody is in between:
  martlet --home /tmp/alice link                  shows a code
  martlet --home /tmp/laptop link CODE --name laptop
  martlet --home /tmp/alice safety-number bob     the same digits on both sides

JSON (--json) is one object a line. `at` is in milliseconds since the Unix epoch, UTC.
Exit status: 0 done, 1 failed (one line on standard error says why), 2 wrong usage,
128 + the signal's number when a signal ended it early.";

const LISTEN_JSON: &str = r#"Lines of --json; `at` is in milliseconds since the Unix epoch:
  {"event":"message","id","from","text","at"}   with "to" when another device of yours sent it, and
                                                what else there is to it, see below
  {"event":"changed","id","peer","change"}      a message is not what it was; change: edited or
                                                restored (you could not delete it), both with
                                                "text"; reactions; deleted; expired: it is gone
  {"event":"receipt","id","state","by","at"}    state: sent, delivered, read, expired, overflow,
                                                held or device_gone
  {"event":"failed","id","to","code"}           the server will never take this message
  {"event":"gap","from","to","reason"}          these stream positions are missing for good
  {"event":"seen","peer","up_to"}               another device of yours has read the conversation
  {"event":"typing","peer","by","kind"}         kind: typing, recording or stopped
  {"event":"relation","peer","relation"}        another device of yours made somebody a contact,
                                                blocked or stranger
  {"event":"settings","presence",               another device of yours has changed these settings
   "read_receipts","strangers"}
  {"event":"group","group","by","at","changes"} somebody has changed a group; of each change "step":
                                                added, removed or role, with "name" and "role";
                                                rights; name, with "text"; joined, when this home
                                                knows the group from here on; gone, when the server
                                                says that you are not in it any more
  {"event":"group_refused","group","code"}      a change of yours will not be made
  {"event":"group_gap","group","from","to",     these entries of a group are missing for good
   "reason"}
  {"event":"security","kind","peer"}            something about keys, see below; with "device" when
                                                one device is meant; peer: a name, perhaps your own
  {"event":"caught_up","position","trimmed"}    all that waited at the server has been printed

A message of a stranger who asks to be heard has "request" true (`settings --strangers`).
A message to a group has "group", its name among peers, which is also the "peer" of what happens to
it and the "by" of a receipt when all members have come so far.

A message may also have: "reply_to" {"id","by","text"}, what it answers, as its author saw it;
"edited" true; "reactions" [{"by","emoji"}]; "expires_at", when it disappears; "timer_s", so long do
messages stay from here on, 0 for ever; "contact" {"user","handle","name"}; "location" {"latitude",
"longitude","accuracy_m","label"}, in degrees; "deleted" true. Those of `history` have the same.

Kinds of security lines; as text they begin with `!` and say what to do:
  identity_changed           the account has another key: its owner began anew, or somebody is
                             in between
  verified_identity_changed  the same, and the old key was verified: nothing is sent until `verify`
  devices_changed            the account's owner has added or removed devices
  list_forked                the server shows different people different devices
  list_rolled_back           the server offers an older device list than one that exists
  list_invalid, key_invalid  the server gave devices, or a key, that the account did not sign
  last_resort_key            a session began with a key that others may have used as well
  undecryptable              a message could not be opened; it is asked for again
  replayed, reordered        a message came twice, or behind a later one
  missing                    a message was withheld, or lost at the server
  chain_broken               a message does not follow the one before it
  context_mismatch           a message was delivered as another one than it is; it is not shown
  group_forked               the server shows different people different groups; these four have
                             "group"
  group_rolled_back          the server offers an older state of a group than one that exists
  group_record_invalid       the server gave a change of a group that nobody may have made
  group_members_invalid      the server names members of a group whom nobody has added

Each line is printed once. If the process is killed at the wrong moment a message may not be
printed; `history` has it. SIGINT, SIGTERM and SIGHUP end it cleanly, with status 0."#;

const CHAT_KEYS: &str = "\
Enter sends. Ticks behind your lines: … waits here, ✓ the server has it, ✓✓ delivered,
✓✓ read. PageUp and PageDown scroll. /quit, Ctrl-C or Ctrl-D leave.

/ids                shows the end of each message's id, or hides it; ID below is that, or more of it
/reply ID TEXT      answers a message
/react ID EMOJI     puts an emoji to one; off takes it back
/edit ID TEXT       gives a message of yours another text
/delete ID          deletes one of yours, on all devices of both sides
/timer 1h           lets messages disappear an hour after they were read; /timer off lets them stay

When standard input or output is not a terminal, each line of standard input is sent and what
happens is printed line by line; it ends when the input has ended and the server has every line.";

/// Durable messages between people, from a terminal.
///
/// Messages are encrypted from device to device; the server cannot read them. Everything lives in
/// one directory, the home: the device's keys, the history, and what has not been sent yet. One
/// process at a time uses a home.
#[derive(Debug, Parser)]
#[command(name = "martlet", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The directory with this person's key and messages [default: $MARTLET_HOME, or ~/.martlet]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// A file with the passphrase that opens the home; a new home is made with it [default: the
    /// key file `store.key` in the home]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Register(Register),
    Send(Send),
    React(React),
    Edit(Edit),
    Delete(Delete),
    Timer(Timer),
    Listen(Listen),
    History(HistoryOf),
    Group(Group),
    Presence(PresenceOf),
    Block(Block),
    Unblock(Unblock),
    Accept(Accept),
    Contacts(Contacts),
    Settings(SettingsOf),
    Status(Status),
    Chat(Chat),
    Devices(Devices),
    Link(Link),
    Revoke(Revoke),
    SafetyNumber(SafetyNumber),
    Verify(Verify),
}

/// Create an account and make this home its first device, which keeps the account's key.
///
/// It ends when others can write to the account.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// HOST:PORT (TLS unless the host is this machine), tls://HOST:PORT or tcp://HOST:PORT
    #[arg(long, value_name = "ADDR")]
    pub(crate) server: String,
    /// The name others write to: 1 to 64 lower-case letters, digits, or any of _ . - +
    #[arg(long)]
    pub(crate) name: String,
    /// What to call this device, at most 40 bytes; only the account's own devices can read it
    #[arg(long, value_name = "NAME", default_value = "first device", value_parser = device_name)]
    pub(crate) device_name: String,
    /// A file with the token that the server's operator gave out, if it asks for one
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// A PEM file: certificate authorities to trust instead of the system's, or the server's own
    /// certificate; remembered in the home
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Permit plain TCP to another machine: everybody on the way sees who writes to whom
    #[arg(long)]
    pub(crate) insecure_plaintext: bool,
}

/// Send one message and wait for its state.
///
/// The message is stored in the home first. When the server cannot be reached in time it stays
/// there and goes out with the next command that connects; the exit status is then 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// The recipient's name, or '#GROUP'
    pub(crate) name: String,
    /// What to say (after `--` if it begins with a dash)
    pub(crate) text: String,
    /// Answer this message: its id, or the last digits of it (`history --ids` shows six)
    #[arg(long, value_name = "ID")]
    pub(crate) reply_to: Option<String>,
    #[command(flatten)]
    pub(crate) until: Until,
    /// How long the server keeps it for an absent recipient, 1s to 30days [default: the server's]
    #[arg(long, value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(crate) ttl: Option<Duration>,
}

/// Print messages and receipts as they arrive, and mark the messages read.
#[derive(Debug, clap::Args)]
#[command(after_help = LISTEN_JSON)]
pub(crate) struct Listen {
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// End after this many messages, once the server knows that they are read; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) count: u64,
    /// End after this time, with status 0 [default: never]
    #[arg(long, value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Do not tell the senders that their messages were read
    #[arg(long)]
    pub(crate) no_read: bool,
}

/// Print a conversation, oldest message first. Works without the server.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryOf {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
    /// Print one JSON object a line: {"id","from","to","text","state","at"}, and what else there is
    /// to a message, as `listen --help` says
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the last six digits of its id before each message
    #[arg(long, conflicts_with = "json")]
    pub(crate) ids: bool,
}

/// Say where a message stands; one of your own is looked up at the server if it can be reached.
///
/// Of a message to a group also how many members have it, and at most 256 of them by name: as JSON
/// in a second object {"members","delivered","read","details":[{"name","state"}]}.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The message's id, as `send` and `history --json` print it
    #[arg(value_parser = message_id)]
    pub(crate) id: MessageId,
    /// Print one JSON object: {"id","state","at"}; `at` is when it reached the state
    #[arg(long)]
    pub(crate) json: bool,
}

/// Talk to one person, or in a group.
#[derive(Debug, clap::Args)]
#[command(after_help = CHAT_KEYS)]
pub(crate) struct Chat {
    /// The other side's name, or '#GROUP'
    pub(crate) name: String,
}

/// List the devices of this account, or rename one; the server is asked if it can be reached.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Devices {
    #[command(subcommand)]
    pub(crate) change: Option<DevicesChange>,
    /// Print one JSON object a line: {"device","name","this","account_key"}; `this` is true for
    /// this home, `account_key` for the device that can add, rename and remove devices
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `devices` does instead of listing them.
#[derive(Debug, Subcommand)]
pub(crate) enum DevicesChange {
    Rename(Rename),
}

/// Give a device another name. Only the account's first device can do it, for itself and others.
#[derive(Debug, clap::Args)]
pub(crate) struct Rename {
    /// Its number as `devices` shows it, or its name if no other device has that one
    #[arg(value_name = "ID")]
    pub(crate) device: String,
    /// What to call it, at most 40 bytes; only the account's own devices can read it
    #[arg(value_parser = device_name)]
    pub(crate) name: String,
}

/// Add a device to this account: without a code to show one, with a code to join.
///
/// On the account's first device, `link` shows a code as text and as a QR code, waits up to ten
/// minutes for the device that has it, asks whether that one may join, and adds it. When standard
/// output is not a terminal, its first line is the code alone.
///
/// On the new device, `link CODE --name NAME` makes this home, which must be a fresh one, a device
/// of the account. It waits for the answer there, and ends when others can write to the device.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("joining").args(["code", "code_file"]))]
pub(crate) struct Link {
    /// The code that the other device shows. Whoever sees it can ask to join, and everybody on
    /// this machine sees a command line: --code-file is more careful
    #[arg(requires = "name")]
    pub(crate) code: Option<String>,
    /// A file with that code; - for standard input
    #[arg(long, value_name = "FILE", requires = "name")]
    pub(crate) code_file: Option<PathBuf>,
    /// What to call this device, at most 40 bytes; only the account's own devices can read it
    #[arg(long, requires = "joining", value_parser = device_name)]
    pub(crate) name: Option<String>,
    /// With a code: as for `register`
    #[arg(long, value_name = "FILE", requires = "joining")]
    pub(crate) ca: Option<PathBuf>,
    /// With a code: as for `register`
    #[arg(long, requires = "joining")]
    pub(crate) insecure_plaintext: bool,
    /// Without a code: give the new device the last 1000 messages of each conversation; they come
    /// while it is connected, with `listen` for example
    #[arg(long, conflicts_with = "joining")]
    pub(crate) history: bool,
    /// Without a code: add the device that has the code without asking
    #[arg(long, conflicts_with = "joining")]
    pub(crate) yes: bool,
}

impl Link {
    /// Whether this home is to join, and not to show a code.
    pub(crate) const fn joins(&self) -> bool {
        self.code.is_some() || self.code_file.is_some()
    }
}

/// Remove a device from this account.
///
/// It gets no more messages, and nobody takes any from it. What it has stored stays there. Only the
/// account's first device can do it.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// Its number as `devices` shows it, or its name if no other device has that one
    pub(crate) device: String,
}

/// Show the number that is the same on both sides when nobody is in between.
///
/// Read it to each other over another way than this one, a telephone call for example, and then
/// say `verify`. It changes when one of the two accounts begins anew, and never otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct SafetyNumber {
    /// The other side's name
    pub(crate) name: String,
    /// Show a QR code as well, for the camera of an application that can read it
    #[arg(long, conflicts_with = "json")]
    pub(crate) qr: bool,
    /// Print one JSON object: {"peer","number","verified"}; `number` has 60 digits
    #[arg(long)]
    pub(crate) json: bool,
}

/// Mark that the safety number was compared.
///
/// When the other side's key changes after that, nothing is sent before you have looked again.
/// Without an option it shows the number and asks. Exit status 0: the mark is as asked for.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").args(["number", "accept", "undo"]))]
pub(crate) struct Verify {
    /// The other side's name
    pub(crate) name: String,
    /// The 60 digits that the other side reads out, with or without spaces: fails when this side
    /// has another number
    #[arg(long, value_name = "DIGITS", num_args = 1..)]
    pub(crate) number: Vec<String>,
    /// Send to the other side again though its key has changed, without verifying the new one
    #[arg(long)]
    pub(crate) accept: bool,
    /// Take the mark away
    #[arg(long)]
    pub(crate) undo: bool,
}

/// A state that `send` can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// Durable at the server
    Sent,
    /// On a device of the recipient
    Delivered,
    /// Seen by the recipient
    Read,
}

impl Wait {
    /// This state and those on the way to it, in order.
    pub(crate) const fn states(self) -> &'static [MessageState] {
        let all = &[
            MessageState::Sent,
            MessageState::Delivered,
            MessageState::Read,
        ];
        match self {
            Self::Sent => all.split_at(1).0,
            Self::Delivered => all.split_at(2).0,
            Self::Read => all,
        }
    }
}

fn message_id(text: &str) -> Result<MessageId, &'static str> {
    MessageId::parse(text).ok_or("a message id looks like 0193a5d2-7c1e-7aaa-8bbb-0123456789ab")
}

fn device_name(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if is_device_name(name) {
        Ok(name.to_owned())
    } else {
        Err("a device's name has 1 to 40 bytes of text on one line")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_home_may_stand_before_or_after_the_command() {
        for line in ["martlet --home /h chat bob", "martlet chat bob --home /h"] {
            assert_eq!(
                parse(line).unwrap().home,
                Some(PathBuf::from("/h")),
                "{line}"
            );
        }
    }

    #[test]
    fn devices_lists_or_renames() {
        for (line, expected) in [
            ("martlet devices --json", None),
            ("martlet devices rename 2 tablet", Some(("2", "tablet"))),
            (
                "martlet devices rename 2 tablet --home /h",
                Some(("2", "tablet")),
            ),
            (
                "martlet --home /h devices rename 2 tablet",
                Some(("2", "tablet")),
            ),
        ] {
            let Command::Devices(devices) = parse(line).unwrap().command else {
                panic!()
            };
            let change = devices.change.as_ref();
            let renamed = change
                .map(|DevicesChange::Rename(args)| (args.device.as_str(), args.name.as_str()));
            assert_eq!(renamed, expected, "{line}");
            assert_eq!(devices.json, expected.is_none(), "{line}");
        }
        let long = format!("martlet devices rename 2 {}", "x".repeat(41));
        for wrong in [long.as_str(), "martlet devices --json rename 2 x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn send_waits_for_sent_unless_told_otherwise() {
        let Command::Send(send) = parse("martlet send bob hi").unwrap().command else {
            panic!()
        };
        assert_eq!(send.until.wait.states(), [MessageState::Sent]);
        assert_eq!(send.until.timeout, Duration::from_secs(30));
        let line = "martlet send bob hi --wait read --ttl 2h --json";
        let Command::Send(send) = parse(line).unwrap().command else {
            panic!()
        };
        assert_eq!(send.until.wait.states().last(), Some(&MessageState::Read));
        assert_eq!(send.ttl, Some(Duration::from_secs(7200)));
        assert!(send.until.json);
    }

    #[test]
    fn wrong_usage_is_refused_before_anything_is_opened() {
        for line in [
            "martlet",
            "martlet send bob",
            "martlet send bob hi --wait pending",
            "martlet send bob hi --ttl soon",
            "martlet listen --count -1",
            "martlet status 123",
            "martlet register --name alice",
            "martlet link MARTLET-LINK-1-AA",
            "martlet link --name laptop",
            "martlet link MARTLET-LINK-1-AA --name laptop --yes",
            "martlet link --ca /ca.pem",
            "martlet verify bob --accept --undo",
            "martlet verify bob --number",
            "martlet safety-number bob --qr --json",
            "martlet presence",
            "martlet settings --presence friends",
            "martlet settings --read-receipts maybe",
            "martlet group",
            "martlet group add climbing",
            "martlet group role climbing bob king",
            "martlet group rights climbing",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
    #[test]
    fn one_command_shows_a_code_and_takes_one() {
        for (line, joins) in [
            ("martlet link --history", false),
            ("martlet link MARTLET-LINK-1-AA --name laptop", true),
            ("martlet link --code-file - --name laptop", true),
        ] {
            let Command::Link(link) = parse(line).unwrap().command else {
                panic!()
            };
            assert_eq!(link.joins(), joins, "{line}");
        }
    }

    #[test]
    fn a_safety_number_may_be_given_as_it_is_read_out() {
        let line = "martlet verify bob --number 12345 67890";
        let Command::Verify(verify) = parse(line).unwrap().command else {
            panic!()
        };
        assert_eq!(verify.number, ["12345", "67890"]);
    }

    #[test]
    fn the_name_of_a_device_fits_its_list() {
        assert_eq!(device_name(" laptop ").as_deref(), Ok("laptop"));
        for wrong in ["", " ", "a\nb", &"x".repeat(41)] {
            assert!(device_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
