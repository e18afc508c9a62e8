//! The publishers of the demo: page and app views as real HTTP requests to the exchange, and the
//! browsers that follow: pixels for what was shown, a click now and then.

use crate::clock;
use crate::shutdown::Shutdown;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// How many users have segments; as many again are strangers.
pub const KNOWN_USERS: u32 = 100_000;
/// Of our bidder's ads every hundredth shown is clicked. Counted and not drawn, so that a short
/// demo has clicks too; partners' markup leads to the partners and has none to count.
const CLICK_EVERY: u64 = 100;
/// Which of them is the first.
const FIRST_CLICK: u64 = 10;
const MOST_UNDER_WAY: usize = 512;

/// What the publishers saw.
#[derive(Default)]
pub struct Seen {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Views whose answer came and, where there were winners, was shown whole.
    pub answered: AtomicU64,
    /// Those with at least one winner.
    pub filled: AtomicU64,
    /// Ads shown: all their pixels were loaded.
    pub impressions: AtomicU64,
    /// Ads shown that lead to a click address of ours.
    pub clickable: AtomicU64,
    /// Clicks made.
    pub clicks: AtomicU64,
    /// Views that failed: another status than the expected one, or a broken connection.
    pub errors: AtomicU64,
    /// Why the first of them failed.
    pub first_error: OnceLock<String>,
}

/// Sends `rate` (1 or more) requests a second until `shutdown`, then waits for those under way.
pub async fn run(target: SocketAddr, rate: u32, seed: u64, seen: Arc<Seen>, shutdown: Shutdown) {
    let local = LocalSet::new();
    local
        .run_until(publishers(target, rate, seed, seen, shutdown))
        .await;
}

