//! A shard's answers as frames.

use martlet_protocol::Kind;
use martlet_protocol::frame::{
    Bundles, DeviceLists, Found, Frame, LinkOffer, Linked, Pong, Registered, Sent, SignedList,
};
use martlet_protocol::wire::List;
use martlet_shard::Reply;

use crate::env::Env;
use crate::gate::{Gate, Phase};

impl Gate {
    /// Writes a shard's answer. It is durable: the ledger may hold it against the server.
    pub(crate) fn reply(&mut self, env: &mut Env, reply: Reply) {
        match reply {
            Reply::Registered(address) => {
                self.phase = Phase::Auth;
                self.write(&Frame::Registered(Registered { address }));
            }
            Reply::Ready {
                epoch,
                cursor,
                tail,
            } => self.greet(env, (epoch, cursor, tail)),
            Reply::Pong { token } => self.write(&Frame::Pong(Pong { token })),
            Reply::Found(found) => self.write(&Frame::Found(Found {
                request: found.request,
                user: found.user,
                handle: &found.handle,
            })),
            Reply::Sent(sent) => {
                self.write(&Frame::Sent(Sent {
                    message_id: sent.message_id,
                    timestamp: sent.timestamp,
                    devices: sent.devices,
                }));
                self.answered();
            }
            Reply::Nack(nack) => {
                self.write(&Frame::Nack(nack));
                match nack.of {
                    Kind::SEND | Kind::GROUP_SEND => self.answered(),
                    Kind::REGISTER | Kind::LINK_JOIN => self.phase = Phase::Auth,
                    _ => {}
                }
            }
            Reply::State(state) => self.write(&Frame::State(state)),
            Reply::Gap(gap) => self.write(&Frame::Gap(gap)),
            Reply::CaughtUp(mark) => self.write(&Frame::CaughtUp(mark)),
            reply => self.reply_about_keys(env, reply),
        }
    }

    fn reply_about_keys(&mut self, env: &mut Env, reply: Reply) {
        match reply {
            Reply::DeviceLists(answer) => {
                let lists = answer.lists.iter().map(|list| SignedList(list));
                let lists: Vec<_> = lists.collect();
                self.write(&Frame::DeviceLists(DeviceLists {
                    request: answer.request,
                    user: answer.user,
                    newest: answer.newest,
                    lists: List::Slice(&lists),
                }));
            }
            Reply::Published(published) => {
                if let Some(address) = self.address() {
                    env.ledger.on_published(address.user, published.version);
                }
                self.write(&Frame::Published(published));
            }
            Reply::Stock(stock) => self.write(&Frame::Stock(stock)),
            Reply::Bundles(answer) => self.write(&Frame::Bundles(Bundles {
                request: answer.request,
                user: answer.user,
                bundles: List::Slice(&answer.bundles),
            })),
            Reply::LinkOpened(opened) => self.write(&Frame::LinkOpened(opened)),
            Reply::LinkClosed(closed) => self.write(&Frame::LinkClosed(closed)),
            Reply::LinkOffer { device, offer } => self.write(&Frame::LinkOffer(LinkOffer {
                device,
                offer: &offer,
            })),
            Reply::Linked { answer } => {
                self.phase = Phase::Auth;
                self.write(&Frame::Linked(Linked { answer: &answer }));
            }
            other => {
                if self.reply_about_people(&other) || self.reply_about_groups(&other) {
                    return;
                }
                let what = format!("an answer that no gate knows: {other:?}");
                env.ledger.violate(what);
            }
        }
    }
}
