//! The floods, each in a process of its own: this program, called again. It ends by itself, after its
//! time or with whoever started it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use shared::api_key::{ApiKey, KeyKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;
use crate::child::Tied;
use crate::http::{Connection, post};
use crate::server::Server;

/// The first argument of a call that is to flood; then the flood, the address and the seconds. The keys
/// come on stdin.
pub(crate) const COMMAND: &str = "flood";
const CONNECTIONS: usize = 16;
/// No flood asks more often, however long it takes.
const MAX_REQUESTS: u64 = 3_000_000;
/// The flood stands before the honest load begins.
const SETTLING: Duration = Duration::from_millis(500);
const MB: usize = 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    Nothing,
    MembersToMessages,
    MembersToBatch,
    Bomb,
    BombToMessages,
    Stalled,
    EmptyBodies,
    Events,
    Links,
    BadKeys,
    Garbage,
    Markup,
}

impl Flood {
    pub(crate) const ALL: [Self; 12] = [
        Self::Nothing,
        Self::MembersToMessages,
        Self::MembersToBatch,
        Self::Bomb,
        Self::BombToMessages,
        Self::Stalled,
        Self::EmptyBodies,
        Self::Events,
        Self::Links,
        Self::BadKeys,
        Self::Garbage,
        Self::Markup,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "16 connections that ask /healthz",
            Self::MembersToMessages => "(a) 32 MB of empty members, /v1/messages",
            Self::MembersToBatch => "(b) 1 MB of empty members, /v1/track/batch",
            Self::Bomb => "(c) 32 KB that inflate to 32 MB, batch",
            Self::BombToMessages => "(c) the same with a write key, /v1/messages",
            Self::Stalled => "(d) bodies held one byte short",
            Self::EmptyBodies => "(e) empty bodies with a public key",
            Self::Events => "(f) 1,000 events at once, public key",
            Self::Links => "(g) 246,723 links, write key of another",
            Self::BadKeys => "(h) keys that nobody has",
            Self::Garbage => "(i) 1 MB that is no JSON, public key",
            Self::Markup => "(i) markup inside text inside text, write key",
        }
    }

    /// The series that grows.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Self::Nothing => r#"misar_http_requests_total{route="/healthz",status="200"}"#,
            Self::MembersToMessages => r#"misar_bodies_refused_total{reason="no_key"}"#,
            Self::MembersToBatch => r#"misar_bodies_refused_total{reason="gzip_members"}"#,
            Self::Bomb => r#"misar_bodies_refused_total{reason="too_large"}"#,
            Self::BombToMessages => r#"misar_bodies_refused_total{reason="gzip_ratio"}"#,
            Self::Stalled => r#"misar_bodies_refused_total{reason="address_share"}"#,
            Self::EmptyBodies => r#"misar_bodies_refused_total{reason="empty"}"#,
            Self::Events => r#"misar_rate_limits_total{limit="address"}"#,
            Self::Links => r#"misar_messages_refused_total{reason="links"}"#,
            Self::BadKeys => r#"misar_requests_refused_total{code="unknown_key"}"#,
            Self::Garbage => r#"misar_requests_refused_total{code="malformed"}"#,
            Self::Markup => r#"misar_http_requests_total{route="/v1/messages",status="200"}"#,
        }
    }

    /// Whether it is a flood.
    pub(crate) fn is_one(self) -> bool {
        self != Self::Nothing
    }
}

/// A flood on its way.
pub(crate) struct Flooding(Tied, Duration);

impl Flooding {
    pub(crate) fn start(flood: Flood, server: &Server, seconds: Duration) -> Result<Self, Failure> {
        let number = Flood::ALL
            .iter()
            .position(|one| *one == flood)
            .ok_or("no such flood")?;
        let seconds = seconds + SETTLING * 2;
        let mut process = Tied::spawn(
            Command::new(std::env::current_exe()?)
                .args([COMMAND, &number.to_string(), &server.address.to_string()])
                .arg(seconds.as_secs_f64().to_string())
                .stdout(Stdio::piped()),
        )?;
        let stdin = process.child().stdin.as_mut().ok_or("no pipe")?;
        writeln!(
            stdin,
            "{}\n{}\n{}",
            server.public[0], server.writer, server.other_public
        )?;
        Ok(Self(process, seconds))
    }

    /// How long to wait until it stands.
    pub(crate) fn settling(&self) -> Duration {
        SETTLING
    }

    /// Waits for its end; how many requests it sent.
    pub(crate) fn end(mut self) -> Result<u64, Failure> {
        let stdout = self.0.child().stdout.take().ok_or("no pipe")?;
        self.0.wait(self.1 + crate::child::DEADLINE)?;
        let mut text = String::new();
        BufReader::new(stdout).read_to_string(&mut text)?;
        Ok(text.trim().parse()?)
    }
}

struct Keys {
    public: String,
    writer: String,
    other_public: String,
}

