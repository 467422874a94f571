//! What a client does, as the lines of a transcript.

use std::collections::BTreeMap;

use martlet_client::engine::Answer;
use martlet_client::{Direction, Event, Message, MessageId};
use martlet_protocol::frame::{Frame, LookupQuery};

type Names = BTreeMap<MessageId, String>;

/// The short name of a message: `m1` for the client's first, `x7` for the seventh of a script.
pub(crate) fn name(id: MessageId, names: &Names) -> String {
    names
        .get(&id)
        .cloned()
        .unwrap_or_else(|| format!("x{}", id.0[15]))
}

pub(crate) fn frame(frame: &Frame<'_>, names: &Names) -> String {
    let name = |id| name(id, names);
    match frame {
        Frame::Hello(hello) => format!("HELLO {}-{}", hello.version_min, hello.version_max),
        Frame::Register(register) => format!("REGISTER {}", register.handle),
        Frame::Auth(auth) => {
            format!(
                "AUTH {} epoch {} cursor {}",
                auth.address, auth.epoch, auth.cursor
            )
        }
        Frame::Ping(ping) => format!("PING {}", ping.token),
        Frame::Pong(pong) => format!("PONG {}", pong.token),
        Frame::Credit(credit) => format!("CREDIT {} {}", credit.messages, credit.bytes),
        Frame::Nack(nack) => {
            format!("NACK {} {}", nack.code.name(), nack.reference.as_number())
        }
        Frame::Close(close) => format!("CLOSE {}", close.code.name()),
        Frame::Ack(ack) => format!("ACK {}", ack.position),
        Frame::Read(read) => format!("READ {} {}", read.author.user.0, name(read.message_id)),
        Frame::Status(status) => format!("STATUS {}", name(status.message_id)),
        Frame::Lookup(lookup) => match &lookup.query {
            LookupQuery::Handle(handle) => format!("LOOKUP {} {handle}", lookup.request),
            LookupQuery::User(user) => format!("LOOKUP {} #{}", lookup.request, user.0),
        },
        other => format!("{other:?}"),
    }
}

pub(crate) fn answer(answer: &Answer, names: &Names) -> String {
    match answer {
        Answer::Found { handle, user } => {
            let user = user.map_or_else(|| "nobody".to_owned(), |user| user.0.to_string());
            format!("answer {handle} is {user}")
        }
        Answer::Devices { user } => format!("answer devices {}", user.0),
        Answer::Registered { user, device } => format!("answer registered {} {device}", user.0),
        Answer::RegistrationDelayed { cause } => format!("answer not now: {cause}"),
        Answer::RegistrationRefused { code } => format!("answer refused {}", code.name()),
        Answer::Status { id } => format!("answer status {}", name(*id, names)),
        other => format!("{other:?}"),
    }
}

pub(crate) fn event(event: &Event, names: &Names) -> String {
    let name = |id| name(id, names);
    match event {
        Event::Message(message) => shown_message(message, names),
        Event::Receipt(receipt) => format!("{} {} {}", receipt.state, name(receipt.id), receipt.by),
        Event::Failed { id, to, code } => format!("failed {} {to} {}", name(*id), code.name()),
        Event::Security(notice) => format!("security {} {}", notice.peer, notice.kind),
        Event::Gap { from, to, reason } => format!("gap {from} {to} {reason}"),
        Event::CaughtUp { position, trimmed } => format!("caught_up {position} {trimmed}"),
        Event::Online { server } => format!("online {server}"),
        Event::Offline {
            cause,
            retry_at: Some(_),
        } => format!("offline: {cause}"),
        Event::Offline {
            cause,
            retry_at: None,
        } => format!("offline for good: {cause}"),
        other => format!("{other:?}"),
    }
}

pub(crate) fn shown_message(message: &Message, names: &Names) -> String {
    let side = match message.direction {
        Direction::Incoming => "from",
        Direction::Outgoing => "to",
    };
    format!(
        "message {} {side} {} {}",
        name(message.id, names),
        message.peer,
        message.text()
    )
}
