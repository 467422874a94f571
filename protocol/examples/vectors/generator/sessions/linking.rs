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
    vec![
        existing(),
        declines(),
        holds_on(),
        new(),
        declined(),
        again(),
        unknown(),
        rate(),
    ]
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

fn close(request: u64, link: &Link) -> Frame<'static> {
    Frame::LinkClose(LinkClose {
        request,
        ticket: link.ticket,
    })
}

pub(super) fn closed(request: u64) -> Frame<'static> {
    Frame::LinkClosed(LinkClosed { request })
}

pub(super) fn gone() -> Frame<'static> {
    Frame::LinkOffer(LinkOffer {
        device: DeviceId(2),
        offer: b"",
    })
}

pub(super) fn opens(session: &mut Session) -> &mut Session {
    let link = link();
    session
        .live(ALICE)
        .client_step(publish(1, &lists::alice(1), b""), "")
        .server(published(1, 1), "")
        .client(open(2, &link), "")
        .server(opened(2), "")
}

pub(super) fn closes(session: &mut Session) -> &mut Session {
    session.client(close(3, &link()), "").server(closed(3), "")
}

fn declines() -> Session {
    let link = link();
    let mut session = Session::new("link_declines", "alice does not know the tablet.");
    opens(&mut session)
        .server_step(offer(2, &link), "somebody has read the code")
        .client(close(3, &link), "alice says no")
        .server(closed(3), "the tablet is refused [M-21.12]")
        .client(close(4, &link), "")
        .server(closed(4), "also when there is no such link");
    session
}

fn holds_on() -> Session {
    let link = link();
    let mut session = Session::new(
        "link_holds_on",
        "First the tablet loses its connection, then alice's phone.",
    );
    opens(&mut session)
        .server_step(offer(2, &link), "")
        .server(gone(), "nothing may be signed now [M-21.13]")
        .server_step(offer(2, &link), "it is back")
        .live(ALICE)
        .client(open(1, &link), "the same ticket [M-21.14]")
        .server(opened(1), "")
        .server_step(offer(2, &link), "it has waited")
        .client_step(publish(2, &lists::alice(2), &link.answer), "")
        .server(published(2, 2), "");
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

fn turned_away() -> Frame<'static> {
    let reference = Reference::default();
    nack(Kind::LINK_JOIN, NackCode::LINK_UNKNOWN, 0, reference)
}

fn declined() -> Session {
    let link = link();
    let mut session = Session::new("link_declined", "alice's tablet waits, and alice says no.");
    session
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "")
        .server(turned_away(), "at once [M-21.5, M-21.12]");
    session
}

fn again() -> Session {
    let link = link();
    let linked = Frame::Linked(Linked {
        answer: &link.answer,
    });
    let mut session = Session::new(
        "link_again",
        "alice's tablet waits, and loses its connection.",
    );
    session
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "")
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "the same bytes [M-21.13]")
        .server(linked, "");
    session
}

fn unknown() -> Session {
    let link = link();
    let mut session = Session::new("link_unknown", "A code that nobody waits for.");
    session
        .connect(ALICE_2)
        .greet()
        .client_step(join(&link), "")
        .server(turned_away(), "[M-21.5]")
        .client_step(join(&link), "the connection is CHALLENGED again")
        .server(turned_away(), "");
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