pub(crate) fn run(flood: &str, address: &str, seconds: &str) -> Result<(), Failure> {
    // Whoever floods has a machine of their own: here they take what others leave.
    #[cfg(target_os = "linux")]
    rustix::process::setpriority_process(None, 15)?;
    let flood = *Flood::ALL
        .get(flood.parse::<usize>()?)
        .ok_or("no such flood")?;
    let address: SocketAddr = address.parse()?;
    let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
    let mut lines = std::io::stdin().lock().lines();
    let mut line = || lines.next().ok_or("no keys")?.map_err(Failure::from);
    let keys = Keys {
        public: line()?,
        writer: line()?,
        other_public: line()?,
    };
    let request: Arc<(Vec<u8>, Vec<u8>)> = Arc::new(request(flood, &keys));
    let asked = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (request, asked) = (Arc::clone(&request), Arc::clone(&asked));
            connections.spawn(async move {
                let flooding = async {
                    if flood == Flood::Stalled {
                        return stall(address, &request, &asked).await;
                    }
                    let mut connection = Connection::new(address);
                    while asked.fetch_add(1, Ordering::Relaxed) < MAX_REQUESTS {
                        let answer = connection.ask(&[&request.0, &request.1]).await;
                        drop(answer);
                        // 1,000 requests a second in all is what this one is allowed.
                        if flood == Flood::Events {
                            tokio::time::sleep(Duration::from_millis(CONNECTIONS as u64)).await;
                        }
                    }
                };
                tokio::time::timeout_at(end.into(), flooding).await.ok();
            });
        }
        connections.join_all().await;
    });
    println!("{}", asked.load(Ordering::Relaxed));
    Ok(())
}

/// Opens bodies and leaves them one byte short, eight of 32 MB and then of a megabyte each; another one
/// where one was refused.
async fn stall(address: SocketAddr, request: &(Vec<u8>, Vec<u8>), asked: &AtomicU64) {
    let mut held = Vec::new();
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            asked.fetch_add(1, Ordering::Relaxed);
            if stream.write_all(&request.0).await.is_ok() {
                stream.write_all(&request.1[1..]).await.ok();
            }
            held.push(stream);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        held.retain(|stream| {
            let mut answer = [0; 512];
            // Nothing to read is what a body that is still wanted looks like.
            matches!(stream.try_read(&mut answer), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
        });
        if held.len() > 64 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .unwrap_or_default()
}

/// The header and the body.
fn request(flood: Flood, keys: &Keys) -> (Vec<u8>, Vec<u8>) {
    // One address, as a scanner has it.
    let from = "X-Forwarded-For: 203.0.113.66\r\nContent-Type: application/json\r\n";
    let gzipped = format!("{from}Content-Encoding: gzip\r\n");
    let writer = format!("{from}Authorization: Bearer {}\r\n", keys.writer);
    let public = format!("{from}X-API-Key: {}\r\n", keys.public);
    let (path, headers, body) = match flood {
        Flood::Nothing => {
            let request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
            return (request.to_vec(), Vec::new());
        }
        Flood::MembersToMessages => {
            let member = gzip(b"");
            let body = member.repeat(32 * MB / member.len());
            ("/v1/messages", gzipped, body)
        }
        Flood::MembersToBatch => {
            let member = gzip(b"");
            // What a batch's body may be, or it would be refused for its size.
            let body = member.repeat(MB / member.len());
            ("/v1/track/batch", gzipped, body)
        }
        Flood::Bomb => ("/v1/track/batch", gzipped, gzip(&vec![b' '; 32 * MB])),
        Flood::BombToMessages => {
            let headers = format!("{writer}Content-Encoding: gzip\r\n");
            ("/v1/messages", headers, gzip(&vec![b' '; 32 * MB]))
        }
        Flood::Stalled => ("/v1/track/batch", from.to_owned(), vec![b' '; MB]),
        Flood::EmptyBodies => ("/v1/track/event", public, Vec::new()),
        Flood::Events => {
            let event = r#"{"type":"track","email":"reader@example.com","event":"x","properties":{"plan":"pro"}}"#;
            let events = vec![event; 1_000].join(",");
            let body = format!(r#"{{"events":[{events}]}}"#);
            let headers = format!("{from}X-API-Key: {}\r\n", keys.other_public);
            ("/v1/track/batch", headers, body.into_bytes())
        }
        Flood::Links => {
            let html = "<a href=http://a>".repeat(246_723);
            let body = format!(r#"{{"email":"reader@example.com","html":"{html}"}}"#);
            ("/v1/messages", writer, body.into_bytes())
        }
        Flood::BadKeys => {
            // Well-formed, and nobody's.
            let key = ApiKey::generate(KeyKind::Secret, &mut || 7);
            let headers = format!("{from}Authorization: Bearer {}\r\n", key.as_str());
            (
                "/v1/track/event",
                headers,
                br#"{"email":"a@example.com","event":"x"}"#.to_vec(),
            )
        }
        Flood::Garbage => {
            let body = format!("{{\"events\":[{}", "[1,2,3],".repeat(MB / 8 - 4));
            ("/v1/track/batch", public, body.into_bytes())
        }
        Flood::Markup => {
            let nest = |inner: &str| {
                format!(
                    "<noscript>{inner}</noscript><!--[if mso]>{inner}<![endif]--><select><xmp><a href=http://a></xmp></select>"
                )
            };
            let mut html = "<p>text</p>".repeat(20);
            for _ in 0..8 {
                html = nest(&html);
            }
            let body = format!(
                r#"{{"email":"reader@example.com","html":"{}"}}"#,
                html.replace('"', "\\\"")
            );
            ("/v1/messages", writer, body.into_bytes())
        }
    };
    (post(path, &headers, body.len()), body)
}
