//! What a person does with a client.

use martlet_client::engine::{Linking, Outgoing, Post, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::{History, MessageId};
use martlet_protocol::DeviceId;

use crate::device::Device;
use crate::env::Env;

const SERVER: &str = "sim:1";

/// Most messages of a conversation that anybody looks at again.
const PAGE: History = History {
    limit: 100_000,
    before: None,
};

impl Device {
    pub(crate) fn register(&mut self, env: &mut Env) {
        let (handle, key_seed) = (self.handle.clone(), self.key_seed);
        let _ = self.call(env, |engine, now| {
            let registration = Registration {
                server: SERVER,
                handle: &handle,
                token: None,
                trust: None,
                key_seed,
                account_seed: key_seed,
            };
            engine
                .register(now, &registration)
                .expect("it was not registered before");
        });
        self.pump(env);
    }

    /// The person writes something.
    pub(crate) fn write(&mut self, env: &mut Env, (to, account): (&str, Option<usize>)) {
        let size = if env.rng.one_in(15) { 20_000 } else { 40 };
        let size = env.rng.index(size);
        let ttl_ms = env.rng.one_in(4).then(|| env.rng.between(1_000, 5_000));
        self.write_this(env, (to, account), size, ttl_ms);
    }

    /// The person writes so many characters, and how long they are to be kept.
    pub(crate) fn write_this(
        &mut self,
        env: &mut Env,
        (to, account): (&str, Option<usize>),
        size: usize,
        ttl_ms: Option<u64>,
    ) -> Option<MessageId> {
        let number = env.ledger.next_number(self.index, account);
        let text = format!("{number} {} {to} {:size$}", env.ledger.name(self.index), "");
        let entropy = env.rng.bytes();
        let outgoing = Outgoing {
            to,
            what: Post::Text(text.clone()),
            ttl_ms,
        };
        let sent = self.call(env, |engine, now| engine.send(now, entropy, &outgoing));
        let id = sent.ok().and_then(Result::ok);
        if let Some(id) = id {
            env.counters.messages += 1;
            self.written.push(id);
            let has_ttl = ttl_ms.is_some();
            env.ledger
                .on_written(self.index, (id, account), (&text, number), has_ttl);
            env.note(format_args!("{} writes {id}", self.index));
        }
        self.pump(env);
        id
    }

    /// The person reads something that was shown.
    pub(crate) fn read(&mut self, env: &mut Env) {
        if self.unread.is_empty() {
            return;
        }
        let index = env.rng.index(self.unread.len());
        let (peer, id) = self.unread.swap_remove(index);
        let done = self.call(env, |engine, now| engine.mark_read(now, &peer, id));
        if let Ok(Ok(())) = done {
            env.ledger.on_read(self.index, id);
        }
        self.pump(env);
    }

    /// The person asks what became of a message.
    pub(crate) fn ask(&mut self, env: &mut Env) {
        if self.written.is_empty() {
            return;
        }
        let id = self.written[env.rng.index(self.written.len())];
        let _ = self.call(env, |engine, now| engine.ask_status(now, id));
        self.pump(env);
    }

    /// The person wants a new device, and to see its code.
    pub(crate) fn open_link(&mut self, env: &mut Env, with_history: bool) {
        let opened = self.call(env, |engine, now| engine.open_link(now, with_history));
        let is_open = matches!(opened, Ok(Ok(())));
        env.note(format_args!("{} opens a link: {is_open}", self.index));
        self.pump(env);
    }

    /// The person sees the new device's name and lets it in.
    pub(crate) fn approve_link(&mut self, env: &mut Env) {
        let _ = self.call(env, |engine, now| engine.approve_link(now));
        self.pump(env);
    }

    /// The person holds this new device before the code.
    pub(crate) fn join(&mut self, env: &mut Env, code: &str) {
        let key_seed = KeySeed(env.rng.bytes());
        let _ = self.call(env, |engine, now| {
            let linking = Linking {
                code,
                name: "telephone",
                trust: None,
                key_seed,
            };
            engine.link(now, &linking)
        });
        self.pump(env);
    }

    /// The person gives up.
    pub(crate) fn cancel_join(&mut self, env: &mut Env) {
        let _ = self.call(env, |engine, now| engine.cancel_link(now));
        self.pump(env);
    }

    /// The person removes a device.
    pub(crate) fn revoke(&mut self, env: &mut Env, device: DeviceId) -> bool {
        let revoked = self.call(env, |engine, now| engine.revoke(now, device));
        let is_done = matches!(revoked, Ok(Ok(())));
        env.note(format_args!("{} removes {device:?}: {is_done}", self.index));
        self.pump(env);
        is_done
    }

    /// What the person finds when looking at a conversation again: ids and texts.
    pub(crate) fn look_back(&mut self, env: &mut Env, peer: &str) -> Vec<(MessageId, String)> {
        let page = self.call(env, |engine, _| engine.history(peer, &PAGE));
        let page = page.ok().and_then(Result::ok).unwrap_or_default();
        page.into_iter()
            .map(|message| (message.id, message.text().to_owned()))
            .collect()
    }
}
