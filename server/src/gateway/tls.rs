//! TLS 1.3 without I/O: settings, the channel binding, bytes in and bytes out.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use martlet_protocol::auth::{BINDING_LABEL, BINDING_NONE, KEY_BYTES};
use rustls::crypto::aws_lc_rs;
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::ConfigError;

/// The settings of every TLS session: version 1.3 only, no early data (it could be replayed), no
/// tickets (a resume would save little beside our own handshake, and each costs memory).
///
/// # Errors
/// When certificate or key cannot be used.
pub fn settings(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, ConfigError> {
    let unusable = |path: &Path, message: String| ConfigError::TlsUnusable {
        path: path.to_owned(),
        message,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(certificate, format!("not a PEM certificate chain: {error}")))?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unusable(key, format!("not a PEM private key: {error}")))?;
    // Passed explicitly: with two providers compiled in, the process default would be a panic.
    let mut settings = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| unusable(certificate, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| unusable(certificate, error.to_string()))?;
    settings.max_early_data_size = 0;
    settings.send_tls13_tickets = 0;
    settings.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(settings))
}

/// A new session.
///
/// # Errors
/// When the settings do not allow any.
pub fn accept(settings: &Arc<ServerConfig>) -> Result<Box<ServerConnection>, rustls::Error> {
    let mut session = ServerConnection::new(Arc::clone(settings))?;
    session.set_buffer_limit(Some(BUFFER_BYTES_MAX));
    Ok(Box::new(session))
}

/// What ties a signature to this session: nothing on plain TCP. `None` before the handshake is
/// complete, which no frame can precede.
pub fn binding(tls: Option<&ServerConnection>) -> Option<[u8; KEY_BYTES]> {
    match tls {
        None => Some(BINDING_NONE),
        Some(tls) => tls
            .export_keying_material([0; KEY_BYTES], BINDING_LABEL, Some(&[]))
            .ok(),
    }
}

/// Decrypts what came from the socket and appends it to `plain`.
///
/// # Errors
/// When the peer does not speak TLS as it should. The alert is among the bytes to write.
pub fn decrypt(
    tls: &mut ServerConnection,
    mut cipher: &[u8],
    plain: &mut BytesMut,
) -> Result<(), rustls::Error> {
    while !cipher.is_empty() {
        // Reading from a slice does not fail, and plaintext is taken out at once, so the
        // session's own buffer is never full.
        tls.read_tls(&mut cipher)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let ready = tls.process_new_packets()?.plaintext_bytes_to_read();
        if ready > 0 {
            let start = plain.len();
            plain.resize(start + ready, 0);
            tls.reader()
                .read_exact(&mut plain[start..])
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        }
    }
    Ok(())
}

/// Encrypts `plain` and writes it, as far as the socket takes it.
///
/// # Errors
/// `WouldBlock` when the rest must wait; anything else when the connection is dead.
pub fn write(
    tls: &mut ServerConnection,
    plain: &mut BytesMut,
    socket: &mut dyn Write,
) -> io::Result<()> {
    loop {
        if !plain.is_empty() {
            let taken = tls.writer().write(plain)?;
            plain.advance(taken);
        }
        if !tls.wants_write() {
            return Ok(());
        }
        tls.write_tls(socket)?;
    }
}

/// Ciphertext that may wait inside a session; what is behind it waits as frames.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
