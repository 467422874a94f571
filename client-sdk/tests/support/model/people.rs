//! People at the model server: who watches whom, who writes, who is what to whom, and what accounts
//! let others know.

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::frame::{
    AccountSettings, Frame, GroupMode, GroupTyped, GroupTyping, Presence, PresenceState, Reference,
    Relate, Related, Relation, RelationEntry, RelationList, Relations, Settings, SettingsAre,
    Strangers, Typed, Typing, Visibility, Watch,
};
use martlet_protocol::limits::{RELATION_LIST_MAX, WATCHED_MAX};
use martlet_protocol::wire::List;
use martlet_protocol::{Address, GroupId, Kind, Millis, NackCode, Role, State, UserId};

use super::account::Item;
use super::{Model, Session};

#[derive(Default)]
pub(crate) struct People {
    pub(crate) relations: BTreeMap<(UserId, UserId), Relation>,
    pub(crate) settings: BTreeMap<UserId, AccountSettings>,
    connected: BTreeMap<Address, Watcher>,
    last_seen: BTreeMap<UserId, Millis>,
    /// Receipts of an owner that a stranger is not told.
    withheld: BTreeMap<(UserId, UserId), Vec<Item>>,
    /// Up to where an account has read what another one has written.
    seen: BTreeMap<(UserId, UserId), u64>,
    /// How many of the next frames of these kinds are refused, and for what.
    pub(crate) refusals: BTreeMap<Kind, (u32, NackCode)>,
    /// Kinds of which no frame is answered.
    pub(crate) unanswered: BTreeSet<Kind>,
    /// How many relations one RELATION_LIST has.
    pub(crate) page: Option<usize>,
    /// What clients have said, in its order: `1.1 RELATE 2 1`.
    pub(crate) heard: Vec<String>,
    /// The number of the last question about people that a device has asked.
    pub(crate) requests: BTreeMap<Address, u64>,
}

/// A connection.
#[derive(Default)]
struct Watcher {
    is_active: bool,
    /// Whom it watches, and what it was told.
    watched: BTreeMap<UserId, Option<(PresenceState, Millis)>>,
}

impl People {
    pub(crate) fn relation(&self, owner: UserId, other: UserId) -> Relation {
        let known = self.relations.get(&(owner, other));
        known.copied().unwrap_or(Relation::NONE)
    }

    pub(crate) fn settings_of(&self, owner: UserId) -> AccountSettings {
        self.settings.get(&owner).copied().unwrap_or_default()
    }

    /// Whether an account shows itself to another one [M-24.7].
    fn shows(&self, owner: UserId, to: UserId) -> bool {
        let relation = self.relation(owner, to);
        let is_shown = match self.settings_of(owner).presence {
            Visibility::EVERYONE => true,
            Visibility::CONTACTS => relation == Relation::CONTACT,
            _ => false,
        };
        is_shown && relation != Relation::BLOCKED
    }

    fn sees(&self, watcher: UserId, user: UserId) -> bool {
        watcher == user || (self.shows(user, watcher) && self.shows(watcher, user))
    }

    /// What a watcher may know of an account.
    fn presence(&self, watcher: UserId, user: UserId) -> (PresenceState, Millis) {
        let mut connected = self.connected.iter();
        let is_online = connected.any(|(address, it)| address.user == user && it.is_active);
        match self.last_seen.get(&user) {
            _ if !self.sees(watcher, user) => (PresenceState::HIDDEN, Millis(0)),
            _ if is_online => (PresenceState::ONLINE, Millis(0)),
            Some(at) => (PresenceState::OFFLINE, *at),
            None => (PresenceState::HIDDEN, Millis(0)),
        }
    }

    /// Whether a stranger is told nothing by this owner [M-25.8].
    fn is_withheld(&self, owner: UserId, author: UserId) -> bool {
        self.settings_of(owner).strangers == Strangers::AS_REQUESTS
            && self.relation(owner, author) != Relation::CONTACT
    }
}

impl Model {
    pub(super) fn person_connected(&mut self, address: Address) {
        self.people.connected.insert(address, Watcher::default());
    }

    pub(super) fn person_lost(&mut self, address: Address) {
        if let Some(watcher) = self.people.connected.remove(&address)
            && watcher.is_active
        {
            self.people.last_seen.insert(address.user, self.now);
        }
        self.tell_presences();
    }

    /// Notes what a client says about people, and when it does among its messages.
    pub(super) fn note_frame(&mut self, from: Address, frame: &Frame<'_>) {
        let said = match frame {
            Frame::Send(send) => format!("SEND {}", send.to.0),
            Frame::Read(read) => format!("READ {}", read.author.user.0),
            Frame::Relate(relate) => format!("RELATE {} {}", relate.user.0, relate.relation.0),
            Frame::Relations(asked) => format!("RELATIONS {}", asked.after),
            Frame::Settings(settings) => match settings.set {
                Some(set) => format!(
                    "SETTINGS {} {} {}",
                    set.presence.0,
                    u8::from(set.read_receipts),
                    set.strangers.0
                ),
                None => "SETTINGS".to_owned(),
            },
            Frame::Watch(watch) => format!("WATCH {} {}", u8::from(watch.on), watch.users.len()),
            Frame::Active(active) => format!("ACTIVE {}", u8::from(active.active)),
            Frame::Typing(typing) => format!("TYPING {} {}", typing.to.0, typing.kind.0),
            Frame::GroupTyping(typing) => format!("GROUP_TYPING {}", typing.kind.0),
            _ => return,
        };
        let (user, device) = (from.user.0, from.device.0);
        self.people.heard.push(format!("{user}.{device} {said}"));
    }

