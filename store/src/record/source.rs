//! Who told us of an event, what stood behind the request, and how that was judged.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contact::Personal;
use super::extra::Timing;

/// Who told us: a page (public key), a server (secret key) or a mail client (token).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    Browser,
    Server,
    Mail,
}

impl Source {
    pub const ALL: [Self; 3] = [Self::Browser, Self::Server, Self::Mail];

    /// The spelling in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Server => "server",
            Self::Mail => "mail",
        }
    }
}

/// Who told us, with what is kept of each: a server is no client whose class is judged, and a mail
/// client has no key. All events of a request share what is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToldBy {
    Server {
        /// `None` where nobody noted it.
        key_id: Option<KeyId>,
        /// The batch's `context` without its identities, a JSON object; `None` where it says nothing, and
        /// once erased.
        context: Option<Arc<Personal>>,
    },
    Browser {
        /// As a server's.
        key_id: Option<KeyId>,
        /// As a server's.
        context: Option<Arc<Personal>>,
        visitor: Visitor,
    },
    Mail {
        visitor: Visitor,
        /// Of an open or a click whose class depends on when the message was sent.
        timing: Option<Timing>,
    },
}

/// Who stood behind the request of a browser or a mail client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// `None` once erased.
    pub client: Option<Arc<Client>>,
    /// The first class and its reason, decided at the edge and never changed; `None` in records from before
    /// there were classes, which `classify::of_page` judges.
    pub class: Option<(Class, String)>,
}

impl ToldBy {
    /// A server of which nothing else is noted.
    #[must_use]
    pub fn server() -> Self {
        Self::Server {
            key_id: None,
            context: None,
        }
    }

    /// A server, by the key that it came with.
    #[must_use]
    pub fn server_with(key_id: impl Into<KeyId>) -> Self {
        Self::Server {
            key_id: Some(key_id.into()),
            context: None,
        }
    }

    /// A page of which nothing else is noted.
    #[must_use]
    pub fn browser(visitor: Visitor) -> Self {
        Self::Browser {
            key_id: None,
            context: None,
            visitor,
        }
    }

    /// A mail client whose class depends on no time.
    #[must_use]
    pub fn mail(visitor: Visitor) -> Self {
        Self::Mail {
            visitor,
            timing: None,
        }
    }

    pub fn source(&self) -> Source {
        match self {
            Self::Server { .. } => Source::Server,
            Self::Browser { .. } => Source::Browser,
            Self::Mail { .. } => Source::Mail,
        }
    }

    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Server { key_id, .. } | Self::Browser { key_id, .. } => key_id.as_ref(),
            Self::Mail { .. } => None,
        }
    }

    pub fn context(&self) -> Option<&str> {
        match self {
            Self::Server { context, .. } | Self::Browser { context, .. } => {
                context.as_ref().map(|context| context.0.as_str())
            }
            Self::Mail { .. } => None,
        }
    }

    /// Of a browser and of a mail client.
    pub fn client(&self) -> Option<&Client> {
        self.visitor()?.client.as_deref()
    }

    /// Of a browser and of a mail client.
    pub fn class(&self) -> Option<&(Class, String)> {
        self.visitor()?.class.as_ref()
    }

    pub fn timing(&self) -> Option<&Timing> {
        match self {
            Self::Mail { timing, .. } => timing.as_ref(),
            Self::Server { .. } | Self::Browser { .. } => None,
        }
    }

    pub(crate) fn visitor_mut(&mut self) -> Option<&mut Visitor> {
        match self {
            Self::Browser { visitor, .. } | Self::Mail { visitor, .. } => Some(visitor),
            Self::Server { .. } => None,
        }
    }

    fn visitor(&self) -> Option<&Visitor> {
        match self {
            Self::Browser { visitor, .. } | Self::Mail { visitor, .. } => Some(visitor),
            Self::Server { .. } => None,
        }
    }

    /// Takes the personal part away: the key, the class and its timing stay.
    pub(super) fn redact(&mut self) {
        match self {
            Self::Server { context, .. } => *context = None,
            Self::Browser {
                context, visitor, ..
            } => {
                *context = None;
                visitor.client = None;
            }
            Self::Mail { visitor, .. } => visitor.client = None,
        }
    }
}

/// The id of a key, as `misar keys list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(Arc<str>);

impl KeyId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for KeyId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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

impl Class {
    pub const ALL: [Self; 4] = [Self::Human, Self::ProxyHuman, Self::Machine, Self::Bot];

    /// The spelling in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::ProxyHuman => "proxy_human",
            Self::Machine => "machine",
            Self::Bot => "bot",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}
