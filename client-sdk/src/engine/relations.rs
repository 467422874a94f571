//! What others are to this account: durable here first, told to the server until it has it, and
//! asked for when another device may have changed it.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{Frame, Relate, Relation, RelationList, Relations};
use martlet_protocol::limits::RELATIONS_MAX;
use martlet_protocol::{Millis, NackCode, UserId};

use super::state::Core;
use crate::error::StoreError;
use crate::local::{Notice, PeopleNotice, RelationRow, Tx};

/// Most RELATEs under way.
const ASKED_MAX: usize = 16;

/// What the server has to be told of one account.
#[derive(Clone, Copy, Debug)]
struct Open {
    relation: Relation,
    request: Option<u64>,
    not_before: Millis,
    is_by_itself: bool,
    /// Another device has blocked the account while this device, by itself, made it a contact: who
    /// wins at the server is not known.
    is_overtaken: bool,
}

/// The question for all relations, a page at a time.
#[derive(Debug, Default)]
struct Listing {
    is_wanted: bool,
    request: Option<u64>,
    not_before: Millis,
    /// What the server has said so far, and up to which account.
    listed: BTreeMap<UserId, Relation>,
    after: u64,
}

#[derive(Debug, Default)]
pub(super) struct Relating {
    open: BTreeMap<UserId, Open>,
    listing: Listing,
    /// Whether all relations are known, as the database has it.
    is_complete: bool,
    /// Whom the server does not take for a contact: not to be asked with every message.
    given_up: BTreeSet<UserId>,
}

impl Relating {
    pub(super) fn load(&mut self, rows: &[RelationRow], is_complete: bool) {
        self.is_complete = is_complete;
        for row in rows {
            if let Some(wanted) = row.wanted {
                self.want(row.user, wanted, row.is_by_itself);
            }
        }
    }

    fn want(&mut self, user: UserId, relation: Relation, is_by_itself: bool) {
        let open = Open {
            relation,
            request: None,
            not_before: Millis(0),
            is_by_itself,
            is_overtaken: false,
        };
        self.open.insert(user, open);
    }

    /// A RELATE to write now under the number `request`.
    fn depart(&mut self, now: Millis, request: u64) -> Option<(UserId, Relation)> {
        if !self.is_complete {
            return None;
        }
        let is_asked = |open: &&Open| open.request.is_some();
        if self.open.values().filter(is_asked).count() >= ASKED_MAX {
            return None;
        }
        let mut due = self.open.iter_mut();
        let (user, open) =
            due.find(|(_, open)| open.request.is_none() && open.not_before <= now)?;
        open.request = Some(request);
        Some((*user, open.relation))
    }

    fn answered(&mut self, request: u64) -> Option<(UserId, Open)> {
        let mut asked = self.open.iter();
        let user = *asked.find(|(_, open)| open.request == Some(request))?.0;
        self.open.remove(&user).map(|open| (user, open))
    }

    /// The server says what an account is while it tells of all: what it has told before is older.
    fn heard(&mut self, user: UserId, relation: Relation) {
        if !self.listing.is_wanted {
            return;
        }
        if relation == Relation::NONE {
            self.listing.listed.remove(&user);
        } else {
            self.listing.listed.insert(user, relation);
        }
    }

    /// Whether the server has everything that a person has asked for.
    pub(super) fn is_told(&self) -> bool {
        self.open.values().all(|open| open.is_by_itself)
    }

    pub(super) fn is_asking(&self) -> bool {
        let is_relating = self.open.values().any(|open| open.request.is_some());
        is_relating || self.listing.request.is_some()
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn ask_for_all(&mut self) {
        self.listing = Listing {
            is_wanted: true,
            ..Listing::default()
        };
    }

    pub(super) fn disconnected(&mut self) {
        for open in self.open.values_mut() {
            open.request = None;
            open.not_before = Millis(0);
        }
        let is_wanted = self.listing.is_wanted;
        self.listing = Listing {
            is_wanted,
            ..Listing::default()
        };
    }

    /// When what was refused may be repeated.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let open = self.open.values().filter(|open| open.request.is_none());
        let open = open.map(|open| open.not_before);
        let listing = &self.listing;
        let waits = listing.is_wanted && listing.request.is_none();
        let all = open.chain(waits.then_some(listing.not_before));
        all.filter(|at| *at > now).min()
    }
}

