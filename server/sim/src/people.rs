//! What a device says of other accounts, and what it is told of them: between gate and shards.

use martlet_protocol::Address;
use martlet_protocol::frame::{Frame, RelationList};
use martlet_protocol::wire::List;
use martlet_shard::{Command, Reply};

use crate::gate::Gate;

impl Gate {
    /// The command of a frame about other accounts, if it is one.
    pub(crate) fn on_people(&self, address: Address, frame: &Frame<'_>) -> Option<Command> {
        let session = self.session();
        Some(match frame {
            Frame::Watch(watch) => Command::Watch {
                session,
                address,
                request: watch.request,
                on: watch.on,
                users: watch.users.iter().collect(),
            },
            Frame::Active(active) => Command::Active {
                session,
                address,
                active: active.active,
            },
            Frame::Typing(typing) => Command::Typing {
                session,
                from: address,
                to: typing.to,
                kind: typing.kind,
            },
            Frame::Relate(relate) => Command::Relate {
                session,
                address,
                request: relate.request,
                user: relate.user,
                relation: relate.relation,
            },
            Frame::Relations(ask) => Command::Relations {
                session,
                address,
                request: ask.request,
                after: ask.after,
            },
            Frame::Settings(settings) => Command::Settings {
                session,
                address,
                request: settings.request,
                set: settings.set,
            },
            _ => return None,
        })
    }

    /// Writes an answer about other accounts. Returns whether it is one.
    pub(crate) fn reply_about_people(&mut self, reply: &Reply) -> bool {
        let frame = match reply {
            Reply::Presence(presence) => Frame::Presence(*presence),
            Reply::Typed(typed) => Frame::Typed(*typed),
            Reply::Related(related) => Frame::Related(*related),
            Reply::SettingsAre(are) => Frame::SettingsAre(*are),
            Reply::RelationList(answer) => Frame::RelationList(RelationList {
                request: answer.request,
                more: answer.more,
                relations: List::Slice(&answer.relations),
            }),
            _ => return false,
        };
        self.write(&frame);
        true
    }
}
