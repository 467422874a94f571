//! One generator thread: its pairs, its epoll set, its counts.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use martlet_protocol::Millis;
use martlet_protocol::codec::{self, Decoder};
use martlet_protocol::frame::{Frame, Ping, Pong};
use martlet_protocol::limits::FRAME_BYTES_MAX;

use super::pair::{End, Pair, Parcel, RunMark};
use super::progress::Progress;
use crate::account::Refusal;
use crate::clock::{Clock, Nanos, unix_millis};
use crate::flight::Violation;
use crate::link::{Flushed, Input, SCRATCH_BYTES};
use crate::schedule::Poisson;
use crate::sys::{self, Epoll, Ready};
use crate::tally::Tally;

/// What all workers of a run share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// The clock of all measurements.
    pub(super) clock: Clock,
    /// The plan and the count of complete messages.
    pub(super) progress: Arc<Progress>,
    /// Most messages of a pair that are on their way at a time.
    pub(super) window: usize,
    /// The opaque payload.
    pub(super) envelope: Bytes,
    /// The run's mark in message ids.
    pub(super) mark: RunMark,
    /// Each connection says something at least this often.
    pub(super) ping_interval: Duration,
}

/// A thread's share of the pairs.
#[derive(Debug)]
pub(super) struct Worker {
    common: Common,
    epoll: Epoll,
    pairs: Vec<Pair>,
    /// The open loop's plan; none = closed loop.
    schedule: Option<Poisson>,
    tally: Tally,
    dirty: Vec<usize>,
    completed: Vec<Nanos>,
    waiting: u64,
    ping_at: Nanos,
}

impl Worker {
    /// Watches all connections of `pairs`.
    pub(super) fn new(common: Common, pairs: Vec<Pair>, schedule: Option<Poisson>) -> Result<Self> {
        let epoll = Epoll::new().context("open the epoll set")?;
        for (index, pair) in pairs.iter().enumerate() {
            let token = index as u64 * 2;
            epoll
                .add(pair.sender.link.as_fd(), token)
                .context("watch a connection")?;
            epoll
                .add(pair.recipient.link.as_fd(), token + 1)
                .context("watch a connection")?;
        }
        let ping_at = common.clock.now().plus(common.ping_interval);
        Ok(Self {
            common,
            epoll,
            pairs,
            schedule,
            tally: Tally::new(),
            dirty: Vec::new(),
            completed: Vec::new(),
            waiting: 0,
            ping_at,
        })
    }

    /// Runs until the plan is over. A refusal, a lost connection or a broken promise is an error:
    /// a figure from such a run would be no figure.
    pub(super) fn run(mut self) -> Result<Tally> {
        sys::wake_on_time().context("set up the generator's timer")?;
        let mut ready = Vec::new();
        let mut scratch = vec![0; SCRATCH_BYTES];
        if self.schedule.is_none() {
            self.fill_windows();
        }
        loop {
            let now = self.common.clock.now();
            if self.finished(now) {
                self.tally.unfinished = self.unfinished();
                return Ok(self.tally);
            }
            self.enqueue_due(now);
            self.ping_if_due(now);
            self.flush()?;
            let timeout = self.sleep_until().min(now.plus(TICK)) - self.common.clock.now();
            self.epoll
                .wait(&mut ready, Some(timeout))
                .context("wait for sockets")?;
            for event in &ready {
                self.serve(*event, &mut scratch)?;
            }
        }
    }

    fn finished(&self, now: Nanos) -> bool {
        let progress = &self.common.progress;
        if progress.stop_at() > now {
            return false;
        }
        self.unfinished() == 0 || progress.give_up_at() <= now
    }

