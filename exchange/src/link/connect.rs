//! Opening one connection: resolve, connect, encrypt, shake hands.

use super::pool::NoConnection;
use super::tls::Trust;
use crate::catalog::{Endpoint, is_private};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// What may be on its way on one HTTP/2 stream before we have read it: a whole answer.
const STREAM_WINDOW: u32 = super::MAX_ANSWER as u32;
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;
/// How often an HTTP/2 connection is asked whether it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// The client's end of a connection, and the task that moves its bytes.
pub(super) struct Connection {
    pub(super) sender: Sender,
    task: AbortHandle,
}

/// Sends requests over a connection.
pub(super) enum Sender {
    /// One at a time.
    Single(http1::SendRequest<Full<Bytes>>),
    /// Many at once.
    Shared(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Single(sender) => sender.is_closed(),
            Sender::Shared(sender) => sender.is_closed(),
        }
    }
}

/// Opens a connection to an endpoint.
pub(super) async fn connect(
    endpoint: &Endpoint,
    trust: &Trust,
    http2: bool,
) -> Result<Connection, NoConnection> {
    let stream = open(endpoint).await?;
    // Bid requests are small and whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    if !endpoint.tls {
        return shake(TokioIo::new(stream), http2).await;
    }
    let name = ServerName::try_from(endpoint.host.to_string());
    let name = name.map_err(|_| NoConnection::Untrusted)?;
    let connector = TlsConnector::from(trust.config(http2));
    let stream = connector
        .connect(name, stream)
        .await
        .map_err(|_| NoConnection::Untrusted)?;
    let chosen = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    shake(TokioIo::new(stream), chosen).await
}

async fn open(endpoint: &Endpoint) -> Result<TcpStream, NoConnection> {
    let Endpoint {
        host,
        port,
        allow_private,
        ..
    } = endpoint;
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, *port)],
        Err(_) => tokio::net::lookup_host((&**host, *port))
            .await
            .map_err(|_| NoConnection::Refused)?
            .collect(),
    };
    // One bad address spoils the name: a resolver that mixes them is after our network.
    if !allow_private && addresses.iter().any(|address| is_private(address.ip())) {
        return Err(NoConnection::Forbidden);
    }
    TcpStream::connect(&*addresses)
        .await
        .map_err(|_| NoConnection::Refused)
}

async fn shake<S>(stream: S, http2: bool) -> Result<Connection, NoConnection>
where
    S: Read + Write + Unpin + Send + 'static,
{
    // The errors of the tasks reach the calls that are under way; without one nobody needs them.
    if http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(ALIVE)
            .keep_alive_timeout(ALIVE)
            .handshake(stream)
            .await
            .map_err(|_| NoConnection::Refused)?;
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        return Ok(Connection {
            sender: Sender::Shared(sender),
            task: task.abort_handle(),
        });
    }
    let (sender, connection) = http1::handshake(stream)
        .await
        .map_err(|_| NoConnection::Refused)?;
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(Connection {
        sender: Sender::Single(sender),
        task: task.abort_handle(),
    })
}
