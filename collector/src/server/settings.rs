//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use ipnet::IpNet;

use crate::privacy::Privacy;
use crate::public_url::PublicUrl;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--listen`, `MISAR_LISTEN`, 127.0.0.1:8080: the address and port. Port 0 means any free one.
    pub listen: SocketAddr,
    /// `--demo-listen`, `MISAR_DEMO_LISTEN`, none: where the demo shop listens. Empty means none.
    pub demo_listen: Option<SocketAddr>,
    /// `--data`, `MISAR_DATA`, misar-data: the data folder.
    pub data: PathBuf,
    /// `--erasures`, `MISAR_ERASURES`: where it is noted who was erased; beside the data folder without it.
    pub erasures: Option<PathBuf>,
    /// `--public-url`, `MISAR_PUBLIC_URL`: where others reach the server. Without it,
    /// [`PublicUrl::listening_on`] the address that was bound: of port 0 nobody knows it before.
    pub public_url: Option<PublicUrl>,
    /// `--trusted-proxy`, `MISAR_TRUSTED_PROXY`, none: whose word for the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// `--metrics-listen`, `MISAR_METRICS_LISTEN`, none: where metrics alone are told, to everybody.
    pub metrics_listen: Option<SocketAddr>,
    /// `--cache`, `MISAR_CACHE`, 512 MB: what the rows of views may take in memory, in bytes; 24 more for each contact.
    pub cache: usize,
    /// `--retention`, `MISAR_RETENTION`, none: how long the log keeps events, in milliseconds, a week at the least.
    /// Without it they stay.
    pub retention: Option<i64>,
    /// `--privacy`, `MISAR_PRIVACY`, truncated: what is kept of who stands behind requests.
    pub privacy: Privacy,
    /// `--require-signed-identify`, `MISAR_REQUIRE_SIGNED_IDENTIFY`, false: a page names nobody without the signature of
    /// its server.
    pub require_signed_identify: bool,
    /// `--log-format`, `MISAR_LOG_FORMAT`, text: the form of log lines.
    pub log_format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}
