//! The judge of the crash tests finds each kind of broken promise, and nothing in a clean history.

mod support;

use martlet_protocol::{
    Address, Class, CloseCode, DeviceId, Kind, MessageId, Millis, NackCode, Position, State,
    Timestamp, UserId,
};
use support::history::{Deed, Entry, Place};
use support::ledger::judge;
use support::verdict::Violation;

const ALICE: Address = Address {
    user: UserId(1),
    device: DeviceId(1),
};
const BOB: Address = Address {
    user: UserId(2),
    device: DeviceId(1),
};
const EVE: Address = Address {
    user: UserId(3),
    device: DeviceId(1),
};

fn id(number: u8) -> MessageId {
    MessageId::new(Millis(1), [number; 10])
}

fn place(position: u64) -> Place {
    Place {
        epoch: 7,
        position: Position(position),
    }
}

fn entry(device: Address, deed: Deed) -> Entry {
    Entry { device, deed }
}

fn resume(device: Address, stored: Place, told: Place) -> Entry {
    entry(device, Deed::Resume { stored, told })
}

fn connect(device: Address) -> Entry {
    let nothing = Place {
        epoch: 0,
        position: Position(0),
    };
    resume(device, nothing, place(0))
}

fn send(number: u8) -> Entry {
    entry(
        ALICE,
        Deed::Send {
            to: BOB.user,
            id: id(number),
            digest: number.into(),
        },
    )
}

fn sent(number: u8, timestamp: u64) -> Entry {
    entry(
        ALICE,
        Deed::Sent {
            id: id(number),
            timestamp: Timestamp(timestamp),
        },
    )
}

fn received(position: u64, number: u8, timestamp: u64) -> Entry {
    entry(
        BOB,
        Deed::Received {
            place: place(position),
            author: ALICE,
            id: id(number),
            timestamp: Timestamp(timestamp),
            digest: number.into(),
        },
    )
}

fn read(up_to: u64) -> Entry {
    let up_to = Timestamp(up_to);
    entry(
        BOB,
        Deed::Read {
            author: ALICE,
            up_to,
        },
    )
}

fn receipt(position: u64, state: State, up_to: u64) -> Entry {
    entry(
        ALICE,
        Deed::Receipt {
            place: place(position),
            peer: BOB,
            state,
            up_to: Timestamp(up_to),
        },
    )
}

fn ask(number: u8) -> Entry {
    entry(ALICE, Deed::Ask { id: id(number) })
}

fn told(number: u8, state: State) -> Entry {
    let id = id(number);
    entry(ALICE, Deed::Told { id, state })
}

fn refused(of: Kind, number: u8, code: NackCode) -> Entry {
    entry(
        ALICE,
        Deed::Refused {
            of,
            id: id(number),
            code,
            class: code.class(),
        },
    )
}

/// Two messages from Alice to Bob, received, read, and told.
fn clean() -> Vec<Entry> {
    vec![
        connect(ALICE),
        connect(BOB),
        send(1),
        send(2),
        received(1, 1, 101),
        sent(1, 101),
        ask(1),
        received(2, 2, 102),
        told(1, State::SENT),
        sent(2, 102),
        receipt(1, State::DELIVERED, 102),
        read(102),
        receipt(2, State::READ, 102),
        ask(2),
        told(2, State::READ),
    ]
}

fn violations(history: &[Entry]) -> Vec<Violation> {
    judge(history).violations
}

/// The clean history with `entries` put in at `at`, after taking out `removed` entries.
fn changed(at: usize, removed: usize, entries: &[Entry]) -> Vec<Violation> {
    let mut history = clean();
    history.splice(at..at + removed, entries.iter().cloned());
    violations(&history)
}

#[test]
fn a_clean_history_has_no_violation_and_is_counted() {
    let verdict = judge(&clean());
    verdict.assert_clean();
    let counts = verdict.counts;
    assert_eq!((counts.messages, counts.sent, counts.received), (2, 2, 2));
    assert_eq!(
        (counts.receipts, counts.states, counts.connections),
        (2, 2, 2)
    );
    assert_eq!((counts.retries, counts.repeats_answered), (0, 0));
}

