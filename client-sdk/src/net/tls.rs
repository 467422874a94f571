//! TLS 1.3 to the server, and whom to trust.

use std::sync::Arc;

use martlet_protocol::auth::{BINDING_LABEL, KEY_BYTES};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::VerifierBuilderError;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Why TLS cannot be set up with the certificates at hand.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    /// The file has no certificate.
    #[error("no certificate in it")]
    Empty,
    /// The file is not PEM.
    #[error("it is not PEM: {0}")]
    NotPem(rustls::pki_types::pem::Error),
    /// The system has no certificate authorities.
    #[error("this system has no certificate authorities: give a file with one")]
    SystemEmpty,
    /// The library does not accept the settings.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate is not one.
    #[error("a certificate cannot be used: {0}")]
    Unusable(#[from] VerifierBuilderError),
}

/// The TLS settings for `trust`, certificates as PEM, or for the system's authorities.
pub(super) fn client_config(trust: Option<&str>) -> Result<Arc<ClientConfig>, TrustError> {
    // Given explicitly: the application may have chosen another provider for the process.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = match trust {
        Some(pem) => Verifier::pinned(pem, &provider)?,
        None => Verifier::system(&provider)?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The value that both ends of this TLS session know and nobody else [M-7.2].
pub(super) fn binding<S>(stream: &TlsStream<S>) -> Result<[u8; KEY_BYTES], rustls::Error> {
    let (_, session) = stream.get_ref();
    session.export_keying_material([0; KEY_BYTES], BINDING_LABEL, None)
}

/// Accepts exactly the given certificates, whatever name they carry, and what the given
/// authorities have issued for the server's name. A server for a few friends has a self-signed
/// certificate; comparing it byte for byte is stronger than any chain.
#[derive(Debug)]
struct Verifier {
    pinned: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    fn pinned(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let pinned: Vec<_> = certificates
            .collect::<Result<_, _>>()
            .map_err(TrustError::NotPem)?;
        if pinned.is_empty() {
            return Err(TrustError::Empty);
        }
        let chains = chains(&pinned, provider)?;
        Ok(Self { pinned, chains })
    }

    fn system(provider: &Arc<CryptoProvider>) -> Result<Self, TrustError> {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return Err(TrustError::SystemEmpty);
        }
        Ok(Self {
            pinned: Vec::new(),
            chains: chains(&found, provider)?,
        })
    }
}

fn chains(
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let mut roots = RootCertStore::empty();
    // Systems carry authorities that are malformed; they are left out and the others still count.
    roots.add_parsable_certificates(authorities.iter().cloned());
    let builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(builder.build()?)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.pinned.iter().any(|pinned| pinned == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let chains = &self.chains;
        chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
