//! Several shards over one memory store, driven the way the server drives them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use martlet_protocol::frame::{Presence, SendScope};
use martlet_protocol::{Address, DeviceId, MessageId, Millis, Position, Timestamp, UserId};
use martlet_shard::verify::Verifier;
use martlet_shard::{
    Command, DeviceIdentity, DevicePart, Effect, GroupCommand, Limits, OwnDevices, RelationsAnswer,
    Reply, SessionId, Shard, Topology,
};
use martlet_store::keys::{group_log, inbox};
use martlet_store::{Batch, Memory, ShardId, View, resolve};

use crate::link::Link;
use crate::{parse, print, witness};

/// When every transcript starts.
pub(crate) const START: Millis = Millis(1_800_000_000_000);

/// A small server without sockets.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) topology: Topology,
    pub(crate) limits: Limits,
    pub(crate) now: Millis,
    shards: Vec<Shard>,
    /// What the shards' view shows: all sealed turns.
    pub(crate) sealed: Memory,
    /// What a crash leaves.
    pub(crate) durable: Memory,
    /// Turns that are sealed and not committed, with the effects that wait for it.
    pending: VecDeque<(Batch, Vec<Effect>)>,
    /// One turn each.
    turns: VecDeque<Vec<Command>>,
    pub(crate) devices: BTreeMap<String, Address>,
    pub(crate) links: BTreeMap<SessionId, Link>,
    sessions: u64,
    pub(crate) messages: BTreeMap<String, Message>,
    /// PRESENCE frames, also for connections that are not simulated.
    presences: Vec<Presence>,
    relations: Option<RelationsAnswer>,
    /// How many commits had rows.
    commits: usize,
    seen: Vec<(String, String)>,
    /// What had been seen of a step when the server died.
    heard: Vec<(String, String)>,
}

/// A message as the transcript knows it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) to: UserId,
    pub(crate) scope: SendScope,
    pub(crate) to_parts: Vec<DevicePart>,
    pub(crate) own_parts: Vec<DevicePart>,
    pub(crate) envelope: Bytes,
    /// Known from its first SENT or EVENT on.
    pub(crate) timestamp: Option<Timestamp>,
}

impl World {
    /// A world with these accounts, one device each.
    pub(crate) fn new(shards: u16, handles: &[&str]) -> Self {
        Self::with(shards, handles, Limits::default())
    }

    /// The same with other limits.
    pub(crate) fn with(shards: u16, handles: &[&str], limits: Limits) -> Self {
        let topology = Topology { shards, seed: 7 };
        let mut world = Self {
            topology,
            limits,
            now: START,
            shards: Vec::new(),
            sealed: Memory::new(),
            durable: Memory::new(),
            pending: VecDeque::new(),
            turns: VecDeque::new(),
            devices: BTreeMap::new(),
            links: BTreeMap::new(),
            sessions: 0,
            messages: BTreeMap::new(),
            presences: Vec::new(),
            relations: None,
            commits: 0,
            seen: Vec::new(),
            heard: Vec::new(),
        };
        world.recover();
        for handle in handles {
            world.run(&format!("{handle}: register"));
        }
        world.seen.clear();
        world
    }

    /// Runs a transcript with all accounts on one shard, and spread over several.
    pub(crate) fn each(handles: &[&str], transcript: impl Fn(&mut Self)) {
        for shards in [1, 2, 5] {
            transcript(&mut Self::new(shards, handles));
        }
    }

    /// The same with smaller limits.
    pub(crate) fn each_with(limits: Limits, handles: &[&str], transcript: impl Fn(&mut Self)) {
        for shards in [1, 2, 5] {
            transcript(&mut Self::with(shards, handles, limits));
        }
    }

    /// What its driver asks for when a device sends.
    pub(crate) fn own_devices(&mut self, address: Address) -> OwnDevices {
        let home = usize::from(self.topology.shard_of_user(address.user).0);
        self.shards[home].own_devices(&self.sealed, address)
    }

