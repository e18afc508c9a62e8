//! The least that an HTTP server can do: hyper on one thread, reads the body, answers 204.
//!
//! It is the yardstick: what a bidding server costs above it is its own work. Without a timer
//! there is no header timeout, so it must serve nothing but a generator on loopback.

pub mod calling;

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves on `listener` until `shutdown` ends.
///
/// # Errors
/// The listener is not on a loopback address, or has failed.
pub async fn serve(listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let own = listener.local_addr()?;
    if !own.ip().is_loopback() {
        let why = format!("{own} is not a loopback address, the bare server serves nothing else");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    tokio::select! {
        ended = accept_all(listener) => ended,
        () = shutdown => Ok(()),
    }
}

async fn accept_all(listener: TcpListener) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        connections.spawn(
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    while let Some(Ok(_)) = request.frame().await {}
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
