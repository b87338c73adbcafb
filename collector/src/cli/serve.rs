//! `misar serve`: the settings of a server, each of which is checked here once. What a server does is
//! `server`'s.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use jiff::{Span, SpanRelativeTo};
use store::retention::LEAST_MS;

use super::size::parse_size;
use crate::privacy::Privacy;
use crate::public_url::PublicUrl;
use crate::server::settings::{LogFormat, Settings};

/// Where a server listens unless it is told.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Takes events over HTTP until it is told to stop (SIGTERM, SIGHUP, Ctrl-C)
#[derive(Debug, Args)]
#[command(after_help = "\
Example, behind a proxy on the same machine:
  misar serve --public-url https://track.example --trusted-proxy 127.0.0.1")]
pub(super) struct Serve {
    /// The address and port to listen on
    #[arg(
        long,
        value_name = "ADDR",
        env = "MISAR_LISTEN",
        default_value_t = DEFAULT_LISTEN,
        value_parser = parse_listen
    )]
    listen: SocketAddr,
    /// Where pages and mails reach this server; http:// and the listening address without it
    #[arg(
        long,
        value_name = "URL",
        env = "MISAR_PUBLIC_URL",
        value_parser = PublicUrl::parse
    )]
    public_url: Option<PublicUrl>,
    /// Proxies whose word for the client's address is taken (X-Forwarded-For): addresses or networks
    /// such as 10.0.0.0/8; repeatable. Without it the peer's own address counts
    #[arg(
        long = "trusted-proxy",
        value_name = "CIDR",
        env = "MISAR_TRUSTED_PROXY",
        value_delimiter = ',',
        num_args = 1..,
        value_parser = parse_network
    )]
    trusted_proxies: Vec<IpNet>,
    /// Serves a demo shop on an address of its own, to see the tracker at work; leave it out in
    /// production
    #[arg(
        long,
        value_name = "ADDR",
        env = "MISAR_DEMO_LISTEN",
        default_value = "",
        hide_default_value = true,
        value_parser = parse_demo_listen
    )]
    demo_listen: DemoListen,
    /// Tells the metrics of the whole process to everybody who reaches this address, and nothing else:
    /// for a monitoring network. At --listen they take a key (`misar keys create --operator`) or a
    /// request of this machine to its loopback address
    #[arg(
        long,
        value_name = "ADDR",
        env = "MISAR_METRICS_LISTEN",
        value_parser = parse_listen
    )]
    metrics_listen: Option<SocketAddr>,
    /// The file that notes who was erased (a keyed hash and the time, never an address), for
    /// `misar restore --erasures`. Beside the data folder under its name with .erasures without it; keep it
    /// where the folder's loss does not take it
    #[arg(long, value_name = "FILE", env = "MISAR_ERASURES")]
    erasures: Option<PathBuf>,
    /// The memory for what contacts did, beside 24 bytes for each contact: 512M, 4G. What does not fit is put aside on
    /// the disk and read again, which takes a few microseconds for each event; 150 bytes for each contact hold all
    #[arg(
        long,
        value_name = "SIZE",
        env = "MISAR_CACHE",
        default_value = "512M",
        value_parser = parse_cache
    )]
    cache: usize,
    /// How long the log keeps events, such as 400d; 7d at the least. What is older goes, by whole files, within hours; what
    /// was counted of it stays (scores, reports, segments), and who is a contact. Without it events stay for ever
    #[arg(
        long,
        value_name = "TIME",
        env = "MISAR_RETENTION",
        default_value = "",
        hide_default_value = true,
        value_parser = parse_retention
    )]
    retention: Kept,
    /// What is kept of who stands behind the requests of browsers and mail programs, once it is told whether it was a
    /// person. What was recorded before stays as it is until `misar privacy apply`
    #[arg(
        long,
        value_name = "MODE",
        env = "MISAR_PRIVACY",
        default_value = "truncated"
    )]
    privacy: Privacy,
    /// Takes a page's word for who its visitor is only with a signature of your server: see docs/identify.md. Without
    /// it, what a page says with an address is recorded under its anonymousId alone
    #[arg(
        long,
        env = "MISAR_REQUIRE_SIGNED_IDENTIFY",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    require_signed_identify: bool,
    /// How to log, on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        env = "MISAR_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,
}

