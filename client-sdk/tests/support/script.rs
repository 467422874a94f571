//! The lines of a script, as calls.

use martlet_client::crypto::payload::kind;
use martlet_client::{History, MessageId, Millis, Timestamp, UserId};
use martlet_protocol::frame::{
    CaughtUp, Close, Credit, EventKind, Fact, Found, Frame, Gap, GapReason, Goaway, Nack, Ping,
    Pong, Receipt, Reference, Registered, Sent, StateReply,
};
use martlet_protocol::{Address, Class, CloseCode, DeviceId, Kind, NackCode, Position, State};

use super::puppet::Speech;
use super::{World, show};

/// What the server grants unless a script says otherwise.
const CREDIT: Credit = Credit {
    messages: 100,
    bytes: 100_000,
};

impl World {
    /// Makes one line of a script happen, and notes what the client does.
    pub(crate) fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = self.now;
        match *words.as_slice() {
            ["login"] => self.login(5, 0, CREDIT),
            ["login", epoch, cursor] => self.login(number(epoch), number(cursor), CREDIT),
            ["login", "with", messages, bytes] => {
                self.login(
                    5,
                    0,
                    Credit {
                        messages: number(messages),
                        bytes: number(bytes),
                    },
                );
            }
            ["crash"] => self.crash(),
            ["time", ms] => {
                self.now = now.plus(number(ms));
                let now = self.now;
                self.engine().handle_timeout(now).unwrap();
            }
            ["start"] => {}
            ["peer", "links", user] => self.people.link(UserId(number(user))),
            ["net", "connected"] => self.connect(),
            ["net", "lost"] => self.engine().handle_disconnected(now).unwrap(),
            ["net", "failed"] => {
                self.engine()
                    .handle_connect_failed(now, "refused".to_owned())
                    .unwrap();
            }
            ["app", ..] => self.act_app(&words[1..]),
            ["srv", "CHALLENGE"] => self.challenge(),
            ["srv", "READY", epoch, cursor, tail] => {
                self.ready(number(epoch), number(cursor), number(tail), CREDIT);
            }
            ["srv", "garbage"] => self.engine().handle_bytes(now, &[0xff; 64]).unwrap(),
            ["srv", ..] => self.act_server(&words[1..]),
            _ => panic!("no such line: {line}"),
        }
        self.drain();
    }

    fn act_app(&mut self, words: &[&str]) {
        let now = self.now;
        match *words {
            ["send", to, text] => self.send(to, text, None),
            ["send", to, text, "ttl", ms] => self.send(to, text, Some(number(ms))),
            ["register", server, handle] => self.register(server, handle),
            ["read", peer, id] => {
                let id = self.id(id);
                if let Err(error) = self.engine().mark_read(now, peer, id) {
                    self.done.push_back(format!("error {error}"));
                }
            }
            ["status", id] => {
                let id = self.id(id);
                self.engine().ask_status(now, id).unwrap();
            }
            ["lookup", handle] => self.engine().lookup(now, handle).unwrap(),
            ["devices", user] => {
                let user = UserId(number(user));
                self.engine().ask_devices(now, user).unwrap();
            }
            ["shutdown"] => self.engine().shutdown(now).unwrap(),
            ["history", peer] => {
                let history = self.engine().history(peer, &History::default()).unwrap();
                for message in history {
                    let shown = show::shown_message(&message, &self.names);
                    self.done.push_back(format!("{shown} ({})", message.state));
                }
            }
            _ => panic!("no such line: app {}", words.join(" ")),
        }
    }

    fn act_server(&mut self, words: &[&str]) {
        if self.act_message(words) {
            return;
        }
        let frame = match *words {
            ["REGISTERED"] => Frame::Registered(Registered {
                address: super::ALICE,
            }),
            ["SENT", id, timestamp, devices] => Frame::Sent(Sent {
                message_id: self.id(id),
                timestamp: Timestamp(number(timestamp)),
                devices: number(devices),
            }),
            ["FOUND", request, user, handle] => Frame::Found(Found {
                request: number(request),
                user: UserId(number(user)),
                handle,
            }),
            ["GAP", from, to] => Frame::Gap(Gap {
                from: Position(number(from)),
                to: Position(number(to)),
                reason: GapReason::EXPIRED,
            }),
            ["CAUGHT_UP", position] => Frame::CaughtUp(CaughtUp {
                position: Position(number(position)),
                trimmed: false,
            }),
            ["STATE", request, id, state, timestamp] => Frame::State(StateReply {
                request: number(request),
                message_id: self.id(id),
                state: state_code(state),
                timestamp: Timestamp(number(timestamp)),
            }),
            ["RECEIPT", ..] | ["FACT", ..] => self.told(words),
            ["NACK", ..] => self.nack(&words[1..]),
            _ => return self.serve(&control(words)),
        };
        self.serve(&frame);
    }

    /// A message comes. Returns whether the line says so.
    fn act_message(&mut self, words: &[&str]) -> bool {
        match *words {
            ["EVENT", position, peer, id, timestamp, text] => {
                let place = [position, peer, id, timestamp];
                self.event(EventKind::INCOMING, place, Some(&Speech::text(text)));
            }
            ["COPY", position, peer, id, timestamp, text] => {
                let place = [position, peer, id, timestamp];
                self.event(EventKind::OWN_COPY, place, Some(&Speech::text(text)));
            }
            ["UNCHAINED", position, peer, id, timestamp, text] => {
                let place = [position, peer, id, timestamp];
                let mut speech = Speech::text(text);
                speech.breaks_chain = true;
                self.event(EventKind::INCOMING, place, Some(&speech));
            }
            ["RESENT", position, peer, id, timestamp, what, text] => {
                let place = [position, peer, id, timestamp];
                let contents = self.resent(what, text);
                let speech = Speech {
                    kind: kind::RESENT,
                    contents: &contents,
                    breaks_chain: false,
                };
                self.event(EventKind::INCOMING, place, Some(&speech));
            }
            ["BROKEN", position, peer, id, timestamp] => {
                let place = [position, peer, id, timestamp];
                self.event(EventKind::INCOMING, place, None);
            }
            ["RETRY", position, peer, id, timestamp, what] => {
                let place = [position, peer, id, timestamp];
                let contents = self.retry(what, address(peer).user);
                let speech = Speech {
                    kind: kind::RETRY,
                    contents: &contents,
                    breaks_chain: false,
                };
                self.event(EventKind::INCOMING, place, Some(&speech));
            }
            _ => return false,
        }
        true
    }

    fn event(&mut self, kind: EventKind, words: [&str; 4], speech: Option<&Speech<'_>>) {
        let [position, peer, id, timestamp] = words;
        let position = Position(number(position));
        let message = (self.id(id), Timestamp(number(timestamp)));
        let bytes = self
            .people
            .event((kind, position), address(peer), message, speech);
        let now = self.now;
        self.engine().handle_bytes(now, &bytes).unwrap();
    }

    /// Contents of RESENT: the message `what` to the client, once more.
    fn resent(&self, what: &str, text: &str) -> Vec<u8> {
        let timestamp = 1_u64.to_le_bytes();
        let conversation = super::ALICE.user.0.to_le_bytes();
        let mut contents = self.id(what).0.to_vec();
        contents.extend_from_slice(&timestamp);
        contents.extend_from_slice(&conversation);
        contents.push(kind::TEXT);
        contents.extend_from_slice(text.as_bytes());
        contents
    }

    /// Contents of RETRY: the client's message `what` to the account `to`.
    fn retry(&self, what: &str, to: UserId) -> Vec<u8> {
        let mut contents = self.id(what).0.to_vec();
        contents.extend_from_slice(&super::ALICE.user.0.to_le_bytes());
        contents.extend_from_slice(&super::ALICE.device.0.to_le_bytes());
        contents.extend_from_slice(&to.0.to_le_bytes());
        contents
    }

    fn told(&self, words: &[&str]) -> Frame<'static> {
        match *words {
            ["RECEIPT", position, state, peer, up_to] => Frame::Receipt(Receipt {
                position: Position(number(position)),
                state: state_code(state),
                peer: address(peer),
                up_to: Timestamp(number(up_to)),
                at: Millis(1),
            }),
            ["FACT", position, state, peer, id, timestamp] => Frame::Fact(Fact {
                position: Position(number(position)),
                state: state_code(state),
                peer: address(peer),
                message_id: self.id(id),
                timestamp: Timestamp(number(timestamp)),
                at: Millis(1),
            }),
            _ => panic!("no such line: srv {}", words.join(" ")),
        }
    }

    /// `SEND m1 RATE_LIMITED 100`, `LOOKUP 1 UNKNOWN_HANDLE 0`, `AUTH - AUTH_FAILED 0`.
    fn nack(&mut self, words: &[&str]) -> Frame<'static> {
        let [of, what, code, retry_after_ms] = *words else {
            panic!("NACK {}", words.join(" "))
        };
        let of = Kind::TABLE
            .iter()
            .find(|info| info.name == of)
            .unwrap()
            .kind;
        let code = NackCode::TABLE
            .iter()
            .find(|(_, name, _)| *name == code)
            .unwrap()
            .0;
        let reference = match of {
            Kind::SEND | Kind::READ | Kind::STATUS => Reference::message(self.id(what)),
            Kind::LOOKUP => Reference::number(number(what)),
            _ => Reference::number(0),
        };
        let class: Class = code.class();
        if class == Class::REFRESH_DEVICES || code == NackCode::OUT_OF_ORDER {
            self.people.stale.insert(reference.as_message());
        }
        let retry_after_ms = number(retry_after_ms);
        Frame::Nack(Nack {
            of,
            code,
            class,
            retry_after_ms,
            reference,
        })
    }

    fn id(&self, name: &str) -> MessageId {
        if let Some((id, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return *id;
        }
        let number = name
            .strip_prefix('x')
            .unwrap_or_else(|| panic!("no message {name}"));
        let mut id = MessageId::new(super::START, [0xee; 10]);
        id.0[15] = number.parse().unwrap();
        id
    }
}