async fn publishers(target: SocketAddr, rate: u32, seed: u64, seen: Arc<Seen>, shutdown: Shutdown) {
    let pool = Rc::new(Pool {
        target,
        idle: RefCell::default(),
    });
    let mut random = SmallRng::seed_from_u64(seed);
    let start = clock::now();
    let mut under_way = JoinSet::new();
    for number in 0u64.. {
        // The intended moment: a slow answer does not delay the requests behind it.
        let due = start + Duration::from_nanos(1_000_000_000 * number / u64::from(rate));
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = shutdown.wait() => break,
        }
        while under_way.len() >= MOST_UNDER_WAY {
            under_way.join_next().await;
        }
        while under_way.try_join_next().is_some() {}
        let body = view(number, &mut random);
        let (pool, seen) = (Rc::clone(&pool), Arc::clone(&seen));
        under_way.spawn_local(async move {
            seen.requests.fetch_add(1, Relaxed);
            if let Err(error) = show(&pool, body, &seen).await {
                seen.errors.fetch_add(1, Relaxed);
                seen.first_error.get_or_init(|| format!("{error:#}"));
            }
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// One view: ask the exchange, show the winners, load their pixels, perhaps click.
async fn show(pool: &Pool, body: Vec<u8>, seen: &Seen) -> Result<()> {
    let (status, answer) = pool.send(Method::POST, "/openrtb2/auction", body).await?;
    if status == 204 {
        seen.answered.fetch_add(1, Relaxed);
        return Ok(());
    }
    ensure!(status == 200, "the exchange answered {status}");
    let answer: Value = serde_json::from_slice(&answer)?;
    let seats = answer["seatbid"].as_array().into_iter().flatten();
    let mut filled = false;
    for bid in seats.flat_map(|seat| seat["bid"].as_array().into_iter().flatten()) {
        filled = true;
        let markup = bid["adm"].as_str().unwrap_or_default();
        let mut pixels = urls(markup, "/t/imp?").peekable();
        ensure!(pixels.peek().is_some(), "an ad came without our pixel");
        for pixel in pixels {
            let (status, _) = pool.send(Method::GET, pixel, Vec::new()).await?;
            ensure!(status == 200 || status == 204, "a pixel answered {status}");
        }
        seen.impressions.fetch_add(1, Relaxed);
        let Some(link) = urls(markup, "/t/click?").next() else {
            continue;
        };
        if seen.clickable.fetch_add(1, Relaxed) % CLICK_EVERY == FIRST_CLICK {
            let (status, _) = pool.send(Method::GET, link, Vec::new()).await?;
            ensure!(status == 302, "a click answered {status}");
            seen.clicks.fetch_add(1, Relaxed);
        }
    }
    seen.answered.fetch_add(1, Relaxed);
    seen.filled.fetch_add(u64::from(filled), Relaxed);
    Ok(())
}

/// The paths of our own URLs in markup, as a browser would find them.
fn urls<'m>(markup: &'m str, path: &'static str) -> impl Iterator<Item = &'m str> {
    markup.match_indices(path).map(move |(at, _)| {
        let rest = &markup[at..];
        let end = rest
            .find(['"', '\'', ' ', '<', '>', ')'])
            .unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Keep-alive connections to the exchange.
struct Pool {
    target: SocketAddr,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

impl Pool {
    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(u16, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.target.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-openrtb-version", openrtb::VERSION)
            .body(Full::new(Bytes::from(body)))?;
        let mut connection = self.connection().await?;
        let answer = connection
            .send_request(request)
            .await
            .context("no answer")?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .context("the answer broke off")?
            .to_bytes();
        self.idle.borrow_mut().push(connection);
        Ok((status, body))
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>> {
        loop {
            let Some(mut idle) = self.idle.borrow_mut().pop() else {
                break;
            };
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = TcpStream::connect(self.target)
            .await
            .context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            // Its end shows at the next request on it.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

const COUNTRIES: [(&str, u32); 5] = [
    ("FRA", 55),
    ("BEL", 15),
    ("DEU", 15),
    ("ESP", 10),
    ("USA", 5),
];
const PHONE: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36";
const DESKTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36";

/// The request for one view of a page or an app screen.
fn view(number: u64, random: &mut SmallRng) -> Vec<u8> {
    let user = random.random_range(0..KNOWN_USERS * 2);
    let mobile = random.random_bool(0.6);
    let country = pick(random);
    let mut request = json!({
        "id": format!("view-{number}-{:08x}", random.random::<u32>()),
        "at": 1,
        "tmax": 120,
        "cur": ["EUR"],
        "device": {
            "ua": if mobile { PHONE } else { DESKTOP },
            "ip": format!("198.51.{}.{}", random.random_range(0..256), random.random_range(1..255)),
            "geo": { "country": country },
            "language": "fr",
        },
        "user": { "id": format!("u{user}"), "buyeruid": format!("buyer-{user}") },
        "source": { "tid": format!("{:016x}", random.random::<u64>()) },
    });
    if random.random_bool(0.6) {
        request["site"] = json!({
            "id": "news", "domain": "news.example", "cat": ["IAB12"],
            "page": format!("https://news.example/article/{}", random.random_range(0..5000)),
            "publisher": { "id": "pub_news", "name": "The Daily Example" },
        });
        let top = imp("1", "news-top", if mobile { (300, 250) } else { (728, 90) });
        let side = imp(
            "2",
            "news-side",
            if mobile { (320, 50) } else { (300, 600) },
        );
        request["imp"] = if random.random_bool(0.5) {
            json!([top, side])
        } else {
            json!([top])
        };
    } else {
        let bundle = if random.random_bool(0.5) {
            "com.example.weather"
        } else {
            "com.example.recipes"
        };
        request["app"] = json!({
            "id": "weather", "bundle": bundle, "name": "Weather & Recipes", "cat": ["IAB8"],
            "publisher": { "id": "pub_weather", "name": "Weather & Recipes" },
        });
        request["device"]["ifa"] = json!(format!("00000000-0000-4000-8000-{user:012x}"));
        let size = if random.random_bool(0.5) {
            (320, 50)
        } else {
            (300, 250)
        };
        request["imp"] = json!([imp("1", "weather-app", size)]);
    }
    request.to_string().into_bytes()
}

fn imp(id: &str, tagid: &str, (w, h): (i64, i64)) -> Value {
    json!({
        "id": id, "tagid": tagid,
        "banner": { "w": w, "h": h, "format": [{ "w": w, "h": h }], "pos": 1 },
        "bidfloor": 0.05, "bidfloorcur": "EUR",
    })
}

fn pick(random: &mut SmallRng) -> &'static str {
    let mut draw = random.random_range(0..100);
    for (country, share) in COUNTRIES {
        if draw < share {
            return country;
        }
        draw -= share;
    }
    COUNTRIES[0].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_urls_are_found_in_markup() {
        let markup =
            r#"<a href="http://h/t/click?t=A"><img src='http://h/t/imp?t=B'></a> /t/imp?t=C"#;
        assert_eq!(
            urls(markup, "/t/imp?").collect::<Vec<_>>(),
            ["/t/imp?t=B", "/t/imp?t=C"]
        );
        assert_eq!(
            urls(markup, "/t/click?").collect::<Vec<_>>(),
            ["/t/click?t=A"]
        );
    }

    #[test]
    fn views_are_valid_requests() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut scratch = openrtb::Scratch::default();
        for number in 0..200 {
            let body = view(number, &mut random);
            let request: openrtb::BidRequest = scratch
                .decode(&body, openrtb::Limits::default(), openrtb::Keep::All)
                .unwrap();
            openrtb::validate::request(&request).unwrap();
        }
    }
}
