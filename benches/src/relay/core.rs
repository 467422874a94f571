//! What the limit program answers to each frame, apart from sockets and disk.

use bytes::BytesMut;
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Ack, Auth, CaughtUp, Challenge, Event, EventKind, Frame, Nack, Ping, Pong, Ready, Receipt,
    Reference, Registered, Registration, Send, Sent,
};
use martlet_protocol::version::{Features, VERSION_MAX};
use martlet_protocol::{Address, DeviceId, Kind, NackCode, State, Timestamp, UserId};

use super::book::{Book, Due};
use super::hold::Hold;
use super::record;
use crate::credit::Granted;

/// The accounts, the frames that wait for the log, and the records on their way to it.
#[derive(Debug, Default)]
pub(super) struct Core {
    pub(super) book: Book,
    pub(super) hold: Hold,
    /// Records of the turn that runs now.
    pub(super) records: Vec<u8>,
    /// SENDs relayed.
    pub(super) messages: u64,
    due: Vec<Due>,
    now: Timestamp,
}

/// The peer did something the limit program has no answer to: its connection is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misbehaved;

impl Core {
    /// Begins a turn. Timestamps only go forward, whatever the clock does.
    pub(super) fn begin_turn(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// A frame from a connection that is not authenticated. What needs no sync is appended to
    /// `answer`. Gives the account once the connection has proved, here: claimed, to be its.
    pub(super) fn greet(
        &mut self,
        slot: usize,
        frame: &Frame<'_>,
        answer: &mut BytesMut,
    ) -> Result<Option<UserId>, Misbehaved> {
        match frame {
            Frame::Hello(_) => {
                let challenge = Challenge {
                    version: VERSION_MAX,
                    features: Features::SUPPORTED,
                    // Nobody checks what is signed over it.
                    nonce: [0; 32],
                    server_time: self.now.millis(),
                    registration: Registration::OPEN,
                };
                codec::encode(&Frame::Challenge(challenge), answer);
                Ok(None)
            }
            Frame::Register(register) => {
                let address = first_device(self.book.register(register.handle));
                codec::encode(&Frame::Registered(Registered { address }), answer);
                Ok(None)
            }
            Frame::Auth(auth) => self.on_auth(slot, auth, answer).map(Some),
            _ => Err(Misbehaved),
        }
    }

    /// A frame from the connection of `user`.
    pub(super) fn on_frame(
        &mut self,
        user: UserId,
        frame: &Frame<'_>,
        frame_bytes: usize,
        answer: &mut BytesMut,
    ) -> Result<(), Misbehaved> {
        match frame {
            Frame::Send(send) => self.on_send(user, send, frame_bytes, answer),
            Frame::Ack(ack) => self.on_ack(user, *ack),
            Frame::Credit(credit) => {
                self.book
                    .seat(user)
                    .ok_or(Misbehaved)?
                    .refill(*credit, answer);
                Ok(())
            }
            Frame::Ping(Ping { token }) => {
                codec::encode(&Frame::Pong(Pong { token: *token }), answer);
                Ok(())
            }
            _ => Err(Misbehaved),
        }
    }

    fn on_auth(
        &mut self,
        slot: usize,
        auth: &Auth,
        answer: &mut BytesMut,
    ) -> Result<UserId, Misbehaved> {
        let seat = self.book.seat(auth.address.user).ok_or(Misbehaved)?;
        seat.connect(slot, auth.credit);
        let ready = Ready {
            epoch: EPOCH,
            // Nothing is kept for those who were away: every stream resumes at its end.
            cursor: seat.tail,
            tail: seat.tail,
            credit: Granted::WINDOW,
            idle_ms: IDLE_MS,
            server_time: self.now.millis(),
        };
        codec::encode(&Frame::Ready(ready), answer);
        codec::encode(
            &Frame::CaughtUp(CaughtUp {
                position: seat.tail,
                trimmed: false,
            }),
            answer,
        );
        Ok(auth.address.user)
    }

    /// Logged before SENT and EVENT leave.
    fn on_send(
        &mut self,
        from: UserId,
        send: &Send<'_>,
        frame_bytes: usize,
        answer: &mut BytesMut,
    ) -> Result<(), Misbehaved> {
        let seat = self.book.seat(from).ok_or(Misbehaved)?;
        seat.granted.spend(frame_bytes).map_err(|_| Misbehaved)?;
        if let Some(credit) = seat.granted.refill() {
            codec::encode(&Frame::Credit(credit), answer);
        }
        let online = self
            .book
            .seat(send.to)
            .filter(|seat| seat.connection.is_some());
        let Some(recipient) = online else {
            codec::encode(&Frame::Nack(unknown_recipient(send)), answer);
            return Ok(());
        };
        self.now = Timestamp(self.now.0 + 1);
        let (position, timestamp) = (recipient.next_event(from, self.now), self.now);
        record::append_message(from, send, timestamp, &mut self.records);
        let sent = Sent {
            message_id: send.message_id,
            timestamp,
            devices: 1,
        };
        self.hold.push(from, &Frame::Sent(sent));
        let event = Event {
            position,
            kind: EventKind::INCOMING,
            peer: first_device(from),
            message_id: send.message_id,
            timestamp,
            envelope: send.envelope,
            part: &[],
        };
        self.hold.push(send.to, &Frame::Event(event));
        self.messages += 1;
        Ok(())
    }

    /// Logged before its receipts leave, as the server makes the cursor durable first.
    fn on_ack(&mut self, user: UserId, ack: Ack) -> Result<(), Misbehaved> {
        let seat = self.book.seat(user).ok_or(Misbehaved)?;
        if !seat.acknowledge(ack.position, &mut self.due) {
            return Err(Misbehaved);
        }
        record::append_cursor(user, ack.position, &mut self.records);
        for due in self.due.drain(..) {
            let Some(author) = self.book.seat(due.author) else {
                continue;
            };
            let receipt = Receipt {
                position: author.next_position(),
                state: State::DELIVERED,
                peer: first_device(user),
                up_to: due.up_to,
                at: self.now.millis(),
            };
            self.hold.push(due.author, &Frame::Receipt(receipt));
        }
        Ok(())
    }
}

/// Every account has one device here.
fn first_device(user: UserId) -> Address {
    Address {
        user,
        device: DeviceId(1),
    }
}

fn unknown_recipient(send: &Send<'_>) -> Nack {
    let code = NackCode::UNKNOWN_RECIPIENT;
    Nack {
        of: Kind::SEND,
        code,
        class: code.class(),
        retry_after_ms: 0,
        reference: Reference::message(send.message_id),
    }
}

/// Any number will do: the streams of the limit program live as long as its process.
const EPOCH: u64 = 1;

/// What READY promises; the limit program never closes a silent connection.
const IDLE_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::codec::Decoder;
    use martlet_protocol::frame::SendScope;
    use martlet_protocol::limits::FRAME_BYTES_MAX;
    use martlet_protocol::wire::List;
    use martlet_protocol::{MessageId, Millis, Position};

