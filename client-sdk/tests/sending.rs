//! Own messages on their way out: durable, in order, with one id however often they are sent.
#![allow(missing_docs, reason = "a test binary has no public interface")]

mod support;

use support::check;

#[test]
fn a_message_written_offline_is_sent_when_the_name_is_known() {
    check(
        "
        start
          net dial home:1
        app send bob hi
        login
          net LOOKUP 1 bob
          ev online home:1
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 hi
        srv SENT m1 100000 1
          ev sent m1 bob
        app history bob
          message m1 to bob hi (sent)
        ",
    );
}

#[test]
fn an_unanswered_message_is_sent_again_with_the_same_id_after_a_loss_and_after_a_crash() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        app send bob two ttl 60000
          net SEND m2 7 0 60000 two
        net lost
          ev offline: the connection was lost
        login
          net SEND m1 7 0 0 one
          net SEND m2 7 0 60000 two
          ev online home:1
        srv SENT m1 100000 1
          ev sent m1 bob
        crash
          net dial home:1
        login
          net SEND m2 7 0 60000 two
          ev online home:1
        srv SENT m2 100001 1
          ev sent m2 bob
        crash
          net dial home:1
        login
          ev online home:1
        ",
    );
}

#[test]
fn a_reply_names_the_newest_message_that_its_writer_has_seen_also_when_it_is_repeated() {
    check(
        "
        login
          ev online home:1
        srv EVENT 1 7 x1 500 one
          net ACK 1
          net LOOKUP 1 #7
        srv FOUND 1 7 bob
          ev message x1 from bob one
        app send bob reply
          net SEND m1 7 500 0 reply
        srv EVENT 2 7 x2 900 two
          net ACK 2
          ev message x2 from bob two
        net lost
          ev offline: the connection was lost
        login 5 2
          net SEND m1 7 500 0 reply
          ev online home:1
        ",
    );
}

#[test]
fn a_refusal_for_now_holds_that_conversation_in_order_and_no_other() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        app send carol ahoy
          net LOOKUP 2 carol
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        app send bob two
          net SEND m3 7 0 0 two
        srv NACK SEND m1 INBOX_FULL 1000
        srv FOUND 2 8 carol
          net SEND m2 8 0 0 ahoy
        srv NACK SEND m3 OUT_OF_ORDER 0
        app send bob three
        time 999
        time 251
          net SEND m1 7 0 0 one
          net SEND m3 7 0 0 two
          net SEND m4 7 0 0 three
        ",
    );
}

#[test]
fn a_refusal_for_good_is_told_once_and_does_not_stop_what_follows() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        app send bob two
          net SEND m2 7 0 0 two
        srv NACK SEND m1 UNKNOWN_RECIPIENT 0
          ev failed m1 bob UNKNOWN_RECIPIENT
        srv SENT m2 100001 1
          ev sent m2 bob
        crash
          net dial home:1
        login
          ev online home:1
        app history bob
          message m2 to bob two (sent)
          message m1 to bob one (failed)
        ",
    );
}

#[test]
fn what_the_server_may_have_is_repeated_unchanged_even_when_a_newer_list_is_known() {
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
        peer links 7
        login with 0 0
          ev online home:1
        app devices 7
          answer devices 7
          ev security bob devices_changed
        srv CREDIT 10 100000
          net SEND m1 7 0 0 one
        srv NACK SEND m1 RATE_LIMITED 100
        time 125
          net SEND m1 7 0 0 one
        srv NACK SEND m1 STALE_RECIPIENT 0
          net SEND m1 7 0 0 one (anew for 2)
        app send bob two
          net SEND m2 7 0 0 two
        ",
    );
}

#[test]
fn a_stale_message_is_made_anew_before_those_behind_it() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        app send bob two
          net SEND m2 7 0 0 two
        peer links 7
        srv NACK SEND m1 STALE_RECIPIENT 0
          ev security bob devices_changed
        app send bob three
        srv NACK SEND m2 OUT_OF_ORDER 0
          net SEND m1 7 0 0 one (anew for 2)
          net SEND m2 7 0 0 two (anew for 2)
          net SEND m3 7 0 0 three
        crash
          net dial home:1
        login
          net SEND m1 7 0 0 one
          net SEND m2 7 0 0 two
          net SEND m3 7 0 0 three
          ev online home:1
        ",
    );
}

#[test]
fn a_message_is_sent_again_to_a_device_that_it_was_for_three_times_and_to_nobody_else() {
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
        srv RETRY 1 7 x1 100010 m1
          net ACK 1
          net CONTROL 0x82 7.1
        srv RETRY 2 7 x2 100020 m1
          net ACK 2
          net CONTROL 0x82 7.1
        srv RETRY 3 8 x3 100030 m1
          net ACK 3
        srv RETRY 4 7 x4 100040 x9
          net ACK 4
        srv RETRY 5 7 x5 100050 m1
          net ACK 5
          net CONTROL 0x82 7.1
        srv RETRY 6 7 x6 100060 m1
          net ACK 6
        peer links 7
        srv RETRY 7 7.2 x7 100070 m1
          net ACK 7
          ev security bob devices_changed
        ",
    );
}

#[test]
fn messages_to_a_name_that_nobody_has_fail() {
    check(
        "
        login
          ev online home:1
        app send nobody one
          net LOOKUP 1 nobody
        app send nobody two
        srv NACK LOOKUP 1 UNKNOWN_HANDLE 0
          ev failed m1 nobody UNKNOWN_HANDLE
          ev failed m2 nobody UNKNOWN_HANDLE
        app lookup nobody
          net LOOKUP 2 nobody
        srv NACK LOOKUP 2 UNKNOWN_HANDLE 0
          answer nobody is nobody
        ",
    );
}

#[test]
fn a_server_that_goes_away_gets_the_message_on_the_next_connection() {
    check(
        "
        login
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
        srv NACK SEND m1 DRAINING 0
          net CLOSE NORMAL
          net closed
          ev offline: the server refused: DRAINING
        login
          net SEND m1 7 0 0 one
          ev online home:1
        ",
    );
}

#[test]
fn no_more_is_sent_than_the_server_has_granted() {
    check(
        "
        login with 2 10000
          ev online home:1
        app send bob one
          net LOOKUP 1 bob
        app send bob two
        app send bob three
        srv FOUND 1 7 bob
          net SEND m1 7 0 0 one
          net SEND m2 7 0 0 two
        srv SENT m1 100000 1
          ev sent m1 bob
        srv CREDIT 1 0
          net SEND m3 7 0 0 three
        ",
    );
}

#[test]
fn what_cannot_be_sent_is_refused_before_it_is_stored() {
    check(
        "
        start
          net dial home:1
        app send alice hi
          error a message to oneself is not possible
        app send BOB hi
          error the recipient's name is not a valid name
        app send bob hi ttl 999
          error the time to live must lie between one second and 30 days
        app history bob
        ",
    );
}

#[test]
fn a_ping_is_answered() {
    check(
        "
        login
          ev online home:1
        srv PING 77
          net PONG 77
        ",
    );
}
