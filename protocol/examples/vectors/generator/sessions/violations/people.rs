//! What goes wrong with presence, relations and settings.

use martlet_protocol::{Millis, UserId};

use super::super::super::relation_frames::{PRIVATE, USUAL};
use super::super::people::{are, ask, listed, presence_of, related, set, watch};
use super::*;

const BOBS: UserId = BOB.address.user;
const AWAY: PresenceState = PresenceState::OFFLINE;

pub(super) const PRESENCE: &[Script] = &[
    (
        "m24_04_not_watched",
        "M-24.4",
        "The presence of an account that is not watched.",
        |s| {
            s.live(ALICE).server(presence_of(BOBS, AWAY, NOW), "");
        },
    ),
    (
        "m24_04_unchanged",
        "M-24.4",
        "A presence that is what it was.",
        |s| {
            s.live(ALICE)
                .client_step(watch(1, true, &[BOBS]), "")
                .server(presence_of(BOBS, AWAY, NOW), "")
                .server(presence_of(BOBS, AWAY, NOW), "");
        },
    ),
    (
        "m24_06_online",
        "M-24.6",
        "Somebody who is online was last seen.",
        |s| {
            s.live(ALICE)
                .client_step(watch(1, true, &[BOBS]), "")
                .server(presence_of(BOBS, PresenceState::ONLINE, NOW), "");
        },
    ),
    (
        "m24_06_offline",
        "M-24.6",
        "Somebody who is offline was never seen.",
        |s| {
            s.live(ALICE)
                .client_step(watch(1, true, &[BOBS]), "")
                .server(presence_of(BOBS, AWAY, Millis(0)), "");
        },
    ),
    (
        "m24_08_hidden",
        "M-24.8",
        "Somebody who is hidden was last seen.",
        |s| {
            s.live(ALICE)
                .client_step(watch(1, true, &[BOBS]), "")
                .server(presence_of(BOBS, PresenceState::HIDDEN, NOW), "");
        },
    ),
];

pub(super) const RELATIONS: &[Script] = &[
    (
        "m25_01_related",
        "M-25.1",
        "A RELATED that answers no RELATE.",
        |s| {
            s.live(ALICE).server(related(1), "");
        },
    ),
    (
        "m25_02_descending",
        "M-25.2",
        "Relations that do not ascend.",
        |s| {
            let (contact, two) = (Relation::CONTACT, UserId(2));
            s.live(ALICE)
                .client(ask(1, 0), "")
                .server_step(listed(1, false, &[(BOBS, contact), (two, contact)]), "");
        },
    ),
    (
        "m25_02_before",
        "M-25.2",
        "A relation that is not behind the one that was named.",
        |s| {
            s.live(ALICE)
                .client(ask(1, BOBS.0), "")
                .server_step(listed(1, false, &[(BOBS, Relation::CONTACT)]), "");
        },
    ),
    (
        "m25_02_stranger",
        "M-25.2",
        "A stranger among the relations.",
        |s| {
            s.live(ALICE)
                .client(ask(1, 0), "")
                .server_step(listed(1, false, &[(BOBS, Relation::NONE)]), "");
        },
    ),
    (
        "m25_03_more",
        "M-25.3",
        "A change that says more than what was changed.",
        |s| {
            s.live(ALICE)
                .server_step(listed(0, true, &[(BOBS, Relation::CONTACT)]), "");
        },
    ),
    (
        "m25_06_not_asked",
        "M-25.6",
        "A SETTINGS_ARE that answers no SETTINGS.",
        |s| {
            s.live(ALICE).server(are(1, USUAL), "");
        },
    ),
    (
        "m25_06_others",
        "M-25.6",
        "Other settings than those that were set.",
        |s| {
            s.live(ALICE)
                .client(set(1, Some(PRIVATE)), "")
                .server(are(1, USUAL), "");
        },
    ),
    (
        "m11_06_seen",
        "M-11.6",
        "What the account has read falls.",
        |s| {
            let seen = |position, n| {
                Frame::Receipt(Receipt {
                    position: Position(position),
                    state: State::SEEN,
                    peer: BOB.address,
                    up_to: timestamp(n),
                    at: NOW,
                })
            };
            s.live(ALICE).server(seen(1, 2), "").server(seen(2, 1), "");
        },
    ),
];