    /// What its driver asks for before a device sends.
    pub(crate) fn begin_conversation(&mut self, from: UserId, to: UserId) -> Result<(), u64> {
        let home = usize::from(self.topology.shard_of_user(from).0);
        self.shards[home].begin_conversation(self.now, &self.sealed, from, to)
    }

    /// What its driver asks for before a device looks somebody up.
    pub(crate) fn look_up(&mut self, device: &str) -> Result<(), u64> {
        let user = self.devices[device].user;
        let home = usize::from(self.topology.shard_of_user(user).0);
        self.shards[home].look_up(self.now, user)
    }

    /// What its driver asks for when a device asks where its message stands.
    pub(crate) fn is_told_reads(&mut self, user: UserId) -> bool {
        let home = usize::from(self.topology.shard_of_user(user).0);
        self.shards[home].is_told_reads(&self.sealed, user)
    }

    /// What its driver asks for when a device uploads.
    pub(crate) fn identity(&mut self, device: &str) -> Option<DeviceIdentity> {
        let address = self.devices[device];
        let home = usize::from(self.topology.shard_of_user(address.user).0);
        self.shards[home].device_identity(&self.sealed, address)
    }

    /// Takes a step and compares what each device saw of it, in the order it saw it. `;` waits
    /// until nothing moves any more, `|` separates turns that wait for nothing, `+` commands of
    /// one turn.
    #[track_caller]
    pub(crate) fn check(&mut self, step: &str, expected: &[&str]) {
        self.run(step);
        self.compare(step, expected);
    }

    #[track_caller]
    fn compare(&mut self, step: &str, expected: &[&str]) {
        self.verify();
        let mut expected: Vec<_> = expected
            .iter()
            .map(|line| line.split_once(": ").expect("a line is `device: frame`"))
            .map(|(device, frame)| (device.to_owned(), frame.to_owned()))
            .collect();
        let mut seen = std::mem::take(&mut self.seen);
        // Devices are independent of each other: only the order within each is promised.
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(seen, expected, "\nafter {step:?}");
    }

    /// Takes a step whose frames are of no interest.
    pub(crate) fn quietly(&mut self, step: &str) {
        self.run(step);
        self.forget();
    }

    /// Says something that no well-behaved driver says in this order.
    pub(crate) fn say(&mut self, command: Command) {
        self.turns.push_back(vec![command]);
        self.settle();
    }

    /// Drops what was seen since the last step.
    pub(crate) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Takes a step, but the server dies when `commits` turns of it are durable. Returns whether
    /// there was something left to lose. The shards come back from what is durable.
    pub(crate) fn crash_after(&mut self, commits: usize, step: &str) -> bool {
        self.start(step);
        for _ in 0..commits {
            self.take_turns();
            if !self.commit() {
                break;
            }
        }
        self.take_turns();
        let is_cut = !self.pending.is_empty();
        self.heard = std::mem::take(&mut self.seen);
        self.crash();
        is_cut
    }

    /// Whether a device had this frame when the server died.
    pub(crate) fn had_heard(&self, device: &str, frame: &str) -> bool {
        let mut heard = self.heard.iter();
        heard.any(|(of, line)| of == device && line == frame)
    }

    /// Throws the shards away and makes them anew from the durable rows.
    pub(crate) fn crash(&mut self) {
        self.links.clear();
        self.pending.clear();
        self.turns.clear();
        self.sealed = self.durable.clone();
        self.recover();
        self.settle();
        self.seen.clear();
    }