    /// Handles the frames that are about people. Returns whether it was one.
    pub(super) fn on_people_frame(
        &mut self,
        session: &mut Session,
        from: Address,
        frame: &Frame<'_>,
    ) -> bool {
        let kind = frame.kind();
        let request = match frame {
            Frame::Watch(watch) => watch.request,
            Frame::Relate(relate) => relate.request,
            Frame::Relations(asked) => asked.request,
            Frame::Settings(settings) => settings.request,
            Frame::Active(_) | Frame::Typing(_) | Frame::GroupTyping(_) => 0,
            _ => return false,
        };
        self.people.requests.insert(from, request);
        if self.people.unanswered.contains(&kind) {
            return true;
        }
        if let Some((count, code)) = self.people.refusals.get_mut(&kind)
            && *count > 0
        {
            *count -= 1;
            session.refuse(kind, *code, Reference::number(request));
            return true;
        }
        match frame {
            Frame::Watch(watch) => self.watch(session, from, watch),
            Frame::Active(active) => {
                let watcher = self.people.connected.entry(from).or_default();
                let was_active = core::mem::replace(&mut watcher.is_active, active.active);
                if was_active && !active.active {
                    self.people.last_seen.insert(from.user, self.now);
                }
            }
            Frame::Typing(typing) => self.typing(from, typing),
            Frame::GroupTyping(typing) => self.group_typing(from, typing),
            Frame::Relate(relate) => self.relate(session, from, relate),
            Frame::Relations(asked) => self.list_relations(session, from, asked),
            Frame::Settings(settings) => self.settle_settings(session, from, settings),
            _ => {}
        }
        self.tell_presences();
        true
    }

    fn watch(&mut self, session: &mut Session, from: Address, watch: &Watch<'_>) {
        let watcher = self.people.connected.entry(from).or_default();
        let known = &mut watcher.watched;
        if !watch.on {
            for user in &watch.users {
                assert!(known.remove(&user).is_some(), "ends what has not begun");
            }
            return;
        }
        let new = watch.users.iter().filter(|user| !known.contains_key(user));
        if known.len() + new.count() > WATCHED_MAX {
            let reference = Reference::number(watch.request);
            return session.refuse(Kind::WATCH, NackCode::TOO_MANY_WATCHED, reference);
        }
        for user in &watch.users {
            known.entry(user).or_insert(None);
        }
    }

    /// Tells every watcher what it has not been told.
    fn tell_presences(&mut self) {
        let mut news = Vec::new();
        for (address, watcher) in &self.people.connected {
            for (user, told) in &watcher.watched {
                let now = self.people.presence(address.user, *user);
                if *told != Some(now) {
                    news.push((*address, *user, now));
                }
            }
        }
        for (address, user, (state, last_seen)) in news {
            let watcher = self.people.connected.get_mut(&address);
            let watched = watcher.map(|watcher| &mut watcher.watched);
            watched.and_then(|it| it.insert(user, Some((state, last_seen))));
            let presence = Presence {
                user,
                state,
                last_seen,
            };
            self.mail(address, &Frame::Presence(presence));
        }
    }

    fn devices_there(&self, user: UserId) -> Vec<Address> {
        let there = self.people.connected.keys();
        there.filter(|it| it.user == user).copied().collect()
    }

    fn typing(&mut self, from: Address, typing: &Typing) {
        let (people, to) = (&self.people, typing.to);
        let is_known = people.relation(to, from.user) == Relation::CONTACT
            || people.settings_of(to).strangers == Strangers::ANYONE;
        if !people.sees(to, from.user) || !is_known {
            return;
        }
        for address in self.devices_there(to) {
            let (peer, kind) = (from, typing.kind);
            self.mail(address, &Frame::Typed(Typed { peer, kind }));
        }
    }

    fn group_typing(&mut self, from: Address, typing: &GroupTyping) {
        let Some(group) = self.group_for(typing.group, from.user) else {
            return;
        };
        if group.mode == GroupMode::STREAM {
            return;
        }
        let members = group.members.iter();
        let others = members.filter(|(user, it)| **user != from.user && it.role != Role::NONE);
        let others: Vec<UserId> = others.map(|(user, _)| *user).collect();
        for user in others {
            for address in self.devices_there(user) {
                self.tell_group_typing(address, (typing.group, from), typing.kind.0);
            }
        }
    }