    fn unfinished(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.unfinished() as u64).sum()
    }

    /// The closed loop's beginning; later each complete message makes room for the next.
    fn fill_windows(&mut self) {
        for index in 0..self.pairs.len() {
            for _ in 0..self.common.window {
                self.enqueue(index, self.common.clock.now());
            }
        }
    }

    fn enqueue_due(&mut self, now: Nanos) {
        let until = now.min(self.common.progress.stop_at());
        while let Some(arrival) = self.schedule.as_mut().and_then(|plan| plan.due(until)) {
            self.enqueue(arrival.pair, arrival.intended);
        }
    }

    fn enqueue(&mut self, index: usize, intended: Nanos) {
        self.pairs[index].enqueue(intended);
        self.waiting += 1;
        self.issue(index);
        self.tally.waiting_max = self.tally.waiting_max.max(self.waiting);
    }

    fn issue(&mut self, index: usize) {
        let parcel = Parcel {
            mark: self.common.mark,
            now: Millis(unix_millis()),
            envelope: &self.common.envelope,
        };
        let before = self.waiting;
        while let Some(intended) = self.pairs[index].issue(self.common.window, &parcel) {
            self.waiting -= 1;
            if self.common.progress.measures(intended) {
                self.tally
                    .lateness
                    .record(self.common.clock.now() - intended);
            }
        }
        if self.waiting < before {
            self.touch(index * 2);
        }
    }

    fn sleep_until(&self) -> Nanos {
        let next = self
            .schedule
            .as_ref()
            .map_or(Nanos(u64::MAX), Poisson::next_at);
        next.min(self.ping_at)
    }

    fn ping_if_due(&mut self, now: Nanos) {
        if now < self.ping_at {
            return;
        }
        self.ping_at = now.plus(self.common.ping_interval);
        for token in 0..self.pairs.len() * 2 {
            self.say(token, &Frame::Ping(Ping { token: 0 }));
        }
    }

    fn serve(&mut self, event: Ready, scratch: &mut [u8]) -> Result<()> {
        let token = event.token as usize;
        if event.writable {
            self.touch(token);
        }
        if !event.readable {
            return Ok(());
        }
        let count = match self
            .end(token)
            .link
            .read(scratch)
            .context("read from the server")?
        {
            Input::Bytes(count) => count,
            Input::Nothing => return Ok(()),
            Input::Closed => bail!("the server closed a connection without a word"),
        };
        // Read anew for every socket: a message must not wait unmeasured behind others.
        let now = self.common.clock.now();
        let mut input = &scratch[..count];
        let mut decoder = Decoder::new(FRAME_BYTES_MAX);
        loop {
            let before = input.len();
            let frame = decoder.next(&mut input).context("understand the server")?;
            let Some(frame) = frame else { break };
            self.on_frame(token, &frame, before - input.len(), now)
                .with_context(|| format!("pair {}", token / 2))?;
        }
        self.end(token).link.keep(input);
        self.touch(token);
        self.replace_completed(token / 2, now);
        Ok(())
    }

    fn on_frame(
        &mut self,
        token: usize,
        frame: &Frame<'_>,
        bytes: usize,
        now: Nanos,
    ) -> Result<()> {
        let Self {
            pairs,
            tally,
            completed,
            common,
            ..
        } = self;
        let (pair, mark) = (&mut pairs[token / 2], common.mark);
        match frame {
            Frame::Sent(sent) => {
                let intended = pair.sent(mark, sent, completed).map_err(broken)?;
                if common.progress.measures(intended) {
                    tally.sent.record(now - intended);
                }
            }
            Frame::Event(event) => {
                let intended = pair.event(mark, event, bytes).map_err(broken)?;
                if let Some(intended) =
                    intended.filter(|intended| common.progress.measures(*intended))
                {
                    tally.event.record(now - intended);
                }
            }
            Frame::Receipt(receipt) => pair.receipt(receipt, bytes, completed).map_err(broken)?,
            Frame::Gap(gap) => {
                pair.end(token)
                    .item(gap.from, gap.to, bytes)
                    .map_err(broken)?;
            }
            Frame::Credit(credit) => {
                pair.granted(*credit);
                self.issue(token / 2);
            }
            Frame::Ping(ping) => self.say(token, &Frame::Pong(Pong { token: ping.token })),
            Frame::Pong(_) | Frame::CaughtUp(_) => {}
            Frame::Nack(nack) => bail!("{}", Refusal(*nack)),
            Frame::Close(close) => {
                bail!("the server closed: {} {}", close.code.name(), close.detail)
            }
            other => bail!("the server sent an unexpected {:?}", other.kind()),
        }
        Ok(())
    }

    /// Counts what is complete; in the closed loop the next messages leave at once.
    fn replace_completed(&mut self, index: usize, now: Nanos) {
        self.common.progress.complete(self.completed.len());
        let stopped = self.common.progress.stop_at() <= now;
        let mut completed = std::mem::take(&mut self.completed);
        for intended in completed.drain(..) {
            if self.common.progress.measures(intended) {
                self.tally.receipt.record(now - intended);
            }
            if self.schedule.is_none() && !stopped {
                self.enqueue(index, self.common.clock.now());
            }
        }
        self.completed = completed;
        // The open loop's messages may have waited for this place.
        self.issue(index);
    }

    fn say(&mut self, token: usize, frame: &Frame<'_>) {
        codec::encode(frame, self.end(token).link.output());
        self.touch(token);
    }

    fn touch(&mut self, token: usize) {
        if !std::mem::replace(&mut self.end(token).dirty, true) {
            self.dirty.push(token);
        }
    }

    fn end(&mut self, token: usize) -> &mut End {
        self.pairs[token / 2].end(token)
    }

    /// One write per touched socket.
    fn flush(&mut self) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            let end = self.pairs[token / 2].end(token);
            end.dirty = false;
            end.settle();
            let flushed = end.link.flush().context("write to the server")?;
            if flushed != Flushed::Same {
                let on = flushed == Flushed::Blocked;
                self.epoll
                    .watch_writable(end.link.as_fd(), token as u64, on)
                    .context("watch a connection for writing")?;
            }
        }
        self.dirty = dirty;
        Ok(())
    }
}

fn broken(violation: Violation) -> anyhow::Error {
    anyhow!("the server broke a promise: {violation:?}")
}

/// A worker looks at the plan at least this often.
const TICK: Duration = Duration::from_millis(20);
