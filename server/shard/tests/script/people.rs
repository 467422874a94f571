//! What devices say about others, and how a transcript shows what they are told.

use martlet_protocol::frame::{
    AccountSettings, Presence, PresenceState, Relation, Strangers, Typed, TypingKind, Visibility,
};
use martlet_protocol::{Address, DeviceId, Millis, UserId};
use martlet_shard::{Command, RelationsAnswer, SessionId};

use crate::compose::NOBODY;
use crate::parse::REQUEST;
use crate::words::Words;
use crate::world::{START, World};

/// The command of a device that is about other accounts, if it is one.
pub(crate) fn command(
    world: &World,
    (session, address): (SessionId, Address),
    words: &Words<'_>,
) -> Option<Command> {
    let named = |name: &str| world.devices.get(name).map_or(NOBODY, |it| it.user);
    let relate = |relation| Command::Relate {
        session,
        address,
        request: REQUEST,
        user: named(words.at(1)),
        relation,
    };
    Some(match words.at(0) {
        on @ ("watch" | "unwatch") => Command::Watch {
            session,
            address,
            request: REQUEST,
            on: on == "watch",
            users: words.0[1..].iter().map(|name| named(name)).collect(),
        },
        active @ ("active" | "away") => Command::Active {
            session,
            address,
            active: active == "active",
        },
        "type" => Command::Typing {
            session,
            from: address,
            to: named(words.at(1)),
            kind: TypingKind::TYPING,
        },
        "befriend" => relate(Relation::CONTACT),
        "block" => relate(Relation::BLOCKED),
        "forget" => relate(Relation::NONE),
        "marry" => relate(Relation(9)),
        "relations" => Command::Relations {
            session,
            address,
            request: REQUEST,
            after: words.text("after").map_or(0, |name| named(name).0),
        },
        "settings" => Command::Settings {
            session,
            address,
            request: REQUEST,
            set: settings(words),
        },
        _ => return None,
    })
}

/// `None` when no word sets any: then they are asked for.
fn settings(words: &Words<'_>) -> Option<AccountSettings> {
    words.0.get(1)?;
    Some(AccountSettings {
        presence: match words.text("presence") {
            None | Some("everyone") => Visibility::EVERYONE,
            Some("contacts") => Visibility::CONTACTS,
            Some("nobody") => Visibility::NOBODY,
            _ => Visibility(9),
        },
        read_receipts: words.text("reads") != Some("off"),
        strangers: match words.text("strangers") {
            None | Some("anyone") => Strangers::ANYONE,
            _ => Strangers::AS_REQUESTS,
        },
    })
}

/// A name for an account, which need not exist.
fn name(world: &World, user: UserId) -> String {
    if user == NOBODY {
        return "nobody".to_owned();
    }
    let device = DeviceId(1);
    world.name_of(Address { user, device })
}

pub(crate) fn show_typed(world: &World, typed: &Typed) -> String {
    assert_eq!(typed.kind, TypingKind::TYPING);
    format!("{} types", world.name_of(typed.peer))
}

/// `bob online`, `bob hidden`, `bob seen at 30`: milliseconds from the start.
pub(crate) fn show_presence(world: &World, presence: &Presence) -> String {
    let name = name(world, presence.user);
    match (presence.state, presence.last_seen) {
        (PresenceState::HIDDEN, Millis(0)) => format!("{name} hidden"),
        (PresenceState::ONLINE, Millis(0)) => format!("{name} online"),
        (PresenceState::OFFLINE, at) if at >= START => {
            format!("{name} seen at {}", at.since(START))
        }
        (state, at) => panic!("{state:?} with {at}"),
    }
}

/// `relations: bob contact, cid blocked`.
pub(crate) fn show_relations(world: &World, answer: &RelationsAnswer) -> String {
    let shown = answer.relations.iter().map(|entry| {
        let relation = match entry.relation {
            Relation::NONE => "stranger",
            Relation::CONTACT => "contact",
            Relation::BLOCKED => "blocked",
            other => panic!("no such relation: {other:?}"),
        };
        format!(" {} {relation}", name(world, entry.user))
    });
    let shown = shown.collect::<Vec<_>>().join(",");
    let asked = if answer.request == 0 { "told " } else { "" };
    let more = if answer.more { " and more" } else { "" };
    format!("{asked}relations{shown}{more}")
}

/// `settings everyone reads anyone`.
pub(crate) fn show_settings(request: u64, settings: AccountSettings) -> String {
    let presence = match settings.presence {
        Visibility::EVERYONE => "everyone",
        Visibility::CONTACTS => "contacts",
        Visibility::NOBODY => "nobody",
        other => panic!("no such setting: {other:?}"),
    };
    let reads = if settings.read_receipts {
        "reads"
    } else {
        "quiet"
    };
    let strangers = match settings.strangers {
        Strangers::ANYONE => "anyone",
        Strangers::AS_REQUESTS => "requests",
        other => panic!("no such setting: {other:?}"),
    };
    let asked = if request == 0 { "told " } else { "" };
    format!("{asked}settings {presence} {reads} {strangers}")
}
