//! Keep-alive HTTP/1.1 connections to one host, of one worker, with a cap on connections and on
//! those who wait for one.
//!
//! A connection serves one call at a time. It goes back when its answer was read to the end; in
//! every other case, a deadline among them, it is closed with its task, so that a late answer
//! can never be read as the answer to another call.

use crate::catalog::{Endpoint, is_private};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoConnection {
    /// Every connection is in use and enough calls wait already.
    Busy,
    /// The host cannot be resolved or does not accept.
    Refused,
    /// The host has an address that may not be called.
    Forbidden,
}

/// The connections to one host.
pub struct Pool {
    endpoint: Endpoint,
    permits: Semaphore,
    waiting: Cell<usize>,
    max_waiting: usize,
    idle: RefCell<Vec<Connection>>,
    /// Connections made so far, for tests and metrics.
    made: Cell<u64>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection lent for one call.
pub struct Leased<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
    _permit: SemaphorePermit<'p>,
}

impl Pool {
    /// A pool of at most `max_connections`, for which at most `max_waiting` calls wait.
    pub fn new(endpoint: Endpoint, max_connections: usize, max_waiting: usize) -> Self {
        Self {
            endpoint,
            permits: Semaphore::new(max_connections),
            waiting: Cell::new(0),
            max_waiting,
            idle: RefCell::default(),
            made: Cell::new(0),
        }
    }

    /// The host that it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many connections were made so far.
    pub fn made(&self) -> u64 {
        self.made.get()
    }

    /// Lends a connection, waiting for one where all are in use; `fresh` asks for a new one.
    ///
    /// # Errors
    /// [`NoConnection`].
    pub async fn lease(&self, fresh: bool) -> Result<Leased<'_>, NoConnection> {
        let permit = match self.permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let idle = if fresh { None } else { self.take_idle().await };
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Leased {
            pool: self,
            connection: Some(connection),
            _permit: permit,
        })
    }

    async fn wait(&self) -> Result<SemaphorePermit<'_>, NoConnection> {
        if self.waiting.get() >= self.max_waiting {
            return Err(NoConnection::Busy);
        }
        let _waiting = Waiting::new(&self.waiting);
        self.permits.acquire().await.map_err(|_| NoConnection::Busy)
    }

    async fn take_idle(&self) -> Option<Connection> {
        loop {
            // The last one used is the likeliest to be open still, and lets the others age out.
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, NoConnection> {
        // A fresh connection replaces an idle one, so that the cap holds.
        drop(self.idle.borrow_mut().pop());
        let stream = self.open().await?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| NoConnection::Refused)?;
        let task = tokio::spawn(async move {
            // Its error reaches the call that is under way; without one nobody needs it.
            let _ = connection.await;
        });
        self.made.set(self.made.get() + 1);
        Ok(Connection {
            sender,
            task: task.abort_handle(),
        })
    }

    async fn open(&self) -> Result<TcpStream, NoConnection> {
        let Endpoint {
            host,
            port,
            allow_private,
            ..
        } = &self.endpoint;
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
}

impl Leased<'_> {
    /// The sender of the connection.
    pub(super) fn sender(&mut self) -> &mut SendRequest<Full<Bytes>> {
        let connection = self.connection.as_mut();
        &mut connection
            .expect("a lease has its connection until it is given back")
            .sender
    }

    /// Gives the connection back for the next call; only after an answer was read to its end.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take()
            && !connection.sender.is_closed()
        {
            self.pool.idle.borrow_mut().push(connection);
        }
    }
}

/// Counts one who waits, for as long as it does.
struct Waiting<'p>(&'p Cell<usize>);

impl<'p> Waiting<'p> {
    fn new(count: &'p Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
