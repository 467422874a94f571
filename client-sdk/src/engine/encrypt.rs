//! Making parts: what each device gets of a message, once, in the order of the outbox. Ratchets
//! and chains are stored with the parts, in the transaction that lets the message out.

use std::collections::BTreeMap;

use martlet_protocol::frame::{Frame, Part, Send, SendScope};
use martlet_protocol::limits::MESSAGE_ID_AGE_MS_MAX;
use martlet_protocol::wire::List;
use martlet_protocol::{Address, DeviceId, Millis, NackCode, UserId, codec};
use zeroize::Zeroizing;

use super::outbox::{Departure, Recipient};
use super::prepare::{Audience, Readiness, addresses, load_sessions};
use super::state::Core;
use crate::content::{CONTENT_BYTES_MAX, Content};
use crate::crypto::body;
use crate::crypto::chain::SendChain;
use crate::crypto::list::SignedList;
use crate::crypto::payload::{Contents, INLINE_BYTES_MAX, Payload};
use crate::error::StoreError;
use crate::local::{ChainKey, Made, Outbound, OutboxEntry, PartRow, Tx};

// What was asked for again fits, with what is said about it.
const _: () =
    assert!(CONTENT_BYTES_MAX + super::repair::RESENT_HEAD_BYTES <= body::CONTENTS_BYTES_MAX);
const _: () =
    assert!(CONTENT_BYTES_MAX + super::syncing::MESSAGE_HEAD_BYTES <= body::CONTENTS_BYTES_MAX);

/// How many parts for a device may come before an older one. A receiver keeps the keys of five
/// turns, and each turn has a part at least.
const OVERTAKEN_MAX: u64 = 4;

/// What every part of one message has in common.
struct Letter<'a> {
    entry: &'a OutboxEntry,
    from: Address,
    audience: &'a Audience,
    kind: u8,
    contents: Contents<'a>,
}

impl Core {
    /// Writes what the server's credit allows and what can be encrypted.
    pub(super) fn pump_sends(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        while self.live().is_some_and(|live| live.allowance.is_open())
            && self.outbox.has_room()
            && let Some(departure) = self.outbox.depart()
        {
            match departure.to {
                Recipient::Account(to) => self.send_one(tx, now, &departure, to)?,
                Recipient::Group(group) => self.send_to_group(tx, now, &departure, group)?,
            }
        }
        Ok(())
    }

    fn send_one(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        departure: &Departure,
        to: UserId,
    ) -> Result<(), StoreError> {
        let entry = &departure.entry;
        let mut outbound = tx.outbound(entry)?;
        // What was sent before and may have been accepted is repeated byte for byte.
        if outbound.made.is_none() || !departure.is_uncertain {
            if outbound.made.is_none() && self.is_too_old(now, entry) {
                return self.give_up(tx, now, entry, NackCode::MESSAGE_ID_TOO_OLD);
            }
            match self.readiness(tx, to, &outbound)? {
                Readiness::Ready(audience) => {
                    let versions = (audience.to.version(), audience.own.version());
                    if !self.outbox.joins(departure, versions) {
                        return Ok(());
                    }
                    outbound.made = Some(self.encrypt(tx, departure, &outbound, &audience)?);
                }
                Readiness::NotYet => {
                    self.outbox.unprepared(departure);
                    return Ok(());
                }
                Readiness::Pointless => match outbound.made.as_mut() {
                    // The server has refused it for now, and lets nothing pass before it comes
                    // again [M-9.16]. With the device gone it is refused for good.
                    Some(made) => self.make_final(tx, (entry, to), made)?,
                    None => return self.give_up(tx, now, entry, NackCode::UNKNOWN_RECIPIENT),
                },
            }
        }
        if let Some(made) = &outbound.made
            && self
                .outbox
                .joins(departure, (made.to_version, made.own_version))
        {
            if !entry.is_control {
                self.befriend(tx, now, to)?;
            }
            self.write_send(tx, (entry, to), &outbound, made)?;
        }
        Ok(())
    }

