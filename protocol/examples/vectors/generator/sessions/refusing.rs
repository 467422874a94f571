//! What is refused on the way in and by the clock, and connections that the server ends.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::{CloseCode, Kind, MessageId, Millis, State};

use super::super::builders::{nack, receipt, send};
use super::super::people::{ALICE, BOB, NOW};
use super::delivery::from_alice;
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        token(),
        signature(),
        clocks(),
        nothing_to_refuse(),
        replaced(),
        device_gone(),
        too_slow(),
        half_a_frame(),
    ]
}

fn no_account(code: NackCode) -> Frame<'static> {
    nack(Kind::REGISTER, code, 0, Reference::default())
}

fn token() -> Session {
    let with = |token| {
        Frame::Register(Register {
            token,
            ..claim(ALICE)
        })
    };
    let mut session = Session::new("token", "Registration by the operator's tokens.");
    session
        .connect(ALICE)
        .client(hello(), "")
        .server(challenge_with(1, Registration::TOKEN), "")
        .client(with(b""), "")
        .server(
            no_account(NackCode::TOKEN_INVALID),
            "none is not a token [M-7.9]",
        )
        .client(with(b"eyJh.b2xk.c2ln"), "")
        .server(no_account(NackCode::TOKEN_EXPIRED), "[M-7.9]")
        .client(with(b"eyJh.bmV3.c2ln"), "")
        .server(registered(ALICE), "");
    session
}

fn signature() -> Session {
    let forged = Register {
        signature: unhex(BOB.register),
        ..claim(ALICE)
    };
    let mut session = Session::new("register_forged", "A key that does not sign for itself.");
    session
        .connect(ALICE)
        .greet()
        .client(Frame::Register(forged), "")
        .server(no_account(NackCode::AUTH_FAILED), "[M-7.6]");
    session
}

fn clocks() -> Session {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let at = |ms: u64| Send {
        message_id: MessageId::new(Millis(ms), [1; 10]),
        ..send(1, BOB.address.user, ENVELOPES[1])
    };
    let old = at(NOW.0 - 7 * DAY_MS - 1);
    let ahead = at(NOW.0 + 5 * 60 * 1_000 + 1);
    let after = Send {
        after: NOW.plus(60_001).timestamp(),
        ..at(NOW.0)
    };
    let refused =
        |send: &Send<'_>, code| nack(Kind::SEND, code, 0, Reference::message(send.message_id));
    let too_old = refused(&old, NackCode::MESSAGE_ID_TOO_OLD);
    let too_new = refused(&ahead, NackCode::MESSAGE_ID_AHEAD);
    let too_late = refused(&after, NackCode::AFTER_AHEAD);
    let mut session = Session::new("clocks", "Times that are not near the server's clock.");
    session
        .live(ALICE)
        .client(Frame::Send(old), "7 days and a millisecond old")
        .server(too_old, "[M-8.3]")
        .client(Frame::Send(ahead), "5 minutes and a millisecond ahead")
        .server(too_new, "[M-8.3]")
        .client(
            Frame::Send(after),
            "`after` is a minute and a millisecond ahead",
        )
        .server(too_late, "[M-8.7]");
    session
}

fn nothing_to_refuse() -> Session {
    let refuse = nack(Kind::EVENT, NackCode::REFUSED, 0, Reference::number(2));
    let mut session = Session::new("bad_refusal", "A refusal of what was never pushed.");
    session
        .live(BOB)
        .server(from_alice(1, 1), "")
        .client(refuse, "")
        .server(close(CloseCode::BAD_ACK), "[M-13.7]");
    session
}

fn replaced() -> Session {
    let mut session = Session::new("replaced", "The device connects a second time.");
    session
        .live(ALICE)
        .server(
            close(CloseCode::REPLACED),
            "before the second connection is READY [M-5.11]",
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
        .server(ready(FRESH), "")
        .server(caught_up(0, false), "");
    session
}

fn device_gone() -> Session {
    let mut session = Session::new("device_gone", "The device is removed from its account.");
    session
        .live(ALICE)
        .server(receipt(1, State::DELIVERED, 1), "")
        .server(close(CloseCode::DEVICE_GONE), "[M-7.14]");
    session
}

fn too_slow() -> Session {
    let mut session = Session::new("auth_timeout", "A client that does not authenticate.");
    session
        .connect(ALICE)
        .greet()
        .server(close(CloseCode::AUTH_TIMEOUT), "10 seconds later [M-5.5]");
    session
}

fn half_a_frame() -> Session {
    let about = "The last frame of the client begins and does not end; it is not shown.";
    let mut session = Session::new("slow_frame", about);
    session
        .live(ALICE)
        .server(close(CloseCode::SLOW_FRAME), "10 seconds later [M-5.6]");
    session
}
