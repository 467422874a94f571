//! The life of a connection on its reactor: seated, served, moved, closed, forgotten.

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use bytes::BytesMut;
use martlet_protocol::CloseCode;
use martlet_protocol::frame::Auth;
use martlet_shard::{Command, SessionId};
use tokio::net::TcpStream;
use tokio::task;

use crate::clock::{self, Seconds};
use crate::gateway::conn::{Conn, Flushed, Office, Phase, Received, State, Traveller};
use crate::gateway::session::{Ending, Session};
use crate::gateway::tls;
use crate::reactor::mail::Mail;
use crate::reactor::{Reactor, Shelf};

/// What the reading task does next.
enum Next {
    Read,
    Move(Box<Auth>),
    Stop,
}

/// Reads from a connection until it ends or moves. All that is idle sits in here, so it holds two
/// pointers and no buffer.
async fn serve(reactor: Shelf, conn: Rc<Conn>) {
    loop {
        if conn.state.borrow().is_handshaking() {
            // The handshakes of strangers wait for those who have work in this turn.
            while !reactor.borrow_mut().may_shake_hands() {
                task::yield_now().await;
            }
        }
        let next = poll_fn(|context| {
            let mut this = reactor.borrow_mut();
            if this.driver.is_congested() {
                this.parked.push(context.waker().clone());
                return Poll::Pending;
            }
            let mut scratch = mem::take(&mut this.scratch.read);
            let read = conn.poll_read(context, &mut scratch);
            let next = read.map(|read| match read {
                Ok(0) | Err(_) => {
                    this.forget(&conn);
                    Next::Stop
                }
                Ok(_) => this.received(&conn, &mut scratch),
            });
            scratch.clear();
            this.scratch.read = scratch;
            next
        })
        .await;
        match next {
            Next::Read => {}
            Next::Move(auth) => return reactor.borrow_mut().depart(conn, auth),
            Next::Stop => return,
        }
    }
}

/// Waits until the socket takes more, and asks for a flush.
async fn wait_writable(reactor: Shelf, conn: Rc<Conn>) {
    // An error shows in the flush.
    let _ = poll_fn(|context| conn.stream.borrow().poll_write_ready(context)).await;
    let mut this = reactor.borrow_mut();
    let mut state = conn.state.borrow_mut();
    state.writer = None;
    this.mark_dirty(&conn, &mut state);
}

impl Reactor {
    /// Gives a connection its session id and its task.
    pub(super) fn seat(
        &mut self,
        shelf: &Shelf,
        stream: TcpStream,
        peer: SocketAddr,
        state: State,
    ) -> Option<Rc<Conn>> {
        let conn = self.table.insert(|session| Conn {
            session,
            peer,
            stream: RefCell::new(stream),
            state: RefCell::new(state),
        })?;
        let mut state = conn.state.borrow_mut();
        let at = self.next_check(&state);
        state.check_at = self.wheel.insert(conn.session, at);
        let task = task::spawn_local(serve(Rc::clone(shelf), Rc::clone(&conn)));
        state.reader = Some(task.abort_handle());
        drop(state);
        Some(conn)
    }

    /// Handles what was read from a connection.
    fn received(&mut self, conn: &Rc<Conn>, input: &mut BytesMut) -> Next {
        let mut state = conn.state.borrow_mut();
        if state.phase != Phase::Open {
            return Next::Read;
        }
        let now = self.shared.clock.seconds();
        let received = if let Some(mut session) = state.tls.take() {
            let mut plain = mem::take(&mut self.scratch.plain);
            let decrypted = tls::decrypt(&mut session, input, &mut plain);
            let wants_write = session.wants_write();
            state.tls = Some(session);
            if wants_write {
                self.mark_dirty(conn, &mut state);
            }
            if let Err(error) = decrypted {
                self.close_tls(conn, &mut state, &error);
                return Next::Read;
            }
            let received = self.handle(conn, &mut state, &mut plain, now);
            plain.clear();
            self.scratch.plain = plain;
            received
        } else {
            self.handle(conn, &mut state, input, now)
        };
        self.settle(conn, &mut state, received)
    }

