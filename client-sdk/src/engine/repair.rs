//! Messages that could not be opened are asked for again, from the device that wrote them and
//! through a new session; and what others could not open is sent to them again.

use bytes::BytesMut;
use martlet_protocol::frame::EventKind;
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, MessageId, Millis, Timestamp, UserId};

use super::group_repair::KEY_LOOK_MS;
use super::state::Core;
use crate::content::Content;
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::local::{Parcel, Repair, Tx};

/// How often a message is asked for, and how often it is sent again to one device.
pub(super) const ATTEMPTS_MAX: u32 = 3;
/// The pauses between the attempts, in milliseconds: an hour, and a day. The first question waits
/// at the server as any message does; more are for what is lost on the way.
const PAUSES_MS: [u64; 2] = [60 * 60 * 1_000, 24 * 60 * 60 * 1_000];

/// What RESENT says beside the data: id, timestamp, conversation, kind.
pub(super) const RESENT_HEAD_BYTES: usize = 16 + 8 + 8 + 1;

/// What a RETRY asks for. Layout: message_id 16 · sender u64 u16 · conversation u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    id: MessageId,
    sender: Address,
    conversation: UserId,
}

impl Wanted {
    fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.message_id(self.id);
        writer.address(self.sender);
        writer.user(self.conversation);
        out.into()
    }

    fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        let wanted = Self {
            id: reader.message_id()?,
            sender: reader.address()?,
            conversation: reader.user()?,
        };
        reader.finish()?;
        Ok(wanted)
    }
}

/// What a RESENT brings. Layout: message_id 16 · timestamp u64 · conversation u64 · kind u8 · data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resent {
    id: MessageId,
    timestamp: Timestamp,
    conversation: UserId,
    content: Content,
}

impl Resent {
    fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::with_capacity(RESENT_HEAD_BYTES + self.content.data.len());
        let mut writer = Writer::new(&mut out);
        writer.message_id(self.id);
        writer.timestamp(self.timestamp);
        writer.user(self.conversation);
        writer.u8(self.content.kind);
        writer.raw(&self.content.data);
        out.into()
    }

    fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(data);
        Ok(Self {
            id: reader.message_id()?,
            timestamp: reader.timestamp()?,
            conversation: reader.user()?,
            content: Content {
                kind: reader.u8()?,
                data: reader.rest().to_vec(),
            },
        })
    }
}

impl Core {
    /// A message cannot be opened: it is asked for at once.
    pub(super) fn begin_repair(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
    ) -> Result<(), StoreError> {
        let repair = Repair {
            id: parcel.id,
            sender: parcel.sender,
            peer: parcel.peer,
            group: None,
            timestamp: parcel.timestamp,
            attempts: 0,
        };
        self.ask_again(tx, now, repair)
    }

    /// Asks for messages whose time has come.
    pub(super) fn pump_repairs(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        while self.repair_at.is_some_and(|at| at <= now) {
            match tx.next_repair()? {
                Some((at, repair)) if at <= now && self.may_have_key_coming(&repair) => {
                    tx.put_repair(&repair, Some(now.plus(KEY_LOOK_MS)))?;
                }
                Some((at, repair)) if at <= now => self.ask_again(tx, now, repair)?,
                next => self.repair_at = next.map(|(at, _)| at),
            }
        }
        Ok(())
    }

    pub(super) fn ask_again(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        mut repair: Repair,
    ) -> Result<(), StoreError> {
        let list = self.list_of(tx, repair.sender.user)?;
        let is_listed = list.is_some_and(|list| list.device(repair.sender.device).is_some());
        if let Some(content) = self.group_question(tx, now, &repair)? {
            if is_listed && repair.attempts < ATTEMPTS_MAX {
                self.send_control(tx, now, repair.sender, &content, false)?;
            }
        } else if is_listed && repair.attempts < ATTEMPTS_MAX {
            let own = self.own_address().map_or(repair.peer, |own| own.user);
            let is_copy = repair.sender.user == own;
            let wanted = Wanted {
                id: repair.id,
                sender: repair.sender,
                conversation: if is_copy { repair.peer } else { own },
            };
            let content = Content {
                kind: kind::RETRY,
                data: wanted.encode(),
            };
            self.send_control(tx, now, repair.sender, &content, true)?;
        }
        let pause = PAUSES_MS.get(repair.attempts as usize);
        let again_at = pause.filter(|_| is_listed).map(|pause| now.plus(*pause));
        repair.attempts += 1;
        tx.put_repair(&repair, again_at)?;
        self.repair_at = self.repair_at.into_iter().chain(again_at).min();
        Ok(())
    }

    /// Another device could not open a message of this one. It gets it again if it was for it.
    pub(super) fn on_retry(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        asker: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(wanted) = Wanted::decode(data) else {
            return Ok(());
        };
        let is_ours = Some(wanted.sender) == self.own_address();
        let Some(row) = tx.own_message(wanted.id)?.filter(|_| is_ours) else {
            return Ok(());
        };
        let to = tx.contact(row.contact)?.user;
        let is_own = self.is_own(asker.user);
        let is_theirs = to == Some(wanted.conversation) && (is_own || to == Some(asker.user));
        if !is_theirs || !tx.was_for(row.seq, is_own, asker.device)? {
            return Ok(());
        }
        let Some(content) = tx.own_content(wanted.id)? else {
            return Ok(());
        };
        if tx.count_asked(wanted.id, asker)? > ATTEMPTS_MAX {
            return Ok(());
        }
        let resent = Resent {
            id: wanted.id,
            timestamp: row.timestamp.unwrap_or_default(),
            conversation: wanted.conversation,
            content,
        };
        let content = Content {
            kind: kind::RESENT,
            data: resent.encode(),
        };
        self.send_control(tx, now, asker, &content, false)?;
        Ok(())
    }

    /// A message that was asked for comes again. Nobody can make this home take one for which it
    /// did not ask.
    pub(super) fn on_resent(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        from: Address,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(resent) = Resent::decode(data) else {
            return Ok(());
        };
        let Some(repair) = tx.repair(resent.id, from)? else {
            return Ok(());
        };
        let own_user = self.own_address().map(|own| own.user);
        let is_copy = Some(from.user) == own_user;
        let conversation = if is_copy { Some(repair.peer) } else { own_user };
        if conversation != Some(resent.conversation) || resent.content.is_control() {
            return Ok(());
        }
        let parcel = Parcel {
            kind: if is_copy {
                EventKind::OWN_COPY
            } else {
                EventKind::INCOMING
            },
            sender: from,
            peer: repair.peer,
            id: repair.id,
            // Where the server has placed it, and not where its author says.
            timestamp: repair.timestamp,
            envelope: Vec::new(),
            part: Vec::new(),
        };
        self.keep(tx, now, &parcel, &resent.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::DeviceId;

    #[test]
    fn a_question_and_its_answer_read_back() {
        let wanted = Wanted {
            id: MessageId::new(Millis(1_000), [1; 10]),
            sender: Address {
                user: UserId(7),
                device: DeviceId(2),
            },
            conversation: UserId(1),
        };
        assert_eq!(Wanted::decode(&wanted.encode()), Ok(wanted));
        assert!(Wanted::decode(&wanted.encode()[1..]).is_err());
        let resent = Resent {
            id: wanted.id,
            timestamp: Timestamp(500),
            conversation: UserId(1),
            content: Content::text("again"),
        };
        let data = resent.encode();
        assert_eq!(data.len(), RESENT_HEAD_BYTES + "again".len());
        assert_eq!(Resent::decode(&data), Ok(resent));
    }
}