impl Serve {
    fn into_settings(self, data: PathBuf) -> Settings {
        Settings {
            listen: self.listen,
            data,
            demo_listen: self.demo_listen.0,
            public_url: self.public_url,
            trusted_proxies: self.trusted_proxies,
            metrics_listen: self.metrics_listen,
            erasures: self.erasures,
            cache: self.cache,
            retention: self.retention.0,
            privacy: self.privacy,
            require_signed_identify: self.require_signed_identify,
            log_format: self.log_format,
        }
    }
}

pub(super) fn run(serve: Serve, data: PathBuf) -> Result<(), String> {
    let settings = serve.into_settings(data);
    start_log(settings.log_format);
    crate::server::run(&settings)
}

/// Log lines go to standard error from level info up. What is logged is decided in the code, and
/// `RUST_LOG` is not read: a level that was never looked at could log what must not be logged.
fn start_log(format: LogFormat) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "it is an address and a port, such as 127.0.0.1:8080 or [::]:8080".to_owned())
}

/// An address, or nothing: an empty variable turns the shop off.
#[derive(Debug, Clone, Copy)]
struct DemoListen(Option<SocketAddr>);

fn parse_demo_listen(text: &str) -> Result<DemoListen, String> {
    if text.is_empty() {
        return Ok(DemoListen(None));
    }
    parse_listen(text).map(|address| DemoListen(Some(address)))
}

/// Less is of no use.
const LEAST_CACHE: usize = 16 * 1024 * 1024;

fn parse_cache(text: &str) -> Result<usize, String> {
    match parse_size(text) {
        Some(size) if size >= LEAST_CACHE => Ok(size),
        Some(_) => Err("it is 16M at the least".to_owned()),
        None => Err("it is a number of bytes, such as 512M or 4G".to_owned()),
    }
}

/// A time in milliseconds, or nothing: an empty variable keeps everything.
#[derive(Debug, Clone, Copy)]
struct Kept(Option<i64>);

fn parse_retention(text: &str) -> Result<Kept, String> {
    if text.is_empty() {
        return Ok(Kept(None));
    }
    let span = text.parse::<Span>().ok();
    let millis = span.and_then(|span| {
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        i64::try_from(span.as_millis()).ok()
    });
    match millis {
        Some(millis) if millis >= LEAST_MS => Ok(Kept(Some(millis))),
        Some(_) => Err("it is 7d at the least: so long ids tell what was sent twice".to_owned()),
        None => Err("it is a time, such as 400d or 52w".to_owned()),
    }
}

