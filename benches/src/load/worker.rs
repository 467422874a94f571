//! One generator thread: its pairs, their connections, its counts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use martlet_protocol::Millis;
use martlet_protocol::codec::Decoder;
use martlet_protocol::frame::Frame;
use martlet_protocol::limits::FRAME_BYTES_MAX;

use super::pair::{Pair, Parcel};
use crate::account::Session;
use crate::clock::{Clock, Nanos, unix_millis};
use crate::hall::Hall;
use crate::link::SCRATCH_BYTES;
use crate::mark::RunMark;
use crate::progress::Progress;
use crate::schedule::Poisson;
use crate::sys::{self, Ready};
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
    hall: Hall,
    pairs: Vec<Pair>,
    /// The open loop's plan; none = closed loop.
    schedule: Option<Poisson>,
    tally: Tally,
    completed: Vec<Nanos>,
    waiting: u64,
}

impl Worker {
    /// Takes over pairs and their sessions: two of each, the sender's first.
    pub(super) fn new(
        common: Common,
        (pairs, sessions): (Vec<Pair>, Vec<Session>),
        schedule: Option<Poisson>,
    ) -> Result<Self> {
        let hall = Hall::new(sessions, common.ping_interval, common.clock.now())?;
        Ok(Self {
            common,
            hall,
            pairs,
            schedule,
            tally: Tally::new(),
            completed: Vec::new(),
            waiting: 0,
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
            self.hall.ping_if_due(now);
            self.hall.flush()?;
            let timeout = self.sleep_until().min(now.plus(TICK)) - self.common.clock.now();
            self.hall.wait(&mut ready, timeout)?;
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
        let (pair, output) = (&mut self.pairs[index], self.hall.output(index * 2));
        while let Some(intended) = pair.issue(self.common.window, &parcel, output) {
            self.waiting -= 1;
            if self.common.progress.measures(intended) {
                self.tally
                    .lateness
                    .record(self.common.clock.now() - intended);
            }
        }
    }

    fn sleep_until(&self) -> Nanos {
        let next = self
            .schedule
            .as_ref()
            .map_or(Nanos(u64::MAX), Poisson::next_at);
        next.min(self.hall.ping_at())
    }

    fn serve(&mut self, event: Ready, scratch: &mut [u8]) -> Result<()> {
        let token = event.token as usize;
        let Some(count) = self.hall.read(event, scratch)? else {
            return Ok(());
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
        self.hall.keep(token, input);
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
            hall,
            ..
        } = self;
        let (pair, mark) = (&mut pairs[token / 2], common.mark);
        let mut item = |from, to| hall.end(token).item(from, to, bytes);
        match frame {
            Frame::Sent(sent) => {
                let intended = pair.sent(mark, sent, completed)?;
                if common.progress.measures(intended) {
                    tally.sent.record(now - intended);
                }
            }
            Frame::Event(event) => {
                item(event.position, event.position)?;
                let intended = pair.event(mark, event)?;
                if let Some(intended) =
                    intended.filter(|intended| common.progress.measures(*intended))
                {
                    tally.event.record(now - intended);
                }
            }
            Frame::Receipt(receipt) => {
                item(receipt.position, receipt.position)?;
                pair.receipt(receipt, completed)?;
            }
            Frame::Gap(gap) => item(gap.from, gap.to)?,
            Frame::Credit(credit) => {
                pair.granted(*credit);
                self.issue(token / 2);
            }
            other => hall.on_other(token, other)?,
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
}

/// A worker looks at the plan at least this often.
const TICK: Duration = Duration::from_millis(20);
