//! Where pages and mails reach the server, and how far one can trust what is known of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::client_address::is_loopback_host;
use store::meta::{Origin, OriginError};

/// Where pages and mails reach the server: scheme, host and port, no slash at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    origin: Origin,
    reach: Reach,
    is_said: bool,
}

/// Who reaches the server at its public URL, as far as one can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those whom the operator meant.
    AsSaid,
    /// This machine alone: enough to try things, and in mails that are sent a dead link.
    ThisMachine,
    /// Nobody has said where: the server listens to others, and its URL is a guess.
    Guessed,
}

/// What whoever makes mails is told where the URL is a guess.
pub const PUBLIC_URL_MISSING: &str = "nobody has said where mail clients reach this server, and a mail that is out \
    cannot be mended: start it with --public-url (or MISAR_PUBLIC_URL), such as https://track.example";

impl PublicUrl {
    /// Reads `https://track.example`; one slash at the end is forgiven.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refusal = |error: OriginError| match error {
            OriginError::Scheme => {
                "it begins with https:// or http://, such as https://track.example".to_owned()
            }
            OriginError::TooMuch => {
                "misar answers at the root of a host: leave path, query and user out, as in \
                                     https://track.example"
                    .to_owned()
            }
            other => other.to_string(),
        };
        let text = text.strip_suffix('/').unwrap_or(text);
        let origin = Origin::parse(text).map_err(refusal)?;
        let reach = if is_loopback_host(origin.host()) {
            Reach::ThisMachine
        } else {
            Reach::AsSaid
        };
        Ok(Self {
            origin,
            reach,
            is_said: true,
        })
    }

    /// The address itself; where that is every address of the machine, the one for itself.
    pub fn listening_on(listen: SocketAddr) -> Self {
        let host = match listen.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
            other => other,
        };
        let reach = if listen.ip().to_canonical().is_loopback() {
            Reach::ThisMachine
        } else {
            Reach::Guessed
        };
        Self {
            origin: Origin::of_address(SocketAddr::new(host, listen.port())),
            reach,
            is_said: false,
        }
    }

    /// Scheme, host and port; paths can be put behind it.
    pub fn as_str(&self) -> &str {
        self.origin.as_str()
    }

    pub fn is_https(&self) -> bool {
        self.as_str().starts_with("https://")
    }

    /// Whether the operator has named it; else it is the address that the server listens on, and a page
    /// knows better where it got the snippet from.
    pub fn is_said(&self) -> bool {
        self.is_said
    }

    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What whoever makes mails should know about this URL.
    pub fn warning(&self) -> Option<String> {
        (self.reach == Reach::ThisMachine).then(|| {
            format!(
                "the links of these mails lead to {self}, which only this machine reaches: start misar with \
                 --public-url before any is sent"
            )
        })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_follows_the_listening_address() {
        for (listen, url) in [
            ("127.0.0.1:80", "http://127.0.0.1"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000"),
            ("[::]:9000", "http://[::1]:9000"),
            ("[2001:db8::1]:9000", "http://[2001:db8::1]:9000"),
        ] {
            let bound = listen.parse().unwrap();
            assert_eq!(PublicUrl::listening_on(bound).as_str(), url);
        }
    }

    #[test]
    fn a_public_url_knows_whom_it_reaches() {
        for (listen, reach) in [
            ("127.0.0.1:80", Reach::ThisMachine),
            ("[::1]:80", Reach::ThisMachine),
            ("[::ffff:127.0.0.1]:80", Reach::ThisMachine),
            ("0.0.0.0:80", Reach::Guessed),
            ("[::]:80", Reach::Guessed),
            ("10.0.0.1:80", Reach::Guessed),
        ] {
            let url = PublicUrl::listening_on(listen.parse().unwrap());
            assert_eq!(url.reach(), reach, "{listen}");
        }
        for (text, reach) in [
            ("https://track.example", Reach::AsSaid),
            ("http://10.0.0.1:8080", Reach::AsSaid),
            ("http://localhost:8080", Reach::ThisMachine),
            ("http://127.0.0.1", Reach::ThisMachine),
            ("https://[::1]:8443", Reach::ThisMachine),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(url.reach(), reach, "{text}");
            assert_eq!(url.warning().is_some(), reach == Reach::ThisMachine);
        }
    }
}