impl Core {
    /// Whether this account wants to hear nothing from another one.
    pub(super) fn has_blocked(&self, tx: &Tx<'_>, user: UserId) -> Result<bool, StoreError> {
        Ok(tx.relation(user)? == Relation::BLOCKED)
    }

    /// A person, or this home by itself, wants an account to be something else.
    pub(super) fn relate(
        &mut self,
        tx: &Tx<'_>,
        user: UserId,
        relation: Relation,
        is_by_itself: bool,
    ) -> Result<(), StoreError> {
        let row = tx.relation_row(user)?;
        // A person has asked for the end of a block: that the account is a contact is all of that.
        let was_asked = row.is_some_and(|row| row.wanted.is_some() && !row.is_by_itself);
        let is_by_itself = is_by_itself && !was_asked;
        tx.put_relation(&RelationRow {
            user,
            known: row.map_or(Relation::NONE, |row| row.known),
            wanted: Some(relation),
            is_by_itself,
        })?;
        self.people.relating.want(user, relation, is_by_itself);
        if relation == Relation::BLOCKED {
            self.people.typings.forget(user);
        }
        Ok(())
    }

    /// A message goes to an account: whom this account writes to is its contact [M-25.9]. Before
    /// all relations are known nothing is told, because another device may have blocked it; the
    /// message does not wait for that, nor for the answer.
    pub(super) fn befriend(
        &mut self,
        tx: &Tx<'_>,
        now: Millis,
        to: UserId,
    ) -> Result<(), StoreError> {
        let is_stranger = tx.relation(to)? == Relation::NONE;
        if !is_stranger || self.is_own(to) || self.people.relating.given_up.contains(&to) {
            return Ok(());
        }
        self.relate(tx, to, Relation::CONTACT, true)?;
        self.pump_relates(now);
        Ok(())
    }

    pub(super) fn pump_relations(&mut self, now: Millis) {
        let request = self.key_requests + 1;
        let listing = &mut self.people.relating.listing;
        if listing.is_wanted && listing.request.is_none() && listing.not_before <= now {
            listing.request = Some(request);
            let after = listing.after;
            self.key_requests = request;
            self.write(&Frame::Relations(Relations { request, after }));
        }
        self.pump_relates(now);
    }

    fn pump_relates(&mut self, now: Millis) {
        let mut request = self.key_requests + 1;
        while let Some((user, relation)) = self.people.relating.depart(now, request) {
            self.key_requests = request;
            self.write(&Frame::Relate(Relate {
                request,
                user,
                relation,
            }));
            request += 1;
        }
    }

    /// The server has what it was told.
    pub(super) fn on_related(&mut self, tx: &Tx<'_>, request: u64) -> Result<(), StoreError> {
        let Some((user, open)) = self.people.relating.answered(request) else {
            return Ok(());
        };
        self.people.relating.heard(user, open.relation);
        if open.is_overtaken {
            return self.relate(tx, user, Relation::BLOCKED, false);
        }
        tx.put_relation(&RelationRow {
            user,
            known: open.relation,
            wanted: None,
            is_by_itself: false,
        })
    }

    pub(super) fn on_relate_refused(
        &mut self,
        tx: &Tx<'_>,
        (request, code): (u64, NackCode),
        until: Option<Millis>,
    ) -> Result<(), StoreError> {
        let relating = &mut self.people.relating;
        let Some((user, mut open)) = relating.answered(request) else {
            return Ok(());
        };
        if let Some(until) = until {
            (open.request, open.not_before) = (None, until);
            relating.open.insert(user, open);
            return Ok(());
        }
        if open.is_by_itself {
            relating.given_up.insert(user);
        } else {
            let what = PeopleNotice::NotRelated(user, open.relation, code);
            self.notices.store(tx, &Notice::People(what))?;
        }
        match tx.relation_row(user)? {
            Some(mut row) => {
                row.wanted = None;
                tx.put_relation(&row)
            }
            None => Ok(()),
        }
    }

