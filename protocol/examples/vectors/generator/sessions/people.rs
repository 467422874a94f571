//! Presence, typing, relations and settings, as one device sees them.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Kind, Millis, Position, State, UserId};

use super::super::builders::{fact, receipt};
use super::super::people::{ALICE, BOB, NOW, message_id, timestamp};
use super::super::relation_frames::{PRIVATE, USUAL};
use super::delivery::from_alice;
use super::devices::refused;
use super::*;

const BOBS: UserId = BOB.address.user;
const ALICES: UserId = ALICE.address.user;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        presence(),
        hidden(),
        typing(),
        relations(),
        blocked(),
        request(),
        settings(),
        seen(),
        quotas(),
    ]
}

pub(super) fn watch(request: u64, on: bool, users: &[UserId]) -> Step {
    Step::new(&Frame::Watch(Watch {
        request,
        on,
        users: List::Slice(users),
    }))
}

pub(super) fn presence_of(user: UserId, state: PresenceState, last_seen: Millis) -> Frame<'static> {
    Frame::Presence(Presence {
        user,
        state,
        last_seen,
    })
}

pub(super) fn relate(request: u64, user: UserId, relation: Relation) -> Frame<'static> {
    Frame::Relate(Relate {
        request,
        user,
        relation,
    })
}

pub(super) fn related(request: u64) -> Frame<'static> {
    Frame::Related(Related { request })
}

pub(super) fn ask(request: u64, after: u64) -> Frame<'static> {
    Frame::Relations(Relations { request, after })
}

pub(super) fn listed(request: u64, more: bool, relations: &[(UserId, Relation)]) -> Step {
    let entry = |(user, relation): &(UserId, Relation)| RelationEntry {
        user: *user,
        relation: *relation,
    };
    let entries: Vec<_> = relations.iter().map(entry).collect();
    Step::new(&Frame::RelationList(RelationList {
        request,
        more,
        relations: List::Slice(&entries),
    }))
}

pub(super) fn set(request: u64, set: Option<AccountSettings>) -> Frame<'static> {
    Frame::Settings(Settings { request, set })
}

pub(super) fn are(request: u64, settings: AccountSettings) -> Frame<'static> {
    Frame::SettingsAre(SettingsAre { request, settings })
}

const HIDDEN: (PresenceState, Millis) = (PresenceState::HIDDEN, Millis(0));
const ONLINE: (PresenceState, Millis) = (PresenceState::ONLINE, Millis(0));

fn presence() -> Session {
    let (hidden, since) = HIDDEN;
    let later = NOW.plus(90_000);
    let mut session = Session::new("presence", "alice watches bob come and go.");
    session
        .live(ALICE)
        .client(Frame::Active(Active { active: true }), "[M-24.2]")
        .client_step(watch(1, true, &[BOBS, UserId(404)]), "[M-24.3]")
        .server(
            presence_of(BOBS, PresenceState::OFFLINE, NOW),
            "one for each [M-24.4]; since when he is away [M-24.6]",
        )
        .server(
            presence_of(UserId(404), hidden, since),
            "there is no such account [M-24.8]",
        )
        .server(
            presence_of(BOBS, ONLINE.0, ONLINE.1),
            "no position, no credit [M-24.1]",
        )
        .server(
            presence_of(BOBS, PresenceState::OFFLINE, later),
            "he looks away: a second later at the earliest [M-24.5]",
        )
        .client_step(watch(2, false, &[BOBS]), "no answer")
        .client_step(watch(3, true, &[BOBS]), "")
        .server(
            presence_of(BOBS, PresenceState::OFFLINE, later),
            "as it is now",
        );
    session
}

fn hidden() -> Session {
    let (hidden, since) = HIDDEN;
    let mut session = Session::new("hidden", "alice hides from everybody.");
    session
        .live(ALICE)
        .client_step(watch(1, true, &[BOBS]), "")
        .server(presence_of(BOBS, ONLINE.0, ONLINE.1), "")
        .client(set(2, Some(PRIVATE)), "presence: nobody")
        .server(are(2, PRIVATE), "durable [M-25.6]")
        .server(
            presence_of(BOBS, hidden, since),
            "who hides sees nobody [M-24.7]",
        )
        .client(set(3, Some(USUAL)), "")
        .server(are(3, USUAL), "")
        .server(presence_of(BOBS, ONLINE.0, ONLINE.1), "");
    session
}

fn typing() -> Session {
    let types = |kind| Frame::Typing(Typing { to: BOBS, kind });
    let typed = |kind| {
        Frame::Typed(Typed {
            peer: BOB.address,
            kind,
        })
    };
    let mut session = Session::new("typing", "alice and bob type to each other.");
    session
        .live(ALICE)
        .client(types(TypingKind::TYPING), "no answer [M-24.9]")
        .server(typed(TypingKind::TYPING), "bob types, too")
        .server(typed(TypingKind::TYPING), "he goes on [M-24.10]")
        .client(types(TypingKind::STOPPED), "")
        .server(typed(TypingKind::STOPPED), "");
    session
}