    /// Moves the time and nothing else.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
    }

    /// Moves the time, and compares what each device saw of that.
    #[track_caller]
    pub(crate) fn seen_while(&mut self, ms: u64, expected: &[&str]) {
        self.wait(ms);
        self.compare("time", expected);
    }

    /// Moves the time, and ticks each shard that asks for it.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.pass(ms);
        for _ in 0..100 {
            if self.shards.iter().all(|shard| shard.due() > self.now) {
                return;
            }
            for shard in 0..self.topology.shards {
                if self.shards[usize::from(shard)].due() <= self.now {
                    let shard = ShardId(shard);
                    self.turns.push_back(vec![Command::Tick { shard }]);
                }
            }
            self.settle();
        }
        panic!("a shard ticks without end");
    }

    /// The device's inbox rows that are durable.
    pub(crate) fn inbox_rows(&self, device: &str) -> usize {
        let address = self.devices[device];
        let shard = self.topology.shard_of_user(address.user);
        let from = inbox::key(shard, address, Position(0));
        let to = inbox::key(shard, address, Position(u64::MAX));
        self.durable.scan(&from, &to, usize::MAX, usize::MAX).len()
    }

    /// How many bytes all durable inboxes have.
    pub(crate) fn inbox_bytes(&self) -> usize {
        let inbox = martlet_store::keys::KeyTag::Inbox.number();
        let rows = self.durable.iter().filter(|(key, _)| key[2] == inbox);
        rows.map(|(key, value)| key.len() + value.len()).sum()
    }

    /// Takes a step and keeps what was seen of it.
    pub(crate) fn run_apart(&mut self, step: &str) {
        self.forget();
        self.run(step);
    }

    /// Takes a step. The PRESENCE frames that came of it, whoever they are for.
    pub(crate) fn effects_of(&mut self, step: &str) -> Vec<Presence> {
        self.presences.clear();
        self.quietly(step);
        std::mem::take(&mut self.presences)
    }

    /// The RELATION_LIST that came last.
    pub(crate) fn take_answer(&mut self) -> RelationsAnswer {
        self.forget();
        self.relations.take().expect("there was an answer")
    }

    /// How many commits with rows there were.
    pub(crate) fn commits(&self) -> usize {
        self.commits
    }

    /// What the devices saw since the last step, each in its order.
    pub(crate) fn take_seen(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.seen)
    }

    /// How many durable rows have this tag.
    pub(crate) fn rows(&self, tag: martlet_store::keys::KeyTag) -> usize {
        let keys = self.durable.iter().map(|(key, _)| key);
        keys.filter(|key| key[2] == tag.number()).count()
    }

    /// A connection that was never used.
    pub(crate) fn next_session(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(self.sessions)
    }

    /// The device's newest connection.
    pub(crate) fn session(&self, device: &str) -> SessionId {
        let of_device = self.links.iter().filter(|(_, link)| link.device == device);
        let newest = of_device.map(|(session, _)| *session).next_back();
        newest.unwrap_or_else(|| panic!("{device} is not connected"))
    }

    /// The name of a device.
    pub(crate) fn name_of(&self, address: Address) -> String {
        let mut known = self.devices.iter();
        let found = known.find(|(_, known)| **known == address);
        found.map_or_else(|| address.to_string(), |(name, _)| name.clone())
    }

    /// The message with this id.
    pub(crate) fn message_of(&mut self, id: MessageId) -> (String, &mut Message) {
        let mut known = self.messages.iter_mut();
        let found = known.find(|(_, message)| message.id == id);
        let (name, message) = found.unwrap_or_else(|| panic!("nobody sent {id}"));
        (name.clone(), message)
    }

    /// Makes the name of an account's next device known.
    pub(crate) fn name_device(&mut self, name: &str, user: UserId, device: DeviceId) {
        self.devices
            .insert(name.to_owned(), Address { user, device });
    }

    fn recover(&mut self) {
        let mut effects = Vec::new();
        self.shards = (0..self.topology.shards)
            .map(|shard| {
                Shard::recover(
                    ShardId(shard),
                    self.topology,
                    self.limits,
                    self.now,
                    &self.sealed,
                    &mut effects,
                )
            })
            .collect();
        self.pending.push_back((Batch::new(), effects));
    }

    fn run(&mut self, step: &str) {
        for part in step.split(';') {
            self.start(part);
            self.settle();
        }
    }

    /// Queues turns that follow each other without waiting for a commit.
    fn start(&mut self, part: &str) {
        for turn in part.split('|') {
            let commands: Vec<_> = turn
                .split(" + ")
                .flat_map(|command| parse::commands(self, command.trim()))
                .collect();
            self.turns.push_back(commands);
        }
    }

    fn settle(&mut self) {
        loop {
            self.take_turns();
            if !self.commit() {
                break;
            }
        }
    }

    /// Every durable row fits to the others.
    fn verify(&self) {
        let mut verifier = Verifier::new(self.topology);
        for (key, value) in self.durable.iter() {
            verifier.row(key, value);
        }
        assert_eq!(verifier.finish().1, Vec::<String>::new());
    }

    /// Applies what is queued. Several turns may be sealed before the first is durable.
    fn take_turns(&mut self) {
        while let Some(commands) = self.turns.pop_front() {
            let (mut batch, mut effects) = (Batch::new(), Vec::new());
            for command in commands {
                let shard = &mut self.shards[usize::from(command.home(&self.topology).0)];
                shard.apply(self.now, command, &self.sealed, &mut batch, &mut effects);
            }
            for shard in 0..self.topology.shards {
                let state = &mut self.shards[usize::from(shard)];
                if state.is_dirty() {
                    let shard = ShardId(shard);
                    let seal = Command::Seal { shard };
                    state.apply(self.now, seal, &self.sealed, &mut batch, &mut effects);
                }
            }
            self.sealed.apply(&batch);
            self.pending.push_back((batch, effects));
        }
    }

    /// Makes the oldest sealed turn durable and carries out its effects.
    fn commit(&mut self) -> bool {
        let Some((batch, effects)) = self.pending.pop_front() else {
            return false;
        };
        self.commits += usize::from(!batch.is_empty());
        self.durable.apply(&batch);
        for effect in effects {
            witness::check(self, &effect);
            self.carry_out(effect);
        }
        true
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Forward(command) => self.turns.push_back(vec![command]),
            Effect::LoadPage {
                session,
                address,
                from,
                rows_max,
                bytes_max,
            } => {
                let shard = self.topology.shard_of_user(address.user);
                let from = inbox::key(shard, address, from);
                let to = inbox::key(shard, address, Position(u64::MAX));
                let mut rows = self.durable.scan(&from, &to, rows_max, bytes_max);
                resolve(shard, &self.durable, &mut rows, bytes_max);
                let position = |key: &[u8]| inbox::position_of(key).expect("it is an inbox key");
                let page = Command::Page {
                    session,
                    address,
                    rows: rows
                        .into_iter()
                        .map(|(key, value)| (position(&key), value))
                        .collect(),
                };
                self.turns.push_back(vec![page]);
            }
            Effect::LoadEntries {
                session,
                address,
                group,
                from,
                rows_max,
                bytes_max,
            } => {
                let shard = self.topology.shard_of_user(address.user);
                let first = group_log::key(shard, group, from);
                let last = group_log::key(shard, group, u64::MAX);
                let rows = self.durable.scan(&first, &last, rows_max, bytes_max);
                let place = |key: &[u8]| group_log::place_of(key).expect("it is a log key").1;
                let entries = GroupCommand::Entries {
                    session,
                    address,
                    group,
                    from,
                    rows: rows
                        .into_iter()
                        .map(|(key, value)| (place(&key), value))
                        .collect(),
                };
                self.turns.push_back(vec![entries.into()]);
            }
            Effect::Note(_) => {}
            frame => {
                if let Effect::Frame { reply, .. } = &frame {
                    match reply {
                        Reply::Presence(presence) => self.presences.push(*presence),
                        Reply::RelationList(answer) => self.relations = Some(answer.clone()),
                        _ => {}
                    }
                }
                if let Some(line) = print::line(self, frame) {
                    self.seen.push(line);
                }
            }
        }
    }
}
