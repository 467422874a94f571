//! Links at the model server: a new device is introduced to the one that waits for it.

use bytes::BytesMut;
use martlet_protocol::codec;
use martlet_protocol::frame::{
    Frame, LinkClose, LinkClosed, LinkJoin, LinkOffer, LinkOpen, LinkOpened, Linked, Reference,
};
use martlet_protocol::{Address, DeviceId, Kind, NackCode, UserId};

use super::{Model, Session};

/// A device that waits for a new one.
pub(super) struct Link {
    opener: Address,
    /// Whether the opener has said so on the connection that it has.
    is_heard: bool,
    device: DeviceId,
    ticket: [u8; 32],
    offer: Option<Vec<u8>>,
    /// Whether a connection waits that has made the offer.
    is_offered: bool,
    /// For the device that has made the offer, once it is listed.
    answer: Option<Vec<u8>>,
    /// Frames for the opener.
    mail: BytesMut,
}

impl Link {
    fn show(&self) -> Frame<'_> {
        Frame::LinkOffer(LinkOffer {
            device: self.device,
            offer: self
                .offer
                .as_deref()
                .filter(|_| self.is_offered)
                .unwrap_or_default(),
        })
    }
}

impl Model {
    pub(super) fn open_link(&mut self, session: &mut Session, from: Address, open: &LinkOpen) {
        assert_eq!(
            open.device,
            self.account(from.user).next_device,
            "a link is for the next device"
        );
        let request = open.request;
        session.write(&Frame::LinkOpened(LinkOpened { request }));
        let known = self.links.get_mut(&from.user);
        if let Some(link) = known.filter(|link| link.ticket == open.ticket) {
            link.is_heard = true;
            if link.is_offered {
                session.write(&link.show());
            }
            return;
        }
        let link = Link {
            opener: from,
            is_heard: true,
            device: open.device,
            ticket: open.ticket,
            offer: None,
            is_offered: false,
            answer: None,
            mail: BytesMut::new(),
        };
        self.links.insert(from.user, link);
    }

    pub(super) fn close_link(&mut self, session: &mut Session, from: Address, close: &LinkClose) {
        let known = self.links.get(&from.user);
        if known.is_some_and(|link| link.ticket == close.ticket) {
            self.links.remove(&from.user);
        }
        let request = close.request;
        session.write(&Frame::LinkClosed(LinkClosed { request }));
    }

    pub(super) fn join(&mut self, session: &mut Session, join: &LinkJoin<'_>) {
        let link = self.links.get_mut(&join.address.user);
        let link = link.filter(|link| {
            let is_first = link
                .offer
                .as_deref()
                .is_none_or(|first| first == join.offer);
            (link.device, link.ticket) == (join.address.device, join.ticket) && is_first
        });
        let Some(link) = link else {
            return turn_away(session);
        };
        session.joining = Some((join.address.user, join.ticket));
        link.offer = Some(join.offer.to_vec());
        link.is_offered = link.answer.is_none();
        if link.is_offered {
            self.show_opener(join.address.user);
        }
    }

    /// Tells a new device what has become of its link.
    pub(super) fn tell_joiner(&self, session: &mut Session) {
        let Some((user, ticket)) = session.joining else {
            return;
        };
        let link = self.links.get(&user);
        match link.filter(|link| link.ticket == ticket) {
            None => {
                session.joining = None;
                turn_away(session);
            }
            Some(Link {
                answer: Some(answer),
                ..
            }) => {
                session.joining = None;
                session.write(&Frame::Linked(Linked { answer }));
            }
            Some(_) => {}
        }
    }

    /// A list has added the device of the account's link.
    pub(super) fn answer_link(&mut self, user: UserId, answer: &[u8]) {
        match self.links.get_mut(&user) {
            Some(link) if link.offer.is_some() => {
                link.is_offered = false;
                link.answer = Some(answer.to_vec());
            }
            _ => drop(self.links.remove(&user)),
        }
    }

    /// A connection is lost, and the server notices.
    pub(crate) fn on_lost(&mut self, session: &Session) {
        if let Some(address) = session.address {
            self.person_lost(address);
        }
        if let Some((user, ticket)) = session.joining
            && let Some(link) = self.links.get_mut(&user)
            && link.ticket == ticket
            && core::mem::take(&mut link.is_offered)
        {
            self.show_opener(user);
        }
        let links = self.links.values_mut();
        for link in links.filter(|link| session.address == Some(link.opener)) {
            link.is_heard = false;
            link.mail.clear();
        }
    }

    /// Shows the opener who waits, or that nobody does any more.
    fn show_opener(&mut self, user: UserId) {
        let link = self.links.get_mut(&user).expect("the caller has it");
        if link.is_heard {
            let mut out = core::mem::take(&mut link.mail);
            codec::encode(&link.show(), &mut out);
            link.mail = out;
        }
    }

    /// What the device that has opened a link gets of it.
    pub(super) fn link_mail(&mut self, opener: Address) -> BytesMut {
        let link = self.links.get_mut(&opener.user);
        let link = link.filter(|link| link.opener == opener);
        link.map(|link| link.mail.split()).unwrap_or_default()
    }
}

fn turn_away(session: &mut Session) {
    session.refuse(
        Kind::LINK_JOIN,
        NackCode::LINK_UNKNOWN,
        Reference::number(0),
    );
}
