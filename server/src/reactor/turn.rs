//! One turn: mail, commands, one batch, released effects, one write per socket.

use std::mem;
use std::task::Waker;

use crate::clock;
use crate::reactor::mail::Mail;
use crate::reactor::{HANDSHAKES_PER_TURN, Reactor, Shelf};

impl Reactor {
    /// Does all that has come up since the last turn.
    ///
    /// Rows go to the committer before sockets are written, so that the disk works meanwhile.
    pub(super) fn turn(&mut self, shelf: &Shelf) {
        self.handshakes_left = HANDSHAKES_PER_TURN;
        self.read_mail(shelf);
        self.driver.durable(self.mailbox.durable_ticket());
        let now = clock::wall();
        for _ in 0..ROUNDS_MAX {
            self.apply_commands(now);
            self.driver.end_turn(now, &self.shared.committer);
            self.release();
            // A released effect may be a command for one of our own shards.
            if self.commands.is_empty() {
                break;
            }
        }
        if !self.driver.is_congested() {
            self.parked.drain(..).for_each(Waker::wake);
        }
        self.post_outgoing();
        self.flush_dirty(shelf);
        self.advance_drain();
        if !self.commands.is_empty() {
            self.want_turn();
        }
    }

    fn read_mail(&mut self, shelf: &Shelf) {
        let mut mails = mem::take(&mut self.scratch.mails);
        self.mailbox.take(&mut mails);
        for mail in mails.drain(..) {
            match mail {
                Mail::Arrive(traveller) => self.arrive(shelf, *traveller),
                Mail::Command(command) => self.commands.push(command),
                Mail::Drain => self.begin_drain(),
                Mail::Effect(effect) => self.execute(effect),
            }
        }
        self.scratch.mails = mails;
    }

    fn apply_commands(&mut self, now: martlet_protocol::id::Millis) {
        let mut commands = mem::take(&mut self.scratch.applying);
        mem::swap(&mut commands, &mut self.commands);
        for command in commands.drain(..) {
            let home = self
                .shared
                .reactor_of_shard(command.home(&self.shared.topology));
            if home == self.index {
                self.driver.apply(now, command);
            } else {
                self.outgoing[home].push(Mail::Command(command));
            }
        }
        self.scratch.applying = commands;
    }

    fn release(&mut self) {
        let mut released = mem::take(&mut self.scratch.released);
        self.driver.release(&mut released);
        for effect in released.drain(..) {
            self.execute(effect);
        }
        self.scratch.released = released;
    }

    fn post_outgoing(&mut self) {
        for (mails, mailbox) in self.outgoing.iter_mut().zip(&self.mailboxes) {
            if !mails.is_empty() {
                mailbox.post(mails);
            }
        }
    }
}

/// Rounds of commands and effects in one turn: sockets must get their turn too.
const ROUNDS_MAX: usize = 4;
