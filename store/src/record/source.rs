//! Who told us of an event, what stood behind the request, and how that was judged.

use serde::{Deserialize, Serialize};

use super::contact::Personal;

/// Who told us: a page (public key), a server (secret key) or a mail client (token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Browser,
    Server,
    Mail,
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Server => "server",
            Self::Mail => "mail",
        }
    }
}

/// Who stood behind a browser's or mail client's request; what classification reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The address, as resolved through the trusted proxies.
    pub address: Personal,
    pub agent: Option<Personal>,
    /// Of `CLASSIFYING_HEADERS`, those that were sent: name in lower case, value.
    pub headers: Vec<(String, Personal)>,
}

/// Who acted, as judged at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    Human,
    ProxyHuman,
    Machine,
    Bot,
}
