//! What goes wrong with lists, prekeys, links and parts.

use martlet_protocol::DeviceId;

use super::super::super::contents::link;
use super::super::super::lists::{self, ALICES, BOBS};
use super::super::devices::{
    bundle, bundles, claiming, devices, publish, published, stock_of, told,
};
use super::super::linking::{closed, closes, gone, join, offer, opened, opens};
use super::super::parts::{part, sealed};
use super::*;

pub(super) const LISTS: &[Script] = &[
    (
        "m19_09_published",
        "M-19.9",
        "A PUBLISHED that answers no PUBLISH.",
        |s| {
            s.live(ALICE).server(published(1, 1), "");
        },
    ),
    (
        "m19_10_other_account",
        "M-19.10",
        "bob's list is taken from alice.",
        |s| {
            s.live(ALICE)
                .client_step(publish(1, &lists::bob(1), b""), "")
                .server(published(1, 1), "");
        },
    ),
    (
        "m19_11_skipped",
        "M-19.11",
        "A list is taken though one before it is missing.",
        |s| {
            s.live(ALICE)
                .client(devices(1, ALICES.user, 0), "")
                .server_step(told(1, ALICES.user, 1, &[&lists::alice(1)]), "")
                .client_step(publish(2, &lists::alice(3), b""), "")
                .server(published(2, 3), "");
        },
    ),
    (
        "m19_13_hole",
        "M-19.13",
        "The lists after a version do not begin with the next one.",
        |s| {
            s.live(BOB)
                .client(devices(1, ALICES.user, 1), "")
                .server_step(told(1, ALICES.user, 3, &[&lists::alice(3)]), "");
        },
    ),
    (
        "m19_13_back",
        "M-19.13",
        "The newest version is less than it was.",
        |s| {
            s.live(BOB)
                .client(devices(1, ALICES.user, 0), "")
                .server_step(told(1, ALICES.user, 2, &[&lists::alice(2)]), "")
                .client(devices(2, ALICES.user, 0), "")
                .server_step(told(2, ALICES.user, 1, &[&lists::alice(1)]), "");
        },
    ),
    (
        "m19_13_other_account",
        "M-19.13",
        "Another account's lists.",
        |s| {
            s.live(BOB)
                .client(devices(1, ALICES.user, 0), "")
                .server_step(told(1, BOBS.user, 1, &[&lists::bob(1)]), "");
        },
    ),
];

pub(super) const KEYS: &[Script] = &[
    (
        "m20_03_stock",
        "M-20.3",
        "A STOCK with a request that was not made.",
        |s| {
            s.live(BOB).server(stock_of(1, 100, 1, 0), "");
        },
    ),
    (
        "m20_06_stock",
        "M-20.6",
        "An unasked STOCK when nothing runs out.",
        |s| {
            s.live(BOB).server(stock_of(0, 10, 1, 0), "");
        },
    ),
    (
        "m20_07_not_asked",
        "M-20.7",
        "A prekey of a device that was not named.",
        |s| {
            let found = [bundle(PrekeyKind::ONE_TIME, 1)];
            s.live(ALICE)
                .client_step(claiming(1, BOBS.user, &[DeviceId(2)]), "")
                .server_step(bundles(1, BOBS.user, &found), "");
        },
    ),
    (
        "m20_08_twice",
        "M-20.8",
        "A one-time prekey is handed out twice.",
        |s| {
            let found = [bundle(PrekeyKind::ONE_TIME, 1)];
            s.live(ALICE)
                .client_step(claiming(1, BOBS.user, &[DeviceId(1)]), "")
                .server_step(bundles(1, BOBS.user, &found), "")
                .client_step(claiming(2, BOBS.user, &[DeviceId(1)]), "")
                .server_step(bundles(2, BOBS.user, &found), "");
        },
    ),
    (
        "m05_04_auth_while_linking",
        "M-5.4",
        "AUTH does not wait for LINKED.",
        |s| {
            s.connect(ALICE_2)
                .greet()
                .client_step(join(&link()), "")
                .client(auth(ALICE_2, 1, FRESH), "");
        },
    ),
    (
        "m21_04_opened",
        "M-21.4",
        "A LINK_OPENED that answers no LINK_OPEN.",
        |s| {
            s.live(ALICE).server(opened(1), "");
        },
    ),
    (
        "m21_05_offer",
        "M-21.5",
        "An offer though the device waits for none.",
        |s| {
            s.live(ALICE).server_step(offer(2, &link()), "");
        },
    ),
    (
        "m21_12_closed",
        "M-21.12",
        "A LINK_CLOSED that answers no LINK_CLOSE.",
        |s| {
            s.live(ALICE).server(closed(1), "");
        },
    ),
    (
        "m21_12_offer",
        "M-21.12",
        "An offer for a link that was closed.",
        |s| {
            closes(opens(s)).server_step(offer(2, &link()), "");
        },
    ),
    (
        "m21_13_gone",
        "M-21.13",
        "A device is gone that had not come.",
        |s| {
            opens(s).server(gone(), "");
        },
    ),
    (
        "m21_13_signed",
        "M-21.13",
        "A list adds the device that is gone.",
        |s| {
            opens(s)
                .server_step(offer(2, &link()), "")
                .server(gone(), "")
                .client_step(publish(3, &lists::alice(2), &link().answer), "");
        },
    ),
];

