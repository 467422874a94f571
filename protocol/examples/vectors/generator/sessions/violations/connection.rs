//! What goes wrong between connecting and being ready, in answers, and with credit.

use super::*;

pub(super) const ENTRANCE: &[Script] = &[
    (
        "m05_01_send_too_early",
        "M-5.1",
        "A SEND before READY.",
        |s| {
            s.connect(ALICE).greet().client(to_bob(1), "");
        },
    ),
    (
        "m05_01_wrong_way",
        "M-5.1",
        "A client pushes an EVENT.",
        |s| {
            s.live(ALICE).client(from_alice(1, 1), "");
        },
    ),
    (
        "m05_04_auth_too_early",
        "M-5.4",
        "AUTH does not wait for REGISTERED.",
        |s| {
            s.connect(ALICE)
                .greet()
                .client(register(ALICE), "")
                .client(auth(ALICE, 1, FRESH), "");
        },
    ),
    (
        "m05_07_pong_order",
        "M-5.7",
        "The second PING is answered first.",
        |s| {
            s.live(ALICE)
                .client(Frame::Ping(Ping { token: 1 }), "")
                .client(Frame::Ping(Ping { token: 2 }), "")
                .server(Frame::Pong(Pong { token: 2 }), "");
        },
    ),
    (
        "m06_01_version",
        "M-6.1",
        "A version that the client does not speak.",
        |s| {
            let Frame::Challenge(right) = challenge(1) else {
                return;
            };
            s.connect(ALICE).client(hello(), "").server(
                Frame::Challenge(Challenge {
                    version: 2,
                    ..right
                }),
                "",
            );
        },
    ),
    (
        "m06_04_feature",
        "M-6.4",
        "A feature that the client did not offer.",
        |s| {
            let Frame::Challenge(right) = challenge(1) else {
                return;
            };
            s.connect(ALICE).client(hello(), "").server(
                Frame::Challenge(Challenge {
                    features: Features(1),
                    ..right
                }),
                "",
            );
        },
    ),
    (
        "m07_07_no_close",
        "M-7.7",
        "The connection goes on after AUTH_FAILED.",
        |s| {
            let refused = nack(Kind::AUTH, NackCode::AUTH_FAILED, 0, Reference::default());
            s.connect(ALICE)
                .greet()
                .client(auth(ALICE, 1, FRESH), "")
                .server(refused, "")
                .server(ready(FRESH), "");
        },
    ),
    (
        "m07_11_second_account",
        "M-7.11",
        "The same handle and key get two accounts.",
        |s| {
            s.connect(ALICE)
                .greet()
                .client(register(ALICE), "")
                .server(registered(ALICE), "")
                .connect(ALICE)
                .greet()
                .client(register(ALICE), "")
                .server(registered(BOB), "");
        },
    ),
    (
        "m14_01_after_close",
        "M-14.1",
        "A frame after CLOSE.",
        |s| {
            s.live(ALICE)
                .client(close(CloseCode::NORMAL), "")
                .client(Frame::Ping(Ping { token: 1 }), "");
        },
    ),
    (
        "m18_04_nonce",
        "M-18.4",
        "A nonce that was used before.",
        |s| {
            s.live(ALICE)
                .connect(ALICE)
                .client(hello(), "")
                .server(challenge(1), "");
        },
    ),
];

pub(super) const ANSWERS: &[Script] = &[
    (
        "m13_01_reference",
        "M-13.1",
        "A NACK for a message that was not sent.",
        |s| {
            let other = Reference::message(message_id(2));
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(nack(Kind::SEND, NackCode::CONFLICT, 0, other), "");
        },
    ),
    (
        "m13_04_retry_never",
        "M-13.4",
        "A time to wait for what never succeeds.",
        |s| {
            let message = Reference::message(message_id(1));
            s.live(ALICE)
                .client(to_bob(1), "")
                .server(nack(Kind::SEND, NackCode::CONFLICT, 1_000, message), "");
        },
    ),
    (
        "m13_05_class",
        "M-13.5",
        "A known code with another class.",
        |s| {
            s.live(ALICE).client(to_bob(1), "").server(
                Frame::Nack(Nack {
                    of: Kind::SEND,
                    code: NackCode::CONFLICT,
                    class: Class::RETRY_AFTER,
                    retry_after_ms: 0,
                    reference: Reference::message(message_id(1)),
                }),
                "",
            );
        },
    ),
    (
        "m13_06_client_nack",
        "M-13.6",
        "A client refuses something other than an EVENT.",
        |s| {
            let mark = nack(Kind::CAUGHT_UP, NackCode::REFUSED, 0, Reference::default());
            s.live(ALICE).client(mark, "");
        },
    ),
    (
        "m16_01_state",
        "M-16.1",
        "A STATE that answers no STATUS.",
        |s| {
            let state = StateReply {
                request: 1,
                message_id: message_id(1),
                state: State::SENT,
                timestamp: timestamp(1),
            };
            s.live(ALICE).server(Frame::State(state), "");
        },
    ),
    (
        "m16_05_found",
        "M-16.5",
        "A FOUND with another request.",
        |s| {
            let lookup = Frame::Lookup(Lookup {
                request: 1,
                query: LookupQuery::Handle("bob"),
            });
            let found = Found {
                request: 2,
                user: BOB.address.user,
                handle: "bob",
            };
            s.live(ALICE)
                .client(lookup, "")
                .server(Frame::Found(found), "");
        },
    ),
];

pub(super) const CREDIT: &[Script] = &[
    (
        "m12_04_client",
        "M-12.4",
        "A fifth SEND on four messages of credit.",
        |s| {
            s.live(ALICE)
                .client(to_bob(1), "")
                .client(to_bob(2), "")
                .client(to_bob(3), "")
                .client(to_bob(4), "")
                .client(to_bob(5), "");
        },
    ),
    (
        "m12_04_server",
        "M-12.4",
        "An item when the bytes of credit are spent.",
        |s| {
            let narrow = Frame::Auth(Auth {
                address: BOB.address,
                signature: unhex(BOB.auth[0]),
                epoch: 0,
                cursor: Position(0),
                credit: Credit {
                    messages: 2,
                    bytes: 56,
                },
            });
            s.connect(BOB)
                .greet()
                .client(narrow, "")
                .server(ready(Resume { tail: 2, ..FRESH }), "")
                .server(from_alice(1, 1), "56 bytes: the window is spent")
                .server(from_alice(2, 2), "");
        },
    ),
    (
        "m12_07_too_wide",
        "M-12.7",
        "A grant beyond the maximum.",
        |s| {
            s.live(BOB).client(
                Frame::Credit(Credit {
                    messages: 1_009,
                    bytes: 0,
                }),
                "16 + 1,009",
            );
        },
    ),
    (
        "m14_07_after_goaway",
        "M-14.7",
        "A request after a PING that follows GOAWAY.",
        |s| {
            let away = Frame::Goaway(Goaway {
                code: CloseCode::SHUTDOWN,
                delay_ms_min: 0,
                delay_ms_max: 0,
                address: "",
            });
            s.live(ALICE)
                .server(away, "")
                .server(Frame::Ping(Ping { token: 1 }), "")
                .client(
                    Frame::Pong(Pong { token: 1 }),
                    "so the client has read the GOAWAY",
                )
                .client(
                    Frame::Send(Send {
                        after: Timestamp(1),
                        ..send(1, BOB.address.user, b"")
                    }),
                    "",
                );
        },
    ),
];
