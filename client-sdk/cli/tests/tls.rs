//! TLS with a certificate that the server has made itself: trusted by file, and only then.
#![allow(
    clippy::unwrap_used,
    reason = "a test binary has no callers to give errors to"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::server::Server;
use support::{Person, complaint, field, succeeded};

/// A certificate and its key, as files.
struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn make(dir: &Path, host: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        Self::write(dir, &made.cert, &made.signing_key)
    }

    fn write(dir: &Path, certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let number = fs::read_dir(dir).unwrap().count();
        let files = Self {
            certificate: dir.join(format!("{number}.pem")),
            key: dir.join(format!("{number}.key")),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

/// Anybody may register at it, so that only TLS stands in the way.
fn server(dir: &Path, certificate: &Certificate) -> Server {
    Server::dev_tls(dir, &certificate.certificate, &certificate.key)
}

fn register(dir: &Path, server: &Server, name: &str, trusted: Option<&Certificate>) -> Output {
    let address = format!("tls://localhost:{}", server.port());
    let file = trusted.map(|trusted| trusted.certificate.display().to_string());
    let mut arguments = vec!["register", "--server", &address, "--name", name];
    if let Some(file) = &file {
        arguments.extend(["--ca", file]);
    }
    Person::new(dir.join(name)).run(&arguments)
}

#[test]
fn who_has_the_servers_certificate_registers_and_sends_and_the_home_remembers_it() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "localhost");
    let server = server(dir.path(), &certificate);
    for name in ["alice", "bob"] {
        succeeded(&register(dir.path(), &server, name, Some(&certificate)));
    }
    let alice = Person::new(dir.path().join("alice"));
    let bob = Person::new(dir.path().join("bob"));
    succeeded(&alice.run(&["send", "bob", "sealed"]));
    succeeded(&bob.run(&["listen", "--count", "1"]));
    assert_eq!(field(&bob.history("alice"), "text"), ["sealed"]);
}

#[test]
fn a_device_that_joins_trusts_the_server_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "localhost");
    let server = server(dir.path(), &certificate);
    succeeded(&register(dir.path(), &server, "alice", Some(&certificate)));
    let alice = Person::new(dir.path().join("alice"));
    let laptop = Person::new(dir.path().join("laptop"));
    let showing = alice.start(&["link", "--yes"]);
    let code = showing.line();
    let join = ["link", &code, "--name", "laptop"];
    let line = complaint(&laptop.run(&join));
    assert!(
        line.contains("certificate") && line.contains("--ca FILE"),
        "{line}"
    );
    // The code is still good: nobody has joined with it.
    let file = certificate.certificate.display().to_string();
    succeeded(&laptop.run(&[&join[..], &["--ca", &file]].concat()));
    succeeded(&showing.end());
    assert_eq!(field(&laptop.devices(), "name")[1], "laptop");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_with_the_option_that_helps() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "localhost");
    let server = server(dir.path(), &certificate);
    let line = complaint(&register(dir.path(), &server, "alice", None));
    assert!(
        line.contains("certificate") && line.contains("--ca FILE"),
        "{line}"
    );
    // The same home takes the advice.
    succeeded(&register(dir.path(), &server, "alice", Some(&certificate)));
}

#[test]
fn another_certificate_than_the_trusted_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "localhost");
    let other = Certificate::make(dir.path(), "localhost");
    let server = server(dir.path(), &certificate);
    let line = complaint(&register(dir.path(), &server, "alice", Some(&other)));
    assert!(line.contains("the file of --ca has neither"), "{line}");
}

#[test]
fn the_wrong_scheme_fails_at_once_and_leads_to_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "localhost");
    let (sealed, plain) = (dir.path().join("sealed"), dir.path().join("plain"));
    let [sealed, plain] = [server(&sealed, &certificate), Server::dev(&plain)];
    let alice = Person::new(dir.path().join("alice"));
    let register = |address: &str| {
        let said = alice.run(&["register", "--server", address, "--name", "alice"]);
        complaint(&said)
    };
    let right = format!("say --server tls://{}", sealed.address());
    for scheme in ["", "tcp://"] {
        let line = register(&format!("{scheme}{}", sealed.address()));
        assert!(line.trim_end().ends_with(&right), "{line}");
    }
    let line = register(&format!("tls://{}", plain.address()));
    let right = format!("say --server tcp://{}", plain.address());
    assert!(line.trim_end().ends_with(&right), "{line}");
    // It was the scheme alone.
    succeeded(&alice.run(&["register", "--server", &plain.address(), "--name", "alice"]));
}

#[test]
fn the_servers_own_certificate_is_trusted_whatever_host_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(dir.path(), "chat.example.org");
    let server = server(dir.path(), &certificate);
    succeeded(&register(dir.path(), &server, "alice", Some(&certificate)));
}

#[test]
fn a_trusted_authority_vouches_only_for_the_host_that_it_names() {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let register_at = |host: &str| {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let issued = CertificateParams::new([host.to_owned()]).unwrap();
        let issued = issued.signed_by(&key, &authority).unwrap();
        let server = server(dir.path(), &Certificate::write(dir.path(), &issued, &key));
        let trusted = Certificate::write(dir.path(), authority.as_ref(), authority.key());
        register(dir.path(), &server, "alice", Some(&trusted))
    };
    succeeded(&register_at("localhost"));
    let line = complaint(&register_at("chat.example.org"));
    assert!(line.contains("certificate"), "{line}");
}
