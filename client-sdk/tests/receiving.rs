//! The stream: stored before it is acknowledged, shown once, complete or with a gap that says so.
#![allow(missing_docs, reason = "a test binary has no public interface")]

mod support;

use support::{check, check_with_tablet};

#[test]
fn what_was_received_and_not_taken_is_shown_after_a_restart_and_only_once() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv EVENT 2 7 x2 501 two
          net ACK 2
        crash
          net dial home:1
        login 5 2
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
          ev message x2 from bob two
          ev online home:1
        crash
          net dial home:1
        app history bob
          message x1 from bob one (delivered)
          message x2 from bob two (delivered)
        ",
    );
}

#[test]
fn a_message_pushed_again_is_acknowledged_and_not_shown_again() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        net lost
          ev offline: the connection was lost
        login
          net ACK 1
          ev online home:1
        srv EVENT 1 7 x1 500 one
        srv EVENT 2 7 x2 501 two
          net ACK 2
          ev message x2 from bob two
        ",
    );
}

#[test]
fn after_a_new_epoch_known_messages_come_again_and_are_not_shown_again() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        net lost
          ev offline: the connection was lost
        login 6 0
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
        srv EVENT 2 7 x2 501 two
          net ACK 2
          ev message x2 from bob two
        ",
    );
}

#[test]
fn a_home_that_was_restored_from_an_old_copy_says_what_it_misses() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        net lost
          ev offline: the connection was lost
        login 5 4
          ev gap 2 4 restored
          ev online home:1
        srv EVENT 5 7 x5 505 five
          net ACK 5
          ev message x5 from bob five
        ",
    );
}

#[test]
fn a_hole_in_the_stream_ends_the_connection_and_nothing_beyond_it_is_acknowledged() {
    check(
        "
        login
          ev online home:1
        srv EVENT 2 7 x2 501 two
          net CLOSE UNEXPECTED_FRAME
          net closed
          ev offline: the server broke the protocol: UNEXPECTED_FRAME
        ",
    );
}

#[test]
fn a_gap_is_shown_acknowledged_and_followed_by_questions_about_lost_receipts() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        srv SENT m1 100000 1
          ev sent m1 bob
        srv GAP 1 3
          net ACK 3
          net STATUS m1
          ev gap 1 3 expired
        srv STATE 2 m1 delivered 100000
          answer status m1
          ev delivered m1 bob
        ",
    );
}

#[test]
fn a_message_that_cannot_be_opened_is_acknowledged_told_and_asked_for_again() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        srv BROKEN 2 7 x2 501
          net ACK 2
          net CONTROL 0x81 7.1
          ev security bob undecryptable
        srv EVENT 3 7 x3 502 three
          net ACK 3
          ev message x3 from bob three
        ",
    );
}

#[test]
fn a_message_that_was_asked_for_again_comes_to_its_place_once_and_no_other_one_is_taken() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        srv BROKEN 2 7 x2 501
          net ACK 2
          net CONTROL 0x81 7.1
          ev security bob undecryptable
        srv EVENT 3 7 x3 502 three
          net ACK 3
          ev message x3 from bob three
        srv RESENT 4 7 x4 503 x9 unasked
          net ACK 4
        srv RESENT 5 8 x5 504 x2 stranger
          net ACK 5
        srv RESENT 6 7 x6 505 x2 two
          net ACK 6
          ev message x2 from bob two
        srv RESENT 7 7 x7 506 x2 again
          net ACK 7
        crash
          net dial home:1
        app history bob
          message x1 from bob one (delivered)
          message x2 from bob two (delivered)
          message x3 from bob three (delivered)
        ",
    );
}

#[test]
fn a_message_that_does_not_follow_the_one_before_is_shown_and_told() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        srv UNCHAINED 2 7 x2 501 two
          net ACK 2
          ev security bob chain_broken
          ev message x2 from bob two
        srv EVENT 3 7 x3 502 three
          net ACK 3
          ev message x3 from bob three
        ",
    );
}

#[test]
fn a_stranger_is_shown_by_number_when_his_name_takes_too_long() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv CAUGHT_UP 1
        time 4999
        time 1
          ev message x1 from 0000000000000007 one
          ev caught_up 1 false
        app read 0000000000000007 x1
          net READ 7 x1
          net PING 2
        srv FOUND 1 7 bob
          net READ 7 x1
          net PING 3
        app history bob
          message x1 from bob one (read)
        ",
    );
}

#[test]
fn what_another_own_device_sent_is_in_the_history() {
    check_with_tablet(
        "
        login
          ev online home:1
        srv COPY 1 7.2 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 to bob one
        app history bob
          message x1 to bob one (sent)
        ",
    );
}

#[test]
fn credit_is_granted_again_when_half_of_it_is_used() {
    let mut script = String::from("login\n  ev online home:1\n");
    let mut line = |text: String| {
        script.push_str(&text);
        script.push('\n');
    };
    for position in 1..=128 {
        line(format!("srv GAP {position} {position}"));
        line(format!("  net ACK {position}"));
        if position == 128 {
            // Header, two positions of one or two bytes, and the reason.
            line(format!(
                "  net CREDIT 128 {}",
                63 * (8 + 1 + 1 + 1) + 65 * (8 + 2 + 2 + 1)
            ));
        }
        line(format!("  ev gap {position} {position} expired"));
    }
    check(&script);
}

#[test]
fn reading_is_told_until_the_server_has_it_for_good() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        app read bob x1
          net READ 7 x1
          net PING 2
        crash
          net dial home:1
        login 5 1
          net READ 7 x1
          net PING 1
          ev online home:1
        srv PONG 1
        crash
          net dial home:1
        login 5 1
          ev online home:1
        app read bob x1
        app read bob x9
          error no message has this id
        app read carol x1
          error no conversation with this name
        ",
    );
}

#[test]
fn a_repaired_message_below_what_was_read_is_read_by_its_name() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        srv BROKEN 2 7 x2 501
          net ACK 2
          net CONTROL 0x81 7.1
          ev security bob undecryptable
        srv EVENT 3 7 x3 502 three
          net ACK 3
          ev message x3 from bob three
        app read bob x3
          net READ 7 x3
          net PING 2
        srv RESENT 4 7 x4 505 x2 two
          net ACK 4
          ev message x2 from bob two
        app history bob
          message x1 from bob one (read)
          message x2 from bob two (delivered)
          message x3 from bob three (read)
        app read bob x2
          net READ 7 x2
          net PING 3
        crash
          net dial home:1
        app history bob
          message x1 from bob one (read)
          message x2 from bob two (read)
          message x3 from bob three (read)
        login 5 4
          net READ 7 x2
          net READ 7 x3
          net PING 1
          net CONTROL 0x81 7.1
          ev online home:1
        srv PONG 1
        app read bob x2
        crash
          net dial home:1
        login 5 4
          net CONTROL 0x81 7.1
          ev online home:1
        ",
    );
}

#[test]
fn a_read_that_the_server_refuses_for_good_is_not_repeated() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        app read bob x1
          net READ 7 x1
          net PING 2
        srv NACK READ x1 UNKNOWN_MESSAGE 0
        crash
          net dial home:1
        login 5 1
          ev online home:1
        ",
    );
}
