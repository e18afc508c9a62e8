//! The data plane's listeners: one thread per core, each with a runtime, a listener of its own
//! (`SO_REUSEPORT`) and its own buffers, so that a request never crosses a core.

use crate::data_plane::{self, Worker};
use crate::node::Node;
use crate::shutdown::Shutdown;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long open connections may finish their request when the node stops.
const DRAIN: Duration = Duration::from_secs(2);
const BACKLOG: i32 = 4096;
/// The first bytes of HTTP/2 by prior knowledge (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Opens the listeners, so that a port in use is an error at start and not in a thread.
///
/// # Errors
/// Where the address cannot be bound.
pub fn listen(address: SocketAddr, workers: usize) -> std::io::Result<Vec<std::net::TcpListener>> {
    // Workers share the port, and so would another node of the same user, in silence: a socket
    // that does not share tells whether somebody is there.
    drop(std::net::TcpListener::bind(address)?);
    let first = bind(address)?;
    // With port 0 the system chooses; the other workers share its choice.
    let address = first.local_addr()?;
    let others = (1..workers).map(|_| bind(address));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts one thread for each listener.
pub fn serve(
    node: &Arc<Node>,
    listeners: Vec<std::net::TcpListener>,
    seed: u64,
    shutdown: &Shutdown,
) -> Vec<JoinHandle<()>> {
    let spawn = |(index, listener)| {
        let (node, shutdown) = (Arc::clone(node), shutdown.clone());
        std::thread::Builder::new()
            .name(format!("data-{index}"))
            .spawn(move || worker(node, listener, seed ^ (index as u64) << 32, &shutdown))
            .expect("the system can start a thread for each core")
    };
    listeners.into_iter().enumerate().map(spawn).collect()
}

/// The runtime of a thread of the node, which runs on that thread alone.
pub(crate) fn thread_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system can make a runtime for a thread")
}

fn worker(node: Arc<Node>, listener: std::net::TcpListener, seed: u64, shutdown: &Shutdown) {
    let runtime = thread_runtime();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = TcpListener::from_std(listener).expect("the listener is a TCP socket");
        let worker = Rc::new(Worker::new(node, seed));
        let open = Rc::new(Cell::new(0));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.wait() => break,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of file descriptors, most likely: let some connections end first.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            if open.get() >= worker.node.settings.max_connections {
                continue;
            }
            let guard = Open::new(&open);
            let (worker, shutdown) = (Rc::clone(&worker), shutdown.clone());
            tokio::task::spawn_local(async move {
                connection(worker, (stream, peer.ip()), shutdown).await;
                drop(guard);
            });
        }
        drop(listener);
        let drained = async {
            while open.get() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, drained).await;
    });
}

/// Counts a connection for as long as it lives.
struct Open(Rc<Cell<usize>>);

impl Open {
    fn new(open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get() + 1);
        Self(Rc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn connection(worker: Rc<Worker>, (stream, peer): (TcpStream, IpAddr), shutdown: Shutdown) {
    let _ = stream.set_nodelay(true);
    let patience = worker.node.settings.header_timeout;
    let Ok(Ok(http2)) = tokio::time::timeout(patience, speaks_http2(&stream)).await else {
        return;
    };
    let service = service_fn(move |request| data_plane::handle(Rc::clone(&worker), peer, request));
    // A connection ends by itself, by the client, or here; its errors concern the client alone.
    if http2 {
        let connection = hyper::server::conn::http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(256)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = &mut connection => return,
            () = shutdown.wait() => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(DRAIN, connection).await;
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = &mut connection => return,
            () = shutdown.wait() => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(DRAIN, connection).await;
    }
}

/// Looks at the first bytes of a connection: HTTP/2 by prior knowledge begins with its preface
/// (RFC 9113, section 3.4). Nearly always the first look tells.
async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        let seen = stream.peek(&mut first).await?;
        if seen == HTTP2_PREFACE.len() || seen == 0 || !HTTP2_PREFACE.starts_with(&first[..seen]) {
            return Ok(first[..seen] == *HTTP2_PREFACE);
        }
        // A part of the preface stays readable, so only time brings more of it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Runs the streams of an HTTP/2 connection on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
