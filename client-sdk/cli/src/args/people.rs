//! Other people: whether they are there, and what they may know and do.

use std::time::Duration;

use clap::ValueEnum;
use martlet_client::{Strangers, Visibility};

/// How long to wait for the server.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Patience {
    /// How long to wait for the server's answer
    #[arg(long, value_name = "DUR", default_value = "30s")]
    #[arg(value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}

/// Say whether somebody is there: `online`, `offline` with when they were last, or `hidden`.
///
/// `hidden` says nothing: the account does not show itself to you, or was never there, or you show
/// yourself to nobody.
#[derive(Debug, clap::Args)]
pub(crate) struct PresenceOf {
    /// The name
    pub(crate) name: String,
    /// Go on, with a line for each change, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print one JSON object a line: {"peer","state","last_seen"}; `last_seen` in milliseconds
    /// since the Unix epoch, or null
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Block somebody, on all your devices: what they send does not arrive.
///
/// They cannot tell: their messages are sent and never delivered, and you are never online to them.
#[derive(Debug, clap::Args)]
pub(crate) struct Block {
    /// The name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// End a block. What was sent during it does not come.
#[derive(Debug, clap::Args)]
pub(crate) struct Unblock {
    /// The name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Make somebody a contact: what they wrote is no request any more. Answering does the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Accept {
    /// The name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// List your contacts and whom you have blocked. Works without the server.
#[derive(Debug, clap::Args)]
pub(crate) struct Contacts {
    /// Print one JSON object a line: {"peer","relation","pending"}; relation: contact or blocked;
    /// `pending` is true while the server has yet to hear of it
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what your account lets others know, or change it, on all your devices.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsOf {
    /// Who sees whether you are online, and when you were last. Whom you do not show it to you do
    /// not see either
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) presence: Option<Shown>,
    /// Whether others learn that you have read their messages. Without it you do not learn it of
    /// yours either
    #[arg(long, value_enum, value_name = "on|off")]
    pub(crate) read_receipts: Option<Switch>,
    /// Whether strangers may write to you as contacts may, or only ask: then they learn nothing
    /// until you `accept` them or answer
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) strangers: Option<Taken>,
    /// Print one JSON object: {"presence","read_receipts","strangers"}
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

/// Who sees whether an account is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shown {
    /// Whoever is not blocked
    Everyone,
    /// Your contacts
    Contacts,
    /// Nobody
    Nobody,
}

impl Shown {
    pub(crate) const fn visibility(self) -> Visibility {
        match self {
            Self::Everyone => Visibility::Everyone,
            Self::Contacts => Visibility::Contacts,
            Self::Nobody => Visibility::Nobody,
        }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// How messages of strangers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Taken {
    /// As those of contacts
    Anyone,
    /// As requests
    Requests,
}

impl Taken {
    pub(crate) const fn strangers(self) -> Strangers {
        match self {
            Self::Anyone => Strangers::Anyone,
            Self::Requests => Strangers::Requests,
        }
    }
}
