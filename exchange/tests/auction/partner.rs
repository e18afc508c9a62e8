//! Partners over real sockets that behave as told.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What a partner does with a bid request.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers with this body; `@ID` stands for the request's id and `@ME` for its own address.
    Answer(&'static str),
    /// Answers with these bytes, head and all.
    Raw(&'static str),
    /// Reads the request and says nothing.
    HangAtHeader,
    /// Sends the head and a part of the body.
    HangAtBody,
    /// Sends a body of ten megabytes in chunks.
    Endless,
    /// Resets the connection.
    Reset,
}

/// A partner that listens on loopback.
pub(crate) struct Partner {
    pub(crate) address: String,
    /// Bodies of bid requests, in order.
    pub(crate) asked: Rc<RefCell<Vec<String>>>,
    /// Heads of the notices, in order.
    pub(crate) heads: Rc<RefCell<Vec<String>>>,
    /// What `GET /markup` is answered with.
    pub(crate) markup: Rc<RefCell<String>>,
    /// Paths of the notices, in order.
    pub(crate) notices: Rc<RefCell<Vec<String>>>,
    pub(crate) connections: Rc<Cell<usize>>,
    /// How many notices fail before the first succeeds.
    pub(crate) failing: Rc<Cell<usize>>,
}

impl Partner {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let partner = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Rc::default(),
            heads: Rc::default(),
            markup: Rc::default(),
            notices: Rc::default(),
            connections: Rc::default(),
            failing: Rc::default(),
        };
        let shared = partner.share();
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.set(shared.connections.get() + 1);
                tokio::task::spawn_local(serve(stream, behaviour.clone(), shared.share()));
            }
        });
        partner
    }

    fn share(&self) -> Self {
        Self {
            address: self.address.clone(),
            asked: Rc::clone(&self.asked),
            heads: Rc::clone(&self.heads),
            markup: Rc::clone(&self.markup),
            notices: Rc::clone(&self.notices),
            connections: Rc::clone(&self.connections),
            failing: Rc::clone(&self.failing),
        }
    }
}

/// A port whose queue of connections is full, so that connecting hangs.
pub(crate) async fn deaf() -> (String, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address)).await
    {
        held.push(stream);
        assert!(held.len() < 64, "the queue of connections never fills");
    }
    std::mem::forget(listener);
    (address.to_string(), held)
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, partner: Partner) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut buffer).await {
        if head.starts_with("GET ") {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            partner.heads.borrow_mut().push(head.to_lowercase());
            if path.starts_with("/markup") {
                partner.notices.borrow_mut().push(path);
                let markup = partner.markup.borrow().clone();
                let length = markup.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all((head + &markup).as_bytes()).await;
                continue;
            }
            let failing = partner.failing.get();
            partner.failing.set(failing.saturating_sub(1));
            let status = if failing > 0 {
                "503 Busy"
            } else {
                "204 No Content"
            };
            if failing == 0 {
                partner.notices.borrow_mut().push(path);
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            continue;
        }
        partner.asked.borrow_mut().push(body.clone());
        match &behaviour {
            Behaviour::Answer(text) => {
                let request: serde_json::Value = serde_json::from_str(&body).unwrap();
                let text = text.replace("@ID", request["id"].as_str().unwrap());
                let text = text.replace("@ME", &partner.address);
                let length = text.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all((head + &text).as_bytes()).await;
            }
            Behaviour::Raw(bytes) => {
                let _ = stream.write_all(bytes.as_bytes()).await;
            }
            Behaviour::HangAtHeader => {}
            Behaviour::HangAtBody => {
                let part = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
                let _ = stream.write_all(part).await;
            }
            Behaviour::Endless => {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut written = stream.write_all(head).await;
                let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
                for _ in 0..1_000 {
                    if written.is_err() {
                        break;
                    }
                    written = stream.write_all(chunk.as_bytes()).await;
                }
            }
            Behaviour::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
}

/// Reads one request; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            });
            let length: usize = length.unwrap_or(0);
            if rest.len() >= length {
                let taken = head.len() + 4 + length;
                let request = (head.to_owned(), rest[..length].to_owned());
                buffer.drain(..taken);
                return Some(request);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => buffer.extend_from_slice(&chunk[..read]),
        }
    }
}
