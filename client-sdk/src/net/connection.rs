//! One connection to a server: how it is made, and how bytes go in and out.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use martlet_protocol::auth::{BINDING_NONE, KEY_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tls;
use crate::address::ServerAddress;

/// How long TCP and TLS may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last words may take to leave.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// How much is read at once, and stored in one transaction.
const READ_BYTES: usize = 64 * 1024;

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What a new connection needs to know beside the address.
#[derive(Clone, Debug, Default)]
pub(super) struct Security {
    /// Certificates to trust, as PEM; `None` for the system's.
    pub(super) trust: Option<String>,
    /// Whether plain TCP may leave this machine.
    pub(super) allow_plaintext: bool,
}

/// An open connection. Its two directions are driven from one task by
/// [`Connection::turn`].
pub(super) struct Connection {
    reader: ReadHalf<Box<dyn Transport>>,
    writer: WriteHalf<Box<dyn Transport>>,
    input: BytesMut,
    /// What is to be written; whatever the caller appends leaves in this order.
    pub(super) output: BytesMut,
    flushed: bool,
}

/// What a connection did.
pub(super) enum Progress {
    /// Bytes came; [`Connection::received`] has them.
    Received,
    /// Bytes left.
    Sent,
    /// The peer has closed, or the connection failed.
    Ended,
}

/// Connects to `target` and returns the connection with its channel binding. The error is a
/// sentence for a person.
pub(super) async fn connect(
    target: String,
    security: Security,
) -> Result<(Connection, [u8; KEY_BYTES]), String> {
    let attempt = timeout(CONNECT_TIMEOUT, open(&target, &security));
    match attempt.await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(reason)) => Err(format!("{target}: {reason}")),
        Err(_) => Err(format!(
            "{target}: no answer in {} seconds",
            CONNECT_TIMEOUT.as_secs()
        )),
    }
}

async fn open(target: &str, security: &Security) -> Result<(Connection, [u8; KEY_BYTES]), String> {
    let address = ServerAddress::parse(target).ok_or("this is not an address")?;
    if !address.tls && !address.is_loopback() && !security.allow_plaintext {
        return Err("plain TCP may not leave this machine".to_owned());
    }
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(text)?;
    // Frames are written once for each turn: waiting for more would only delay them.
    tcp.set_nodelay(true).map_err(text)?;
    if !address.tls {
        return Ok((Connection::new(Box::new(tcp)), BINDING_NONE));
    }
    let config = tls::client_config(security.trust.as_deref()).map_err(text)?;
    let name = ServerName::try_from(address.host).map_err(text)?;
    let stream = TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(text)?;
    let binding = tls::binding(&stream).map_err(text)?;
    Ok((Connection::new(Box::new(stream)), binding))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Connection {
    fn new(transport: Box<dyn Transport>) -> Self {
        let (reader, writer) = tokio::io::split(transport);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output: BytesMut::new(),
            flushed: true,
        }
    }

    /// Waits until something was read or written. Cancel safe: nothing is lost when the future is
    /// dropped.
    pub(super) async fn turn(&mut self) -> Progress {
        let Self {
            reader,
            writer,
            input,
            output,
            flushed,
        } = self;
        input.reserve(READ_BYTES);
        tokio::select! {
            read = reader.read_buf(input) => match read {
                Ok(1..) => Progress::Received,
                Ok(0) | Err(_) => Progress::Ended,
            },
            written = write(writer, output, flushed), if !output.is_empty() || !*flushed => {
                match written {
                    Ok(()) => Progress::Sent,
                    Err(_) => Progress::Ended,
                }
            }
        }
    }

    /// Takes what has come.
    pub(super) fn received(&mut self) -> BytesMut {
        self.input.split()
    }

    /// Writes what is left and closes, within bounds: the peer may not read.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            while !self.output.is_empty() || !self.flushed {
                write(&mut self.writer, &mut self.output, &mut self.flushed).await?;
            }
            self.writer.shutdown().await
        };
        // Whether the last words arrive changes nothing: what was not answered is repeated.
        let _unheard = timeout(GOODBYE_TIMEOUT, goodbye).await;
    }
}

async fn write(
    writer: &mut WriteHalf<Box<dyn Transport>>,
    output: &mut BytesMut,
    flushed: &mut bool,
) -> io::Result<()> {
    if output.has_remaining() {
        *flushed = false;
        if writer.write_buf(output).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        return Ok(());
    }
    writer.flush().await?;
    *flushed = true;
    Ok(())
}