    fn names(mut bytes: &[u8]) -> Vec<&'static str> {
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        std::iter::from_fn(|| {
            decoder
                .next(&mut bytes)
                .unwrap()
                .map(|frame| frame.kind().name())
        })
        .collect()
    }

    fn ann_and_bob() -> Core {
        let mut core = Core::default();
        for (slot, handle) in ["ann", "bob"].into_iter().enumerate() {
            let user = core.book.register(handle);
            core.book.seat(user).unwrap().connect(slot, Granted::WINDOW);
        }
        core
    }

    fn send(core: &mut Core, to: u64) -> Vec<&'static str> {
        let send = Send {
            message_id: MessageId::new(Millis(1), [0; 10]),
            to: UserId(to),
            after: Timestamp(0),
            ttl_ms: 0,
            scope: SendScope::ALL,
            to_version: 0,
            own_version: 0,
            to_parts: List::EMPTY,
            own_parts: List::EMPTY,
            envelope: b"hello",
        };
        let mut answer = BytesMut::new();
        core.on_frame(UserId(1), &Frame::Send(send), 100, &mut answer)
            .unwrap();
        names(&answer)
    }

    fn released(core: &mut Core, durable: u64) -> Vec<(u64, &'static str)> {
        let mut all = Vec::new();
        core.hold
            .release(durable, |it| all.push((it.to.0, names(it.frame)[0])));
        all
    }

    #[test]
    fn a_message_takes_two_syncs_from_send_to_receipt() {
        let mut core = ann_and_bob();
        assert_eq!(
            send(&mut core, 2),
            [""; 0],
            "nothing leaves before the sync"
        );
        assert!(!core.records.is_empty());
        core.hold.end_turn(1);
        assert_eq!(released(&mut core, 0), []);
        assert_eq!(released(&mut core, 1), [(1, "SENT"), (2, "EVENT")]);
        core.records.clear();

        let ack = Frame::Ack(Ack {
            position: Position(1),
        });
        core.on_frame(UserId(2), &ack, 20, &mut BytesMut::new())
            .unwrap();
        assert!(!core.records.is_empty());
        core.hold.end_turn(2);
        assert_eq!(released(&mut core, 1), []);
        assert_eq!(released(&mut core, 2), [(1, "RECEIPT")]);
    }

    #[test]
    fn a_message_to_somebody_who_is_not_there_is_refused_and_not_logged() {
        let mut core = ann_and_bob();
        assert_eq!(send(&mut core, 9), ["NACK"]);
        assert!(core.records.is_empty());
    }

    #[test]
    fn a_sender_is_granted_more_at_half_and_is_cut_off_beyond_the_window() {
        let mut core = ann_and_bob();
        let answers: Vec<_> = (0..1024).map(|_| send(&mut core, 2)).collect();
        let granted = answers
            .iter()
            .filter(|names| names.contains(&"CREDIT"))
            .count();
        assert_eq!(granted, 2);
    }

    #[test]
    fn an_acknowledgement_of_nothing_is_misbehaviour() {
        let mut core = ann_and_bob();
        let ack = Frame::Ack(Ack {
            position: Position(1),
        });
        let result = core.on_frame(UserId(2), &ack, 20, &mut BytesMut::new());
        assert_eq!(result, Err(Misbehaved));
    }
}
