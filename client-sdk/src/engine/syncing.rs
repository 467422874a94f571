//! What a device that was linked gets from this one: the contacts with the key for the names of the
//! devices, and, if its owner wants it, the history, newest first and a piece at a time.

use bytes::BytesMut;
use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::limits::{ENVELOPE_BYTES_MAX, HANDLE_BYTES_MAX};
use martlet_protocol::wire::{Reader, Writer};
use martlet_protocol::{Address, DecodeError, DeviceId, Millis, Timestamp, UserId};

use super::state::Core;
use crate::content::Content;
use crate::crypto::identity::NamesKey;
use crate::crypto::list::Head;
use crate::crypto::payload::kind;
use crate::error::StoreError;
use crate::event::MessageState;
use crate::local::{Below, Claim, ContactId, Remembered, Sync, Tx};

/// A piece of a history is sent when it has so many bytes. One long message may make it longer.
const PIECE_BYTES: usize = 32 * 1024;
/// Most messages of one conversation that a new device gets.
const MESSAGES_MAX: u64 = 1_000;
/// Most pieces under way to one device: the others wait in the database and not in the outbox.
const PIECES_MAX: u64 = 2;

/// What a history says beside a message's data, and of the conversation: account, id, whose,
/// device, timestamp, state, kind, length.
pub(super) const MESSAGE_HEAD_BYTES: usize = 8 + 16 + 1 + 2 + 8 + 1 + 1 + 4;

impl Core {
    /// A device was linked: it gets what it needs to take part, as soon as it has keys.
    pub(super) fn begin_sync(
        &mut self,
        tx: &Tx<'_>,
        device: DeviceId,
        with_history: bool,
    ) -> Result<(), StoreError> {
        self.has_syncs = true;
        tx.put_sync(&Sync {
            device,
            needs_contacts: true,
            with_history,
            contact: ContactId(0),
            below: Below::END,
            messages: 0,
        })
    }

    /// Who is who, and which list of each of them this device has verified: so that the server
    /// cannot show the new device other ones.
    fn send_contacts(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let names = self.keys.as_ref().and_then(|keys| keys.names.clone());
        let Some(names) = names else {
            return Ok(());
        };
        let begin = || BytesMut::from(&names.as_bytes()[..]);
        let mut piece = begin();
        for contact in tx.complete_contacts()? {
            let (Some(user), Some(handle)) = (contact.user, &contact.handle) else {
                continue;
            };
            let list = self.list_of(tx, user)?;
            let known = list.as_ref().map(|list| (list.head(), *list.account_key()));
            write_contact(&mut piece, user, handle, known.unwrap_or_default());
            if piece.len() >= PIECE_BYTES {
                let full = core::mem::replace(&mut piece, begin());
                self.send_piece(tx, now, device, kind::CONTACTS, full.to_vec())?;
            }
        }
        self.send_piece(tx, now, device, kind::CONTACTS, piece.to_vec())
    }

    fn send_piece(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        device: DeviceId,
        kind: u8,
        data: Vec<u8>,
    ) -> Result<(), StoreError> {
        let Some(own) = self.own_address() else {
            return Ok(());
        };
        let to = Address {
            user: own.user,
            device,
        };
        self.send_control(tx, now, to, &Content { kind, data }, false)
    }

    /// Gives the devices that were linked what they have yet to get. One that has no keys waits
    /// here and not in the outbox, where it would hold up the others, and is asked for until it
    /// has some or is removed.
    pub(super) fn pump_syncs(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        if !self.has_syncs {
            return Ok(());
        }
        let Some(own) = self.own_address() else {
            return Ok(());
        };
        let Some(list) = self.own_list(tx)? else {
            return Ok(());
        };
        self.has_syncs = false;
        for sync in tx.syncs()? {
            let peer = Address {
                user: own.user,
                device: sync.device,
            };
            if list.device(sync.device).is_none() {
                tx.drop_sync(sync.device)?;
            } else if tx.has_session(peer)? {
                self.has_syncs |= self.go_on(tx, now, own.user, sync)?;
            } else {
                self.claims.want(peer);
                self.has_syncs |= !self.claims.gave_up(peer);
            }
        }
        Ok(())
    }

