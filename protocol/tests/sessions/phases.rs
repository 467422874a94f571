//! Which frame is legal in which state of a connection: the table of SPEC.md §5.

use std::collections::BTreeMap;

use martlet_protocol::Kind;
use martlet_protocol::frame::Frame;

use crate::observer::Side;
use crate::support::tables::table;

/// For each state what the client and what the server may send.
pub(crate) struct Phases {
    legal: BTreeMap<String, [Vec<String>; 2]>,
}

impl Phases {
    pub(crate) fn read(spec: &str) -> Self {
        let rows = table(spec, &["state", "client may send", "server may send"]);
        let names = |cell: &String| cell.split(", ").map(str::to_owned).collect();
        let legal = rows
            .iter()
            .map(|row| (row[0].clone(), [names(&row[1]), names(&row[2])]));
        Self {
            legal: legal.collect(),
        }
    }

    /// The state after `frame`, or the statement that it breaks.
    pub(crate) fn next(
        &self,
        phase: &str,
        side: Side,
        frame: &Frame<'_>,
    ) -> Result<String, &'static str> {
        let name = frame.kind().name();
        if !self.legal[phase][side as usize]
            .iter()
            .any(|legal| legal == name)
        {
            let waits =
                ["REGISTERING", "LINKING", "PROVING"].contains(&phase) && side == Side::Client;
            return Err(if waits { "M-5.4" } else { "M-5.1" });
        }
        // [M-5.2]
        let next = match frame {
            Frame::Hello(_) => "GREETED",
            Frame::Challenge(_) | Frame::Registered(_) | Frame::Linked(_) => "CHALLENGED",
            Frame::Nack(nack) if [Kind::REGISTER, Kind::LINK_JOIN].contains(&nack.of) => {
                "CHALLENGED"
            }
            Frame::Register(_) => "REGISTERING",
            Frame::LinkJoin(_) => "LINKING",
            Frame::Auth(_) => "PROVING",
            Frame::Ready(_) => "READY",
            _ => phase,
        };
        Ok(next.to_owned())
    }
}