    /// Says to a device that somebody writes in a group.
    pub(crate) fn tell_group_typing(
        &mut self,
        to: Address,
        (group, peer): (GroupId, Address),
        kind: u8,
    ) {
        let kind = martlet_protocol::frame::TypingKind(kind);
        self.mail(to, &Frame::GroupTyped(GroupTyped { group, peer, kind }));
    }

    fn relate(&mut self, session: &mut Session, from: Address, relate: &Relate) {
        let Relate {
            request,
            user,
            relation,
        } = *relate;
        assert!(user != from.user, "a client knows its own account");
        assert!(relation.is_known(), "a client says what there is");
        self.set_relation(from.user, user, relation);
        session.write(&Frame::Related(Related { request }));
        self.tell_relation(from, user, relation);
    }

    /// Makes an account something else to another one, as one of its devices has asked.
    pub(crate) fn set_relation(&mut self, owner: UserId, other: UserId, relation: Relation) {
        if relation == Relation::NONE {
            self.people.relations.remove(&(owner, other));
        } else {
            self.people.relations.insert((owner, other), relation);
        }
        if relation == Relation::CONTACT {
            let withheld = self.people.withheld.remove(&(owner, other));
            for item in withheld.unwrap_or_default() {
                self.tell(other, &item);
            }
        }
    }

    /// Tells the other devices of an account what has been changed.
    pub(crate) fn tell_relation(&mut self, from: Address, user: UserId, relation: Relation) {
        let entry = RelationEntry { user, relation };
        for address in self.devices_there(from.user) {
            if address != from {
                let relations = List::Slice(core::slice::from_ref(&entry));
                let list = RelationList {
                    request: 0,
                    more: false,
                    relations,
                };
                self.mail(address, &Frame::RelationList(list));
            }
        }
    }

    fn list_relations(&self, session: &mut Session, from: Address, asked: &Relations) {
        let relations = self.people.relations.iter();
        let own =
            relations.filter(|((owner, user), _)| *owner == from.user && user.0 > asked.after);
        let entries: Vec<_> = own
            .map(|((_, user), relation)| RelationEntry {
                user: *user,
                relation: *relation,
            })
            .collect();
        let page = self.people.page.unwrap_or(RELATION_LIST_MAX);
        session.write(&Frame::RelationList(RelationList {
            request: asked.request,
            more: entries.len() > page,
            relations: List::Slice(&entries[..page.min(entries.len())]),
        }));
    }

    fn settle_settings(&mut self, session: &mut Session, from: Address, asked: &Settings) {
        if let Some(set) = asked.set {
            if !set.is_known() {
                let reference = Reference::number(asked.request);
                return session.refuse(Kind::SETTINGS, NackCode::VALUE_UNKNOWN, reference);
            }
            self.people.settings.insert(from.user, set);
            self.tell_settings(from);
        }
        session.write(&Frame::SettingsAre(SettingsAre {
            request: asked.request,
            settings: self.people.settings_of(from.user),
        }));
    }

    /// Tells the other devices of an account its settings.
    pub(crate) fn tell_settings(&mut self, from: Address) {
        let settings = self.people.settings_of(from.user);
        for address in self.devices_there(from.user) {
            if address != from {
                let request = 0;
                self.mail(
                    address,
                    &Frame::SettingsAre(SettingsAre { request, settings }),
                );
            }
        }
    }

    /// Whether `to` wants to hear nothing from `from`.
    pub(super) fn is_unheard(&self, to: UserId, from: UserId) -> bool {
        self.people.relation(to, from) == Relation::BLOCKED
    }

    /// Tells an author that something is delivered or read, as the owner lets it know.
    pub(super) fn tell_author(&mut self, author: UserId, item: &Item) {
        let Item::Receipt { state, peer, .. } = item else {
            panic!("only receipts are told");
        };
        let owner = peer.user;
        let are_told = |user| self.people.settings_of(user).read_receipts;
        if *state == State::READ && !(are_told(owner) && are_told(author)) {
            return;
        }
        if self.is_unheard(owner, author) {
            return;
        }
        if self.people.is_withheld(owner, author) {
            let withheld = self.people.withheld.entry((owner, author)).or_default();
            withheld.push(item.clone());
            return;
        }
        self.tell(author, item);
    }

    /// Tells the other devices of a reader how far it has read [M-11.17].
    pub(super) fn tell_seen(&mut self, reader: Address, author: UserId, up_to: u64) {
        let seen = self.people.seen.entry((reader.user, author)).or_default();
        if *seen >= up_to {
            return;
        }
        *seen = up_to;
        let peer = Address {
            user: author,
            device: reader.device,
        };
        for (device, inbox) in &mut self.account(reader.user).inboxes {
            if *device != reader.device {
                let state = State::SEEN;
                inbox.stream.push(Item::Receipt { state, peer, up_to });
            }
        }
    }

    /// Says to a device whatever a test wants.
    pub(crate) fn say(&mut self, to: Address, frame: &Frame<'_>) {
        self.mail(to, frame);
    }
}
