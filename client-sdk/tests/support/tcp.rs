//! The model server on a real socket, plain or with TLS: for the driver's tests.

#![allow(dead_code, reason = "each test binary uses its part of the server")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use martlet_protocol::Millis;
use parking_lot::Mutex;
use rcgen::CertifiedKey;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::model::{Model, Session};

/// A running server. It ends with the test's process.
pub(crate) struct Server {
    /// `HOST:PORT`, with the scheme that fits.
    pub(crate) address: String,
    /// Its certificate as PEM, when it has one.
    pub(crate) certificate: Option<String>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepted: Arc<AtomicU64>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Server {
    pub(crate) fn plain() -> Self {
        Self::start(None)
    }

    pub(crate) fn tls() -> Self {
        let names = vec!["chat.example".to_owned()];
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::start(Some((Arc::new(config), cert.pem())))
    }

    fn start(tls: Option<(Arc<ServerConfig>, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "tls" } else { "tcp" };
        let (config, certificate) = tls.unzip();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepted = Arc::new(AtomicU64::new(0));
        let (streams, count) = (Arc::clone(&connections), Arc::clone(&accepted));
        thread::spawn(move || {
            let model = Arc::new(Mutex::new(Model::default()));
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                streams.lock().push(stream.try_clone().unwrap());
                count.fetch_add(1, Ordering::Relaxed);
                let (model, config) = (Arc::clone(&model), config.clone());
                // How a connection ends is the client's affair.
                thread::spawn(move || serve(&model, stream, config).ok());
            }
        });
        let address = format!("{scheme}://127.0.0.1:{port}");
        Self {
            address,
            certificate,
            connections,
            accepted,
        }
    }

    /// Cuts every connection, as a network does.
    pub(crate) fn cut(&self) {
        for stream in self.connections.lock().drain(..) {
            // It may have ended by itself.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

fn serve(
    model: &Mutex<Model>,
    tcp: TcpStream,
    config: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    let mut session = Session::new();
    let clock = tcp.try_clone()?;
    let mut stream: Box<dyn Stream> = match config {
        None => Box::new(tcp),
        Some(config) => {
            let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut tcp = tcp;
            while tls.is_handshaking() {
                tls.complete_io(&mut tcp)?;
            }
            let label = b"EXPORTER-Channel-Binding";
            let binding = tls.export_keying_material([0; 32], label, None);
            session.binding = binding.map_err(io::Error::other)?;
            Box::new(StreamOwned::new(tls, tcp))
        }
    };
    // What others send to this client is noticed when the read times out.
    clock.set_read_timeout(Some(Duration::from_millis(5)))?;
    let ended = talk(model, &mut session, &mut *stream);
    model.lock().on_lost(&session);
    ended
}

fn talk(model: &Mutex<Model>, session: &mut Session, stream: &mut dyn Stream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while !session.closed {
        let bytes = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => &[],
            Err(error) => return Err(error),
        };
        let mut model = model.lock();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        model.now = Millis(u64::try_from(since_epoch.as_millis()).unwrap());
        model.handle(session, bytes);
        model.push(session);
        drop(model);
        stream.write_all(&session.output.split())?;
        stream.flush()?;
    }
    Ok(())
}