#[test]
fn a_repeated_send_with_the_same_answer_is_clean_and_counted() {
    let mut history = clean();
    history.splice(9..10, [send(2), sent(2, 102)]);
    let verdict = judge(&history);
    verdict.assert_clean();
    assert_eq!(
        (verdict.counts.retries, verdict.counts.repeats_answered),
        (1, 1)
    );
}

#[test]
fn an_acknowledged_message_that_never_arrives_is_lost() {
    let found = violations(&[connect(ALICE), connect(BOB), send(1), sent(1, 101)]);
    assert_eq!(found, [Violation::Lost((ALICE, id(1)))]);
}

#[test]
fn a_message_without_an_answer_is_noticed() {
    let found = violations(&[connect(ALICE), connect(BOB), send(1), received(1, 1, 101)]);
    assert_eq!(found, [Violation::Unanswered((ALICE, id(1)))]);
}

#[test]
fn a_second_delivery_is_noticed() {
    let found = changed(8, 0, &[received(3, 2, 103)]);
    assert!(
        found.contains(&Violation::Duplicate((ALICE, id(2)))),
        "{found:?}"
    );
}

#[test]
fn a_message_that_nobody_sent_is_noticed() {
    let device = BOB;
    let message = (ALICE, id(9));
    let found = changed(8, 0, &[received(3, 9, 103)]);
    assert_eq!(found, [Violation::Phantom { device, message }]);
}

#[test]
fn a_message_for_somebody_else_is_noticed() {
    let Entry { deed, .. } = received(1, 1, 101);
    let found = changed(8, 0, &[connect(EVE), entry(EVE, deed)]);
    let message = (ALICE, id(1));
    assert_eq!(
        found,
        [Violation::Phantom {
            device: EVE,
            message
        }]
    );
}

#[test]
fn an_answer_to_a_message_that_was_not_sent_is_noticed() {
    let message = (ALICE, id(9));
    let found = changed(5, 0, &[sent(9, 100)]);
    assert_eq!(
        found,
        [Violation::Phantom {
            device: ALICE,
            message
        }]
    );
}

#[test]
fn changed_bytes_are_noticed() {
    let mut other = received(1, 1, 101);
    if let Deed::Received { digest, .. } = &mut other.deed {
        *digest += 1;
    }
    assert_eq!(
        changed(4, 1, &[other]),
        [Violation::Altered((ALICE, id(1)))]
    );
}

#[test]
fn a_message_that_overtakes_another_is_noticed() {
    let found = violations(&[
        connect(ALICE),
        connect(BOB),
        send(1),
        send(2),
        received(1, 2, 101),
        received(2, 1, 102),
    ]);
    assert!(
        found.contains(&Violation::Overtaken((ALICE, id(1)))),
        "{found:?}"
    );
}

#[test]
fn timestamps_that_fall_or_differ_are_noticed() {
    let found = changed(7, 1, &[received(2, 2, 100)]);
    assert!(
        found.contains(&Violation::TimestampWrong((ALICE, id(2)))),
        "{found:?}"
    );
    let found = changed(5, 1, &[sent(1, 99)]);
    assert!(
        found.contains(&Violation::TimestampWrong((ALICE, id(1)))),
        "{found:?}"
    );
}

#[test]
fn two_answers_that_differ_are_noticed() {
    let found = changed(6, 0, &[send(1), sent(1, 99)]);
    assert!(
        found.contains(&Violation::AnsweredTwice((ALICE, id(1)))),
        "{found:?}"
    );
}

#[test]
fn a_position_used_twice_or_left_out_is_noticed() {
    for wrong in [1, 3] {
        let found = changed(7, 1, &[received(wrong, 2, 102)]);
        let expected = Violation::PositionWrong {
            device: BOB,
            place: place(wrong),
        };
        assert_eq!(found, [expected]);
    }
}

#[test]
fn a_stream_that_goes_on_elsewhere_is_noticed() {
    let (stored, told) = (place(2), place(1));
    let found = changed(15, 0, &[resume(BOB, stored, told)]);
    assert_eq!(
        found,
        [Violation::Restored {
            device: BOB,
            stored,
            told
        }]
    );
    assert_eq!(changed(15, 0, &[resume(BOB, stored, stored)]), []);
}

