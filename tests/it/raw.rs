//! A partner whose bids are whatever a test makes of them.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The members that the partner adds to its bids.
pub type Extra = Arc<Mutex<Value>>;

fn answer(stream: TcpStream, extra: &Extra) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(told) = line.strip_prefix("content-length:") {
                length = told.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let request: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut bid = json!({"id": "b", "impid": request["imp"][0]["id"], "price": 9.5,
            "adm": "<b>ad</b>", "crid": "c", "adomain": ["raw.example"], "w": 300, "h": 250});
        let told = extra.lock().unwrap().clone();
        for (name, value) in told.as_object().unwrap() {
            bid[name] = value.clone();
        }
        let response = json!({"id": request["id"], "cur": "EUR",
            "seatbid": [{"seat": "raw", "bid": [bid]}]});
        let body = response.to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// A partner that always bids 9.50, and its resource.
pub fn partner(extra: &Extra) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let extra = Arc::clone(extra);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let extra = Arc::clone(&extra);
            std::thread::spawn(move || answer(stream, &extra));
        }
    });
    format!(
        "\n[[partners]]\nid = \"raw\"\nname = \"raw\"\nseats = [\"raw\"]\n\
         endpoint = \"http://{address}/bid\"\ntimeout_ms = 400\n"
    )
}