    /// Sends a device the next pieces, as those before them have arrived. Returns whether it has
    /// yet to get more.
    fn go_on(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        own: UserId,
        mut sync: Sync,
    ) -> Result<bool, StoreError> {
        let device = sync.device;
        if core::mem::take(&mut sync.needs_contacts) {
            self.send_contacts(tx, now, device)?;
            tx.put_sync(&sync)?;
        }
        let contact = tx.contact_of_user(own)?.id;
        while sync.with_history {
            if tx.queued_controls(contact, device, kind::HISTORY)? >= PIECES_MAX {
                return Ok(true);
            }
            let Some(piece) = next_piece(tx, own, &mut sync)? else {
                break;
            };
            self.send_piece(tx, now, device, kind::HISTORY, piece)?;
            tx.put_sync(&sync)?;
        }
        tx.drop_sync(device)?;
        Ok(false)
    }

    /// Another device of this account says who is who. Layout: names_key 32 · contacts.
    pub(super) fn on_contacts(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let mut reader = Reader::new(data);
        let Ok(names) = reader.array() else {
            return Ok(());
        };
        // The answer to the link may have been missed.
        if let Some(keys) = self.keys.as_mut().filter(|keys| keys.names.is_none()) {
            keys.names = Some(NamesKey::from_bytes(names));
            tx.put_own_keys(keys)?;
        }
        while !reader.rest().is_empty() {
            let Ok((user, handle, (head, account_key))) = read_contact(&mut reader) else {
                break;
            };
            self.learn(tx, user, handle)?;
            if self.list_of(tx, user)?.is_none() && head.version > 0 {
                let account_key = Some(account_key);
                tx.put_claim(user, &Claim { head, account_key })?;
            } else {
                self.hear_of(tx, now, user, head)?;
            }
        }
        Ok(())
    }

    /// Another device of this account remembers messages.
    pub(super) fn on_history(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        data: &[u8],
    ) -> Result<(), StoreError> {
        let mut reader = Reader::new(data);
        let Ok(user) = reader.user() else {
            return Ok(());
        };
        let contact = tx.contact_of_user(user)?;
        self.introduce(now, &contact);
        while !reader.rest().is_empty() {
            let Ok(message) = read_message(&mut reader) else {
                break;
            };
            tx.remember(contact.id, &message)?;
        }
        Ok(())
    }
}

/// The next piece of a history, and how far it goes; `None` when all is sent. Layout: user u64 ·
/// messages, newest first.
fn next_piece(tx: &Tx<'_>, own: UserId, sync: &mut Sync) -> Result<Option<Vec<u8>>, StoreError> {
    let mut piece = BytesMut::new();
    while let Some((contact, user)) = tx.conversation_from(sync.contact)? {
        if contact != sync.contact {
            sync.contact = contact;
            sync.below = Below::END;
            sync.messages = 0;
        }
        while user != own && sync.messages < MESSAGES_MAX && piece.len() < PIECE_BYTES {
            let Some((below, message)) = tx.remembered_below(contact, &sync.below)? else {
                break;
            };
            let room = MESSAGE_HEAD_BYTES + message.content.data.len();
            if !piece.is_empty() && piece.len() + room > PIECE_BYTES {
                return Ok(Some(piece.to_vec()));
            }
            if piece.is_empty() {
                Writer::new(&mut piece).user(user);
            }
            write_message(&mut piece, &message);
            sync.below = below;
            sync.messages += 1;
        }
        if piece.len() < PIECE_BYTES {
            // Nothing more of this conversation; one piece is of one conversation.
            sync.contact = ContactId(contact.0 + 1);
            sync.below = Below::END;
            sync.messages = 0;
        }
        if !piece.is_empty() {
            return Ok(Some(piece.to_vec()));
        }
    }
    Ok(None)
}

