//! Which links of a message lead to one page, and which of its clicks come from one network: what the
//! rule of bursts counts. Pure; the fold does the counting (`views::engagement::message`).
//!
//! A record keeps neither page nor network for this, but a mark of each: an HMAC under the workspace's
//! key over the messageId too, so that equal marks say something within one message and nothing beyond
//! it.

use std::collections::HashSet;
use std::net::IpAddr;

use url::Url;

use crate::record::ClickMarks;
use crate::record::WorkspaceKey;

/// How many different pages these targets lead to.
pub fn different<'a>(targets: impl Iterator<Item = &'a str>) -> u32 {
    let pages: HashSet<String> = targets.map(page).collect();
    u32::try_from(pages.len()).unwrap_or(u32::MAX)
}

/// The page that a target leads to, as text: without its fragment, which is a place within a page unless
/// it is a route (`#/…`, `#!…`), and without `utm_…` parameters, which name the link and not what it
/// leads to. Spellings that browsers take for one address are one.
pub fn page(target: &str) -> String {
    let Ok(mut url) = Url::parse(target) else {
        return target.to_owned();
    };
    let is_place = |fragment: &str| !fragment.starts_with(['/', '!']);
    if url.fragment().is_some_and(is_place) {
        url.set_fragment(None);
    }
    if let Some(query) = url.query() {
        let is_name = |part: &&str| {
            !part
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("utm_"))
        };
        let kept: Vec<&str> = query.split('&').filter(is_name).collect();
        let kept = kept.join("&");
        url.set_query((!kept.is_empty()).then_some(&kept));
    }
    url.into()
}

/// The network that counts as one in a burst: the first 24 bits of an IPv4 address, the first 64 of an
/// IPv6 one. Scanners spread over the addresses of a network; two customers of a provider do not share
/// one.
pub fn network(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits() >> 8 << 8).to_be_bytes(),
        IpAddr::V6(v6) => (v6.to_bits() >> 64 << 64).to_be_bytes(),
    }
}

/// The marks of a click.
pub fn marks(key: &WorkspaceKey, message_id: &str, target: &str, address: IpAddr) -> ClickMarks {
    let mark = |what: &str, value: &[u8]| {
        let mac = key.mac(&[what.as_bytes(), message_id.as_bytes(), value]);
        let [a, b, c, d, e, f, g, h, ..] = mac;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    };
    ClickMarks {
        target: mark("click target", page(target).as_bytes()),
        network: mark("click network", &network(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_links_to_one_page_are_one_and_other_pages_are_others() {
        let same = [
            "https://shop.example/p?id=7",
            "HTTPS://Shop.example:443/p?id=7#reviews",
            "https://shop.example/p?utm_source=mail&id=7&UTM_Content=button",
        ];
        assert_eq!(different(same.into_iter()), 1);
        let others = [
            "https://shop.example/p?id=7",
            "https://shop.example/p?id=8",
            "https://shop.example/p",
            "https://shop.example/q?id=7",
            "http://shop.example/p?id=7",
            "https://shop.example/p?utm=7",
            "https://shop.example/#/p/7",
            "https://shop.example/#/p/8",
            "no address",
        ];
        assert_eq!(different(others.into_iter()), 9);
        assert_eq!(different(std::iter::empty()), 0);
        assert_eq!(
            page("https://a.example/?utm_source=x"),
            "https://a.example/"
        );
    }

    #[test]
    fn a_network_is_24_bits_of_ipv4_and_64_of_ipv6() {
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8::1", "2001:db8:0:0:ffff::", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|address| network(address.parse().unwrap()));
            assert_eq!(one == other, is_same);
        }
    }

    #[test]
    fn marks_say_nothing_beyond_their_message_and_workspace() {
        let keys = [WorkspaceKey([1; 32]), WorkspaceKey([2; 32])];
        let address = "192.0.2.1".parse().unwrap();
        let of =
            |key: usize, message: &str| marks(&keys[key], message, "https://a.example/#x", address);
        assert_eq!(
            of(0, "m"),
            marks(&keys[0], "m", "https://a.example/", address)
        );
        for other in [of(1, "m"), of(0, "n")] {
            assert_ne!(other.target, of(0, "m").target);
            assert_ne!(other.network, of(0, "m").network);
        }
    }
}
