//! What happens because time passes.

use martlet_protocol::frame::{Close, Frame, Ping};
use martlet_protocol::{CloseCode, Millis};

use super::dial::ComeBack;
use super::link::{Link, Live};
use super::pulse::Silence;
use super::state::Core;
use crate::event::OfflineCause;

impl Core {
    /// Does what the time asks for.
    pub(super) fn on_timeout(&mut self, now: Millis) {
        self.lookups.expire(now);
        self.outbox.wake(now);
        self.people.typings.expire(now);
        let silence = match &mut self.link {
            Link::Greeting(greeting) => expired(greeting.deadline, now),
            Link::Registering(challenged) => expired(challenged.greeting.deadline, now),
            Link::Joining { deadline, .. } | Link::Proving { deadline } => expired(*deadline, now),
            Link::Ready(live) => live.pulse.check(now),
            Link::Down | Link::Dialing | Link::Closing => Silence::Fine,
        };
        match silence {
            Silence::Fine => {}
            Silence::Ask => {
                self.write(&Frame::Ping(Ping { token: 0 }));
                if let Some(live) = self.live() {
                    live.pulse.spoke(now);
                }
            }
            Silence::Dead => {
                self.ending = Some((OfflineCause::Silent, ComeBack::Backoff));
                let code = CloseCode::IDLE_TIMEOUT;
                self.write(&Frame::Close(Close { code, detail: "" }));
                self.link = Link::Closing;
            }
        }
    }

    /// When [`Core::on_timeout`] or the end of a pause is due.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        let link = match &self.link {
            Link::Greeting(greeting) => Some(greeting.deadline),
            Link::Registering(challenged) => Some(challenged.greeting.deadline),
            Link::Joining { deadline, .. } | Link::Proving { deadline } => Some(*deadline),
            Link::Ready(live) => Some(self.live_due(live, now)),
            Link::Down if self.wants_connection() => self.dial.next_at(),
            Link::Down | Link::Dialing | Link::Closing => None,
        };
        let always = [self.lookups.patience_due(), self.lives_due()];
        link.into_iter().chain(always.into_iter().flatten()).min()
    }

    fn live_due(&self, live: &Live, now: Millis) -> Millis {
        let pauses = [
            live.leaving,
            live.backlog.map(|backlog| backlog.until),
            self.outbox.due(),
            self.lookups.retry_due(now),
            self.reads.due(now),
            self.statuses.due(now),
            self.lists.due(now),
            self.claims.due(now),
            self.groups.due(now),
            self.people.due(now),
            self.keys_due(now),
            self.repair_at,
        ];
        pauses
            .into_iter()
            .flatten()
            .fold(live.pulse.due(), Millis::min)
    }
}

fn expired(deadline: Millis, now: Millis) -> Silence {
    if now >= deadline {
        Silence::Dead
    } else {
        Silence::Fine
    }
}
