//! What goes wrong in a stream and in what its receipts say.

use super::*;

pub(super) const STREAM: &[Script] = &[
    ("m10_02_hole", "M-10.2", "Position 2 is left out.", |s| {
        s.live(BOB)
            .server(from_alice(1, 1), "")
            .server(from_alice(3, 3), "");
    }),
    ("m10_02_again", "M-10.2", "An item comes twice.", |s| {
        s.live(BOB)
            .server(from_alice(1, 1), "")
            .server(from_alice(1, 1), "");
    }),
    (
        "m10_02_within_gap",
        "M-10.2",
        "An item at a position that a GAP covered.",
        |s| {
            s.live(BOB)
                .server(gap(1, 4, GapReason::EXPIRED), "")
                .server(from_alice(4, 4), "");
        },
    ),
    (
        "m10_05_ack_ahead",
        "M-10.5",
        "The server goes on after an ACK beyond the stream.",
        |s| {
            s.live(BOB)
                .client(ack(1), "nothing was pushed")
                .server(from_alice(1, 1), "");
        },
    ),
    (
        "m10_06_pushed_again",
        "M-10.6",
        "An acknowledged item comes again.",
        |s| {
            let back = Resume {
                epoch: EPOCH,
                cursor: 0,
                at: 0,
                tail: 2,
            };
            s.live(BOB)
                .server(from_alice(1, 1), "")
                .server(from_alice(2, 2), "")
                .client(ack(2), "")
                .client(Frame::Ping(Ping { token: 1 }), "")
                .server(Frame::Pong(Pong { token: 1 }), "so the ACK had arrived")
                .ready(BOB, back)
                .server(from_alice(1, 1), "it must be a GAP(restored)");
        },
    ),
    ("m10_08_epoch", "M-10.8", "An epoch of 0.", |s| {
        let Frame::Ready(right) = ready(FRESH) else {
            return;
        };
        s.connect(BOB)
            .greet()
            .client(auth(BOB, 1, FRESH), "")
            .server(Frame::Ready(Ready { epoch: 0, ..right }), "");
    }),
    (
        "m10_10_cursor_ignored",
        "M-10.10",
        "The cursor of AUTH is not taken over.",
        |s| {
            s.ready(
                BOB,
                Resume {
                    epoch: EPOCH,
                    cursor: 3,
                    at: 2,
                    tail: 5,
                },
            );
        },
    ),
    ("m10_12_tail", "M-10.12", "A tail before the cursor.", |s| {
        s.ready(
            BOB,
            Resume {
                epoch: EPOCH,
                cursor: 5,
                at: 5,
                tail: 4,
            },
        );
    }),
    (
        "m10_14_ack_refused",
        "M-10.14",
        "An ACK past a refused EVENT.",
        |s| {
            s.live(BOB)
                .server(from_alice(1, 1), "")
                .client(
                    nack(Kind::EVENT, NackCode::REFUSED, 0, Reference::number(1)),
                    "",
                )
                .client(ack(1), "");
        },
    ),
    (
        "m10_16_sixth_push",
        "M-10.16",
        "An EVENT comes again after the fifth refusal.",
        |s| {
            s.live(BOB).server(from_alice(1, 1), "");
            for _ in 1..=5 {
                s.client(
                    nack(Kind::EVENT, NackCode::REFUSED, 0, Reference::number(1)),
                    "",
                )
                .server(from_alice(1, 1), "");
            }
        },
    ),
    (
        "m10_19_early",
        "M-10.19",
        "CAUGHT_UP before the tail.",
        |s| {
            s.ready(BOB, Resume { tail: 2, ..FRESH })
                .server(from_alice(1, 1), "")
                .server(caught_up(1, false), "");
        },
    ),
    ("m10_19_twice", "M-10.19", "CAUGHT_UP twice.", |s| {
        s.live(BOB).server(caught_up(0, false), "");
    }),
    (
        "m10_20_not_trimmed",
        "M-10.20",
        "A GAP was pushed, and trimmed is 0.",
        |s| {
            s.ready(BOB, Resume { tail: 2, ..FRESH })
                .server(gap(1, 2, GapReason::EXPIRED), "")
                .server(caught_up(2, false), "");
        },
    ),
    (
        "m15_02_own_device",
        "M-15.2",
        "The sending device gets its own copy.",
        |s| {
            let copy = Event {
                kind: EventKind::OWN_COPY,
                peer: Address {
                    user: BOB.address.user,
                    device: ALICE_2.address.device,
                },
                ..incoming(1, 1, ALICE.address, ENVELOPES[1])
            };
            s.live(ALICE_2).server(Frame::Event(copy), "");
        },
    ),
];

pub(super) const RECEIPTS: &[Script] = &[
    (
        "m11_01_receipt",
        "M-11.1",
        "A watermark of a state that only FACT tells.",
        |s| {
            s.live(ALICE).server(receipt(1, State::EXPIRED, 1), "");
        },
    ),
    (
        "m11_02_from_final",
        "M-11.2",
        "An expired message is read.",
        |s| {
            s.live(ALICE)
                .server(fact(1, State::EXPIRED, 1), "")
                .server(fact(2, State::READ, 1), "");
        },
    ),
    (
        "m11_02_back",
        "M-11.2",
        "A read message is delivered.",
        |s| {
            s.live(ALICE)
                .server(fact(1, State::READ, 1), "")
                .server(fact(2, State::DELIVERED, 1), "");
        },
    ),
    (
        "m11_06_falls",
        "M-11.6",
        "A watermark that does not rise.",
        |s| {
            s.live(ALICE)
                .server(receipt(1, State::DELIVERED, 2), "")
                .server(receipt(2, State::DELIVERED, 2), "");
        },
    ),
    (
        "m11_09_too_late",
        "M-11.9",
        "The FACT comes behind the watermark that passed it.",
        |s| {
            s.live(ALICE)
                .server(receipt(1, State::DELIVERED, 3), "")
                .server(fact(2, State::EXPIRED, 2), "");
        },
    ),
];
