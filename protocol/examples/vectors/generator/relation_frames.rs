//! The frames about presence, relations and settings: their cases, and their fields as SPEC.md
//! lists them.

use martlet_protocol::frame::*;
use martlet_protocol::limits::VARINT_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Millis, UserId};

use super::fields::{Fields, Value, address, user};
use super::frames::Cases;
use super::people::{ALICE, BOB, NOW};

/// The settings that hold until others are set, and the furthest from them.
pub(crate) const USUAL: AccountSettings = AccountSettings {
    presence: Visibility::EVERYONE,
    read_receipts: true,
    strangers: Strangers::ANYONE,
};
pub(crate) const PRIVATE: AccountSettings = AccountSettings {
    presence: Visibility::NOBODY,
    read_receipts: false,
    strangers: Strangers::AS_REQUESTS,
};

pub(crate) fn cases() -> Cases {
    [presence(), relations(), settings()].concat()
}

fn presence() -> Cases {
    let watch = |on, users| {
        Frame::Watch(Watch {
            request: 12,
            on,
            users: List::Slice(users),
        })
    };
    let presence = |user, state, last_seen| {
        Frame::Presence(Presence {
            user,
            state,
            last_seen,
        })
    };
    let typing = |kind| {
        Frame::Typing(Typing {
            to: BOB.address.user,
            kind,
        })
    };
    const TWO: &[UserId] = &[BOB.address.user, UserId(u64::MAX)];
    const MANY: &[UserId] = &[UserId(7); 256];
    let edge = Address {
        user: UserId(u64::MAX),
        device: DeviceId(u16::MAX),
    };
    let typed = |peer, kind| Frame::Typed(Typed { peer, kind });
    let bob = BOB.address.user;
    vec![
        ("WATCH", watch(true, TWO)),
        ("WATCH that ends", watch(false, &TWO[..1])),
        ("WATCH of as many as may be", watch(true, MANY)),
        ("WATCH of nobody", watch(true, &[])),
        ("PRESENCE", presence(bob, PresenceState::OFFLINE, NOW)),
        (
            "PRESENCE of somebody online",
            presence(bob, PresenceState::ONLINE, Millis(0)),
        ),
        (
            "PRESENCE that is hidden",
            presence(bob, PresenceState::HIDDEN, Millis(0)),
        ),
        (
            "PRESENCE of an unknown state",
            presence(edge.user, PresenceState(255), Millis(u64::MAX)),
        ),
        ("ACTIVE", Frame::Active(Active { active: true })),
        ("ACTIVE no more", Frame::Active(Active { active: false })),
        ("TYPING", typing(TypingKind::TYPING)),
        ("TYPING that stops", typing(TypingKind::STOPPED)),
        ("TYPED", typed(ALICE.address, TypingKind::RECORDING)),
        ("TYPED of an unknown kind", typed(edge, TypingKind(255))),
    ]
}

fn relations() -> Cases {
    let relate = |user, relation| {
        Frame::Relate(Relate {
            request: 13,
            user,
            relation,
        })
    };
    let list = |request, more, relations| {
        Frame::RelationList(RelationList {
            request,
            more,
            relations: List::Slice(relations),
        })
    };
    let ask = |after| Frame::Relations(Relations { request: 14, after });
    const TWO: &[RelationEntry] = &[
        RelationEntry {
            user: ALICE.address.user,
            relation: Relation::BLOCKED,
        },
        RelationEntry {
            user: BOB.address.user,
            relation: Relation::CONTACT,
        },
    ];
    const LATER: &[RelationEntry] = &[RelationEntry {
        user: UserId(u64::MAX),
        relation: Relation(255),
    }];
    vec![
        ("RELATE", relate(BOB.address.user, Relation::CONTACT)),
        (
            "RELATE that blocks",
            relate(UserId(u64::MAX), Relation::BLOCKED),
        ),
        ("RELATED", Frame::Related(Related { request: 13 })),
        ("RELATIONS", ask(0)),
        ("RELATIONS behind the last one", ask(u64::MAX)),
        ("RELATION_LIST", list(14, true, TWO)),
        (
            "RELATION_LIST of an unknown relation",
            list(VARINT_MAX, false, LATER),
        ),
        ("RELATION_LIST of a change", list(0, false, &TWO[1..])),
        ("RELATION_LIST of nobody", list(14, false, &[])),
    ]
}

fn settings() -> Cases {
    let settings = |set| Frame::Settings(Settings { request: 15, set });
    let are = |request, settings| Frame::SettingsAre(SettingsAre { request, settings });
    let later = AccountSettings {
        presence: Visibility(255),
        strangers: Strangers(0),
        ..USUAL
    };
    vec![
        ("SETTINGS", settings(Some(PRIVATE))),
        ("SETTINGS that asks", settings(None)),
        ("SETTINGS_ARE", are(15, USUAL)),
        ("SETTINGS_ARE that were changed", are(0, PRIVATE)),
        ("SETTINGS_ARE of unknown values", are(VARINT_MAX, later)),
    ]
}

/// The fields of `frame`, if it is one of these.
pub(crate) fn of(frame: &Frame<'_>) -> Option<Fields> {
    Some(match frame {
        Frame::Watch(watch) => {
            let users = watch.users.iter().map(|it| vec![("", user(it))]);
            vec![
                ("request", Value::Varint(watch.request)),
                ("on", flag(watch.on)),
                ("users", Value::List(users.collect(), 256)),
            ]
        }
        Frame::Presence(presence) => vec![
            ("user", user(presence.user)),
            ("state", Value::U8(presence.state.0)),
            ("last_seen", Value::U64(presence.last_seen.0)),
        ],
        Frame::Active(active) => vec![("active", flag(active.active))],
        Frame::Typing(typing) => vec![("to", user(typing.to)), ("kind", Value::U8(typing.kind.0))],
        Frame::Typed(typed) => [
            address("peer", typed.peer).into(),
            vec![("kind", Value::U8(typed.kind.0))],
        ]
        .concat(),
        Frame::Relate(relate) => vec![
            ("request", Value::Varint(relate.request)),
            ("user", user(relate.user)),
            ("relation", Value::U8(relate.relation.0)),
        ],
        Frame::Related(related) => vec![("request", Value::Varint(related.request))],
        Frame::Relations(ask) => vec![
            ("request", Value::Varint(ask.request)),
            ("after", Value::U64(ask.after)),
        ],
        Frame::RelationList(list) => vec![
            ("request", Value::Varint(list.request)),
            ("more", flag(list.more)),
            ("relations", entries(list)),
        ],
        Frame::Settings(settings) => [
            vec![
                ("request", Value::Varint(settings.request)),
                ("set", flag(settings.set.is_some())),
            ],
            values(&settings.set.unwrap_or(USUAL)),
        ]
        .concat(),
        Frame::SettingsAre(are) => [
            vec![("request", Value::Varint(are.request))],
            values(&are.settings),
        ]
        .concat(),
        _ => return None,
    })
}

fn flag(flag: bool) -> Value {
    Value::U8(u8::from(flag))
}

fn entries(list: &RelationList<'_>) -> Value {
    let entry = |entry: RelationEntry| {
        vec![
            ("user", user(entry.user)),
            ("relation", Value::U8(entry.relation.0)),
        ]
    };
    Value::List(list.relations.iter().map(entry).collect(), 256)
}

fn values(settings: &AccountSettings) -> Fields {
    vec![
        ("presence", Value::U8(settings.presence.0)),
        ("read_receipts", flag(settings.read_receipts)),
        ("strangers", Value::U8(settings.strangers.0)),
    ]
}