    /// What a connection works with while it handles what it has read.
    fn office(&mut self, conn: &Conn) -> Office<'_> {
        Office {
            session: conn.session,
            peer: conn.peer.ip(),
            now: clock::wall(),
            now_us: self.shared.clock.micros(),
            shared: &self.shared,
            driver: &mut self.driver,
            signatures: &mut self.signatures,
            sends: &mut self.sends,
            commands: &mut self.commands,
        }
    }

    fn handle(
        &mut self,
        conn: &Conn,
        state: &mut State,
        input: &mut BytesMut,
        now: Seconds,
    ) -> Received {
        let index = self.index;
        let mut office = self.office(conn);
        let shared = office.shared;
        state.receive(input, now, &mut office, |auth| {
            shared.reactor_of_user(auth.address.user) != index
        })
    }

    /// Draws the consequences of what was handled.
    fn settle(&mut self, conn: &Rc<Conn>, state: &mut State, received: Received) -> Next {
        match received {
            Received::All => {}
            Received::Over(ending, why) => {
                tracing::trace!(event = "conversation_over", conn = conn.session.0, ?why);
                self.close(conn, state, ending);
            }
            Received::Moves(auth) => return Next::Move(auth),
        }
        if !state.out.is_empty() {
            self.mark_dirty(conn, state);
        }
        if !self.commands.is_empty() || self.driver.has_begun() {
            self.want_turn();
        }
        // A frame that has begun has a deadline nearer than the one on the wheel.
        self.look_sooner(conn, state);
        Next::Read
    }

    /// Hands a connection to the reactor of its inbox.
    fn depart(&mut self, conn: Rc<Conn>, auth: Box<Auth>) {
        let home = self.shared.reactor_of_user(auth.address.user);
        self.table.remove(conn.session);
        // Only a task that waits for a full socket would share it. A stranger that has not even
        // read its challenge is no loss.
        let Ok(conn) = Rc::try_unwrap(conn) else {
            return;
        };
        let mut state = conn.state.into_inner();
        state.reader = None;
        state.is_dirty = false;
        if let Ok(stream) = conn.stream.into_inner().into_std() {
            self.outgoing[home].push(Mail::Arrive(Box::new(Traveller {
                stream,
                peer: conn.peer,
                state,
                auth,
            })));
            self.want_turn();
        }
    }

    /// Takes in a connection whose inbox is here, and goes on where it was.
    pub(super) fn arrive(&mut self, shelf: &Shelf, traveller: Traveller) {
        let Ok(stream) = TcpStream::from_std(traveller.stream) else {
            return;
        };
        let Some(conn) = self.seat(shelf, stream, traveller.peer, traveller.state) else {
            return;
        };
        let now = self.shared.clock.seconds();
        let mut state = conn.state.borrow_mut();
        let mut office = self.office(&conn);
        let received = state.resume(traveller.auth, now, &mut office);
        self.settle(&conn, &mut state, received);
        self.greet_late_comer(&conn, &mut state);
    }

    /// Ends the conversation. The last frames are still written, and the peer has a moment to
    /// read them.
    pub(super) fn close(&mut self, conn: &Conn, state: &mut State, ending: Ending) {
        if state.phase != Phase::Open {
            return;
        }
        self.log_end(conn, state, ending);
        self.leave(conn.session, state);
        match ending {
            // Nothing may be said to a client that has said CLOSE.
            Ending::ByClient => state.out = BytesMut::new(),
            Ending::Refused(code) => state.say_close(code),
        }
        let until = self.shared.clock.seconds().plus(LINGER_S);
        state.phase = Phase::Closing { until };
        if until < state.check_at {
            state.check_at = self.wheel.insert(conn.session, until);
        }
        self.mark_dirty(conn, state);
    }

    fn close_tls(&mut self, conn: &Conn, state: &mut State, error: &rustls::Error) {
        tracing::info!(
            event = "tls_failed",
            conn = conn.session.0,
            peer = %conn.peer,
            %error,
        );
        self.leave(conn.session, state);
        // The alert is written; no frame can follow it.
        let until = self.shared.clock.seconds().plus(LINGER_S);
        state.phase = Phase::Closing { until };
        self.mark_dirty(conn, state);
    }

    /// The connection is gone: its peer, its socket, or our patience.
    pub(super) fn forget(&mut self, conn: &Conn) {
        let mut state = conn.state.borrow_mut();
        if state.phase == Phase::Open {
            tracing::debug!(event = "connection_lost", conn = conn.session.0, peer = %conn.peer);
        }
        self.leave(conn.session, &mut state);
        state.phase = Phase::Lingering {
            until: Seconds::default(),
        };
        state.stop_tasks();
        drop(state);
        self.table.remove(conn.session);
    }

    /// The session ends; its shard forgets it.
    fn leave(&mut self, session: SessionId, state: &mut State) {
        let ended = state.session.take();
        if let Some(user) = ended.as_ref().and_then(Session::linking_to) {
            self.commands.push(Command::LinkLeave { session, user });
            self.want_turn();
        }
        if let Some(address) = state.device.take() {
            self.commands.push(Command::Detach { session, address });
            self.want_turn();
        }
    }

    /// Flushes the connection at the end of the turn.
    pub(super) fn mark_dirty(&mut self, conn: &Conn, state: &mut State) {
        if !state.is_dirty {
            state.is_dirty = true;
            self.dirty.push(conn.session);
            self.want_turn();
        }
    }

    /// One write per connection with something to write.
    pub(super) fn flush_dirty(&mut self, shelf: &Shelf) {
        let now = self.shared.clock.seconds();
        let mut dirty = mem::take(&mut self.dirty);
        for session in dirty.drain(..) {
            let Some(conn) = self.table.get(session).map(Rc::clone) else {
                continue;
            };
            let mut state = conn.state.borrow_mut();
            state.is_dirty = false;
            match conn.flush(&mut state, now) {
                Flushed::All => self.release_held(&conn, &mut state),
                Flushed::Blocked => {
                    self.release_held(&conn, &mut state);
                    if state.writer.is_none() {
                        let task = wait_writable(Rc::clone(shelf), Rc::clone(&conn));
                        state.writer = Some(task::spawn_local(task).abort_handle());
                    }
                    self.look_sooner(&conn, &mut state);
                }
                Flushed::Dead => {
                    drop(state);
                    self.forget(&conn);
                }
            }
        }
        // `forget` and `close` may have added to the list that replaced it.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// What was held back under pressure goes once that is over; it is written at the end of the
    /// turn.
    fn release_held(&mut self, conn: &Conn, state: &mut State) {
        if state.phase == Phase::Open
            && !self.is_pressed(state)
            && state.held.release(&mut state.out)
        {
            self.mark_dirty(conn, state);
        }
    }

    fn may_shake_hands(&mut self) -> bool {
        if self.handshakes_left == 0 {
            self.want_turn();
            return false;
        }
        self.handshakes_left -= 1;
        true
    }

    fn log_end(&self, conn: &Conn, state: &State, ending: Ending) {
        let address = state.device;
        let user = address.map(|address| address.user.0);
        let device = address.map(|address| address.device.0);
        let conn_id = conn.session.0;
        match ending {
            Ending::ByClient => tracing::debug!(
                event = "connection_closed",
                conn = conn_id,
                peer = %conn.peer,
                user,
                device,
                by = "client",
            ),
            Ending::Refused(CloseCode::REPLACED | CloseCode::SHUTDOWN) => tracing::debug!(
                event = "connection_closed",
                conn = conn_id,
                peer = %conn.peer,
                user,
                device,
                by = "server",
            ),
            Ending::Refused(code) => tracing::info!(
                event = "connection_refused",
                conn = conn_id,
                peer = %conn.peer,
                user,
                device,
                code = code.name(),
            ),
        }
    }
}

/// How long a peer has to read why the connection ends.
const LINGER_S: u32 = 2;
