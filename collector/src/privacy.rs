//! What is kept of who stands behind the request of a browser or mail client, once the request is judged: folds and
//! answers read the verdict alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use url::Url;

use store::record::{Client, Personal};

/// Bits that are kept of an address.
const BITS_OF_V4: u32 = 24;
const BITS_OF_V6: u32 = 48;
const REFERER: &str = "referer";

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privacy {
    /// The whole address, and the address of the page before
    Full,
    /// The network of the address (/24, /48), and of the page before its origin
    #[default]
    Truncated,
    /// Who it was taken for (a person or a machine) and why; no address, no agent, no header
    VerdictOnly,
}

impl Privacy {
    /// The spelling in settings.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Truncated => "truncated",
            Self::VerdictOnly => "verdict-only",
        }
    }

    /// What is kept of a client; nothing of address and page before of one who asked not to be followed.
    pub(crate) fn kept(self, client: Client, is_anonymous: bool) -> Option<Client> {
        let Client {
            mut address,
            agent,
            mut headers,
        } = client;
        match self {
            Self::VerdictOnly => return None,
            Self::Full => {}
            Self::Truncated => {
                address = Personal(network_of(&address.0));
                headers = headers
                    .into_iter()
                    .filter_map(|(name, value)| {
                        let value = match name.as_str() {
                            REFERER => Personal(origin_of(&value.0)?),
                            _ => value,
                        };
                        Some((name, value))
                    })
                    .collect();
            }
        }
        if is_anonymous {
            address = Personal(String::new());
            headers.retain(|(name, _)| name != REFERER);
        }
        Some(Client {
            address,
            agent,
            headers,
        })
    }
}

/// The first address of the network that an address lies in; nothing of what is none.
fn network_of(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            let mask = u32::MAX << (u32::BITS - BITS_OF_V4);
            Ipv4Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Ok(IpAddr::V6(address)) => {
            let mask = u128::MAX << (u128::BITS - BITS_OF_V6);
            Ipv6Addr::from_bits(address.to_bits() & mask).to_string()
        }
        Err(_) => String::new(),
    }
}

/// Scheme, host and port of a page; nothing of what has none.
fn origin_of(address: &str) -> Option<String> {
    let origin = Url::parse(address).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let header = |name: &str, value: &str| (name.to_owned(), Personal(value.into()));
        Client {
            address: Personal("203.0.113.77".into()),
            agent: Some(Personal("Agent/1".into())),
            headers: vec![
                header("purpose", "prefetch"),
                header("referer", "https://shop.example:8443/cart?item=7"),
            ],
        }
    }

    #[test]
    fn each_mode_keeps_what_it_says() {
        assert_eq!(Privacy::Full.kept(client(), false), Some(client()));
        assert_eq!(Privacy::VerdictOnly.kept(client(), false), None);
        let kept = Privacy::Truncated.kept(client(), false).unwrap();
        assert_eq!(kept.address.0, "203.0.113.0");
        assert_eq!(kept.agent, client().agent);
        assert_eq!(kept.headers[0], client().headers[0]);
        assert_eq!(kept.headers[1].1.0, "https://shop.example:8443");
        for mode in [Privacy::Full, Privacy::Truncated] {
            let kept = mode.kept(client(), true).unwrap();
            assert_eq!((kept.address.0.as_str(), kept.headers.len()), ("", 1));
        }
    }

    /// Else `misar privacy apply` would never be done.
    #[test]
    fn what_was_kept_in_a_mode_is_kept_in_it_again() {
        for mode in [Privacy::Full, Privacy::Truncated] {
            for is_anonymous in [true, false] {
                let kept = mode.kept(client(), is_anonymous).unwrap();
                assert_eq!(mode.kept(kept.clone(), false), Some(kept));
            }
        }
    }

    #[test]
    fn a_mode_has_one_spelling() {
        for mode in Privacy::value_variants() {
            let value = mode.to_possible_value().unwrap();
            assert_eq!(value.get_name(), mode.as_str());
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
    }

    #[test]
    fn addresses_are_cut_to_their_networks_and_pages_to_their_origins() {
        for (address, network) in [
            ("198.51.100.255", "198.51.100.0"),
            ("2001:db8:1:2:3::4", "2001:db8:1::"),
            ("nothing", ""),
        ] {
            assert_eq!(network_of(address), network);
        }
        for (page, origin) in [
            ("https://a.example/x?y#z", Some("https://a.example")),
            ("http://user:pass@a.example:80/", Some("http://a.example")),
            ("android-app://com.example/", None),
            ("about:blank", None),
            ("", None),
        ] {
            assert_eq!(origin_of(page).as_deref(), origin, "{page}");
        }
    }
}