/// Frames that are about the connection.
fn control<'a>(words: &[&'a str]) -> Frame<'a> {
    match *words {
        ["PING", token] => Frame::Ping(Ping {
            token: number(token),
        }),
        ["PONG", token] => Frame::Pong(Pong {
            token: number(token),
        }),
        ["CREDIT", messages, bytes] => Frame::Credit(Credit {
            messages: number(messages),
            bytes: number(bytes),
        }),
        ["CLOSE", code] => Frame::Close(Close {
            code: close_code(code),
            detail: "",
        }),
        ["GOAWAY", min, max, address] => Frame::Goaway(Goaway {
            code: CloseCode::SHUTDOWN,
            delay_ms_min: number(min),
            delay_ms_max: number(max),
            address,
        }),
        _ => panic!("no such line: srv {}", words.join(" ")),
    }
}

/// `7` or `7.2`: an account, and its device when that is not the first.
fn address(text: &str) -> Address {
    let (user, device) = text.split_once('.').unwrap_or((text, "1"));
    Address {
        user: UserId(number(user)),
        device: DeviceId(device.parse().unwrap()),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

fn state_code(name: &str) -> State {
    (0..=8)
        .map(State)
        .find(|state| state.name() == name)
        .unwrap()
}

fn close_code(name: &str) -> CloseCode {
    CloseCode::TABLE
        .iter()
        .find(|(_, known)| *known == name)
        .unwrap()
        .0
}
