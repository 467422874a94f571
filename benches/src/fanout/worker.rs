//! The generator's thread: the members' connections and what comes over them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Frame, GroupEvent, GroupSend};
use martlet_protocol::limits::FRAME_BYTES_MAX;
use martlet_protocol::{Millis, Position};

use super::crowd::Crowd;
use super::found::Founded;
use super::report::FanoutTally;
use crate::account::Session;
use crate::clock::{Clock, Nanos, unix_millis};
use crate::credit::Purse;
use crate::flight::Violation;
use crate::hall::Hall;
use crate::link::SCRATCH_BYTES;
use crate::mark::RunMark;
use crate::progress::Progress;
use crate::schedule::Poisson;
use crate::sys::{self, Ready};

/// One thread for all members: the order of what comes is checked over all of them.
#[derive(Debug)]
pub(super) struct Worker {
    clock: Clock,
    progress: Arc<Progress>,
    founded: Founded,
    hall: Hall,
    crowd: Crowd,
    authors: Vec<Author>,
    mark: RunMark,
    envelope: Bytes,
    /// The open loop's plan, or the closed loop's window.
    pace: Result<Poisson, usize>,
    /// Whose turn it is in the closed loop.
    next_author: usize,
    tally: FanoutTally,
    frame: BytesMut,
}

#[derive(Debug, Default)]
struct Author {
    purse: Purse,
    /// Intended times of messages that the credit holds back.
    waiting: VecDeque<Nanos>,
}

impl Worker {
    pub(super) fn new(
        (clock, progress): (Clock, Arc<Progress>),
        founded: Founded,
        (sessions, ping_interval): (Vec<Session>, Duration),
        (mark, envelope): (RunMark, Bytes),
        pace: Result<Poisson, usize>,
    ) -> Result<Self> {
        let authors = sessions.iter().map(|session| {
            let mut author = Author::default();
            author.purse.add(session.ready.credit);
            author
        });
        Ok(Self {
            clock,
            progress,
            founded,
            crowd: Crowd::new(sessions.len()),
            authors: authors.collect(),
            hall: Hall::new(sessions, ping_interval, clock.now())?,
            mark,
            envelope,
            pace,
            next_author: 0,
            tally: FanoutTally::new(),
            frame: BytesMut::new(),
        })
    }

