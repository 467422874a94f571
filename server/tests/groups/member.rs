//! One member with one device: what it was shown of its group, and how far.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use martlet_protocol::frame::{
    Frame, GapReason, GroupAck, GroupAsk, GroupChange, GroupChanged, GroupEventKind, GroupMode,
    GroupSend, GroupSent, Nack, SignedRecord,
};
use martlet_protocol::{GroupId, Kind, MessageId, NackCode, UserId};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::wire::{Entry, Got, Lost};

/// A member.
pub(crate) struct Member {
    pub(crate) client: Client,
    pub(crate) group: GroupId,
    /// Entries by their sequence, each as it came first.
    pub(crate) seen: BTreeMap<u64, Entry>,
    /// What this device wrote itself: nobody pushes it back.
    pub(crate) own: BTreeMap<u64, MessageId>,
    /// Version and roster, as far as it knows.
    known: (u64, u64),
}

impl Member {
    pub(crate) fn new(client: Client, group: GroupId) -> Self {
        Self {
            client,
            group,
            seen: BTreeMap::new(),
            own: BTreeMap::new(),
            known: (0, 0),
        }
    }

    pub(crate) fn user(&self) -> UserId {
        self.client.address().user
    }

    /// What is stored of the group: the sequences of all entries, own ones among them.
    pub(crate) fn sequences(&self) -> BTreeMap<u64, Option<MessageId>> {
        let seen = self.seen.iter();
        let seen = seen.map(|(sequence, entry)| (*sequence, entry.message_id));
        let own = self.own.iter().map(|(sequence, id)| (*sequence, Some(*id)));
        seen.chain(own).collect()
    }

    /// Takes one frame, if it is an entry of the group, and acknowledges it.
    ///
    /// # Panics
    /// When an entry came before with another content, or when one is missing.
    fn take(&mut self, got: &Got) {
        match got {
            Got::GroupEvent(entry) => {
                assert_eq!(entry.group, self.group);
                let known = self.seen.entry(entry.sequence);
                let known = known.or_insert_with(|| entry.clone());
                let same = (known.message_id, &known.body) == (entry.message_id, &entry.body);
                assert!(same, "entry {} has changed", entry.sequence);
                if entry.position.0 == 0 {
                    self.stored_up_to(entry.sequence);
                } else {
                    self.client.acknowledge();
                }
            }
            Got::GroupReceipt { .. } => self.client.acknowledge(),
            Got::Gap(gap) if gap.reason == GapReason::RESTORED => self.client.acknowledge(),
            Got::GroupGap(gap) if gap.reason == GapReason::RESTORED => {
                self.stored_up_to(gap.to);
            }
            Got::Gap(_) | Got::GroupGap(_) => panic!("nothing ends here: {got:?}"),
            _ => {}
        }
    }

    fn stored_up_to(&mut self, sequence: u64) {
        let group = self.group;
        self.client
            .ask(&Frame::GroupAck(GroupAck { group, sequence }));
    }

    /// Reads until nothing has come for `quiet`.
    pub(crate) fn pull(&mut self, quiet: Duration) -> Result<(), Lost> {
        while let Some(got) = self.client.next(quiet)? {
            self.take(&got);
        }
        self.client.flush()
    }

    /// Reads until this entry has come.
    pub(crate) fn pull_to(&mut self, sequence: u64) {
        self.pull_all(sequence, sequence);
    }

    /// Reads until all entries from the one to the other have come. What comes by the inbox may
    /// overtake what comes by the stream.
    pub(crate) fn pull_all(&mut self, from: u64, to: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut next = from;
        loop {
            while self.seen.contains_key(&next) || self.own.contains_key(&next) {
                next += 1;
            }
            if next > to {
                break;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let got = self.client.next(left).expect("the server is there");
            let got = got.unwrap_or_else(|| panic!("{next} of {from}..={to} does not come"));
            self.take(&got);
        }
        self.client.flush().expect("the server is there");
    }

    /// Learns the newest version and roster.
    pub(crate) fn refresh(&mut self) -> Result<(), Lost> {
        let (group, request) = (self.group, ASK);
        self.client.ask(&Frame::GroupAsk(GroupAsk {
            request,
            group,
            have: self.known.0,
            have_roster: self.known.1,
        }));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let Some(got) = self.client.next(PATIENCE)? else {
                break;
            };
            match &got {
                Got::GroupState {
                    version, roster, ..
                } => {
                    self.known = (*version, *roster);
                    return Ok(());
                }
                Got::Nack(nack) => panic!("refused: {nack:?}"),
                got => self.take(got),
            }
        }
        panic!("no answer to GROUP_ASK");
    }