/// A network, or an address that stands for itself alone.
fn parse_network(text: &str) -> Result<IpNet, String> {
    // One of a list: blanks around it come with the commas.
    let text = text.trim();
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        // Bits behind the prefix say nothing: 10.0.0.1/8 is 10.0.0.0/8.
        Err(_) => text.parse::<IpNet>().ok().map(|network| network.trunc()),
    };
    network.ok_or_else(|| {
        "it is an address such as 10.0.0.1 or a network such as 10.0.0.0/8".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    fn settings(line: &[&str]) -> Result<Settings, String> {
        Line::try_parse_from(std::iter::once(&"misar").chain(line))
            .map(|line| line.serve.into_settings("d".into()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_setting_has_a_default() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.demo_listen, None);
        assert_eq!(settings.public_url, None);
        assert!(settings.trusted_proxies.is_empty());
        assert_eq!(settings.metrics_listen, None);
        assert_eq!(settings.cache, store::views::DEFAULT_CACHE);
        assert_eq!(settings.retention, None);
        assert_eq!(settings.privacy, Privacy::Truncated);
        assert!(!settings.require_signed_identify);
        assert_eq!(settings.log_format, LogFormat::Text);
    }

    #[test]
    fn a_page_must_be_vouched_for_where_that_is_asked_for() {
        let settings = settings(&["--require-signed-identify"]).unwrap();
        assert!(settings.require_signed_identify);
    }

    #[test]
    fn the_public_url_is_the_root_of_a_host() {
        for (text, url) in [
            ("https://Track.Example/", "https://track.example"),
            ("https://track.example:443", "https://track.example"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            let settings = settings(&["--public-url", text]).unwrap();
            assert_eq!(settings.public_url.unwrap().as_str(), url);
        }
        for text in [
            "",
            "track.example",
            "ftp://track.example",
            "https://track.example/misar",
            "https://track.example/?a=1",
            "https://user@track.example",
            "https://",
            "https://track.example:0",
        ] {
            assert!(settings(&["--public-url", text]).is_err(), "{text}");
        }
        let refusal = settings(&["--public-url", "https://track.example/misar"]).unwrap_err();
        assert!(
            refusal.contains("leave path, query and user out"),
            "{refusal}"
        );
    }

    #[test]
    fn trusted_proxies_are_addresses_and_networks_however_they_are_listed() {
        let all = [
            "10.0.0.0/8",
            "192.168.1.1/32",
            "2001:db8::/32",
            "::1/128",
            "10.1.2.3/32",
        ];
        let lines: [&[&str]; 2] = [
            &[
                "--trusted-proxy",
                "10.0.0.1/8,192.168.1.1",
                "--trusted-proxy",
                "2001:db8::/32,::1,::ffff:10.1.2.3",
            ],
            &[
                "--trusted-proxy",
                "10.0.0.0/8",
                "192.168.1.1",
                "2001:db8::/32",
                "::1",
                "10.1.2.3/32",
            ],
        ];
        for line in lines {
            let networks = settings(line).unwrap().trusted_proxies;
            let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
            assert_eq!(networks, all);
        }
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.1:80",
            "10.0.0.1,,10.0.0.2",
        ] {
            assert!(settings(&["--trusted-proxy", text]).is_err(), "{text}");
        }
    }

    #[test]
    fn the_cache_is_a_size_of_some_use() {
        let cache = |text: &str| settings(&["--cache", text]).map(|settings| settings.cache);
        assert_eq!(cache("4G").unwrap(), 4 << 30);
        assert_eq!(cache("16M").unwrap(), 16 << 20);
        for (text, sentence) in [
            ("15M", "16M at the least"),
            ("0", "16M at the least"),
            ("", "such as 512M or 4G"),
            ("half", "such as 512M or 4G"),
            ("-1G", "such as 512M or 4G"),
        ] {
            let refusal = settings(&[&format!("--cache={text}")]).unwrap_err();
            assert!(refusal.contains(sentence), "{refusal}");
        }
    }

    #[test]
    fn events_are_kept_for_a_week_at_the_least() {
        let retention = |text: &str| {
            let settings = settings(&[&format!("--retention={text}")]);
            settings.map(|settings| settings.retention)
        };
        let day = 24 * 60 * 60 * 1000;
        assert_eq!(retention("400d"), Ok(Some(400 * day)));
        assert_eq!(retention("1w"), Ok(Some(7 * day)));
        assert_eq!(retention(""), Ok(None));
        for text in ["6d", "167h", "0", "400", "1y", "-400d", "soon"] {
            let refusal = retention(text).unwrap_err();
            assert!(refusal.contains("it is "), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_empty_address_turns_the_demo_shop_off() {
        let off = settings(&["--demo-listen", ""]).unwrap();
        assert_eq!(off.demo_listen, None);
        let on = settings(&["--demo-listen", "127.0.0.1:8081"]).unwrap();
        assert_eq!(on.demo_listen, Some(([127, 0, 0, 1], 8081).into()));
        assert!(settings(&["--demo-listen", "8081"]).is_err());
    }

    #[test]
    fn a_listening_address_needs_a_port() {
        for text in ["127.0.0.1", "localhost:8080", ":8080", "127.0.0.1:99999"] {
            let refusal = settings(&["--listen", text]).unwrap_err();
            assert!(refusal.contains("an address and a port"), "{refusal}");
        }
    }
}