    /// Runs until the plan is over. A refusal, a lost connection or a broken promise is an error:
    /// a figure from such a run would be no figure.
    pub(super) fn run(mut self) -> Result<FanoutTally> {
        sys::wake_on_time().context("set up the generator's timer")?;
        let mut ready = Vec::new();
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            let now = self.clock.now();
            if self.finished(now) {
                self.tally.unfinished = self.unfinished() as u64;
                self.crowd.check()?;
                return Ok(self.tally);
            }
            self.enqueue_due(now);
            self.hall.ping_if_due(now);
            self.hall.flush()?;
            let plan = self.pace.as_ref().ok().map(Poisson::next_at);
            let next = plan.unwrap_or(Nanos(u64::MAX)).min(self.hall.ping_at());
            let timeout = next.min(now.plus(TICK)) - self.clock.now();
            self.hall.wait(&mut ready, timeout)?;
            for event in &ready {
                self.serve(*event, &mut scratch)?;
            }
        }
    }

    fn finished(&self, now: Nanos) -> bool {
        self.progress.stop_at() <= now
            && (self.unfinished() == 0 || self.progress.give_up_at() <= now)
    }

    fn unfinished(&self) -> usize {
        let waiting = self.authors.iter().map(|author| author.waiting.len());
        self.crowd.open() + waiting.sum::<usize>()
    }

    /// What the plan has due, or what the window has room for: from one member after the other.
    fn enqueue_due(&mut self, now: Nanos) {
        let until = now.min(self.progress.stop_at());
        while let Some((author, intended)) = self.next_due(until) {
            self.authors[author].waiting.push_back(intended);
            self.issue(author);
        }
    }

    fn next_due(&mut self, until: Nanos) -> Option<(usize, Nanos)> {
        match &mut self.pace {
            Ok(plan) => plan.due(until).map(|it| (it.pair, it.intended)),
            Err(window) => {
                let has_room = self.crowd.open() < *window;
                if !has_room || self.progress.stop_at() <= until {
                    return None;
                }
                self.next_author = (self.next_author + 1) % self.authors.len();
                // One without credit would hold up the loop.
                let author = &self.authors[self.next_author];
                author
                    .waiting
                    .is_empty()
                    .then_some((self.next_author, until))
            }
        }
    }

    fn issue(&mut self, who: usize) {
        let author = &mut self.authors[who];
        while let Some(intended) = author.waiting.front().copied() {
            let number = self.crowd.issued();
            let send = GroupSend {
                message_id: self.mark.message_id(number, Millis(unix_millis())),
                group: self.founded.group,
                version: self.founded.version,
                roster: self.founded.roster,
                ttl_ms: 0,
                envelope: &self.envelope,
            };
            self.frame.clear();
            codec::encode(&Frame::GroupSend(send), &mut self.frame);
            if !author.purse.spend(self.frame.len()) {
                return;
            }
            author.waiting.pop_front();
            self.crowd.issue(who, intended);
            self.hall.output(who).extend_from_slice(&self.frame);
            if self.progress.measures(intended) {
                self.tally.lateness.record(self.clock.now() - intended);
            }
        }
    }

    fn serve(&mut self, event: Ready, scratch: &mut [u8]) -> Result<()> {
        let token = event.token as usize;
        let Some(count) = self.hall.read(event, scratch)? else {
            return Ok(());
        };
        let now = self.clock.now();
        let mut input = &scratch[..count];
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        loop {
            let before = input.len();
            let frame = decoder.next(&mut input).context("understand the server")?;
            let Some(frame) = frame else { break };
            self.on_frame(token, &frame, before - input.len(), now)
                .with_context(|| format!("member {token}"))?;
        }
        self.hall.keep(token, input);
        Ok(())
    }

    fn on_frame(
        &mut self,
        token: usize,
        frame: &Frame<'_>,
        bytes: usize,
        now: Nanos,
    ) -> Result<()> {
        let end = self.hall.end(token);
        match frame {
            Frame::GroupEvent(event) => {
                if event.position == Position(0) {
                    end.entry(event.group, event.sequence, bytes)
                } else {
                    end.item(event.position, event.position, bytes)
                }?;
                // Accounts of an earlier run are in its group, too.
                if event.group == self.founded.group {
                    self.on_entry(token, event, now)?;
                }
            }
            Frame::GroupSent(sent) => {
                let number = self.mark.sequence(sent.message_id);
                let number = number.ok_or(Violation::AnswerUnknown)?;
                let intended = self.crowd.sent(number, sent.sequence)?;
                if self.progress.measures(intended) {
                    self.tally.sent.record(now - intended);
                }
            }
            Frame::GroupReceipt(receipt) => {
                let position = receipt.position;
                end.item(position, position, bytes)?;
            }
            Frame::Gap(gap) => end.item(gap.from, gap.to, bytes)?,
            Frame::Credit(credit) => {
                self.authors[token].purse.add(*credit);
                self.issue(token);
            }
            other => self.hall.on_other(token, other)?,
        }
        Ok(())
    }

    fn on_entry(
        &mut self,
        token: usize,
        event: &GroupEvent<'_>,
        now: Nanos,
    ) -> Result<(), Violation> {
        let number = event.message_id.and_then(|id| self.mark.sequence(id));
        let Some(delivery) = self.crowd.entry(token, event.sequence, number)? else {
            return Ok(());
        };
        self.tally.is_streamed = event.position == Position(0);
        self.progress.complete(1);
        if self.progress.measures(delivery.intended) {
            if delivery.is_first {
                self.tally.first.record(now - delivery.intended);
            }
            if delivery.is_last {
                self.tally.last.record(now - delivery.intended);
            }
        }
        Ok(())
    }
}

/// The worker looks at the plan at least this often.
const TICK: Duration = Duration::from_millis(20);
