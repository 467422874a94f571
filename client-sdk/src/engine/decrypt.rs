//! Opening messages: from the bytes of an EVENT to what a person reads, or to what is wrong.

use martlet_protocol::auth::KEY_BYTES;
use martlet_protocol::frame::EventKind;
use martlet_protocol::{Address, Millis, UserId};

use super::changes::Tell;
use super::lives::life_end;
use super::outbox::Recipient;
use super::prepare::load_sessions;
use super::state::Core;
use crate::content::Content;
use crate::crypto::body;
use crate::crypto::chain::{ChainVerdict, ReceiveChain};
use crate::crypto::payload::{Contents, Payload, kind};
use crate::crypto::ratchet::OpenError;
use crate::error::StoreError;
use crate::event::{MessageState, SecurityKind};
use crate::local::{ChainKey, HoleScope, Incoming, Notice, Parcel, ParkedId, Tx};

/// What is known of the device that wrote a message.
#[derive(Clone, Copy, Debug)]
struct Author {
    identity_key: [u8; KEY_BYTES],
    /// The first version of its account's list without it.
    until: Option<u64>,
}

impl Core {
    /// Opens a message that has come, or parks it until its author's list is known. Messages of
    /// one device are opened in their order.
    pub(super) fn receive(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
    ) -> Result<(), StoreError> {
        // A home that joins believes nobody before it has seen that its own list is right.
        if self.own_list(tx)?.is_none() {
            return self.park(tx, now, parcel);
        }
        match self.author(tx, parcel.sender)? {
            Some(author) if !tx.has_parked(parcel.sender)? => self.open(tx, now, parcel, &author),
            _ => {
                self.lists.want(parcel.sender.user);
                self.park(tx, now, parcel)
            }
        }
    }

    /// Keeps a message until it can be opened, unless it waits already.
    fn park(&mut self, tx: &Tx<'_>, now: Millis, parcel: &Parcel) -> Result<(), StoreError> {
        if !tx.is_parked(parcel.sender, parcel.id)? {
            return tx.park(parcel);
        }
        if tx.may_repeat(parcel.timestamp)? {
            return Ok(());
        }
        self.secure_parcel(tx, now, parcel, SecurityKind::Replayed)
    }

    /// The own list is known: what came before it can be opened, or its authors asked for.
    pub(super) fn open_all_parked(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        for user in tx.parked_users()? {
            self.open_parked(tx, now, user, false)?;
            self.lists.want(user);
        }
        Ok(())
    }

    /// The list of an account was asked for: what its devices wrote can be opened now. When the
    /// answer `is_final`, a device that is not in it is none of the account's.
    pub(super) fn open_parked(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        user: UserId,
        is_final: bool,
    ) -> Result<(), StoreError> {
        if self.own_list(tx)?.is_none() {
            return Ok(());
        }
        let mut after = ParkedId(0);
        while let Some((number, parcel)) = tx.next_parked(user, after)? {
            after = number;
            match self.author(tx, parcel.sender)? {
                Some(author) => self.open(tx, now, &parcel, &author)?,
                None if is_final => self.cannot_open(tx, now, &parcel, OpenError::NoSession)?,
                None => continue,
            }
            tx.unpark(number)?;
        }
        Ok(())
    }

    /// Whether a device is in no list that was ever seen here.
    pub(super) fn is_stranger(&mut self, tx: &Tx<'_>, sender: Address) -> Result<bool, StoreError> {
        Ok(self.author(tx, sender)?.is_none())
    }

    fn author(&mut self, tx: &Tx<'_>, sender: Address) -> Result<Option<Author>, StoreError> {
        let list = self.list_of(tx, sender.user)?;
        if let Some(listed) = list.as_ref().and_then(|list| list.device(sender.device)) {
            return Ok(Some(Author {
                identity_key: listed.identity_key,
                until: None,
            }));
        }
        let former = tx.former(sender)?;
        Ok(former.map(|former| Author {
            identity_key: former.identity_key,
            until: Some(former.until),
        }))
    }

    fn open(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        author: &Author,
    ) -> Result<(), StoreError> {
        let Some(keys) = self.keys.as_mut() else {
            return Ok(());
        };
        let mut sessions = load_sessions(tx, parcel.sender)?;
        let opened = sessions.decrypt(&mut keys.device, &author.identity_key, &parcel.part);
        let opened = match opened {
            Ok(opened) => opened,
            Err(reason) => return self.cannot_open(tx, now, parcel, reason),
        };
        // The step of the ratchet is stored with what it opens, before the acknowledgement.
        tx.put_sessions(parcel.sender, &sessions.to_bytes())?;
        if opened.is_new_session {
            tx.put_own_keys(keys)?;
            self.claims.settle(parcel.sender);
            self.outbox_prepared(parcel.sender.user);
        }
        if opened.used_last_resort {
            self.secure_parcel(tx, now, parcel, SecurityKind::LastResortKey)?;
        }
        let Ok(payload) = Payload::decode(&opened.plain) else {
            return self.cannot_open(tx, now, parcel, OpenError::FormatUnknown);
        };
        if !self.fits(parcel, author, &payload) {
            tx.excuse_holes(HoleScope::Device(None, parcel.sender), 1)?;
            return self.secure_parcel(tx, now, parcel, SecurityKind::ContextMismatch);
        }
        self.hear_of(tx, now, parcel.sender.user, payload.own)?;
        self.hear_of(tx, now, payload.conversation, payload.peer)?;
        if !self.follow(tx, now, parcel, (&payload, &opened.plain))? {
            return Ok(());
        }
        let data = match payload.contents {
            Contents::Inline(contents) => contents.to_vec(),
            Contents::Sealed { key, hash } => {
                match body::open(parcel.id, &key, &hash, &parcel.envelope) {
                    Ok(contents) => contents.to_vec(),
                    // Its number in the chain has been counted: it is no hole.
                    Err(_) => return self.cannot_read(tx, now, parcel),
                }
            }
        };
        let content = Content {
            kind: payload.kind,
            data,
        };
        if content.is_control() {
            self.on_control(tx, now, parcel, &content)
        } else {
            self.keep(tx, now, parcel, &content)
        }
    }