const FOR_PHONE: Part<'static> = part(1, b"phone");
const FOR_LAPTOP: Part<'static> = part(2, b"laptop");

pub(super) const PARTS: &[Script] = &[
    (
        "m22_02_missing",
        "M-22.2",
        "A message without a part for a listed device is taken.",
        |s| {
            s.live(ALICE)
                .client(devices(1, BOBS.user, 0), "")
                .server_step(told(1, BOBS.user, 2, &[&lists::bob(2)]), "")
                .client(Frame::Send(sealed(1, [2, 0], &[FOR_PHONE], &[])), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_02_descending",
        "M-22.2",
        "Parts that do not ascend are taken.",
        |s| {
            let parts = [FOR_LAPTOP, FOR_PHONE];
            s.live(ALICE)
                .client(Frame::Send(sealed(1, [2, 0], &parts, &[])), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_02_without_list",
        "M-22.2",
        "A part for an account of version 0 is taken.",
        |s| {
            s.live(ALICE)
                .client(Frame::Send(sealed(1, [0, 0], &[FOR_PHONE], &[])), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_03_copies",
        "M-22.3",
        "A message to named devices with own copies is taken.",
        |s| {
            let message = Send {
                scope: SendScope::NAMED,
                ..sealed(1, [1, 0], &[FOR_PHONE], &[FOR_LAPTOP])
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_03_to_itself",
        "M-22.3",
        "A message to the sending device is taken.",
        |s| {
            let message = Send {
                to: ALICES.user,
                scope: SendScope::NAMED,
                ..sealed(1, [1, 0], &[FOR_PHONE], &[])
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_04_scope",
        "M-22.4",
        "A message of an unknown scope is taken.",
        |s| {
            let message = Send {
                scope: SendScope(3),
                ..sealed(1, [1, 0], &[FOR_PHONE], &[])
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_07_stale",
        "M-22.7",
        "A message for a list that is not the newest is taken.",
        |s| {
            s.live(ALICE)
                .client(devices(1, BOBS.user, 0), "")
                .server_step(told(1, BOBS.user, 2, &[&lists::bob(2)]), "")
                .client(Frame::Send(sealed(1, [1, 0], &[FOR_PHONE], &[])), "")
                .server(sent(1), "");
        },
    ),
    (
        "m22_08_no_list",
        "M-22.8",
        "STALE_RECIPIENT without the list that explains it.",
        |s| {
            let message = Reference::message(message_id(1));
            s.live(ALICE)
                .client(Frame::Send(sealed(1, [1, 0], &[FOR_PHONE], &[])), "")
                .server(nack(Kind::SEND, NackCode::STALE_RECIPIENT, 0, message), "");
        },
    ),
    (
        "m09_16_after_stale",
        "M-9.16",
        "A message overtakes one that waits for a newer list.",
        |s| {
            let message = Reference::message(message_id(1));
            let parts = [FOR_PHONE, FOR_LAPTOP];
            s.live(ALICE)
                .client(Frame::Send(sealed(1, [1, 0], &[FOR_PHONE], &[])), "")
                .client(Frame::Send(sealed(2, [2, 0], &parts, &[])), "")
                .server_step(told(0, BOBS.user, 2, &[&lists::bob(2)]), "")
                .server(nack(Kind::SEND, NackCode::STALE_RECIPIENT, 0, message), "")
                .server(sent(2), "");
        },
    ),
];
