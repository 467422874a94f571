//! Links at the model server: a new device is introduced to the one that waits for it.

use martlet_protocol::frame::{Frame, LinkJoin, LinkOffer, LinkOpen, LinkOpened, Reference};
use martlet_protocol::{Address, Kind, NackCode};

use super::{Model, Session};

impl Model {
    pub(super) fn open_link(&mut self, session: &mut Session, from: Address, open: &LinkOpen) {
        assert_eq!(
            open.device,
            self.account(from.user).next_device,
            "a link is for the next device"
        );
        self.links
            .insert(from.user, (from, open.device, open.ticket));
        let request = open.request;
        session.write(&Frame::LinkOpened(LinkOpened { request }));
    }

    pub(super) fn join(&mut self, session: &mut Session, join: &LinkJoin<'_>) {
        let address = join.address;
        let Some((opener, device, ticket)) = self.links.get(&address.user).copied() else {
            let reference = Reference::number(0);
            return session.refuse(Kind::LINK_JOIN, NackCode::LINK_UNKNOWN, reference);
        };
        if device != address.device || ticket != join.ticket {
            let reference = Reference::number(0);
            return session.refuse(Kind::LINK_JOIN, NackCode::LINK_UNKNOWN, reference);
        }
        session.joining = Some(address);
        let offer = join.offer;
        self.mail(opener, &Frame::LinkOffer(LinkOffer { device, offer }));
    }
}
