//! What leaves the client: sends, reads, questions, and the server's answers to them.

use martlet_protocol::codec;
use martlet_protocol::frame::{
    Ack, Claim, Devices, Found, Frame, GroupRead, Lookup, LookupQuery, Nack, Ping, Read, Sent,
    Status,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, GroupId, Millis, UserId};

use super::link::Link;
use super::lookups::Query;
use super::notices::Answer;
use super::state::Core;
use crate::error::StoreError;
use crate::local::Tx;

impl Core {
    /// The end of every call: what is stored is acknowledged, and what may be sent is written.
    /// All of it leaves only after the transaction is committed.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let written = self.output.len();
        self.pump_lives(tx, now)?;
        self.store_place(tx)?;
        self.settle_stream();
        if self.live().is_some() {
            self.write_group_acks();
        }
        if self.live().is_some_and(|live| live.leaving.is_none()) {
            self.pump_reads(tx, now)?;
            self.pump_questions(tx, now)?;
            self.pump_people(tx, now)?;
            self.pump_groups(tx, now)?;
            self.pump_keys(tx, now)?;
            self.pump_link(now);
            self.pump_repairs(tx, now)?;
            self.pump_syncs(tx, now)?;
            self.pump_sends(tx, now)?;
            // What was found to be missing on the way.
            self.pump_key_questions(tx, now)?;
        }
        self.pump_backlog(tx, now)?;
        let busy = self.is_busy();
        let spoke = self.output.len() > written;
        if let Some(live) = self.live() {
            if spoke {
                live.pulse.spoke(now);
            }
            if live
                .leaving
                .is_some_and(|deadline| !busy || now >= deadline)
            {
                self.say_goodbye();
            }
        }
        Ok(())
    }

    /// Whether the server owes an answer.
    fn is_busy(&self) -> bool {
        self.outbox.is_flying()
            || self.lookups.is_asking()
            || self.statuses.is_asking()
            || self.lists.is_asking()
            || self.claims.is_asking()
            || self.upkeep.is_asking()
            || self.groups.is_asking()
            || self.people.is_asking()
            || self.is_linking()
    }

    /// The place in the stream goes into the transaction that stored the items up to it, also when
    /// the connection ended behind them.
    fn store_place(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let Some(identity) = &self.identity else {
            return Ok(());
        };
        if identity.place != self.stored {
            tx.set_place(identity.place)?;
            self.stored = identity.place;
        }
        Ok(())
    }

    /// Acknowledges what is stored, then grants credit.
    fn settle_stream(&mut self) {
        let Self {
            link: Link::Ready(live),
            stored,
            output,
            ..
        } = self
        else {
            return;
        };
        if stored.cursor > live.acked {
            live.acked = stored.cursor;
            codec::encode(
                &Frame::Ack(Ack {
                    position: stored.cursor,
                }),
                output,
            );
        }
        if let Some(credit) = live.grant() {
            codec::encode(&Frame::Credit(credit), output);
        }
    }

    fn pump_reads(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let token = self.requests + 1;
        let reads = self.reads.depart(now, token);
        let asks = !reads.is_empty();
        for read in reads {
            let contact = tx.contact(read.contact)?;
            if let Some(group) = contact.group {
                // Of one message alone a watermark cannot speak.
                let sequence = tx.sequence_of(read.contact, read.device, read.id)?;
                if let Some(sequence) = sequence.filter(|_| !read.is_late) {
                    self.write(&Frame::GroupRead(GroupRead { group, sequence }));
                }
                continue;
            }
            let Some(user) = contact.user else {
                continue;
            };
            let author = Address {
                user,
                device: read.device,
            };
            self.write(&Frame::Read(Read {
                author,
                message_id: read.id,
            }));
        }
        if asks {
            self.requests = token;
            self.write(&Frame::Ping(Ping { token }));
        }
        Ok(())
    }

    fn pump_questions(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        loop {
            let request = self.requests + 1;
            let Some(query) = self.lookups.ask(now, request) else {
                break;
            };
            self.requests = request;
            let query = match &query {
                Query::Handle(handle) => LookupQuery::Handle(handle),
                Query::User(user) => LookupQuery::User(*user),
            };
            codec::encode(&Frame::Lookup(Lookup { request, query }), &mut self.output);
        }
        loop {
            let request = self.requests + 1;
            let Some(id) = self.statuses.ask(now, request) else {
                break;
            };
            self.requests = request;
            let contact = tx
                .own_message(id)?
                .map(|row| tx.contact(row.contact))
                .transpose()?;
            match contact.and_then(|contact| contact.user) {
                Some(to) => self.write(&Frame::Status(Status {
                    request,
                    to,
                    message_id: id,
                })),
                // Never sent to anybody: the server cannot know it.
                None => {
                    self.statuses.answered(id);
                    self.answers.push_back(Answer::Status { id });
                }
            }
        }
        Ok(())
    }

    /// Asks for device lists and for prekeys.
    fn pump_key_questions(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        while let Some(user) = self.lists.ask(now, self.key_requests + 1) {
            let request = self.next_key_request();
            let have = self.have_version(tx, user)?;
            self.write(&Frame::Devices(Devices {
                request,
                user,
                have,
            }));
        }
        while let Some((user, devices)) = self.claims.ask(now, self.key_requests + 1) {
            let request = self.next_key_request();
            self.write(&Frame::Claim(Claim {
                request,
                user,
                devices: List::Slice(&devices),
            }));
        }
        Ok(())
    }

    pub(super) fn on_sent(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        sent: &Sent,
    ) -> Result<(), StoreError> {
        let Some(entry) = self.outbox.landed(now, sent.message_id) else {
            return Ok(());
        };
        tx.dequeue(entry.slot)?;
        self.on_share_ended(tx, &entry, true)?;
        match tx.own_message(entry.id)? {
            Some(mut row) => self.accept(tx, &mut row, sent.timestamp, sent.devices),
            None => Ok(()),
        }
    }

    pub(super) fn on_read_refused(
        &mut self,
        tx: &Tx<'_>,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let id = nack.reference.as_message();
        match until {
            Some(until) => self.reads.refused(id, until),
            None => {
                if let Some(read) = self.reads.failed(id) {
                    tx.finish_read(&read)?;
                }
            }
        }
        Ok(())
    }

    /// A mark of what was read in a group was refused.
    pub(super) fn on_group_read_refused(
        &mut self,
        tx: &Tx<'_>,
        group: GroupId,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let Some(contact) = tx.find_group(group)? else {
            return Ok(());
        };
        match until {
            Some(until) => self.reads.refused_in(contact.id, until),
            None => {
                for read in self.reads.failed_in(contact.id) {
                    tx.finish_read(&read)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn on_pong(&mut self, tx: &Tx<'_>, token: u64) -> Result<(), StoreError> {
        for read in self.reads.answered(token) {
            tx.finish_read(&read)?;
        }
        Ok(())
    }

    pub(super) fn on_status_refused(&mut self, nack: &Nack, until: Option<Millis>) {
        let id = nack.reference.as_message();
        match until {
            Some(until) => self.statuses.refused(id, until),
            None => {
                if self.statuses.answered(id) {
                    self.answers.push_back(Answer::Status { id });
                }
            }
        }
    }

    pub(super) fn on_found(&mut self, tx: &Tx<'_>, found: &Found<'_>) -> Result<(), StoreError> {
        let Some((query, wanted)) = self.lookups.answered(found.request) else {
            return Ok(());
        };
        self.learn(tx, found.user, found.handle)?;
        if let Query::Handle(handle) = query
            && wanted
        {
            self.answers.push_back(Answer::Found {
                handle,
                user: Some(found.user),
            });
        }
        Ok(())
    }

    /// An account and a handle are the same: what waited for that goes on.
    pub(super) fn learn(
        &mut self,
        tx: &Tx<'_>,
        user: UserId,
        handle: &str,
    ) -> Result<(), StoreError> {
        let learned = tx.learn(user, handle)?;
        if let Some(merged) = learned.merged {
            self.outbox.merge(merged, learned.contact);
        }
        self.outbox.resolved(learned.contact, user);
        // Conversations may have become one: READs carry the number of the surviving one.
        self.reads.load(&tx.pending_reads()?);
        let is_own = self.is_own(user);
        if let Some(identity) = self.identity.as_mut().filter(|_| is_own)
            && identity.handle.is_empty()
        {
            handle.clone_into(&mut identity.handle);
            tx.put_identity(identity)?;
        }
        Ok(())
    }

    pub(super) fn on_lookup_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let request = nack.reference.as_number();
        if let Some(until) = until {
            self.lookups.refused(request, until);
            return Ok(());
        }
        let Some((Query::Handle(handle), wanted)) = self.lookups.answered(request) else {
            return Ok(());
        };
        if let Some(contact) = tx.find_contact(&handle)? {
            self.fail_all(tx, now, contact.id, nack.code)?;
        }
        if wanted {
            self.answers.push_back(Answer::Found { handle, user: None });
        }
        Ok(())
    }
}
