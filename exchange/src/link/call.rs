//! One HTTP call over a pool: send, read the head, read a bounded body.

use super::pool::{Leased, NoConnection, Pool};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response};

/// Why a call brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection to spare.
    Busy,
    /// The host has an address that may not be called.
    Forbidden,
    /// The connection could not be made, broke, or did not speak HTTP.
    Broken,
    /// The body exceeds the limit.
    TooLarge,
    /// The body is encoded, though nobody asked for it.
    Encoded,
}

impl From<NoConnection> for Failure {
    fn from(reason: NoConnection) -> Self {
        match reason {
            NoConnection::Busy => Failure::Busy,
            NoConnection::Refused => Failure::Broken,
            NoConnection::Forbidden => Failure::Forbidden,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, at most as long as was allowed.
    pub body: Bytes,
}

/// Sends a request and reads its answer, at most `limit` bytes of body. Redirects are answers
/// like others: they are never followed.
///
/// # Errors
/// [`Failure`]; dropping the future closes the connection.
pub async fn call(
    pool: &Pool,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Reply, Failure> {
    let mut leased = pool.lease(false).await?;
    let response = match leased.sender().try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            // The host closed the connection while it was idle: nothing was sent yet.
            let request = error.take_message().ok_or(Failure::Broken)?;
            drop(leased);
            leased = pool.lease(true).await?;
            leased
                .sender()
                .send_request(request)
                .await
                .map_err(|_| Failure::Broken)?
        }
    };
    read(leased, response, limit).await
}

async fn read<B>(leased: Leased<'_>, response: Response<B>, limit: usize) -> Result<Reply, Failure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let status = response.status().as_u16();
    let identity = HeaderValue::from_static("identity");
    if response
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| *coding != identity)
    {
        return Err(Failure::Encoded);
    }
    let mut body = response.into_body();
    if body.size_hint().lower() > limit as u64 {
        return Err(Failure::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > limit {
            return Err(Failure::TooLarge);
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    leased.give_back();
    if rest.is_empty() {
        return Ok(Reply {
            status,
            body: first,
        });
    }
    let body = [&first[..], &rest[..]].concat().into();
    Ok(Reply { status, body })
}
