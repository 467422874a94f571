//! What becomes of own messages: each step told once, forward only, whatever comes in which order.
#![allow(missing_docs, reason = "a test binary has no public interface")]

mod support;

use support::check;

/// Two messages to bob, taken by the server on one or two devices.
fn with_two_sent(devices: u64, rest: &str) {
    let begin = "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        app send bob two
          net SEND m2 7 0 0 two
        ";
    let sent = format!(
        "srv SENT m1 100000 {devices}
          ev sent m1 bob
        srv SENT m2 100010 {devices}
          ev sent m2 bob"
    );
    check(&format!("{begin}{sent}{rest}"));
}

#[test]
fn a_watermark_moves_every_message_up_to_it_and_none_behind_it() {
    with_two_sent(
        1,
        "
        srv RECEIPT 1 delivered 7 100005
          net ACK 1
          ev delivered m1 bob
        srv RECEIPT 2 delivered 7 100010
          net ACK 2
          ev delivered m2 bob
        srv RECEIPT 3 read 7 100010
          net ACK 3
          ev read m1 bob
          ev read m2 bob
        ",
    );
}

#[test]
fn reading_implies_delivery_and_nothing_goes_back() {
    with_two_sent(
        1,
        "
        srv RECEIPT 1 read 7 100010
          net ACK 1
          ev read m1 bob
          ev read m2 bob
        srv RECEIPT 2 delivered 7 100010
          net ACK 2
        srv FACT 3 delivered 7 m1 100000
          net ACK 3
        srv FACT 4 expired 7 m1 100000
          net ACK 4
        ",
    );
}

#[test]
fn a_message_named_by_a_fact_is_outside_the_watermarks_of_that_device() {
    with_two_sent(
        2,
        "
        srv FACT 1 held 7 m1 100000
          net ACK 1
        srv RECEIPT 2 delivered 7 100010
          net ACK 2
          ev delivered m2 bob
        srv FACT 3 held 7.2 m1 100000
          net ACK 3
          ev held m1 bob
        srv RECEIPT 4 read 7.2 100010
          net ACK 4
          ev read m2 bob
        ",
    );
}

#[test]
fn a_message_ends_only_when_it_has_ended_on_every_device() {
    with_two_sent(
        2,
        "
        srv FACT 1 expired 7 m1 100000
          net ACK 1
        srv FACT 2 held 7.2 m1 100000
          net ACK 2
          ev held m1 bob
        ",
    );
}

#[test]
fn a_device_that_was_full_is_none_of_those_that_a_message_waits_for() {
    with_two_sent(
        1,
        "
        srv FACT 1 overflow 7 m1 100000
          net ACK 1
        srv FACT 2 overflow 7 m2 100010
          net ACK 2
        srv FACT 3 delivered 7.2 m1 100000
          net ACK 3
          ev delivered m1 bob
        srv FACT 4 expired 7.2 m2 100010
          net ACK 4
          ev expired m2 bob
        ",
    );
}

/// A device that is linked later has nothing of what ended before, however far it has come.
#[test]
fn what_a_fact_has_named_is_not_moved_by_the_receipts_of_another_device() {
    with_two_sent(
        1,
        "
        srv FACT 1 expired 7.1 m1 100000
          net ACK 1
          ev expired m1 bob
        srv FACT 2 sent 7.2 m2 100010
          net ACK 2
        srv RECEIPT 3 delivered 7.2 100020
          net ACK 3
        srv FACT 4 delivered 7.1 m2 100010
          net ACK 4
          ev delivered m2 bob
        ",
    );
}

#[test]
fn a_fact_that_comes_before_the_answer_to_the_send_is_not_undone_by_receipts() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        net lost
          ev offline: the connection was lost
        login
          net SEND m1 7 0 0 one
          ev online home:1
        srv FACT 1 expired 7.1 m1 100000
          net ACK 1
          ev sent m1 bob
        srv RECEIPT 2 delivered 7.2 100010
          net ACK 2
        srv SENT m1 100000 1
          ev expired m1 bob
        ",
    );
}

#[test]
fn receipts_that_come_before_the_answer_to_the_send_are_not_lost() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        net lost
          ev offline: the connection was lost
        login
          net SEND m1 7 0 0 one
          ev online home:1
        srv RECEIPT 1 delivered 7 100000
          net ACK 1
        srv RECEIPT 2 read 7 100000
          net ACK 2
        srv SENT m1 100000 1
          ev sent m1 bob
          ev delivered m1 bob
          ev read m1 bob
        ",
    );
}

#[test]
fn a_fact_before_the_answer_to_the_send_proves_that_it_was_sent() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        srv FACT 1 expired 7 m1 100000
          net ACK 1
          ev sent m1 bob
        srv SENT m1 100000 1
          ev expired m1 bob
        ",
    );
}

#[test]
fn receipts_that_were_not_taken_are_told_after_a_restart() {
    with_two_sent(
        1,
        "
        srv EVENT 1 9 x1 500 stranger
          net ACK 1
          net LOOKUP 2 #9
        srv RECEIPT 2 delivered 7 100010
          net ACK 2
        crash
          net dial home:1
        time 5000
          ev message x1 from 0000000000000009 stranger
          ev delivered m1 bob
          ev delivered m2 bob
        ",
    );
}

#[test]
fn the_server_is_asked_for_a_state_and_its_answer_only_moves_forward() {
    with_two_sent(
        1,
        "
        app status m1
          net STATUS m1
        srv STATE 2 m1 read 100000
          answer status m1
          ev read m1 bob
        app status m1
          net STATUS m1
        srv STATE 3 m1 delivered 100000
          answer status m1
        app status m2
          net STATUS m2
        srv NACK STATUS m2 UNKNOWN_MESSAGE 0
          answer status m2
        ",
    );
}

#[test]
fn a_gap_may_hide_receipts_of_a_message_whose_answer_was_lost_too() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        srv GAP 1 2
          net ACK 2
          net STATUS m1
          ev gap 1 2 expired
        srv STATE 2 m1 delivered 100000
          answer status m1
          ev sent m1 bob
          ev delivered m1 bob
        srv SENT m1 100000 1
        ",
    );
}

#[test]
fn after_a_gap_no_watermark_is_believed_about_what_was_open_then() {
    with_two_sent(
        1,
        "
        srv GAP 1 1
          net ACK 1
          net STATUS m1
          net STATUS m2
          ev gap 1 1 expired
        srv RECEIPT 2 delivered 7 100010
          net ACK 2
        crash
          net dial home:1
        login 5 2
          net STATUS m1
          net STATUS m2
          ev online home:1
        srv STATE 1 m1 expired 100000
          answer status m1
          ev expired m1 bob
        srv STATE 2 m2 delivered 100010
          answer status m2
          ev delivered m2 bob
        srv RECEIPT 3 read 7 100010
          net ACK 3
          net STATUS m2
        srv STATE 3 m2 read 100010
          answer status m2
          ev read m2 bob
        ",
    );
}

#[test]
fn a_receipt_of_a_newer_version_is_acknowledged_and_changes_nothing() {
    with_two_sent(
        1,
        "
        srv RECEIPT 1 unknown 7 100010
          net ACK 1
        srv FACT 2 unknown 7 m1 100000
          net ACK 2
        app history bob
          message m1 to bob one (sent)
          message m2 to bob two (sent)
        ",
    );
}
