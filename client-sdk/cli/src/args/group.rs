//! Groups: making, changing and looking at them.

use clap::{Subcommand, ValueEnum};
use martlet_client::{Right, Role};

use super::Send;
use std::time::Duration;

const GROUP_HELP: &str = "\
GROUP is what the group is called, or # and the 16 digits of its id, which `group list` shows. Where
other commands want a NAME, a group is '#GROUP', in quotes: a shell takes # for a comment.
  martlet group create climbing bob carol
  martlet group send climbing 'Saturday?'
  martlet chat '#climbing'

A change is stored in the home first. When the server does not answer in time it stays there and is
made with the next command that connects; the exit status is then 1.";

/// Make groups, change them, and write to them.
#[derive(Debug, clap::Args)]
#[command(after_help = GROUP_HELP)]
pub(crate) struct Group {
    #[command(subcommand)]
    pub(crate) what: GroupCommand,
}

/// What is done with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    Create(Create),
    List(ListGroups),
    Info(Info),
    Send(Send),
    Add(Members),
    Remove(Members),
    Leave(Leave),
    Role(SetRole),
    Rights(SetRights),
    Rename(RenameGroup),
}

/// How long to wait for the server, and how to print what it says.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Answer {
    /// How long to wait for the server's answer
    #[arg(long, value_name = "DUR", default_value = "30s")]
    #[arg(value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// Print the group as one JSON object, as `group info --json` does
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a group with yourself as its owner.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// What to call it, 1 to 100 bytes; only its members can read it
    pub(crate) name: String,
    /// Who else is in it
    #[arg(value_name = "MEMBER")]
    pub(crate) members: Vec<String>,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// List the groups of this account, and those that it has left. Works without the server.
#[derive(Debug, clap::Args)]
pub(crate) struct ListGroups {
    /// Print one JSON object a line, as `group info --json` does
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show who is in a group and who may do what. Works without the server.
#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// The group
    pub(crate) group: String,
    /// Print one JSON object: {"group","name","role","version","rights":{"add","send","change"},
    /// "members":[{"name","role"}]}; roles: owner, admin, member, none
    #[arg(long)]
    pub(crate) json: bool,
    /// Show who has changed what instead; as JSON one object a line, as `listen --help` says
    #[arg(long)]
    pub(crate) history: bool,
}

/// Add members, or remove them.
#[derive(Debug, clap::Args)]
pub(crate) struct Members {
    /// The group
    pub(crate) group: String,
    /// Their names
    #[arg(value_name = "MEMBER", required = true)]
    pub(crate) members: Vec<String>,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Leave a group. The last owner makes another member one, an admin if there is any.
#[derive(Debug, clap::Args)]
pub(crate) struct Leave {
    /// The group
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Give a member another role.
#[derive(Debug, clap::Args)]
pub(crate) struct SetRole {
    /// The group
    pub(crate) group: String,
    /// The member's name
    pub(crate) member: String,
    /// What it may do from now on
    #[arg(value_enum)]
    pub(crate) role: RoleName,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Say who may add members, write, and change the group's name.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("right")
    .required(true)
    .multiple(true)
    .args(["add", "send", "change"]))]
pub(crate) struct SetRights {
    /// The group
    pub(crate) group: String,
    /// Who may add members
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) add: Option<Who>,
    /// Who may write
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) send: Option<Who>,
    /// Who may change the name
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) change: Option<Who>,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// Give a group another name.
#[derive(Debug, clap::Args)]
pub(crate) struct RenameGroup {
    /// The group
    pub(crate) group: String,
    /// What to call it, 1 to 100 bytes; only its members can read it
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) answer: Answer,
}

/// What somebody is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// May do everything, and make others owners
    Owner,
    /// May add and remove members, and change the group
    Admin,
    /// May do what the group's rights allow
    Member,
}

impl RoleName {
    /// The role of this name.
    pub(crate) const fn role(self) -> Role {
        match self {
            Self::Owner => Role::OWNER,
            Self::Admin => Role::ADMIN,
            Self::Member => Role::MEMBER,
        }
    }
}

/// Who has a right in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    /// Everybody in it
    Members,
    /// Its owners and admins
    Admins,
}

impl Who {
    /// The right of this name.
    pub(crate) const fn right(self) -> Right {
        match self {
            Self::Members => Right::MEMBERS,
            Self::Admins => Right::ADMINS,
        }
    }
}
