//! The load: keep-alive connections, each with one request at a time, on one thread, so that it
//! leaves the other core to who is asked.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::Failure;

const CONNECTIONS: usize = 32;
/// The last bytes of the pixel; nothing else in an answer ends so.
const END: &[u8] = b"D\x01\0;";

/// How long each answer took.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
        self.0.sort_unstable();
    }

    pub(crate) fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, percent: usize) -> Duration {
        let place = self.0.len() * percent / 100;
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most) = (self.at(50).as_micros(), self.p99().as_micros());
        write!(f, "p50 {half} µs, p99 {most} µs")
    }
}

pub(crate) struct Load {
    runtime: Runtime,
    address: SocketAddr,
}

impl Load {
    pub(crate) fn new(address: SocketAddr) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self { runtime, address })
    }

    /// Asks for each path once.
    pub(crate) fn run(&self, paths: &[String]) -> Result<Times, Failure> {
        let requests: Rc<Vec<Vec<u8>>> = Rc::new(
            paths
                .iter()
                .map(|path| request(path, "keep-alive").into_bytes())
                .collect(),
        );
        let next = Rc::new(Cell::new(0));
        let local = LocalSet::new();
        let address = self.address;
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|_| local.spawn_local(ask(address, Rc::clone(&requests), Rc::clone(&next))))
            .collect();
        let mut times = Times::default();
        self.runtime.block_on(local.run_until(async {
            for one in asking {
                times.add(Times(one.await??));
            }
            Ok::<_, Failure>(())
        }))?;
        Ok(times)
    }

    /// The text of an answer.
    pub(crate) fn text(&self, path: &str) -> Result<String, Failure> {
        self.runtime.block_on(async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(request(path, "close").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        })
    }
}

fn request(path: &str, connection: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\r\n"
    )
}

async fn ask(
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
) -> std::io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut answer = Vec::with_capacity(1024);
    while let Some(request) = requests.get(next.replace(next.get() + 1)) {
        answer.clear();
        let started = Instant::now();
        stream.write_all(request).await?;
        while !answer.ends_with(END) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        times.push(started.elapsed());
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(std::io::Error::other("a pixel was refused"));
        }
    }
    Ok(times)
}
