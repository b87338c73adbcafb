//! Origins: `scheme://host[:port]` as browsers send it, and the patterns of a key's allow-list.
//! Not what happens to a request whose origin is missing or does not match.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Why a text is no origin. Each message says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error(
        "an origin begins with https:// or http:// (or, for every subdomain, with *.): https://shop.example; those of \
         apps and extensions with capacitor://, ionic://, tauri://, app://, chrome-extension://, moz-extension:// or \
         safari-web-extension://"
    )]
    Scheme,
    #[error(
        "an origin ends behind the host and the port, without path, query or user: https://shop.example"
    )]
    TooMuch,
    #[error("the host of an origin is a name such as shop.example or an address such as [::1]")]
    Host,
    #[error("the host of an origin stands there without the dot at its end")]
    TrailingDot,
    #[error(
        "write the host as browsers send it, in ASCII: münchen.example is xn--mnchen-3ya.example"
    )]
    NotAscii,
    #[error("the port of an origin is a number from 1 to 65535")]
    Port,
    #[error(
        "a star stands for subdomains and only at the beginning, without a scheme: *.example.com"
    )]
    Star,
    #[error("a star needs a domain of at least two parts behind it: *.example.com")]
    TooWide,
}

/// Schemes of pages that no web server serves: apps that are made of web pages, and browsers' extensions.
/// Others are typos more often than schemes.
const APP_SCHEMES: [&str; 8] = [
    "app",
    "capacitor",
    "chrome-extension",
    "ionic",
    "moz-extension",
    "safari-extension",
    "safari-web-extension",
    "tauri",
];

/// An origin: scheme, host in lower case, and the port where it is not the scheme's own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// As browsers write it.
    text: String,
    host: std::ops::Range<usize>,
}

impl Origin {
    /// Reads `scheme://host[:port]` of http or https, in any case, and nothing behind it.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let origin = Self::parse_of_any(text)?;
        if origin.is_of_the_web() {
            Ok(origin)
        } else {
            Err(OriginError::Scheme)
        }
    }

    /// The same also of an app or an extension: `capacitor://localhost`, `chrome-extension://ID`.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub fn parse_of_any(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let is = |known: &str| scheme.eq_ignore_ascii_case(known);
        let app = APP_SCHEMES.into_iter().find(|known| is(known));
        let (scheme, own_port) = match app {
            _ if is("https") => ("https", Some(443)),
            _ if is("http") => ("http", Some(80)),
            Some(app) => (app, None),
            None => return Err(OriginError::Scheme),
        };
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(OriginError::TooMuch);
        }
        let (host, port) = split_port(rest)?;
        let host = normal_host(host)?;
        let start = scheme.len() + "://".len();
        let mut text = format!("{scheme}://{host}");
        let host = start..text.len();
        if let Some(port) = port
            && Some(port) != own_port
        {
            text.push_str(&format!(":{port}"));
        }
        Ok(Self { text, host })
    }

    fn is_of_the_web(&self) -> bool {
        self.text.starts_with("https://") || self.text.starts_with("http://")
    }

    /// The origin of a server at this address, over http.
    pub fn of_address(address: SocketAddr) -> Self {
        let start = "http://".len();
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let mut text = format!("http://{host}");
        let host = start..text.len();
        if address.port() != 80 {
            text.push_str(&format!(":{}", address.port()));
        }
        Self { text, host }
    }

    /// As browsers write it: lower case, without the scheme's own port.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.text[self.host.clone()]
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One entry of a key's allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OriginPattern {
    /// This origin alone.
    Exact(Origin),
    /// Every subdomain at any depth over http or https on any port, not the domain itself. Holds
    /// the domain with the dot before it, in lower case.
    Subdomains(String),
}

impl OriginPattern {
    /// Reads `https://shop.example`, `capacitor://localhost` or `*.example.com`. One slash at the end is forgiven, because
    /// it comes with every address that is copied from a browser.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if let Some(domain) = text.strip_prefix("*.") {
            if domain.contains(['/', '?', '#', '@', '\\', ':']) {
                return Err(OriginError::Star);
            }
            let domain = normal_host(domain)?;
            if !domain.contains('.') && domain != "localhost" {
                return Err(OriginError::TooWide);
            }
            return Ok(Self::Subdomains(format!(".{domain}")));
        }
        if text.contains('*') {
            return Err(OriginError::Star);
        }
        Origin::parse_of_any(text.strip_suffix('/').unwrap_or(text)).map(Self::Exact)
    }

    /// Whether the value of an `Origin` header is meant. `null` never is.
    pub fn matches(&self, header: &str) -> bool {
        match self {
            // What browsers send is normal already; the parser is for all other callers.
            Self::Exact(origin) => {
                origin.as_str() == header
                    || Origin::parse_of_any(header).is_ok_and(|sent| sent == *origin)
            }
            Self::Subdomains(domain) => Origin::parse(header).is_ok_and(|sent| {
                sent.host().len() > domain.len() && sent.host().ends_with(domain)
            }),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => origin.fmt(f),
            Self::Subdomains(domain) => write!(f, "*{domain}"),
        }
    }
}

/// Host and port; the colons within brackets are the address's own.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    let behind_host = match authority.find(']') {
        Some(end) => end + 1,
        None if authority.starts_with('[') => authority.len(),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(behind_host);
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = port.strip_prefix(':').ok_or(OriginError::Host)?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OriginError::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(OriginError::Port),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// A name or an address in lower case; an IPv6 address in its shortest form, as browsers write it.
fn normal_host(host: &str) -> Result<String, OriginError> {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .and_then(|address| address.parse::<Ipv6Addr>().ok())
            .map(|address| format!("[{address}]"))
            .ok_or(OriginError::Host);
    }
    if !host.is_ascii() {
        return Err(OriginError::NotAscii);
    }
    if host.contains('*') {
        return Err(OriginError::Star);
    }
    if host.len() > 1 && host.ends_with('.') {
        return Err(OriginError::TrailingDot);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err(OriginError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
