//! What goes wrong with messages on their way to the server.

use super::*;

pub(super) const SENDING: &[Script] = &[
    (
        "m08_02_not_v7",
        "M-8.2",
        "An id of UUID version 4 is accepted.",
        |s| {
            let mut message = send(1, BOB.address.user, ENVELOPES[1]);
            message.message_id.0[6] = 0x40;
            let answer = Sent {
                message_id: message.message_id,
                timestamp: timestamp(1),
                devices: 1,
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(Frame::Sent(answer), "");
        },
    ),
    (
        "m08_06_not_after",
        "M-8.6",
        "A timestamp that is not later than `after`.",
        |s| {
            let message = Send {
                after: timestamp(5),
                ..send(1, BOB.address.user, ENVELOPES[1])
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent_at(1, timestamp(5)), "");
        },
    ),
    (
        "m08_06_not_later",
        "M-8.6",
        "A later message with an earlier timestamp.",
        |s| {
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(sent_at(1, timestamp(5)), "")
                .client(to_bob(2), "")
                .server(sent_at(2, timestamp(4)), "");
        },
    ),
    ("m09_01_twice", "M-9.1", "Two answers to one SEND.", |s| {
        s.live(ALICE)
            .client(to_bob(1), "")
            .server(sent(1), "")
            .server(sent(1), "");
    }),
    (
        "m09_05_other_answer",
        "M-9.5",
        "A retry gets another timestamp.",
        |s| {
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(sent(1), "")
                .client(to_bob(1), "")
                .server(sent_at(1, timestamp(2)), "");
        },
    ),
    (
        "m09_06_no_conflict",
        "M-9.6",
        "Another payload under the same id is accepted.",
        |s| {
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(sent(1), "")
                .client(Frame::Send(send(1, BOB.address.user, b"another")), "")
                .server(sent(1), "");
        },
    ),
    (
        "m09_11_ttl",
        "M-9.11",
        "A time to live beyond 30 days is accepted.",
        |s| {
            let message = Send {
                ttl_ms: 2_592_000_001,
                ..send(1, BOB.address.user, ENVELOPES[1])
            };
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent(1), "");
        },
    ),
    (
        "m09_13_oneself",
        "M-9.13",
        "A message to oneself is accepted.",
        |s| {
            let message = send(1, ALICE.address.user, ENVELOPES[1]);
            s.live(ALICE)
                .client(Frame::Send(message), "")
                .server(sent(1), "");
        },
    ),
    (
        "m09_16_overtaken",
        "M-9.16",
        "A message overtakes a refused one.",
        |s| {
            let message = Reference::message(message_id(1));
            s.live(ALICE)
                .client(to_bob(1), "")
                .client(to_bob(2), "")
                .server(nack(Kind::SEND, NackCode::RATE_LIMITED, 100, message), "")
                .server(sent(2), "");
        },
    ),
    (
        "m09_17_newer_first",
        "M-9.17",
        "A newer message before the refused one.",
        |s| {
            let message = Reference::message(message_id(1));
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(nack(Kind::SEND, NackCode::RATE_LIMITED, 100, message), "")
                .server(Frame::Ping(Ping { token: 1 }), "")
                .client(
                    Frame::Pong(Pong { token: 1 }),
                    "so the client has read the NACK",
                )
                .client(to_bob(2), "");
        },
    ),
];
