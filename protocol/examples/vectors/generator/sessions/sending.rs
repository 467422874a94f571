//! Sending: states, retries, conflicts, refusals, order.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::{CloseCode, Kind, State};

use super::super::builders::{fact, nack, receipt, send};
use super::super::people::{ALICE, BOB, message_id, timestamp};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        to_read(),
        duplicate(),
        conflict(),
        order(),
        facts(),
        refusals(),
        credit(),
    ]
}

fn to_read() -> Session {
    let state = Frame::State(StateReply {
        request: 2,
        message_id: message_id(2),
        state: State::READ,
        timestamp: timestamp(2),
    });
    let lookup = Frame::Lookup(Lookup {
        request: 1,
        query: LookupQuery::Handle("bob"),
    });
    let found = Found {
        request: 1,
        user: BOB.address.user,
        handle: "bob",
    };
    let second = Frame::Send(Send {
        after: timestamp(1),
        ..send(2, BOB.address.user, ENVELOPES[2])
    });
    let mut session = Session::new("send", "From a handle to READ, as the sender sees it.");
    session
        .live(ALICE)
        .client(lookup, "")
        .server(
            Frame::Found(found),
            "the request of the LOOKUP [M-16.6] [M-16.7]",
        )
        .client(to_bob(1), "")
        .client(
            second,
            "without waiting; `after` is what the client knew [M-8.8]",
        )
        .server(sent(1), "durable in bob's inbox [M-9.2]")
        .server(sent(2), "")
        .server(
            receipt(1, State::DELIVERED, 2),
            "one watermark for both messages [M-11.10]",
        )
        .client(ack(1), "receipts are acknowledged like events")
        .server(
            receipt(2, State::READ, 2),
            "it stands for DELIVERED, too [M-11.7]",
        )
        .client(ack(2), "")
        .client(status(2, BOB.address.user, message_id(2)), "")
        .server(
            state,
            "the most advanced at bob's devices [M-16.3] [M-16.4]",
        );
    session
}

fn duplicate() -> Session {
    let about = "The answer to SEND is lost; the retry gets the original one and places nothing.";
    let later = Frame::Send(Send {
        after: timestamp(3),
        ..send(1, BOB.address.user, ENVELOPES[1])
    });
    let mut session = Session::new("duplicate", about);
    session
        .live(ALICE)
        .client(
            to_bob(1),
            "the connection is cut: the outcome is unknown [M-9.9]",
        )
        .connect(ALICE)
        .greet()
        .client(
            auth(
                ALICE,
                2,
                Resume {
                    epoch: EPOCH,
                    ..FRESH
                },
            ),
            "",
        )
        .server(ready(Resume { tail: 1, ..FRESH }), "")
        .client(to_bob(1), "the same id and payload")
        .server(
            sent(1),
            "the original answer: the key was kept [M-9.5] [M-9.7]",
        )
        .server(
            receipt(1, State::DELIVERED, 1),
            "made while alice was away [M-11.4]",
        )
        .server(caught_up(1, false), "")
        .client(ack(1), "")
        .client(
            later,
            "once more; `after` is not part of the payload [M-9.4]",
        )
        .server(sent(1), "");
    session
}

fn conflict() -> Session {
    let other = Frame::Send(send(1, BOB.address.user, b"another envelope"));
    let refused = nack(
        Kind::SEND,
        NackCode::CONFLICT,
        0,
        Reference::message(message_id(1)),
    );
    let mut session = Session::new("conflict", "One message id for two payloads.");
    session
        .live(ALICE)
        .client(to_bob(1), "")
        .server(sent(1), "")
        .client(other, "")
        .server(refused, "[M-9.6]")
        .client(to_bob(1), "the first payload is still the message")
        .server(sent(1), "");
    session
}

fn order() -> Session {
    let refused = |n, code, ms| nack(Kind::SEND, code, ms, Reference::message(message_id(n)));
    let mut session = Session::new(
        "order",
        "A refusal in the middle of a window does not reorder messages.",
    );
    session
        .live(ALICE)
        .client(to_bob(1), "")
        .client(to_bob(2), "")
        .client(to_bob(3), "")
        .server(sent(1), "")
        .server(
            refused(2, NackCode::INBOX_FULL, 1_000),
            "nothing was placed [M-9.8]",
        )
        .server(
            refused(3, NackCode::OUT_OF_ORDER, 1_000),
            "it must not overtake [M-9.16]",
        )
        .server(
            Frame::Credit(Credit {
                messages: 3,
                bytes: 3 * 64,
            }),
            "[M-12.9]",
        )
        .client(to_bob(2), "a second later, in the first order [M-9.17]")
        .client(to_bob(3), "")
        .server(sent(2), "")
        .server(sent(3), "");
    session
}

