//! One client connection: writes prepared bytes, reads one HTTP/1.1 answer.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Connect,
    Timeout,
    /// Closed or reset before the answer was whole.
    Closed,
    /// Not HTTP/1.1, or more than was announced.
    Malformed,
}

impl Fault {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
        }
    }
}

/// What an answer says; its body is read and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) keep_alive: bool,
    /// OpenRTB's reason for no bid, from the header `x-openrtb-nbr`.
    pub(super) nbr: Option<u16>,
}

pub(super) struct Connection {
    stream: TcpStream,
    /// What has been read and not been used yet.
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(READ_BYTES),
        })
    }

    /// Sends `request` and reads its answer to the end. After a fault the connection is useless.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Fault> {
        self.buffer.clear();
        self.stream
            .write_all(request)
            .await
            .map_err(|_| Fault::Closed)?;
        let (mut answer, framing) = loop {
            self.fill().await?;
            if let Some((head_bytes, answer, framing)) = parse_head(&self.buffer)? {
                self.buffer.drain(..head_bytes);
                break (answer, framing);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Fault::Malformed);
            }
        };
        match framing {
            Framing::Length(bytes) => self.skip(bytes).await?,
            Framing::Chunked => self.skip_chunks().await?,
            Framing::UntilClose => {
                answer.keep_alive = false;
                while self.fill().await.is_ok() {
                    self.buffer.clear();
                }
                self.buffer.clear();
            }
        }
        if self.buffer.is_empty() {
            Ok(answer)
        } else {
            Err(Fault::Malformed)
        }
    }

    async fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Fault::Closed),
        }
    }

    async fn skip(&mut self, mut bytes: usize) -> Result<(), Fault> {
        while bytes > self.buffer.len() {
            bytes -= self.buffer.len();
            self.buffer.clear();
            self.fill().await?;
        }
        self.buffer.drain(..bytes);
        Ok(())
    }

    async fn skip_chunks(&mut self) -> Result<(), Fault> {
        loop {
            let line = self.take_line().await?;
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).map_err(|_| Fault::Malformed)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| Fault::Malformed)?;
            if size == 0 {
                // Trailers end with an empty line.
                while !self.take_line().await?.is_empty() {}
                return Ok(());
            }
            self.skip(size).await?;
            if !self.take_line().await?.is_empty() {
                return Err(Fault::Malformed);
            }
        }
    }

    async fn take_line(&mut self) -> Result<Vec<u8>, Fault> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let mut line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(Fault::Malformed);
            }
            self.fill().await?;
        }
    }
}

/// Bytes of the head, what it says and how the body is framed; `None` while it is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Answer, Framing)>, Fault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let head_bytes = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Fault::Malformed),
    };
    let status = response.code.unwrap_or(0);
    let mut keep_alive = response.version == Some(1);
    let mut framing = Framing::UntilClose;
    let mut nbr = None;
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.parse().map_err(|_| Fault::Malformed)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep_alive &= !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("x-openrtb-nbr") {
            nbr = value.parse().ok();
        }
    }
    if matches!(status, 100..=199 | 204 | 304) {
        framing = Framing::Length(0);
    }
    let answer = Answer {
        status,
        keep_alive,
        nbr,
    };
    Ok(Some((head_bytes, answer, framing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers one request with `pieces`, a packet each, then closes.
    async fn answered(pieces: &'static [&'static str]) -> Result<Answer, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = Connection::open(listener.local_addr().unwrap())
            .await
            .unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 64];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let (answer, ()) = tokio::join!(client.exchange(b"GET / HTTP/1.1\r\n\r\n"), server);
        answer
    }

    #[tokio::test]
    async fn every_framing_is_read_to_its_end() {
        let kept = |status| {
            Ok(Answer {
                status,
                keep_alive: true,
                nbr: None,
            })
        };
        let closed = |status| {
            Ok(Answer {
                status,
                keep_alive: false,
                nbr: None,
            })
        };
        assert_eq!(
            answered(&["HTTP/1.1 204 No Content\r\n\r\n"]).await,
            kept(204)
        );
        let reason = answered(&["HTTP/1.1 204 No Content\r\nx-openrtb-nbr: 9\r\n\r\n"]).await;
        assert_eq!(reason.unwrap().nbr, Some(9));
        let split = &["HTTP/1.1 200 O", "K\r\nContent-Length: 5\r\n\r\nab", "cde"];
        assert_eq!(answered(split).await, kept(200));
        let chunked = &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc",
            "\r\n1\r\nd\r\n0\r\n\r\n",
        ];
        assert_eq!(answered(chunked).await, kept(200));
        let close = &["HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"];
        assert_eq!(answered(close).await, closed(503));
        assert_eq!(
            answered(&["HTTP/1.0 200 OK\r\n\r\nall", " of it"]).await,
            closed(200)
        );
    }

    #[tokio::test]
    async fn broken_answers_are_faults() {
        assert_eq!(
            answered(&["no http at all\r\n\r\n"]).await,
            Err(Fault::Malformed)
        );
        let short = &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"];
        assert_eq!(answered(short).await, Err(Fault::Closed));
        let long = &["HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"];
        assert_eq!(answered(long).await, Err(Fault::Malformed));
        assert_eq!(answered(&[]).await, Err(Fault::Closed));
        let bad = &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"];
        assert_eq!(answered(bad).await, Err(Fault::Malformed));
    }
}