    /// Makes a message for one device that is gone as the newest list has it: for nobody.
    fn make_final(
        &mut self,
        tx: &Tx<'_>,
        (entry, to): (&OutboxEntry, UserId),
        made: &mut Made,
    ) -> Result<(), StoreError> {
        if let Some(list) = self.list_of(tx, to)? {
            made.to_version = list.version();
            tx.put_made(entry, made)?;
        }
        Ok(())
    }

    /// The server would refuse it. Found out before it is encrypted, so that no number of the
    /// chain is lost by it.
    pub(super) fn is_too_old(&self, now: Millis, entry: &OutboxEntry) -> bool {
        let written_at = entry.id.time().unwrap_or_default();
        self.server_time(now).since(written_at) > MESSAGE_ID_AGE_MS_MAX
    }

    fn write_send(
        &mut self,
        tx: &Tx<'_>,
        (entry, to): (&OutboxEntry, UserId),
        outbound: &Outbound,
        made: &Made,
    ) -> Result<(), StoreError> {
        let rows = tx.parts(entry.slot)?;
        let parts = |own| -> Vec<Part<'_>> {
            let rows = rows.iter().filter(|row| row.own == own);
            rows.map(|row| Part {
                device: row.device,
                part: &row.part,
            })
            .collect()
        };
        let (to_parts, own_parts) = (parts(false), parts(true));
        let frame = Frame::Send(Send {
            message_id: entry.id,
            to,
            after: outbound.after,
            ttl_ms: outbound.ttl_ms,
            scope: match outbound.device {
                Some(_) => SendScope::NAMED,
                None => SendScope::ALL,
            },
            to_version: made.to_version,
            own_version: made.own_version,
            to_parts: List::Slice(&to_parts),
            own_parts: List::Slice(&own_parts),
            envelope: &made.envelope,
        });
        let start = self.output.len();
        codec::encode(&frame, &mut self.output);
        let frame_bytes = self.output.len() - start;
        if let Some(live) = self.live() {
            live.allowance.spend(frame_bytes);
        }
        Ok(())
    }

    /// Makes the parts that are missing, drops those of devices that are not listed any more, and
    /// keeps the others as they are.
    fn encrypt(
        &self,
        tx: &Tx<'_>,
        departure: &Departure,
        outbound: &Outbound,
        audience: &Audience,
    ) -> Result<Made, StoreError> {
        let entry = &departure.entry;
        let content = tx.queued_content(entry)?;
        let mut made = match &outbound.made {
            Some(made) => made.clone(),
            None => seal(entry, &content),
        };
        made.to_version = audience.to.version();
        made.own_version = audience.own.version();
        tx.put_made(entry, &made)?;
        if !entry.is_control {
            let (to_next, own_next) = (audience.to.next_device(), audience.own.next_device());
            tx.set_audience(entry.id, to_next, own_next)?;
        }
        let from = self.own_address().ok_or(StoreError::RowInvalid {
            column: "identity.user",
        })?;
        let letter = Letter {
            entry,
            from,
            audience,
            kind: content.kind,
            contents: contents(&made, &content)?,
        };
        match outbound.device {
            Some(device) => {
                let only = addresses(&audience.to).filter(|peer| peer.device == device);
                self.complete(tx, &letter, false, only.collect())?;
            }
            None => {
                self.complete(tx, &letter, false, addresses(&audience.to).collect())?;
                let others = addresses(&audience.own).filter(|peer| *peer != from);
                self.complete(tx, &letter, true, others.collect())?;
            }
        }
        Ok(made)
    }

    /// Makes the parts of one side agree with its devices.
    fn complete(
        &self,
        tx: &Tx<'_>,
        letter: &Letter<'_>,
        own: bool,
        peers: Vec<Address>,
    ) -> Result<(), StoreError> {
        let slot = letter.entry.slot;
        let rows = tx.parts(slot)?.into_iter().filter(|row| row.own == own);
        let mut made: BTreeMap<DeviceId, PartRow> = rows.map(|row| (row.device, row)).collect();
        for peer in peers {
            match made.remove(&peer.device) {
                Some(row) => self.refresh_part(tx, letter, peer, row)?,
                None => self.make_part(tx, letter, own, peer)?,
            }
        }
        for device in made.into_keys() {
            tx.drop_part(slot, own, device)?;
        }
        Ok(())
    }

    /// Makes one device's part, or an empty one when there is no session with it.
    fn make_part(
        &self,
        tx: &Tx<'_>,
        letter: &Letter<'_>,
        own: bool,
        peer: Address,
    ) -> Result<(), StoreError> {
        let (slot, device) = (letter.entry.slot, peer.device);
        let mut row = PartRow {
            own,
            device,
            part: Vec::new(),
            number: 0,
        };
        let key = ChainKey {
            peer,
            conversation: letter.audience.to.user(),
            is_control: letter.entry.is_control,
            is_outgoing: true,
        };
        let mut chain = match tx.chain(&key)? {
            Some(bytes) => SendChain::from_bytes(&bytes).map_err(|_| StoreError::RowInvalid {
                column: "chains.data",
            })?,
            None => SendChain::default(),
        };
        let payload = letter.payload(peer, &chain).encode();
        let Some((part, number)) = encrypt_for(tx, peer, &payload)? else {
            return tx.put_part(slot, &row, None);
        };
        chain.advance(&payload);
        tx.put_chain(&key, &chain.to_bytes())?;
        (row.part, row.number) = (part, number);
        let kept = self.is_own(peer.user).then_some(payload.as_slice());
        tx.put_part(slot, &row, kept)
    }

    /// Own devices get copies of all conversations through one session. While the server puts one
    /// message off, the others go on, and its key would be given up: the payload is encrypted anew,
    /// as it was.
    fn refresh_part(
        &self,
        tx: &Tx<'_>,
        letter: &Letter<'_>,
        peer: Address,
        mut row: PartRow,
    ) -> Result<(), StoreError> {
        let slot = letter.entry.slot;
        if !self.is_own(peer.user) || tx.parts_made(peer)? < row.number + OVERTAKEN_MAX {
            return Ok(());
        }
        let Some(payload) = tx.part_payload(slot, row.own, row.device)? else {
            return Ok(());
        };
        if let Some((part, number)) = encrypt_for(tx, peer, &payload)? {
            (row.part, row.number) = (part, number);
            tx.put_part(slot, &row, Some(&payload))?;
        }
        Ok(())
    }
}

