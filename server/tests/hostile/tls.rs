//! TLS 1.3 as the transport: the same frames, signatures bound to the session, nothing older.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use martlet_protocol::auth::{BINDING_LABEL, BINDING_NONE, KEY_BYTES};
use martlet_protocol::frame::Frame;
use martlet_protocol::{CloseCode, Kind, NackCode};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::peer::{Account, Peer, Transport, account, connect, message};
use crate::server::{PATIENCE, Server, wait_until};

struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Tls {
    fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}

/// A server with a certificate, accounts that exist on it, and clients that trust it.
struct Fixture {
    server: Server,
    alice: Account,
    bob: Account,
    trust: Arc<ClientConfig>,
}

impl Fixture {
    fn new() -> Self {
        let server = Server::development();
        let alice = account(server.address, "alice");
        let bob = account(server.address, "bob");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = server.home().join("cert.pem");
        let key = server.home().join("key.pem");
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let server = server.restart_with(&format!(
            "[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n\
             [limits]\nloopback_exempt = true\n"
        ));
        Self {
            server,
            alice,
            bob,
            trust: trust(made.cert.der().clone()),
        }
    }

    fn connect(&self) -> Peer {
        let stream = connect(self.server.address);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(&self.trust), name).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        assert_eq!(
            stream.conn.protocol_version(),
            Some(rustls::ProtocolVersion::TLSv1_3)
        );
        let binding = stream
            .conn
            .export_keying_material([0; KEY_BYTES], BINDING_LABEL, Some(&[]))
            .unwrap();
        Peer::over(Box::new(Tls(stream)), binding)
    }

    fn ready(&self, account: &Account) -> Peer {
        let mut peer = self.connect();
        peer.greet();
        peer.authenticate(account);
        peer
    }
}

fn trust(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn messages_of_every_size_travel_over_tls() {
    let fixture = Fixture::new();
    let mut alice = fixture.ready(&fixture.alice);
    let mut bob = fixture.ready(&fixture.bob);
    for bytes in [0, 1, 300, 16_000, 64 * 1024] {
        let envelope = vec![7; bytes];
        alice.send(&Frame::Send(message(fixture.bob.address.user, &envelope)));
        loop {
            match bob.next().expect("EVENT").frame() {
                Frame::Event(event) => {
                    assert_eq!(event.envelope, envelope);
                    break;
                }
                Frame::CaughtUp(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    alice.check_alive();
    fixture.server.check_calm();
}

#[test]
fn a_signature_is_worth_nothing_outside_its_tls_session() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect();
    peer.greet();
    peer.binding = BINDING_NONE;
    peer.send_auth(&fixture.alice, fixture.alice.address);
    peer.expect_nack(Kind::AUTH, NackCode::AUTH_FAILED);
    peer.expect_close(CloseCode::AUTH_FAILED);
    let mut peer = fixture.connect();
    peer.greet();
    peer.binding = fixture.connect().binding;
    peer.send_auth(&fixture.alice, fixture.alice.address);
    peer.expect_nack(Kind::AUTH, NackCode::AUTH_FAILED);
    peer.expect_close(CloseCode::AUTH_FAILED);
}

#[test]
fn plain_bytes_on_a_tls_port_end_the_connection_and_disturb_nobody() {
    let fixture = Fixture::new();
    let mut alice = fixture.ready(&fixture.alice);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 100],
        &[0x16, 3, 3, 0, 4, 1, 0, 0, 0],
    ] {
        let mut stream = connect(fixture.server.address);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        alice.check_alive();
    }
    let logged = || fixture.server.logged("tls_failed", &[]);
    wait_until("a line for each", || logged() >= 2);
    fixture.server.check_calm();
}

#[test]
fn strangers_that_begin_handshakes_do_not_stop_a_chat() {
    let fixture = Fixture::new();
    let mut alice = fixture.ready(&fixture.alice);
    let silent: Vec<_> = (0..500).map(|_| connect(fixture.server.address)).collect();
    std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            for _ in 0..200 {
                fixture.connect();
            }
        });
        for _ in 0..50 {
            alice.check_alive();
        }
        storm.join().unwrap();
    });
    drop(silent);
    alice.check_alive();
}