fn facts() -> Session {
    let about = "What became of messages that bob's device never had, as told to the sender.";
    let mut session = Session::new("facts", about);
    session
        .ready(ALICE, Resume { tail: 6, ..FRESH })
        .server(receipt(1, State::DELIVERED, 1), "a watermark [M-11.5]")
        .server(
            fact(2, State::EXPIRED, 2),
            "before the watermark that passes it [M-11.9]",
        )
        .server(fact(3, State::HELD, 4), "one of four ways to end [M-11.3]")
        .server(
            receipt(4, State::DELIVERED, 5),
            "3 and 5; not 2 and 4 [M-11.8]",
        )
        .server(receipt(5, State::READ, 5), "")
        .server(
            fact(6, State::OVERFLOW, 6),
            "bob's device was full [M-9.14]",
        )
        .server(caught_up(6, false), "")
        .client(ack(6), "");
    session
}

fn refusals() -> Session {
    let never = |n, code| nack(Kind::SEND, code, 0, Reference::message(message_id(n)));
    let message = Reference::message(message_id(9));
    let mut not_v7 = send(4, BOB.address.user, ENVELOPES[4]);
    not_v7.message_id.0[6] = 0x40;
    let invalid = Reference::message(not_v7.message_id);
    let lookup = Frame::Lookup(Lookup {
        request: 70,
        query: LookupQuery::Handle("nobody"),
    });
    let mut session = Session::new("refusals", "Requests that are refused, one of a kind.");
    session
        .live(ALICE)
        .client(
            Frame::Send(send(1, ALICE.address.user, ENVELOPES[1])),
            "to oneself",
        )
        .server(never(1, NackCode::SELF_ADDRESSED), "[M-9.13]")
        .client(Frame::Send(send(2, UserId(404), ENVELOPES[2])), "to nobody")
        .server(never(2, NackCode::UNKNOWN_RECIPIENT), "[M-9.13]")
        .client(
            Frame::Send(Send {
                ttl_ms: 999,
                ..send(3, BOB.address.user, ENVELOPES[3])
            }),
            "a time to live below a second",
        )
        .server(never(3, NackCode::TTL_INVALID), "[M-9.11]")
        .client(Frame::Send(not_v7), "a UUID of version 4")
        .server(
            nack(Kind::SEND, NackCode::MESSAGE_ID_INVALID, 0, invalid),
            "[M-8.2]",
        )
        .client(
            Frame::Read(Read {
                author: BOB.address,
                message_id: message_id(9),
            }),
            "",
        )
        .server(
            nack(Kind::READ, NackCode::UNKNOWN_MESSAGE, 0, message),
            "[M-11.12]",
        )
        .client(
            status(3, BOB.address.user, message_id(9)),
            "not alice's [M-16.2]",
        )
        .server(
            nack(Kind::STATUS, NackCode::UNKNOWN_MESSAGE, 0, message),
            "[M-16.1]",
        )
        .client(lookup, "")
        .server(
            nack(
                Kind::LOOKUP,
                NackCode::UNKNOWN_HANDLE,
                0,
                Reference::number(70),
            ),
            "the request's number [M-13.1]",
        )
        .client(ack(1), "nothing was pushed")
        .server(close(CloseCode::BAD_ACK), "[M-10.5]");
    session
}

fn credit() -> Session {
    let mut session = Session::new("send_credit", "The server's window is four messages wide.");
    session
        .live(ALICE)
        .client(to_bob(1), "")
        .client(to_bob(2), "")
        .client(to_bob(3), "")
        .client(to_bob(4), "the credit is spent: the client waits [M-12.4]")
        .server(sent(1), "")
        .server(sent(2), "")
        .server(
            Frame::Credit(Credit {
                messages: 2,
                bytes: 128,
            }),
            "half is dealt with [M-12.8]",
        )
        .client(to_bob(5), "")
        .client(to_bob(6), "")
        .server(sent(4), "answers come in any order [M-9.3]")
        .server(sent(3), "")
        .server(sent(5), "")
        .server(sent(6), "");
    session
}