/// A part for a device and its number, if there is a session.
fn encrypt_for(
    tx: &Tx<'_>,
    peer: Address,
    payload: &[u8],
) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
    let mut sessions = load_sessions(tx, peer)?;
    let Ok(part) = sessions.encrypt(payload) else {
        return Ok(None);
    };
    tx.put_sessions(peer, &sessions.to_bytes())?;
    Ok(Some((part, tx.count_part(peer)?)))
}

impl Letter<'_> {
    fn payload(&self, recipient: Address, chain: &SendChain) -> Payload<'_> {
        let (counter, previous) = chain.next();
        let (to, own): (&SignedList, &SignedList) = (&self.audience.to, &self.audience.own);
        Payload {
            kind: self.kind,
            message_id: self.entry.id,
            sender: self.from,
            recipient,
            conversation: to.user(),
            own: own.head(),
            peer: to.head(),
            counter,
            previous,
            contents: self.contents,
        }
    }
}

/// Long contents go into the envelope, once for all devices.
fn seal(entry: &OutboxEntry, content: &Content) -> Made {
    let mut made = Made {
        to_version: 0,
        own_version: 0,
        body: None,
        envelope: Vec::new(),
    };
    if content.data.len() > INLINE_BYTES_MAX {
        let sealed = body::seal(entry.id, &content.data);
        let opening = [sealed.key.as_slice(), &sealed.hash].concat();
        made.body = Some(Zeroizing::new(opening));
        made.envelope = sealed.envelope;
    }
    made
}

/// What each payload says: the contents, or how to open the envelope.
fn contents<'a>(made: &'a Made, content: &'a Content) -> Result<Contents<'a>, StoreError> {
    let Some(opening) = &made.body else {
        return Ok(Contents::Inline(&content.data));
    };
    let invalid = StoreError::RowInvalid {
        column: "outbox.body",
    };
    let (key, hash) = opening.split_first_chunk().ok_or(invalid)?;
    let hash = hash.try_into().map_err(|_| StoreError::RowInvalid {
        column: "outbox.body",
    })?;
    Ok(Contents::Sealed { key: *key, hash })
}
