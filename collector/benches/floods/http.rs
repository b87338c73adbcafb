//! As much of an HTTP client as the load needs: one request at a time on a kept connection, and the
//! answer with its length in the header.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer that is longer is nothing that the load asks for.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Sends the request and reads the answer; connects anew where the server has closed.
    pub(crate) async fn ask(&mut self, request: &[&[u8]]) -> io::Result<Answer> {
        let answer = self.try_ask(request).await;
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    async fn try_ask(&mut self, request: &[&[u8]]) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let (mut read, mut write) = stream.split();
        let sending = async {
            for part in request {
                // A server that has seen enough answers before all is sent.
                if write.write_all(part).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let buffer = &mut self.buffer;
        buffer.clear();
        let reading = async {
            loop {
                if let Some((head, length)) = head(buffer) {
                    if length > MAX_ANSWER {
                        return Err(io::Error::from(io::ErrorKind::InvalidData));
                    }
                    if buffer.len() >= head + length {
                        return Ok((head, length));
                    }
                }
                if read.read_buf(buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        };
        let (start, length) = tokio::select! {
            () = sending => return Err(io::ErrorKind::Other.into()),
            read = reading => read?,
        };
        let text = String::from_utf8_lossy(&buffer[..start]).to_ascii_lowercase();
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        if text.contains("connection: close") || status == 413 {
            self.stream = None;
        }
        Ok(Answer {
            status,
            body: self.buffer[start..start + length].to_vec(),
        })
    }
}

/// Where the header ends and how long the body is.
fn head(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0);
    Some((end, length))
}

/// A request's header.
pub(crate) fn post(path: &str, headers: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n{headers}\r\n")
        .into_bytes()
}
