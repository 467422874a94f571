//! Receiving: drain, resume, gaps, refused events, own copies, credit.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::{Address, Kind, State};

use super::super::builders::{gap, incoming, nack};
use super::super::people::{ALICE, ALICE_2, BOB, message_id, timestamp};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        drain(),
        resume(),
        gaps(),
        held(),
        restored(),
        state_lost(),
        own_copies(),
        credit(),
    ]
}

/// The n-th message, from alice, at bob's position.
pub(super) fn from_alice(position: u64, n: u8) -> Frame<'static> {
    Frame::Event(incoming(
        position,
        n,
        ALICE.address,
        ENVELOPES[usize::from(n)],
    ))
}

fn read(n: u8) -> Frame<'static> {
    Frame::Read(Read {
        author: ALICE.address,
        message_id: message_id(n),
    })
}

fn drain() -> Session {
    let refused = nack(
        Kind::READ,
        NackCode::NOT_DELIVERED,
        0,
        Reference::message(message_id(3)),
    );
    let mut session = Session::new(
        "offline_drain",
        "Three messages waited; live ones come behind them.",
    );
    session
        .ready(BOB, Resume { tail: 3, ..FRESH })
        .server(from_alice(1, 1), "")
        .client(Frame::Ping(Ping { token: 1 }), "")
        .server(
            from_alice(2, 2),
            "in the order in which alice sent them [M-9.15]",
        )
        .server(
            Frame::Pong(Pong { token: 1 }),
            "answers do not wait for the drain [M-10.21]",
        )
        .server(from_alice(3, 3), "")
        .server(caught_up(3, false), "the backlog ends [M-10.19]")
        .client(ack(2), "two are stored: both are DELIVERED [M-10.4]")
        .client(read(3), "not acknowledged yet")
        .server(refused, "[M-11.12]")
        .client(ack(3), "")
        .client(
            read(3),
            "1 and 2 are read, too; no answer [M-11.11] [M-11.13]",
        )
        .server(from_alice(4, 4), "live")
        .client(ack(4), "");
    session
}

fn resume() -> Session {
    let known = Resume {
        epoch: EPOCH,
        cursor: 3,
        at: 3,
        tail: 5,
    };
    let about = "The connection is cut before an ACK arrives: the cursor in AUTH stands for it.";
    let mut session = Session::new("resume", about);
    session
        .ready(BOB, Resume { tail: 4, ..FRESH })
        .server(from_alice(1, 1), "")
        .server(from_alice(2, 2), "")
        .client(ack(2), "")
        .server(
            from_alice(3, 3),
            "stored by the device; the connection is cut",
        )
        .ready(BOB, known)
        .server(
            from_alice(4, 4),
            "the item after the cursor, nothing twice [M-10.10] [M-12.10]",
        )
        .server(from_alice(5, 5), "")
        .server(caught_up(5, false), "")
        .client(ack(5), "");
    session
}

fn gaps() -> Session {
    let mut session = Session::new(
        "gap",
        "What is not there any more is named, never left out.",
    );
    session
        .ready(BOB, Resume { tail: 9, ..FRESH })
        .server(
            gap(1, 4, GapReason::EXPIRED),
            "four positions at once [M-10.1]; their time is over [M-9.12]",
        )
        .server(from_alice(5, 5), "")
        .server(
            gap(6, 8, GapReason::OVERFLOW),
            "nothing is left out [M-10.18]",
        )
        .server(from_alice(9, 6), "")
        .server(caught_up(9, true), "trimmed [M-10.20]")
        .client(ack(9), "gaps are acknowledged [M-10.17]");
    session
}

fn held() -> Session {
    let refused = || nack(Kind::EVENT, NackCode::REFUSED, 0, Reference::number(2));
    let mut session = Session::new("held", "A message that the device cannot take, five times.");
    session
        .ready(BOB, Resume { tail: 3, ..FRESH })
        .server(from_alice(1, 1), "")
        .server(from_alice(2, 2), "")
        .server(from_alice(3, 3), "")
        .server(caught_up(3, false), "")
        .client(ack(1), "")
        .client(
            refused(),
            "the first refusal; 3 is ignored from here on [M-10.15] [M-12.11]",
        );
    for _ in 2..=5 {
        session
            .server(from_alice(2, 2), "again, after a pause")
            .server(from_alice(3, 3), "")
            .client(refused(), "");
    }
    session
        .server(
            gap(2, 2, GapReason::HELD),
            "set aside; alice gets FACT(HELD) [M-10.16]",
        )
        .server(from_alice(3, 3), "the queue goes on")
        .client(ack(3), "");
    session
}

fn restored() -> Session {
    let old = Resume {
        epoch: EPOCH - 1,
        cursor: 40,
        at: 10,
        tail: 12,
    };
    let mut session = Session::new("epoch_changed", "The server was restored from a backup.");
    session
        .ready(BOB, old)
        .server(
            from_alice(11, 1),
            "behind READY's cursor [M-10.11]; bob may know it [M-10.13]",
        )
        .server(from_alice(12, 2), "")
        .server(caught_up(12, false), "")
        .client(ack(12), "");
    session
}

fn state_lost() -> Session {
    let about = "The device has lost its state; what it had acknowledged is gone.";
    let mut session = Session::new("state_lost", about);
    session
        .ready(BOB, Resume { tail: 5, ..FRESH })
        .server(gap(1, 3, GapReason::RESTORED), "[M-10.10]")
        .server(from_alice(4, 4), "")
        .server(from_alice(5, 5), "")
        .server(caught_up(5, true), "")
        .client(ack(5), "");
    session
}

fn own_copies() -> Session {
    let copy = Frame::Event(Event {
        position: Position(1),
        kind: EventKind::OWN_COPY,
        peer: Address {
            user: BOB.address.user,
            device: ALICE.address.device,
        },
        message_id: message_id(1),
        timestamp: timestamp(1),
        envelope: ENVELOPES[1],
        part: b"",
    });
    let mut session = Session::new(
        "own_copy",
        "alice's second device sees what the first one sent to bob.",
    );
    session
        .live(ALICE_2)
        .server(copy, "the author is alice.1 [M-15.1] [M-15.2]")
        .client(ack(1), "makes no receipt [M-15.3]")
        .server(
            gap(2, 2, GapReason::OVERFLOW),
            "the inbox was full for another copy [M-15.4]",
        )
        .client(ack(2), "");
    session
}

fn credit() -> Session {
    let narrow = Frame::Auth(Auth {
        address: BOB.address,
        signature: unhex(BOB.auth[0]),
        epoch: 0,
        cursor: Position(0),
        credit: Credit {
            messages: 2,
            bytes: 100,
        },
    });
    let mut session = Session::new("receive_credit", "The device takes two messages at a time.");
    session
        .connect(BOB)
        .greet()
        .client(narrow, "")
        .server(ready(Resume { tail: 3, ..FRESH }), "")
        .server(from_alice(1, 1), "")
        .server(
            from_alice(2, 2),
            "100 bytes less one frame are left: it may pass [M-12.4]",
        )
        .client(
            Frame::Credit(Credit {
                messages: 2,
                bytes: 100,
            }),
            "dealt with, not yet stored",
        )
        .server(
            Frame::Receipt(Receipt {
                position: Position(3),
                state: State::DELIVERED,
                peer: ALICE.address,
                up_to: timestamp(1),
                at: NOW,
            }),
            "receipts cost credit, too [M-12.2]",
        )
        .server(caught_up(3, false), "costs nothing")
        .client(ack(3), "");
    session
}
