//! The transcripts of the vectors, judged by an observer that knows SPEC.md: it finds nothing in
//! those under `sessions/`, and exactly the named statement in those under `violations/`.
#![allow(clippy::unwrap_used, reason = "a bad vector must fail the test")]

mod devices;
mod groups;
mod inbox;
mod observer;
mod people;
mod phases;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod window;

use martlet_protocol::codec::Decoder;
use martlet_protocol::limits::FRAME_BYTES_MAX;
use observer::{Observer, Side};
use serde_json::Value;
use support::{bytes, spec, text, transcripts};

/// The steps of a transcript, each with whether a connection begins with it.
fn steps(session: &Value) -> Vec<(bool, Value)> {
    let connections = session["connections"].as_array().unwrap();
    let of = |connection: &Value| connection["steps"].as_array().unwrap().clone();
    let mark = |steps: Vec<Value>| {
        steps
            .into_iter()
            .enumerate()
            .map(|(index, step)| (index == 0, step))
    };
    connections
        .iter()
        .flat_map(|connection| mark(of(connection)))
        .collect()
}

/// The first broken statement, and at which step.
fn judge(session: &Value) -> Option<(usize, &'static str)> {
    let mut observer = Observer::new(&spec());
    for (index, (begins, step)) in steps(session).into_iter().enumerate() {
        if begins {
            observer.connection_begins();
        }
        let side = match text(&step, "from") {
            "client" => Side::Client,
            "server" => Side::Server,
            other => panic!("{other} is no side"),
        };
        let input = bytes(&step, "hex");
        let frame = Decoder::new(FRAME_BYTES_MAX).next(&mut &input[..]).unwrap();
        let verdict = match frame {
            Some(frame) => observer.step(side, &frame, input.len()),
            None => observer.skipped(side),
        };
        if let Err(statement) = verdict {
            return Some((index, statement));
        }
    }
    None
}

#[test]
fn the_sessions_break_no_statement() {
    for session in transcripts("sessions") {
        let broken = judge(&session);
        assert_eq!(broken, None, "{}: {}", session["name"], session["about"]);
    }
}

#[test]
fn each_violation_breaks_the_named_statement_with_its_last_step() {
    for session in transcripts("violations") {
        let last = steps(&session).len() - 1;
        let expected = text(&session, "violates");
        let found = judge(&session);
        assert_eq!(
            found,
            Some((last, expected)),
            "{}: {}",
            session["name"],
            session["about"]
        );
    }
}

#[test]
fn a_session_without_its_server_frames_is_not_accepted() {
    let sessions = transcripts("sessions");
    let session = sessions
        .iter()
        .find(|session| session["name"] == "send")
        .unwrap();
    for (index, (_, step)) in steps(session).into_iter().enumerate() {
        if ["CHALLENGE", "READY"].contains(&text(&step, "frame")) {
            let mut cut = session.clone();
            cut["connections"][0]["steps"]
                .as_array_mut()
                .unwrap()
                .remove(index);
            assert!(judge(&cut).is_some(), "without step {index}");
        }
    }
}
