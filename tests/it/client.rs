//! A small HTTP client that can also be rude: it sends exactly the bytes it is told to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer, as far as the tests look at it.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The field that a problem names.
    pub fn field(&self) -> String {
        self.json()["field"]
            .as_str()
            .expect("a problem names its field")
            .to_owned()
    }
}

/// A keep-alive connection.
pub struct Client {
    stream: TcpStream,
    host: SocketAddr,
    /// What came behind the last answer: pipelined answers arrive together.
    ahead: Vec<u8>,
}

impl Client {
    pub fn new(host: SocketAddr) -> Self {
        Self::try_new(host).expect("the node listens")
    }

    /// A connection to a node that may be gone.
    pub fn try_new(host: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(host).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Some(Self {
            stream,
            host,
            ahead: Vec::new(),
        })
    }

    pub fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.request("POST", path, "Content-Type: application/json\r\n", body)
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, "", b"")
    }

    /// As [`Client::post`], of a node that may be killed meanwhile.
    pub fn try_post(&mut self, path: &str, body: &[u8]) -> Option<Answer> {
        self.write("POST", path, "Content-Type: application/json\r\n", body);
        self.try_answer().ok()
    }

    /// As [`Client::get`], of a node that may be killed meanwhile.
    pub fn try_get(&mut self, path: &str) -> Option<Answer> {
        self.write("GET", path, "", b"");
        self.try_answer().ok()
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.write(method, path, headers, body);
        self.answer()
    }

    fn write(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat());
    }

    /// Writes bytes; the other side may already have refused and closed.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer()
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// The next answer, or why there is none.
    fn try_answer(&mut self) -> io::Result<Answer> {
        let mut seen = std::mem::take(&mut self.ahead);
        let end = loop {
            if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more(&mut seen)?;
        };
        let head = String::from_utf8(seen[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse().unwrap());
        while seen.len() < end + length {
            self.read_more(&mut seen)?;
        }
        self.ahead = seen.split_off(end + length);
        Ok(Answer {
            status,
            headers,
            body: seen[end..end + length].to_vec(),
        })
    }

    /// The next bytes, whatever they are.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut seen = std::mem::take(&mut self.ahead);
        while seen.len() < count {
            self.read_more(&mut seen).expect("an answer in time");
        }
        self.ahead = seen.split_off(count);
        seen
    }

    /// Waits until the node closes; says whether it did so without sending another answer than a
    /// refusal.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        read.is_ok() && (rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"))
    }

    fn read_more(&mut self, seen: &mut Vec<u8>) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            let shown = String::from_utf8_lossy(seen);
            return Err(io::Error::other(format!("closed after {shown:?}")));
        }
        seen.extend_from_slice(&chunk[..read]);
        Ok(())
    }
}
