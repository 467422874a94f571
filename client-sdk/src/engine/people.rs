//! Other people: who is there and who writes, what they are to this account and what it lets them
//! know.

use martlet_protocol::frame::{Frame, Nack, Receipt};
use martlet_protocol::{Kind, Millis, UserId};

use super::outbox::Recipient;
use super::presence::Presences;
use super::relations::Relating;
use super::settings::Settling;
use super::state::{Core, Fault, UNEXPECTED};
use super::typing::Typings;
use crate::error::StoreError;
use crate::event::{Event, Relation};
use crate::local::{Notice, PeopleNotice, Tx};

#[derive(Debug, Default)]
pub(super) struct People {
    pub(super) presences: Presences,
    pub(super) typings: Typings,
    pub(super) relating: Relating,
    pub(super) settling: Settling,
}

impl People {
    pub(super) fn load(tx: &Tx<'_>) -> Result<Self, StoreError> {
        let mut people = Self::default();
        let row = tx.people()?;
        people
            .relating
            .load(&tx.wanted_relations()?, row.has_relations);
        people.settling.load(&row.wanted);
        Ok(people)
    }

    /// Whether the server has everything that a person has asked for.
    pub(super) fn is_told(&self) -> bool {
        self.relating.is_told() && self.settling.is_told()
    }

    /// Whether the server owes an answer.
    pub(super) fn is_asking(&self) -> bool {
        self.relating.is_asking() || self.settling.is_asking()
    }

    pub(super) fn disconnected(&mut self) {
        self.presences.disconnected();
        self.typings.disconnected();
        self.relating.disconnected();
        self.settling.disconnected();
    }

    /// When something that was refused may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let pauses = [
            self.presences.due(now),
            self.typings.due(),
            self.relating.due(now),
            self.settling.due(now),
        ];
        pauses.into_iter().flatten().min()
    }

    /// The next event of those that are only true now. They stand behind all others: who has
    /// written something does not write it any more.
    pub(super) fn take(&mut self, tx: &Tx<'_>) -> Result<Option<Event>, StoreError> {
        match self.typings.take(tx)? {
            Some(event) => Ok(Some(event)),
            None => self.presences.take(tx),
        }
    }
}

impl Core {
    /// A connection is ready. Other devices may have changed what this home knows while it had
    /// none; without others nobody has.
    pub(super) fn resume_people(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let own = self.own_list(tx)?;
        let has_others = own.is_none_or(|own| own.devices().len() > 1);
        if has_others || !self.people.relating.is_complete() {
            self.people.relating.ask_for_all();
        }
        if has_others || tx.people()?.known.is_none() {
            self.people.settling.ask();
        }
        Ok(())
    }

    pub(super) fn pump_people(&mut self, tx: &Tx<'_>, now: Millis) -> Result<(), StoreError> {
        self.pump_relations(now);
        self.pump_settings(tx, now)?;
        self.pump_presence(now);
        Ok(())
    }

    /// The frames that are about people.
    pub(super) fn on_people_traffic(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        frame: &Frame<'_>,
    ) -> Result<(), Fault> {
        match frame {
            Frame::Presence(presence) => self.on_presence(presence),
            Frame::Typed(typed) => self.on_typed(tx, now, typed)?,
            Frame::Related(related) => self.on_related(tx, related.request)?,
            Frame::RelationList(list) => self.on_relation_list(tx, list)?,
            Frame::SettingsAre(answer) => self.on_settings_are(tx, answer)?,
            _ => return Err(UNEXPECTED),
        }
        Ok(())
    }

    /// The refusals among them.
    pub(super) fn on_people_nack(
        &mut self,
        tx: &Tx<'_>,
        nack: &Nack,
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let refused = (nack.reference.as_number(), nack.code);
        match nack.of {
            Kind::WATCH => self.people.presences.refused(refused.0, refused.1, until),
            Kind::RELATE => self.on_relate_refused(tx, refused, until)?,
            Kind::RELATIONS => self.on_relations_refused(refused.0, until),
            Kind::SETTINGS => self.on_settings_refused(tx, refused, until)?,
            _ => {}
        }
        Ok(())
    }

    /// Another own device has read a conversation, of what came here too as much as there is.
    pub(super) fn on_seen(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        let Some(contact) = tx.find_account(receipt.peer.user)? else {
            return Ok(());
        };
        let (up_to, at) = (receipt.up_to.min(contact.newest), self.server_time(now));
        if !tx.mark_seen(at, contact.id, up_to)? {
            return Ok(());
        }
        self.reads.load(&tx.pending_reads()?);
        if tx.begin_lives(at, contact.id, up_to)? {
            self.reload_lives(tx)?;
        }
        let what = PeopleNotice::Seen(receipt.peer.user, up_to);
        self.notices.store(tx, &Notice::People(what))
    }

    /// Somebody has sent what was written.
    pub(super) fn has_written(&mut self, place: Recipient, by: UserId) {
        self.people.typings.ended((place, by));
    }
}

/// A notice as the application sees it.
pub(super) fn shown_of_people(tx: &Tx<'_>, what: PeopleNotice) -> Result<Event, StoreError> {
    Ok(match what {
        PeopleNotice::Seen(user, up_to) => Event::Seen {
            peer: tx.name_of(user)?,
            up_to: up_to.millis(),
        },
        PeopleNotice::Related(user) => Event::RelationChanged {
            peer: tx.name_of(user)?,
            relation: Relation::from_wire(tx.relation(user)?).unwrap_or(Relation::Stranger),
        },
        PeopleNotice::NotRelated(user, relation, code) => Event::RelationRefused {
            peer: tx.name_of(user)?,
            relation: Relation::from_wire(relation).unwrap_or(Relation::Stranger),
            code,
        },
        PeopleNotice::Settings => {
            // Stored in the transaction that has stored the settings.
            let settings = tx.people()?.settings().ok_or(StoreError::RowInvalid {
                column: "people.presence",
            })?;
            Event::SettingsChanged(settings)
        }
        PeopleNotice::NoSettings(code) => Event::SettingsRefused { code },
    })
}