/// What a device knows of an account: its newest list, and its key.
type Known = (Head, [u8; KEY_BYTES]);

/// Layout: user u64 · handle text · version varint · hash 32 · account_key 32.
fn write_contact(out: &mut BytesMut, user: UserId, handle: &str, (head, key): Known) {
    let mut writer = Writer::new(out);
    writer.user(user);
    writer.text(handle);
    writer.varint(head.version);
    writer.raw(&head.hash);
    writer.raw(&key);
}

fn read_contact<'a>(reader: &mut Reader<'a>) -> Result<(UserId, &'a str, Known), DecodeError> {
    let (user, handle) = (reader.user()?, reader.text(HANDLE_BYTES_MAX)?);
    let head = Head {
        version: reader.varint()?,
        hash: reader.array()?,
    };
    Ok((user, handle, (head, reader.array()?)))
}

/// Layout: message_id 16 · own u8 · device u16 · timestamp u64 · state u8 · kind u8 · data bytes.
fn write_message(out: &mut BytesMut, message: &Remembered) {
    let mut writer = Writer::new(out);
    writer.message_id(message.id);
    writer.u8(message.own.into());
    writer.device(message.device);
    writer.timestamp(message.timestamp);
    writer.u8(state_number(message.state));
    writer.u8(message.content.kind);
    writer.bytes(&message.content.data);
}

fn read_message(reader: &mut Reader<'_>) -> Result<Remembered, DecodeError> {
    let id = reader.message_id()?;
    let own = reader.u8()? != 0;
    let device = reader.device()?;
    let timestamp: Timestamp = reader.timestamp()?;
    let state = state_of(reader.u8()?, own);
    let content = Content {
        kind: reader.u8()?,
        data: reader.bytes(ENVELOPE_BYTES_MAX)?.to_vec(),
    };
    Ok(Remembered {
        id,
        own,
        device,
        timestamp,
        state,
        content,
    })
}

const fn state_number(state: MessageState) -> u8 {
    match state {
        MessageState::Read => 3,
        MessageState::Delivered => 2,
        MessageState::Expired => 4,
        MessageState::Overflow => 5,
        MessageState::Held => 6,
        MessageState::DeviceGone => 7,
        _ => 1,
    }
}

/// What came is delivered at least; and what a newer version calls a state is sent.
const fn state_of(number: u8, own: bool) -> MessageState {
    match (own, number) {
        (_, 3) => MessageState::Read,
        (false, _) | (true, 2) => MessageState::Delivered,
        (true, 4) => MessageState::Expired,
        (true, 5) => MessageState::Overflow,
        (true, 6) => MessageState::Held,
        (true, 7) => MessageState::DeviceGone,
        (true, _) => MessageState::Sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use martlet_protocol::MessageId;

    #[test]
    fn contacts_and_messages_read_back() {
        let head = Head {
            version: 3,
            hash: [9; 32],
        };
        let mut out = BytesMut::new();
        let known = (head, [8; KEY_BYTES]);
        write_contact(&mut out, UserId(7), "bob", known);
        let mut reader = Reader::new(&out);
        assert_eq!(read_contact(&mut reader), Ok((UserId(7), "bob", known)));
        assert!(reader.rest().is_empty());

        let message = Remembered {
            id: MessageId::new(Millis(1_000), [1; 10]),
            own: true,
            device: DeviceId(2),
            timestamp: Timestamp(500),
            state: MessageState::Expired,
            content: Content::text("hi"),
        };
        let mut out = BytesMut::new();
        write_message(&mut out, &message);
        assert!(out.len() <= MESSAGE_HEAD_BYTES + 2);
        assert_eq!(read_message(&mut Reader::new(&out)), Ok(message));
    }
}