    pub(super) fn on_relation_list(
        &mut self,
        tx: &Tx<'_>,
        list: &RelationList<'_>,
    ) -> Result<(), StoreError> {
        if list.request == 0 {
            for entry in &list.relations {
                self.people.relating.heard(entry.user, entry.relation);
                self.hear_relation(tx, entry.user, entry.relation, true)?;
            }
            return Ok(());
        }
        let listing = &mut self.people.relating.listing;
        if listing.request != Some(list.request) {
            return Ok(());
        }
        listing.request = None;
        let before = listing.after;
        for entry in &list.relations {
            listing.after = listing.after.max(entry.user.0);
            if entry.relation != Relation::NONE {
                listing.listed.insert(entry.user, entry.relation);
            }
        }
        // A server that tells of the same, or of more than there can be, is not asked on and on.
        let goes_on = listing.after > before && listing.listed.len() <= RELATIONS_MAX;
        if list.more && goes_on {
            return Ok(());
        }
        let listed = core::mem::take(listing).listed;
        self.take_listed(tx, &listed)
    }

    /// All relations are known: whoever is not among them is a stranger.
    fn take_listed(
        &mut self,
        tx: &Tx<'_>,
        listed: &BTreeMap<UserId, Relation>,
    ) -> Result<(), StoreError> {
        let is_news = self.people.relating.is_complete;
        for row in tx.relation_rows()? {
            if !listed.contains_key(&row.user) {
                self.hear_relation(tx, row.user, Relation::NONE, is_news)?;
            }
        }
        for (user, relation) in listed {
            self.hear_relation(tx, *user, *relation, is_news)?;
        }
        if !is_news {
            let mut people = tx.people()?;
            people.has_relations = true;
            tx.put_people(&people)?;
            self.people.relating.is_complete = true;
        }
        Ok(())
    }

    /// The server says what an account is to this one. What a person wants of this home goes on
    /// to be told; what the home wants by itself does not undo what a person did elsewhere.
    fn hear_relation(
        &mut self,
        tx: &Tx<'_>,
        user: UserId,
        relation: Relation,
        is_news: bool,
    ) -> Result<(), StoreError> {
        if self.is_own(user) {
            return Ok(());
        }
        let row = tx.relation_row(user)?;
        let mut row = row.unwrap_or(RelationRow {
            user,
            known: Relation::NONE,
            wanted: None,
            is_by_itself: false,
        });
        let before = row.relation();
        row.known = relation;
        if row.is_by_itself && relation != Relation::NONE {
            row.wanted = None;
            row.is_by_itself = false;
            match self.people.relating.open.get_mut(&user) {
                Some(open) if open.request.is_some() => {
                    open.is_overtaken = relation == Relation::BLOCKED;
                }
                _ => {
                    self.people.relating.open.remove(&user);
                }
            }
        }
        tx.put_relation(&row)?;
        if row.relation() == before {
            return Ok(());
        }
        if row.relation() == Relation::BLOCKED {
            self.people.typings.forget(user);
        }
        // Of what a newer version calls a relation nothing can be told.
        if is_news && row.relation().is_known() {
            let what = PeopleNotice::Related(user);
            self.notices.store(tx, &Notice::People(what))?;
        }
        Ok(())
    }

    pub(super) fn on_relations_refused(&mut self, request: u64, until: Option<Millis>) {
        let listing = &mut self.people.relating.listing;
        if listing.request != Some(request) {
            return;
        }
        listing.request = None;
        match until {
            Some(until) => listing.not_before = until,
            // The next connection asks again.
            None => listing.is_wanted = false,
        }
    }
}