fn relations() -> Session {
    let (contact, blocked) = (Relation::CONTACT, Relation::BLOCKED);
    let own = relate(4, ALICES, blocked);
    let mut session = Session::new("relations", "alice sorts the people she knows.");
    session
        .live(ALICE)
        .client(relate(1, BOBS, contact), "")
        .server(related(1), "durable [M-25.1]")
        .client(relate(2, UserId(404), blocked), "")
        .server(related(2), "whether it exists is not looked at")
        .client(relate(3, BOBS, Relation(9)), "")
        .server(
            refused(Kind::RELATE, NackCode::VALUE_UNKNOWN, 3),
            "[M-25.1]",
        )
        .client(own, "")
        .server(
            refused(Kind::RELATE, NackCode::SELF_ADDRESSED, 4),
            "[M-25.1]",
        )
        .client(ask(5, 0), "")
        .server_step(
            listed(5, false, &[(UserId(404), blocked), (BOBS, contact)]),
            "by ascending user [M-25.2]",
        )
        .client(ask(6, 404), "")
        .server_step(listed(6, false, &[(BOBS, contact)]), "those behind it")
        .server_step(
            listed(0, false, &[(UserId(404), Relation::NONE)]),
            "her tablet has changed its mind [M-25.3]",
        );
    session
}

fn blocked() -> Session {
    let status = |request| status(request, BOBS, message_id(1));
    let mut session = Session::new(
        "blocked",
        "bob has blocked alice, and takes that back. She sees nothing of the first, and of the \
         second no more than the messages that he sees.",
    );
    session
        .live(ALICE)
        .client(to_bob(1), "")
        .server(sent(1), "as ever [M-25.4]")
        .client(to_bob(1), "")
        .server(sent(1), "")
        .client(status(1), "")
        .server(state(1, State::SENT), "")
        .client(to_bob(2), "the block is over")
        .server(sent(2), "")
        .server(fact(1, State::SENT, 1), "outside the watermarks [M-25.5]")
        .server(receipt(2, State::DELIVERED, 2), "")
        .server(fact(3, State::EXPIRED, 1), "30 days later");
    session
}

/// The state of the first message to bob.
fn state(request: u64, state: State) -> Frame<'static> {
    Frame::State(StateReply {
        request,
        message_id: message_id(1),
        state,
        timestamp: timestamp(1),
    })
}

fn request() -> Session {
    let status = |request| status(request, BOBS, message_id(1));
    let about = "bob takes messages of strangers as requests, and alice is one.";
    let mut session = Session::new("request", about);
    session
        .live(ALICE)
        .client(to_bob(1), "")
        .server(sent(1), "it is placed as ever")
        .client(status(1), "")
        .server(
            state(1, State::SENT),
            "whatever bob has seen of it [M-25.8]",
        )
        .server(
            receipt(1, State::DELIVERED, 1),
            "bob has made her a contact",
        )
        .server(receipt(2, State::READ, 1), "")
        .client(set(2, Some(PRIVATE)), "")
        .server(are(2, PRIVATE), "")
        .client(status(3), "")
        .server(
            state(3, State::DELIVERED),
            "she tells nobody what she reads, and is not told [M-25.7]",
        );
    session
}

fn settings() -> Session {
    let mut unknown = USUAL;
    unknown.presence = Visibility(4);
    let mut session = Session::new("settings", "alice says what others may know.");
    session
        .live(ALICE)
        .client(set(1, None), "")
        .server(are(1, USUAL), "she has set nothing [M-25.6]")
        .client(set(2, Some(PRIVATE)), "")
        .server(are(2, PRIVATE), "")
        .client(set(3, Some(unknown)), "")
        .server(
            refused(Kind::SETTINGS, NackCode::VALUE_UNKNOWN, 3),
            "[M-25.6]",
        )
        .client(set(4, None), "")
        .server(are(4, PRIVATE), "a refusal changes nothing")
        .server(are(0, USUAL), "by her tablet");
    session
}

/// Bob's device, which has another one beside it.
fn seen() -> Session {
    let seen = |position, n| {
        Frame::Receipt(Receipt {
            position: Position(position),
            state: State::SEEN,
            peer: Address {
                user: ALICES,
                device: BOB.address.device,
            },
            up_to: timestamp(n),
            at: NOW.plus(1_000),
        })
    };
    let mut session = Session::new("seen", "bob reads at his other device.");
    session
        .ready(BOB, FRESH)
        .server(caught_up(0, false), "")
        .server(from_alice(1, 1), "")
        .server(from_alice(2, 2), "")
        .client(ack(2), "")
        .server(seen(3, 1), "the first one [M-11.17]")
        .server(seen(4, 2), "and the second");
    session
}

fn quotas() -> Session {
    let lookup = Frame::Lookup(Lookup {
        request: 2,
        query: LookupQuery::Handle("carol"),
    });
    let mut session = Session::new("quotas", "Too many new people at once.");
    session
        .live(ALICE)
        .client(relate(1, UserId(404), Relation::CONTACT), "the 61st")
        .server(
            refused(Kind::RELATE, NackCode::RATE_LIMITED, 1),
            "[M-25.10]",
        )
        .client(lookup, "the 201st")
        .server(
            refused(Kind::LOOKUP, NackCode::RATE_LIMITED, 2),
            "[M-25.11]",
        )
        .client(ask(3, 0), "too often")
        .server(
            refused(Kind::RELATIONS, NackCode::RATE_LIMITED, 3),
            "[M-25.12]",
        );
    session
}
