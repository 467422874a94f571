//! Connecting: register, authenticate, be refused, be sent away.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::version::Features;
use martlet_protocol::{CloseCode, Kind};

use super::super::builders::nack;
use super::super::people::{ALICE, BOB, BOB_AS_ALICE, message_id};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![
        connect(),
        register_again(),
        handle_taken(),
        auth_failed(),
        version(),
        skipped(),
        goaway(),
    ]
}

fn connect() -> Session {
    let mut session = Session::new(
        "connect",
        "A new account, its first connection, a clean end.",
    );
    session
        .connect(ALICE)
        .greet()
        .client(
            register(ALICE),
            "signature over `martlet register v1`, see auth.json",
        )
        .server(
            registered(ALICE),
            "durable before it is sent [M-7.12]; device 1 [M-7.13]",
        )
        .client(
            auth(ALICE, 1, FRESH),
            "epoch 0 and cursor 0: the device knows no stream [M-10.9]",
        )
        .server(ready(FRESH), "the device stores epoch and cursor [M-10.12]")
        .server(caught_up(0, false), "at once: nothing waits [M-10.19]")
        .client(
            Frame::Ping(Ping { token: 7 }),
            "before idle_ms is over [M-5.9]",
        )
        .server(Frame::Pong(Pong { token: 7 }), "the same token [M-5.7]")
        .client(close(CloseCode::NORMAL), "the last frame [M-14.1]");
    session
}

fn register_again() -> Session {
    let about = "The answer to REGISTER is lost; the repetition gets the same account.";
    let mut session = Session::new("register_again", about);
    session
        .connect(ALICE)
        .greet()
        .client(register(ALICE), "the connection is cut before the answer")
        .connect(ALICE)
        .greet()
        .client(
            register(ALICE),
            "in a real session: signed over the new nonce",
        )
        .server(
            registered(ALICE),
            "the account of the first attempt [M-7.11]",
        )
        .client(auth(ALICE, 2, FRESH), "")
        .server(ready(FRESH), "")
        .server(caught_up(0, false), "");
    session
}

fn handle_taken() -> Session {
    let taken = nack(
        Kind::REGISTER,
        NackCode::HANDLE_TAKEN,
        0,
        Reference::default(),
    );
    let mut session = Session::new(
        "handle_taken",
        "A handle has another key; the client tries its next one.",
    );
    session
        .connect(BOB)
        .greet()
        .client(
            Frame::Register(Register {
                handle: "alice",
                key: unhex(BOB.key),
                signature: unhex(BOB_AS_ALICE),
                token: b"",
            }),
            "",
        )
        .server(taken, "the connection stays open [M-7.8]")
        .client(register(BOB), "")
        .server(registered(BOB), "a handle of its own [M-7.11]");
    session
}

fn auth_failed() -> Session {
    let refused = nack(Kind::AUTH, NackCode::AUTH_FAILED, 0, Reference::default());
    let forged = Frame::Auth(Auth {
        address: ALICE.address,
        signature: unhex(BOB.auth[0]),
        epoch: 0,
        cursor: Position(0),
        credit: CLIENT_GRANTS,
    });
    let mut session = Session::new("auth_failed", "Somebody else's signature.");
    session
        .connect(ALICE)
        .greet()
        .client(forged, "")
        .server(refused, "the same for every cause [M-7.7]")
        .server(close(CloseCode::AUTH_FAILED), "");
    session
}

fn version() -> Session {
    let later = Frame::Hello(Hello {
        version_min: 2,
        version_max: 3,
        features: Features::default(),
        agent: "",
    });
    let mut session = Session::new(
        "version_unsupported",
        "A client that speaks only later ones.",
    );
    session
        .connect(ALICE)
        .client(later, "")
        .server(close(CloseCode::VERSION_UNSUPPORTED), "[M-6.2]");
    session
}

fn skipped() -> Session {
    let about = "Types of the skippable range are passed over, in every state and direction.";
    let mut session = Session::new("skippable", about);
    session
        .connect(ALICE)
        .skippable("client", 0xc0, "[M-2.6]")
        .greet()
        .skippable("server", 0xff, "")
        .client(auth(ALICE, 1, FRESH), "")
        .server(ready(FRESH), "")
        .skippable("server", 0xd7, "")
        .server(caught_up(0, false), "")
        .skippable("client", 0xd7, "")
        .client(
            Frame::Pong(Pong { token: 9 }),
            "it answers no PING: ignored [M-5.8]",
        )
        .client(Frame::Ping(Ping { token: 1 }), "")
        .server(Frame::Pong(Pong { token: 1 }), "");
    session
}

fn goaway() -> Session {
    let away = Frame::Goaway(Goaway {
        code: CloseCode::SHUTDOWN,
        delay_ms_min: 0,
        delay_ms_max: 5_000,
        address: "",
    });
    let draining = nack(
        Kind::SEND,
        NackCode::DRAINING,
        0,
        Reference::message(message_id(2)),
    );
    let mut session = Session::new(
        "goaway",
        "The server goes away; the client takes its leave.",
    );
    session
        .live(ALICE)
        .client(to_bob(1), "under way before the GOAWAY")
        .server(
            away,
            "the client will wait 0 to 5 s and connect again [M-14.7]",
        )
        .client(to_bob(2), "sent before the client had read the GOAWAY")
        .server(sent(1), "begun requests are answered [M-14.6]")
        .server(
            draining,
            "class MOVED: the same message goes to the next connection",
        )
        .client(close(CloseCode::NORMAL), "")
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
        .client(
            to_bob(2),
            "unanswered and moved requests come first [M-14.10]",
        )
        .server(caught_up(0, false), "")
        .server(sent(2), "");
    session
}
