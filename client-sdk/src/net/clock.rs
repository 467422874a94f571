//! The engine's time: the wall clock without its steps back.

use std::time::{SystemTime, UNIX_EPOCH};

use martlet_protocol::Millis;

/// Milliseconds since the Unix epoch that never decrease. The wall clock and not the monotonic
/// one is read, because that stands still while a laptop sleeps: a connection that died meanwhile
/// should be found dead at once.
#[derive(Debug)]
pub(super) struct Clock {
    wall: Millis,
    now: Millis,
}

impl Clock {
    pub(super) fn new() -> Self {
        let wall = read_wall();
        Self { wall, now: wall }
    }

    /// The time now. After a step back of the wall clock it goes on from where it was.
    pub(super) fn now(&mut self) -> Millis {
        let wall = read_wall();
        self.now = self.now.plus(wall.since(self.wall));
        self.wall = wall;
        self.now
    }
}

fn read_wall() -> Millis {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
