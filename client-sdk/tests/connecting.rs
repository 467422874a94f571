//! Registration, authentication, loss and return: what the client says, and when it comes back.
#![allow(missing_docs, reason = "a test binary has no public interface")]

mod support;

use support::{check, check_new};

#[test]
fn a_new_home_registers_and_goes_on_to_the_stream_on_one_connection() {
    check_new(
        "
        start
        app register home:1 alice
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        srv REGISTERED
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv READY 5 0 0
          net PUBLISH 1
          net UPLOAD 50
          answer registered 1 1
          ev online home:1
        srv CAUGHT_UP 0
          ev caught_up 0 false
        app register home:1 bob
          error this home belongs to alice: choose another home
        ",
    );
}

#[test]
fn a_registration_whose_answer_was_lost_is_repeated_with_the_same_name() {
    check_new(
        "
        app register home:1 alice
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        crash
        app register home:1 alice
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        srv REGISTERED
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv READY 5 0 0
          net PUBLISH 1
          net UPLOAD 50
          answer registered 1 1
          ev online home:1
        ",
    );
}

#[test]
fn a_registration_that_was_interrupted_before_its_keys_were_out_goes_on_by_itself() {
    check_new(
        "
        app register home:1 alice
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        srv REGISTERED
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        crash
          net dial home:1
        app register home:1 alice
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv READY 5 0 0
          net PUBLISH 1
          net UPLOAD 50
          answer registered 1 1
          ev online home:1
        app register home:1 alice
          error this home belongs to alice: choose another home
        ",
    );
}

#[test]
fn a_refused_registration_says_why_and_leaves_the_home_free() {
    check_new(
        "
        app register home:1 alice
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        srv NACK REGISTER - HANDLE_TAKEN 0
          net CLOSE NORMAL
          net closed
          answer refused HANDLE_TAKEN
        app register home:1 alice2
          net dial home:1
        ",
    );
}

#[test]
fn a_registration_hears_at_once_of_what_hangs_up_instead_of_greeting() {
    check_new(
        "
        app register home:1 alice
          net dial home:1
        net failed
          answer not now: cannot reach the server: refused
          ev offline: cannot reach the server: refused
        time 1000
          net dial home:1
        net connected
          net HELLO 1-1
        net lost
          answer not now: the connection was lost
          ev offline: the connection was lost
        time 2000
          net dial home:1
        net connected
          net HELLO 1-1
        srv garbage
          net CLOSE TOO_LARGE
          net closed
          answer not now: the server broke the protocol: TOO_LARGE
          ev offline: the server broke the protocol: TOO_LARGE
        time 4000
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net REGISTER alice
        net lost
          ev offline: the connection was lost
        ",
    );
}

#[test]
fn a_device_that_the_server_does_not_know_stops_and_says_so() {
    check(
        "
        start
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv NACK AUTH - AUTH_FAILED 0
          net CLOSE NORMAL
          net closed
          ev offline for good: the server refused: AUTH_FAILED
        time 3600000
        app send bob hi
          error this device was removed from its account: link a new home to take part again
        ",
    );
}

#[test]
fn a_device_that_the_server_did_not_know_says_so_again_and_asks_once_in_each_run() {
    check(
        "
        start
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv NACK AUTH - AUTH_FAILED 0
          net CLOSE NORMAL
          net closed
          ev offline for good: the server refused: AUTH_FAILED
        crash
          net dial home:1
          ev offline: the server refused: AUTH_FAILED
        app send bob hi
          error this device was removed from its account: link a new home to take part again
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv NACK AUTH - AUTH_FAILED 0
          net CLOSE NORMAL
          net closed
          ev offline for good: the server refused: AUTH_FAILED
        crash
          net dial home:1
          ev offline: the server refused: AUTH_FAILED
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 0 cursor 0
        srv READY 5 0 0
          ev online home:1
        app send bob hi
          net LOOKUP 1 bob
        crash
          net dial home:1
        ",
    );
}

#[test]
fn a_failed_connection_is_tried_again_within_the_growing_window() {
    check(
        "
        start
          net dial home:1
        net failed
          ev offline: cannot reach the server: refused
        time 1000
          net dial home:1
        net failed
          ev offline: cannot reach the server: refused
        time 2000
          net dial home:1
        ",
    );
}

#[test]
fn the_stream_resumes_at_the_stored_cursor_after_a_crash() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        crash
          net dial home:1
        net connected
          net HELLO 1-1
        srv CHALLENGE
          net AUTH 0000000000000001.1 epoch 5 cursor 1
        ",
    );
}

#[test]
fn silence_is_answered_by_a_ping_and_then_taken_for_the_end() {
    check(
        "
        login
          ev online home:1
        time 9999
        time 1
          net PING 0
        srv PONG 0
        time 10000
          net PING 0
        time 10000
          net CLOSE IDLE_TIMEOUT
          net closed
          ev offline: the server does not answer
        ",
    );
}

#[test]
fn a_server_that_does_not_finish_the_handshake_is_given_up() {
    check(
        "
        start
          net dial home:1
        net connected
          net HELLO 1-1
        time 15000
          net CLOSE IDLE_TIMEOUT
          net closed
          ev offline: the server does not answer
        ",
    );
}

#[test]
fn a_leaving_server_gets_no_new_requests_and_its_delay_and_address_are_followed() {
    check(
        "
        login
          ev online home:1
        app send bob hi
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 hi
        srv GOAWAY 500 500 other:2
        app send bob later
        srv SENT m1 100000 1
          net CLOSE NORMAL
          net closed
          ev sent m1 bob
          ev offline: the server goes away
        time 499
        time 1
          net dial tls://other:2
        ",
    );
}

#[test]
fn a_device_that_was_removed_or_replaced_does_not_come_back_by_itself() {
    for (code, cause) in [
        ("REPLACED", "the server closed: REPLACED"),
        ("DEVICE_GONE", "this device was removed from its account"),
        (
            "VERSION_UNSUPPORTED",
            "the server closed: VERSION_UNSUPPORTED",
        ),
    ] {
        check(&format!(
            "
            login
              ev online home:1
            srv CLOSE {code}
              net closed
              ev offline for good: {cause}
            time 3600000
            "
        ));
    }
}

#[test]
fn a_device_that_was_removed_stays_away_also_after_a_restart() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        srv CLOSE DEVICE_GONE
          net closed
          ev offline for good: this device was removed from its account
        crash
          ev offline for good: this device was removed from its account
        time 3600000
        app history bob
          message x1 from bob one (delivered)
        app send bob hi
          error this device was removed from its account: link a new home to take part again
        app history bob
          message x1 from bob one (delivered)
        ",
    );
}

#[test]
fn bytes_and_frames_that_break_the_protocol_end_the_connection_and_not_the_client() {
    check(
        "
        login
          ev online home:1
        srv garbage
          net CLOSE TOO_LARGE
          net closed
          ev offline: the server broke the protocol: TOO_LARGE
        time 1000
          net dial home:1
        net connected
          net HELLO 1-1
        srv SENT x1 100 1
          net CLOSE UNEXPECTED_FRAME
          net closed
          ev offline: the server broke the protocol: UNEXPECTED_FRAME
        ",
    );
}

#[test]
fn a_client_that_is_closed_says_goodbye_and_stays_away() {
    check(
        "
        login
          ev online home:1
        app shutdown
          net CLOSE NORMAL
          net closed
          ev offline for good: the connection was lost
        time 3600000
        ",
    );
}
