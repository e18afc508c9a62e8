//! The least that an exchange's transport can do: for each request the same body to each of some
//! partners, over connections that are kept, and an answer when all have answered.
//!
//! Nothing is decoded, decided or written anew; whoever reads the answers only counts them. What
//! an exchange costs above it is its own work.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet, spawn_local};

type Connection = client::SendRequest<Full<Bytes>>;

/// A partner with its idle connections.
struct Partner {
    address: SocketAddr,
    uri: Uri,
    host: HeaderValue,
    idle: RefCell<Vec<Connection>>,
}

/// Serves on `listener` until `shutdown` ends, and calls the path of each of `partners`.
///
/// # Errors
/// An address that is not a loopback address, a path that is none, or a listener that has failed.
pub async fn serve(
    listener: TcpListener,
    partners: Vec<(SocketAddr, String)>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let all = partners.iter().map(|(address, _)| *address);
    if let Some(other) = all
        .chain([listener.local_addr()?])
        .find(|one| !one.ip().is_loopback())
    {
        let why = format!("{other} is not a loopback address, the bare server serves nothing else");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let partner = |(address, path): (SocketAddr, String)| {
        let invalid = |error: &dyn std::error::Error| io::Error::other(error.to_string());
        Ok(Rc::new(Partner {
            address,
            uri: path.parse().map_err(|error| invalid(&error))?,
            host: address
                .to_string()
                .parse()
                .map_err(|error| invalid(&error))?,
            idle: RefCell::default(),
        }))
    };
    let partners: io::Result<Vec<Rc<Partner>>> = partners.into_iter().map(partner).collect();
    let partners: Rc<[Rc<Partner>]> = partners?.into();
    let local = LocalSet::new();
    local
        .run_until(async {
            tokio::select! {
                ended = accept_all(listener, partners) => ended,
                () = shutdown => Ok(()),
            }
        })
        .await
}

async fn accept_all(listener: TcpListener, partners: Rc<[Rc<Partner>]>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let partners = Rc::clone(&partners);
        let answer = service_fn(move |request| answer(request, Rc::clone(&partners)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        // A connection that breaks off is the generator's to count.
        spawn_local(async move { drop(connection.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    partners: Rc<[Rc<Partner>]>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    let Ok(body) = request.into_body().collect().await else {
        return Ok(response);
    };
    let body = body.to_bytes();
    let mut calls = JoinSet::new();
    for partner in partners.iter() {
        calls.spawn_local(call(Rc::clone(partner), body.clone()));
    }
    let mut all = true;
    while let Some(done) = calls.join_next().await {
        all &= matches!(done, Ok(Some(())));
    }
    if all {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    Ok(response)
}

/// One call; `None` where it failed.
async fn call(partner: Rc<Partner>, body: Bytes) -> Option<()> {
    let idle = partner.idle.borrow_mut().pop();
    let mut connection = match idle.filter(client::SendRequest::is_ready) {
        Some(idle) => idle,
        None => connect(partner.address).await?,
    };
    let mut request = Request::post(partner.uri.clone())
        .body(Full::new(body))
        .ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, partner.host.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut answer = connection.send_request(request).await.ok()?;
    while let Some(frame) = answer.frame().await {
        frame.ok()?;
    }
    partner.idle.borrow_mut().push(connection);
    Some(())
}

async fn connect(address: SocketAddr) -> Option<Connection> {
    let stream = TcpStream::connect(address).await.ok()?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = client::handshake(TokioIo::new(stream)).await.ok()?;
    spawn_local(async move { drop(connection.await) });
    Some(sender)
}