    /// Learns version and roster when the lists of all members have reached the group.
    pub(crate) fn settle(&mut self) {
        let mut before = None;
        while before != Some(self.known) {
            before = Some(self.known);
            std::thread::sleep(Duration::from_millis(500));
            self.refresh().expect("the server is there");
        }
    }

    /// Sends a message, again and again, until it is accepted.
    pub(crate) fn post(&mut self, id: MessageId, text: &[u8]) -> Result<GroupSent, Lost> {
        loop {
            self.client.post(&self.send_of(id, text));
            match self.answer(id)? {
                Ok(sent) => {
                    self.own.insert(sent.sequence, id);
                    return Ok(sent);
                }
                Err(nack) if nack.code == NackCode::GROUP_STALE => self.refresh()?,
                Err(nack) => panic!("refused: {nack:?}"),
            }
        }
    }

    fn answer(&mut self, id: MessageId) -> Result<Result<GroupSent, Nack>, Lost> {
        loop {
            let got = self.client.next(PATIENCE)?;
            let got = got.unwrap_or_else(|| panic!("no answer to GROUP_SEND"));
            match &got {
                Got::GroupSent(sent) if sent.message_id == id => return Ok(Ok(*sent)),
                Got::Nack(nack) if nack.reference.as_message() == id => return Ok(Err(*nack)),
                got => self.take(got),
            }
        }
    }

    /// Sends a message once; the answer, or why not.
    pub(crate) fn try_post(&mut self, text: &[u8]) -> Result<GroupSent, Nack> {
        let id = self.client.message_id();
        self.client.post(&self.send_of(id, text));
        let answer = self.answer(id).expect("the server is there");
        if let Ok(sent) = &answer {
            self.own.insert(sent.sequence, id);
        }
        answer
    }

    fn send_of<'a>(&self, message_id: MessageId, envelope: &'a [u8]) -> GroupSend<'a> {
        GroupSend {
            message_id,
            group: self.group,
            version: self.known.0,
            roster: self.known.1,
            ttl_ms: 0,
            envelope,
        }
    }

    /// Says a record; the answer, or why not.
    pub(crate) fn change(&mut self, record: &[u8]) -> Result<GroupChanged, NackCode> {
        self.client.ask(&Frame::GroupChange(GroupChange {
            request: CHANGE,
            record: SignedRecord(record),
        }));
        loop {
            let got = self.client.next(PATIENCE).expect("the server is there");
            let got = got.unwrap_or_else(|| panic!("no answer to GROUP_CHANGE"));
            match &got {
                Got::GroupChanged(changed) => {
                    assert_eq!(changed.request, CHANGE);
                    return Ok(*changed);
                }
                Got::Nack(nack) if nack.of == Kind::GROUP_CHANGE => return Err(nack.code),
                got => self.take(got),
            }
        }
    }

    /// Connects, or says why not.
    pub(crate) fn connect(&mut self, server: SocketAddr) -> Result<(), Lost> {
        let ready = self.client.connect(server)?;
        ready.map_err(|code| Lost(format!("closed with {code:?}")))?;
        Ok(())
    }

    /// How the newest switch that it was shown says the entries come.
    pub(crate) fn mode(&self) -> GroupMode {
        let switches = self.seen.values();
        let mut switches = switches.filter(|entry| entry.kind == GroupEventKind::MODE);
        let last = switches.next_back();
        last.map_or(GroupMode::INBOX, |entry| GroupMode(entry.body[0]))
    }
}

const ASK: u64 = 71;
const CHANGE: u64 = 72;
