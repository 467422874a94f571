//! Server addresses as people write them: which host, and whether TLS protects the way.

use std::net::IpAddr;

const TLS: &str = "tls://";
const PLAIN: &str = "tcp://";

/// Where a server is and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl ServerAddress {
    /// Reads `HOST:PORT`, `tls://HOST:PORT` or `tcp://HOST:PORT`. Without a scheme a loopback host
    /// is reached in plain and any other one by TLS.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match (text.strip_prefix(TLS), text.strip_prefix(PLAIN)) {
            (Some(rest), _) => (Some(true), rest),
            (_, Some(rest)) => (Some(false), rest),
            (None, None) => (None, text),
        };
        let (host, port) = rest.rsplit_once(':')?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner,
            None if host.contains(':') => return None,
            None => host,
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(legal) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let tls = tls.unwrap_or_else(|| !is_loopback(host));
        Some(Self {
            tls,
            host: host.to_owned(),
            port,
        })
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Where to connect when the server at `original` sends its clients to `moved`: never from TLS to
/// plain TCP [M-18.10].
pub(crate) fn follow(original: &str, moved: &str) -> String {
    let tls = ServerAddress::parse(original).is_none_or(|address| address.tls);
    let bare = moved.trim_start_matches(TLS).trim_start_matches(PLAIN);
    format!("{}{bare}", if tls { TLS } else { PLAIN })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_in_plain_without_asking() {
        for (text, tls, host) in [
            ("127.0.0.1:7400", false, "127.0.0.1"),
            ("localhost:7400", false, "localhost"),
            ("[::1]:7400", false, "::1"),
            ("chat.example:7400", true, "chat.example"),
            ("10.0.0.1:7400", true, "10.0.0.1"),
            ("tls://127.0.0.1:7400", true, "127.0.0.1"),
            ("tcp://chat.example:7400", false, "chat.example"),
        ] {
            let expected = ServerAddress {
                tls,
                host: host.to_owned(),
                port: 7400,
            };
            assert_eq!(ServerAddress::parse(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "host",
            "host:",
            ":7400",
            "host:0",
            "host:99999",
            "::1:7400",
            "a b:1",
        ] {
            assert_eq!(ServerAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_server_can_send_a_client_from_tls_to_plain() {
        assert_eq!(
            follow("chat.example:1", "tcp://127.0.0.1:2"),
            "tls://127.0.0.1:2"
        );
        assert_eq!(follow("127.0.0.1:1", "127.0.0.1:2"), "tcp://127.0.0.1:2");
    }
}
