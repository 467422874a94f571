//! A new device joins an account, as both devices see it, and messages to named devices.

use martlet_protocol::frame::*;
use martlet_protocol::nack::NackCode;
use martlet_protocol::{DeviceId, Kind};

use super::super::builders::nack;
use super::super::contents::{Link, link};
use super::super::lists::{self, ALICES};
use super::super::people::{ALICE, ALICE_2};
use super::devices::{devices, publish, published, refused, told};
use super::*;

pub(super) fn sessions() -> Vec<Session> {
    vec![existing(), new(), unknown(), rate()]
}

fn open(request: u64, link: &Link) -> Frame<'static> {
    Frame::LinkOpen(LinkOpen {
        request,
        device: DeviceId(2),
        ticket: link.ticket,
    })
}

pub(super) fn opened(request: u64) -> Frame<'static> {
    Frame::LinkOpened(LinkOpened { request })
}

pub(super) fn offer(device: u16, link: &Link) -> Step {
    Step::new(&Frame::LinkOffer(LinkOffer {
        device: DeviceId(device),
        offer: &link.offer,
    }))
}

pub(super) fn join(link: &Link) -> Step {
    Step::new(&Frame::LinkJoin(LinkJoin {
        address: ALICE_2.address,
        ticket: link.ticket,
        offer: &link.offer,
    }))
}

fn existing() -> Session {
    let link = link();
    let mut session = Session::new(
        "link_existing",
        "alice's phone shows a code and signs a list with her tablet.",
    );
    session
        .live(ALICE)
        .client_step(publish(1, &lists::alice(1), b""), "")
        .server(published(1, 1), "")
        .client(open(2, &link), "")
        .server(opened(2), "for 10 minutes [M-21.4]")
        .server_step(offer(2, &link), "the tablet has read the code [M-21.5]")
        .client_step(
            publish(3, &lists::alice(2), &link.answer),
            "the proof holds, and alice has agreed",
        )
        .server(published(3, 2), "");
    session
}

fn new() -> Session {
    let link = link();
    let linked = Frame::Linked(Linked {
        answer: &link.answer,
    });
    let mut session = Session::new("link_new", "alice's tablet has read the code.");
    session
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "")
        .server(linked, "the list is durable [M-21.9]")
        .client(auth(ALICE_2, 1, FRESH), "on the same connection")
        .server(ready(FRESH), "")
        .server(caught_up(0, false), "")
        .client(
            devices(1, ALICES.user, 0),
            "has it the account key of the code, and both own keys? [M-21.10]",
        )
        .server_step(told(1, ALICES.user, 2, &[&lists::alice(2)]), "");
    session
}

fn unknown() -> Session {
    let link = link();
    let refused = || {
        nack(
            Kind::LINK_JOIN,
            NackCode::LINK_UNKNOWN,
            0,
            Reference::default(),
        )
    };
    let mut session = Session::new("link_unknown", "A code that nobody waits for.");
    session
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "")
        .server(refused(), "[M-21.5]")
        .client_step(join(&link), "the connection is CHALLENGED again")
        .server(refused(), "");
    session
}

fn rate() -> Session {
    let link = link();
    let mut session = Session::new("link_refusals", "Links that a server does not open.");
    session
        .live(ALICE)
        .client(open(1, &link), "")
        .server(opened(1), "")
        .client(open(2, &link), "the newer one takes its place")
        .server(opened(2), "")
        .client(open(3, &link), "")
        .server(
            refused(Kind::LINK_OPEN, NackCode::RATE_LIMITED, 3),
            "[M-21.4]",
        );
    session
}
