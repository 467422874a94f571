//! What a person does with a client.

use martlet_client::engine::{Linking, Outgoing, Post, Registration};
use martlet_client::keys::KeySeed;
use martlet_client::{Body, Direction, History, Message, MessageId};
use martlet_protocol::DeviceId;

use crate::device::{Dead, Device};
use crate::env::Env;
use crate::oracle::{Deed, View, What};
use crate::sweep::{Doubt, Draft};

const SERVER: &str = "sim:1";

/// Most messages of a conversation that anybody looks at again.
pub(crate) const PAGE: History = History {
    limit: 100_000,
    before: None,
};

/// More messages of a conversation than can come while a process is down.
const NEWEST: History = History {
    limit: 100,
    before: None,
};

impl Device {
    pub(crate) fn register(&mut self, env: &mut Env) {
        let (handle, key_seed) = (self.handle.clone(), self.key_seed);
        let _ = self.call(env, "register", |engine, now| {
            let registration = Registration {
                server: SERVER,
                handle: &handle,
                token: None,
                trust: None,
                key_seed,
                account_seed: key_seed,
                device_name: "first device",
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
        let expires = env.ledger.rules().expires && env.rng.one_in(4);
        let ttl_ms = expires.then(|| env.rng.between(1_000, 5_000));
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
        self.say(env, (to, account), (size, None), ttl_ms)
    }

    /// The same, perhaps as an answer.
    fn say(
        &mut self,
        env: &mut Env,
        (to, account): (&str, Option<usize>),
        (size, answered): (usize, Option<MessageId>),
        ttl_ms: Option<u64>,
    ) -> Option<MessageId> {
        let number = env.ledger.next_number(self.index, account);
        let text = format!("{number} {} {to} {:size$}", env.ledger.name(self.index), "");
        let entropy = env.rng.bytes();
        let said = text.clone();
        let what = match answered {
            Some(to) => Post::Reply { to, text: said },
            None => Post::Text(said),
        };
        let outgoing = Outgoing { to, what, ttl_ms };
        let sent = self.call(env, "send", |engine, now| {
            engine.send(now, entropy, &outgoing)
        });
        let draft = Draft {
            to: to.to_owned(),
            account,
            text,
            number,
            has_ttl: ttl_ms.is_some(),
        };
        let id = match sent {
            Ok(id) => id.ok(),
            Err(Dead) => {
                self.has_died_over(Doubt::Write(draft));
                return None;
            }
        };
        if let Some(id) = id {
            env.counters.replies += u64::from(answered.is_some());
            self.has_written(env, id, &draft);
        }
        self.pump(env);
        id
    }

    /// The person does something with one of the newest messages of a conversation.
    pub(crate) fn touch(&mut self, env: &mut Env, (peer, account): (&str, usize)) {
        let page = History {
            limit: 8,
            before: None,
        };
        let page = self.call(env, "history", |engine, _| engine.history(peer, &page));
        let page = page.ok().and_then(Result::ok).unwrap_or_default();
        if page.is_empty() {
            return;
        }
        let message = &page[env.rng.index(page.len())];
        let (of, is_own) = (message.id, message.direction == Direction::Outgoing);
        let number = env.rng.below(1_000_000);
        match env.rng.below(10) {
            0..=3 => {
                let size = env.rng.index(40);
                self.say(env, (peer, Some(account)), (size, Some(of)), None);
            }
            4..=6 if is_own => {
                let text = format!("{number} by {}", env.ledger.name(self.index));
                let what = What::Edit(text.clone());
                self.act(
                    env,
                    (peer, account),
                    Post::Edit { of, text },
                    Deed { of, what },
                );
            }
            7 if is_own => {
                let what = What::Delete;
                self.act(env, (peer, account), Post::Delete { of }, Deed { of, what });
            }
            _ => {
                let is_back = env.rng.one_in(4);
                let emoji = if is_back {
                    String::new()
                } else {
                    number.to_string()
                };
                let what = What::React(emoji.clone());
                let post = Post::React { to: of, emoji };
                self.act(env, (peer, account), post, Deed { of, what });
            }
        }
    }

    /// A message is in the outbox.
    fn has_written(&mut self, env: &mut Env, id: MessageId, draft: &Draft) {
        env.counters.messages += 1;
        self.written.push(id);
        let (text, number) = (draft.text.as_str(), draft.number);
        env.ledger.on_written(
            self.index,
            (id, draft.account),
            (text, number),
            draft.has_ttl,
        );
        env.note(format_args!("{} writes {id}", self.index));
    }

    /// The process has died, before or in what its person wanted. Only in a sweep it dies inside a
    /// call; of what is tried after its death there is no doubt.
    fn has_died_over(&mut self, doubt: Doubt) {
        if self.sweep.is_some() {
            self.doubt.get_or_insert(doubt);
        }
    }

    /// The process is up again, and the person looks whether what was being done is done.
    pub(crate) fn resolve_doubt(&mut self, env: &mut Env) {
        let now = self.clock(env.now);
        let Some((doubt, engine)) = self.doubt.take().zip(self.engine.as_mut()) else {
            return;
        };
        match doubt {
            Doubt::Write(draft) => {
                let newest = engine.history(&draft.to, &NEWEST);
                let mut newest = newest.unwrap_or_default().into_iter();
                let kept = newest.find(|message| message.text() == draft.text);
                if let Some(sweep) = &mut self.sweep {
                    sweep.on_resolved(kept.is_some());
                }
                if let Some(message) = kept {
                    self.has_written(env, message.id, &draft);
                }
            }
            Doubt::Read { peer, id } => {
                if let Ok(()) = engine.mark_read(now, &peer, id) {
                    env.ledger.on_read(self.index, id);
                }
            }
        }
    }

    fn act(&mut self, env: &mut Env, (to, account): (&str, usize), what: Post, deed: Deed) {
        let entropy = env.rng.bytes();
        let ttl_ms = None;
        let outgoing = Outgoing { to, what, ttl_ms };
        let sent = self.call(env, "send", |engine, now| {
            engine.send(now, entropy, &outgoing)
        });
        // What is deleted, or was not taken, is not to be changed any more.
        if let Some(id) = sent.ok().and_then(Result::ok) {
            env.note(format_args!("{} does {id}: {deed:?}", self.index));
            env.ledger
                .on_deed(&mut env.counters, self.index, (id, account), deed);
        }
        self.pump(env);
    }

    /// The person reads something that was shown.
    pub(crate) fn read(&mut self, env: &mut Env) {
        if self.unread.is_empty() {
            return;
        }
        let index = env.rng.index(self.unread.len());
        let (peer, id) = self.unread.swap_remove(index);
        let done = self.call(env, "mark_read", |engine, now| {
            engine.mark_read(now, &peer, id)
        });
        match done {
            Ok(Ok(())) => env.ledger.on_read(self.index, id),
            Ok(Err(_)) => {}
            Err(Dead) => {
                self.has_died_over(Doubt::Read { peer, id });
                return;
            }
        }
        self.pump(env);
    }

    /// The person asks what became of a message.
    pub(crate) fn ask(&mut self, env: &mut Env) {
        if self.written.is_empty() {
            return;
        }
        let id = self.written[env.rng.index(self.written.len())];
        let _ = self.call(env, "ask_status", |engine, now| engine.ask_status(now, id));
        self.pump(env);
    }

    /// The person wants a new device, and to see its code.
    pub(crate) fn open_link(&mut self, env: &mut Env, with_history: bool) {
        let opened = self.call(env, "open_link", |engine, now| {
            engine.open_link(now, with_history)
        });
        let is_open = matches!(opened, Ok(Ok(())));
        env.note(format_args!("{} opens a link: {is_open}", self.index));
        self.pump(env);
    }

    /// The person sees the new device's name and lets it in.
    pub(crate) fn approve_link(&mut self, env: &mut Env) {
        let _ = self.call(env, "approve_link", |engine, now| engine.approve_link(now));
        self.pump(env);
    }

    /// The person holds this new device before the code.
    pub(crate) fn join(&mut self, env: &mut Env, code: &str) {
        let key_seed = KeySeed(env.rng.bytes());
        let joined = self.call(env, "link", |engine, now| {
            let linking = Linking {
                code,
                name: "telephone",
                trust: None,
                key_seed,
            };
            engine.link(now, &linking)
        });
        if let Ok(Ok(())) = joined {
            env.ledger.on_join(self.index);
        }
        self.pump(env);
    }

    /// The person gives up.
    pub(crate) fn cancel_join(&mut self, env: &mut Env) {
        let _ = self.call(env, "cancel_link", |engine, now| engine.cancel_link(now));
        self.pump(env);
    }

    /// The person removes a device.
    pub(crate) fn revoke(&mut self, env: &mut Env, device: DeviceId) -> bool {
        let revoked = self.call(env, "revoke", |engine, now| engine.revoke(now, device));
        let is_done = matches!(revoked, Ok(Ok(())));
        env.note(format_args!("{} removes {device:?}: {is_done}", self.index));
        self.pump(env);
        is_done
    }

    /// What the person finds when looking at a conversation again.
    pub(crate) fn look_back(&mut self, env: &mut Env, peer: &str) -> Vec<View> {
        let page = self.call(env, "history", |engine, _| engine.history(peer, &PAGE));
        let page = page.ok().and_then(Result::ok).unwrap_or_default();
        page.into_iter().map(view).collect()
    }

    /// Whether this home has a message, be it one that is not shown.
    pub(crate) fn has_heard(&mut self, env: &mut Env, id: MessageId) -> bool {
        let found = self.call(env, "message", |engine, _| engine.message(id));
        matches!(found, Ok(Ok(Some(_))))
    }
}

fn view(message: Message) -> View {
    let sign = |by| {
        let mut signs = message.reactions.iter();
        let sign = signs.find(|reaction| reaction.by == by);
        sign.map_or_else(String::new, |reaction| reaction.emoji.clone())
    };
    View {
        id: message.id,
        text: message.text().to_owned(),
        state: message.state,
        edited: message.edited,
        deleted: message.body == Body::Deleted,
        signs: [sign(Direction::Outgoing), sign(Direction::Incoming)],
    }
}