#[test]
fn a_device_that_is_not_let_in_is_noticed() {
    let code = CloseCode::BAD_ACK;
    let found = changed(15, 0, &[entry(BOB, Deed::TurnedAway { code })]);
    assert_eq!(found, [Violation::TurnedAway { device: BOB, code }]);
}

#[test]
fn positions_without_items_are_noticed() {
    let (from, to) = (Position(3), Position(4));
    let found = changed(15, 0, &[entry(BOB, Deed::Gap { from, to })]);
    assert_eq!(
        found,
        [Violation::Gap {
            device: BOB,
            from,
            to
        }]
    );
}

#[test]
fn only_a_refusal_for_good_is_a_violation() {
    assert_eq!(
        changed(4, 0, &[refused(Kind::SEND, 1, NackCode::DISK_FULL)]),
        []
    );
    assert_eq!(NackCode::DISK_FULL.class(), Class::RETRY_AFTER);
    let (of, code) = (Kind::STATUS, NackCode::UNKNOWN_MESSAGE);
    let message = (ALICE, id(1));
    assert_eq!(
        changed(8, 0, &[refused(of, 1, code)]),
        [Violation::Refused { message, of, code }]
    );
}

#[test]
fn a_message_that_was_refused_for_good_and_arrived_is_noticed() {
    let (of, code) = (Kind::SEND, NackCode::UNKNOWN_RECIPIENT);
    let found = changed(5, 1, &[refused(of, 1, code)]);
    let message = (ALICE, id(1));
    let expected = [
        Violation::Refused { message, of, code },
        Violation::RefusedYetDelivered(message),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_receipt_before_its_cause_is_noticed() {
    let untrue = |state| Violation::Untrue {
        device: ALICE,
        state,
    };
    let found = changed(7, 0, &[receipt(1, State::DELIVERED, 102)]);
    assert!(found.contains(&untrue(State::DELIVERED)), "{found:?}");
    let found = changed(11, 1, &[]);
    assert!(found.contains(&untrue(State::READ)), "{found:?}");
}

#[test]
fn a_watermark_that_does_not_rise_is_noticed() {
    let found = changed(13, 0, &[receipt(3, State::READ, 102)]);
    let state = State::READ;
    assert_eq!(
        found,
        [Violation::ReceiptFell {
            device: ALICE,
            state
        }]
    );
}

#[test]
fn a_state_that_falls_is_noticed() {
    let (from, to) = (State::READ, State::DELIVERED);
    let message = (ALICE, id(1));
    let found = changed(15, 0, &[ask(1), told(1, to)]);
    assert_eq!(found, [Violation::StateFell { message, from, to }]);
    let found = changed(15, 0, &[ask(2), told(2, State::SENT)]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_state_that_was_not_reached_is_noticed() {
    let untrue = |state| Violation::Untrue {
        device: ALICE,
        state,
    };
    assert_eq!(
        changed(8, 1, &[told(1, State::READ)]),
        [untrue(State::READ)]
    );
    let found = changed(4, 0, &[ask(1), told(1, State::DELIVERED)]);
    assert!(found.contains(&untrue(State::DELIVERED)), "{found:?}");
}

#[test]
fn a_fact_is_noticed_because_nothing_here_expires_or_overflows() {
    let (message, to) = ((ALICE, id(1)), State::EXPIRED);
    let fact = Deed::Fact {
        place: place(3),
        id: id(1),
        state: to,
    };
    let from = State::SENT;
    let found = changed(15, 0, &[entry(ALICE, fact)]);
    assert_eq!(found, [Violation::StateFell { message, from, to }]);
}

#[test]
fn a_missing_receipt_is_noticed() {
    let state = State::READ;
    let missing = |number| Violation::ReceiptMissing {
        message: (ALICE, id(number)),
        state,
    };
    assert_eq!(changed(12, 3, &[]), [missing(1), missing(2)]);
    let found = changed(10, 1, &[]);
    assert!(
        found.contains(&Violation::ReceiptMissing {
            message: (ALICE, id(1)),
            state: State::DELIVERED,
        }),
        "{found:?}"
    );
}
