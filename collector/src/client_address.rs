//! Whose address a request comes from: the peer's, or, behind proxies that are trusted, the one
//! that the nearest of them saw. And what else is kept of who stands behind a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{HOST, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Version};
use ipnet::IpNet;

use store::record::{Client, Personal};
use store::secrets;

/// Headers that tell machines from people, kept with what browsers and mail clients send. `store::classify` says which rule
/// reads which, and where each rule comes from.
const CLASSIFYING_HEADERS: [&str; 5] = ["sec-purpose", "purpose", "x-purpose", "x-moz", "referer"];
/// Of a header so many bytes are kept.
const MAX_HEADER_BYTES: usize = 1_024;

/// The connection's other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

/// Follows `X-Forwarded-For` from the right for as long as the speaker is trusted; what a stranger
/// wrote into it is never believed. IPv4 addresses mapped into IPv6 come out as IPv4.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut speaker = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(&speaker) {
            break;
        }
        match parse_hop(hop.trim()) {
            Some(address) => speaker = address.to_canonical(),
            None => break,
        }
    }
    speaker
}

/// Who stands behind a request of a browser or mail client, as it is kept; with the address.
pub(crate) fn client_of(parts: &Parts, trusted: &[IpNet]) -> (IpAddr, Client) {
    // The server puts the peer into every request.
    let peer = parts
        .extensions
        .get::<Peer>()
        .map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.ip());
    let address = client_address(peer, &parts.headers, trusted);
    let header = |name: &str| {
        // Names of devices are not always ASCII.
        let value = String::from_utf8_lossy(parts.headers.get(name)?.as_bytes());
        // A referrer is an address, and people put keys into those.
        let value = secrets::mask(&value);
        let end = value.floor_char_boundary(MAX_HEADER_BYTES);
        Some(Personal(value[..end].to_owned()))
    };
    let client = Client {
        address: Personal(address.to_string()),
        agent: header("user-agent"),
        headers: CLASSIFYING_HEADERS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), header(name)?)))
            .collect(),
    };
    (address, client)
}

/// `203.0.113.7`, `203.0.113.7:1234`, `2001:db8::1`, `[2001:db8::1]:1234`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

/// Headers in which a proxy says for whom it asks.
const CLIENT_HEADERS: [&str; 11] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
];

/// Whether a proxy says for whom it asks.
pub(crate) fn names_a_client(headers: &HeaderMap) -> bool {
    CLIENT_HEADERS
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// True where the request comes from this machine and nothing hints at a proxy in between, which
/// would make a stranger look as if it came from here. Beside the headers of proxies, a `Host` that is
/// no loopback one hints at it, and so does HTTP/1.0: nginx's bare `proxy_pass` speaks it, and names
/// our own address as the host.
pub(crate) fn is_local(peer: IpAddr, version: Version, headers: &HeaderMap) -> bool {
    let is_forwarded = names_a_client(headers)
        || headers
            .keys()
            .any(|name| name == VIA || name.as_str().starts_with("x-forwarded-"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    peer.to_canonical().is_loopback()
        && !is_forwarded
        && version >= Version::HTTP_11
        && host.is_some_and(is_loopback_host)
}

/// `localhost` or an address of the machine itself, with or without a port; an IPv6 address stands in
/// brackets.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_strangers_header_is_not_believed() {
        assert_eq!(resolve("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_believed_up_to_the_first_stranger() {
        assert_eq!(resolve("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            resolve("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            resolve("10.0.0.1", &["6.6.6.6", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            resolve("::ffff:10.0.0.1", &["[2001:db8::1]:443"]),
            "2001:db8::1"
        );
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_walk() {
        assert_eq!(resolve("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(resolve("10.0.0.1", &[""]), "10.0.0.1");
    }

    #[test]
    fn only_a_request_without_a_hint_of_a_proxy_is_local() {
        let is_local = |peer: &str, version, pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            is_local(peer.parse().unwrap(), version, &headers)
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "localhost",
            "LocalHost:80",
            "misar.localhost",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(
                is_local("127.0.0.1", Version::HTTP_11, &[("host", host)]),
                "{host}"
            );
            assert!(
                is_local("::1", Version::HTTP_11, &[("host", host)]),
                "{host}"
            );
            assert!(
                !is_local("10.0.0.1", Version::HTTP_11, &[("host", host)]),
                "{host}"
            );
            // nginx's `proxy_pass` with nothing beside it.
            assert!(
                !is_local("127.0.0.1", Version::HTTP_10, &[("host", host)]),
                "{host}"
            );
            for header in [
                "x-forwarded-for",
                "forwarded",
                "x-real-ip",
                "via",
                "x-forwarded-proto",
                "cf-connecting-ip",
            ] {
                let pairs = [("host", host), (header, "x")];
                assert!(!is_local("127.0.0.1", Version::HTTP_11, &pairs), "{header}");
            }
        }
        for host in [
            "track.example",
            "localhost.example",
            "10.0.0.1",
            "[2001:db8::1]",
            "127.0.0.1.nip.io",
            "",
            "a b",
        ] {
            assert!(
                !is_local("127.0.0.1", Version::HTTP_11, &[("host", host)]),
                "{host}"
            );
        }
        assert!(!is_local("127.0.0.1", Version::HTTP_11, &[]));
    }
}