    /// Whether a payload is what the server says that it is.
    fn fits(&self, parcel: &Parcel, author: &Author, payload: &Payload<'_>) -> bool {
        let Some(own) = self.own_address() else {
            return false;
        };
        let is_copy = parcel.kind == EventKind::OWN_COPY;
        let conversation = if is_copy { parcel.peer } else { own.user };
        let is_control = kind::is_control(payload.kind);
        payload.message_id == parcel.id
            && payload.sender == parcel.sender
            && payload.recipient == own
            && payload.conversation == conversation
            && !(is_control && is_copy)
            && author.until.is_none_or(|until| payload.own.version < until)
    }

    /// Puts a payload into its chain and tells what the chain shows. Returns whether it is to be
    /// kept.
    fn follow(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        (payload, bytes): (&Payload<'_>, &[u8]),
    ) -> Result<bool, StoreError> {
        let key = ChainKey {
            peer: parcel.sender,
            conversation: payload.conversation,
            is_control: kind::is_control(payload.kind),
            is_outgoing: false,
        };
        let mut chain = match tx.chain(&key)? {
            Some(bytes) => {
                ReceiveChain::from_bytes(&bytes).map_err(|_| StoreError::RowInvalid {
                    column: "chains.data",
                })?
            }
            None => ReceiveChain::default(),
        };
        let verdict = chain.check(payload.counter, &payload.previous, bytes);
        tx.put_chain(&key, &chain.to_bytes())?;
        let told = match verdict {
            ChainVerdict::InOrder => None,
            ChainVerdict::Late => Some(SecurityKind::Reordered),
            ChainVerdict::Missing { count } if tx.take_excuses(None, parcel.sender, count)? => None,
            ChainVerdict::Missing { .. } => Some(SecurityKind::Missing),
            ChainVerdict::Broken => Some(SecurityKind::ChainBroken),
            ChainVerdict::Repeated => Some(SecurityKind::Replayed),
        };
        if let Some(kind) = told {
            self.secure_parcel(tx, now, parcel, kind)?;
        }
        Ok(verdict != ChainVerdict::Repeated)
    }

    /// Stores a message for the person.
    pub(super) fn keep(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        content: &Content,
    ) -> Result<(), StoreError> {
        let own = parcel.kind == EventKind::OWN_COPY;
        let contact = tx.contact_of_user(parcel.peer)?;
        tx.see(contact.id, parcel.timestamp)?;
        let (content, life_s) = content.clone().unlimited();
        let sent_at = parcel.timestamp.millis();
        let message = Incoming {
            id: parcel.id,
            contact: contact.id,
            author: UserId(0),
            sequence: None,
            device: parcel.sender.device,
            own,
            timestamp: parcel.timestamp,
            content: &content,
            life_s,
            // Of what the account itself wrote the life has begun.
            expires_at: (own && life_s > 0).then(|| life_end(sent_at, life_s)),
            state: if own {
                MessageState::Sent
            } else {
                MessageState::Delivered
            },
        };
        tx.drop_repair(parcel.id, parcel.sender)?;
        let Some(seq) = tx.insert_incoming(now, &message)? else {
            return Ok(());
        };
        self.introduce(now, &contact);
        if !own {
            self.has_written(Recipient::Account(parcel.peer), parcel.peer);
        }
        if message.expires_at.is_some() {
            self.reload_lives(tx)?;
        }
        if self.on_kept(tx, seq, &content, Tell::Changes)? {
            self.notices.store(tx, &Notice::Message(seq))?;
        }
        Ok(())
    }

    /// No session opens a message. It leaves a hole in its chain that is nobody's fault.
    fn cannot_open(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        reason: OpenError,
    ) -> Result<(), StoreError> {
        if reason == OpenError::Replayed && tx.may_repeat(parcel.timestamp)? {
            return Ok(());
        }
        // A key that is gone was used, or is of a message that so many others have overtaken that
        // it was given up. Only the author knows, so this is not called a repetition.
        tx.excuse_holes(HoleScope::Device(None, parcel.sender), 1)?;
        self.cannot_read(tx, now, parcel)
    }

    /// A session opens a message, and its contents are not those that were sealed.
    fn cannot_read(&mut self, tx: &Tx<'_>, now: Millis, parcel: &Parcel) -> Result<(), StoreError> {
        self.secure_parcel(tx, now, parcel, SecurityKind::Undecryptable)?;
        self.begin_repair(tx, now, parcel)
    }

    fn secure_parcel(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        parcel: &Parcel,
        kind: SecurityKind,
    ) -> Result<(), StoreError> {
        let about = (parcel.sender.user, Some(parcel.sender.device));
        self.secure(tx, now, about, kind)
    }
}
