//! What leaves the client: sends, reads, questions, and the server's answers to them.

use martlet_protocol::codec;
use martlet_protocol::frame::{
    Ack, Found, Frame, Lookup, LookupQuery, Nack, Ping, Read, Reference, Send, SendScope, Sent,
    Status,
};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, Class, Kind, Millis, NackCode};

use super::link::Link;
use super::lookups::Query;
use super::notices::Answer;
use super::state::Core;
use crate::error::StoreError;
use crate::event::MessageState;
use crate::local::{ContactId, Notice, OutboxEntry, Tx};

/// How long the server waits before it pushes a refused item again, as far as we are asked.
const REFUSAL_MS: u64 = 1_000;

impl Core {
    /// The end of every call: what is stored is acknowledged, and what may be sent is written.
    /// All of it leaves only after the transaction is committed.
    pub(super) fn settle(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let written = self.output.len();
        self.store_place(tx)?;
        self.settle_stream();
        if self.live().is_some_and(|live| live.leaving.is_none()) {
            self.pump_reads(tx, now)?;
            self.pump_questions(tx, now)?;
            self.pump_sends(tx)?;
        }
        let busy = self.outbox.is_flying() || self.lookups.is_asking() || self.statuses.is_asking();
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

    /// Acknowledges what is stored, then refuses what could not be stored, then grants credit.
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
        if let Some(position) = live.refusal_due.take() {
            let refusal = Nack {
                of: Kind::EVENT,
                code: NackCode::REFUSED,
                class: Class::RETRY_AFTER,
                retry_after_ms: REFUSAL_MS,
                reference: Reference::number(position.0),
            };
            codec::encode(&Frame::Nack(refusal), output);
        }
        if let Some(credit) = live.grant() {
            codec::encode(&Frame::Credit(credit), output);
        }
    }

    fn pump_sends(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let Self {
            link: Link::Ready(live),
            outbox,
            output,
            ..
        } = self
        else {
            return Ok(());
        };
        while live.allowance.is_open()
            && let Some(departure) = outbox.depart()
        {
            let outbound = tx.outbound(departure.entry.seq)?;
            let start = output.len();
            let frame = Frame::Send(Send {
                message_id: departure.entry.id,
                to: departure.to,
                after: outbound.after,
                ttl_ms: outbound.ttl_ms,
                scope: SendScope::ALL,
                to_version: 0,
                own_version: 0,
                to_parts: List::EMPTY,
                own_parts: List::EMPTY,
                envelope: &outbound.envelope,
            });
            codec::encode(&frame, output);
            live.allowance.spend(output.len() - start);
        }
        Ok(())
    }

    fn pump_reads(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        let token = self.requests + 1;
        let reads = self.reads.depart(now, token);
        let asks = !reads.is_empty();
        for read in reads {
            let Some(user) = tx.contact(read.contact)?.user else {
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

    pub(super) fn on_sent(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        sent: &Sent,
    ) -> Result<(), StoreError> {
        let Some(entry) = self.outbox.landed(now, sent.message_id) else {
            return Ok(());
        };
        tx.dequeue(entry.seq)?;
        match tx.own_message(entry.id)? {
            Some(mut row) => self.accept(tx, &mut row, sent.timestamp, sent.devices),
            None => Ok(()),
        }
    }

    pub(super) fn on_send_refused(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let id = nack.reference.as_message();
        if let Some(until) = until {
            self.outbox.refused(now, id, until);
            return Ok(());
        }
        match self.outbox.landed(now, id) {
            Some(entry) => self.fail(tx, now, &entry, nack.code),
            None => Ok(()),
        }
    }

    /// A message will never be sent.
    fn fail(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        entry: &OutboxEntry,
        code: NackCode,
    ) -> Result<(), StoreError> {
        tx.dequeue(entry.seq)?;
        let row = tx.own_message(entry.id)?;
        // A FACT may have told that the server had taken it at an earlier attempt.
        if row.is_some_and(|row| row.state == MessageState::Pending) {
            tx.set_failed(entry.seq, code, self.server_time(now))?;
            self.notices.store(
                tx,
                &Notice::Failed {
                    seq: entry.seq,
                    code,
                },
            )?;
        }
        Ok(())
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
        let contact = tx.learn(found.user, found.handle)?;
        self.outbox.resolved(contact, found.user);
        // Conversations may have become one: READs carry the number of the surviving one.
        self.reads.load(&tx.pending_reads()?);
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

    /// Nobody has this name: what was written to it fails.
    fn fail_all(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        contact: ContactId,
        code: NackCode,
    ) -> Result<(), StoreError> {
        for entry in self.outbox.abandon(contact) {
            self.fail(tx, now, &entry, code)?;
        }
        Ok(())
    }
}
