//! A node with ten partners, and looking at it from outside.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::Kind;
use crate::generator::Target;
use crate::partner::{self, Partner, Profile};

const KEY: &str = "load-test-admin-key-0123456789abcdef";
/// Share of impressions that a healthy partner bids on, in percent.
const BID_PERCENT: u8 = 60;
const METRICS_WITHIN: Duration = Duration::from_secs(2);

/// A running node, its partners and its folder, all of which end with it.
pub(super) struct Node {
    process: Child,
    data: SocketAddr,
    control: SocketAddr,
    folder: PathBuf,
    partners: Vec<Arc<Partner>>,
    bad: usize,
    /// Dropped with the node, which ends the partners.
    _stop: oneshot::Sender<()>,
}

/// What a look at the node tells.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    /// Resident memory in bytes.
    pub(super) memory: u64,
    /// Open sockets.
    pub(super) sockets: usize,
    /// Bad partners whose breaker kept a request from them.
    pub(super) open_breakers: usize,
    /// Auctions won by healthy partners.
    pub(super) healthy_wins: u64,
    /// Auctions won by bad ones.
    pub(super) bad_wins: u64,
    /// Redirects that were followed.
    pub(super) followed: u64,
}

impl Node {
    /// Starts partners, of which the first `bad` are bad, and a node that knows them.
    pub(super) fn start(
        gavel: &str,
        kind: &Kind,
        count: usize,
        bad: usize,
        connections: usize,
    ) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("gavel-bad-{}", std::process::id()));
        // A run that was killed may have left one.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let mut resources = String::from(
            "[[publishers]]\nid = \"pub_1\"\nname = \"News\"\ndomain = \"news.example\"\n\
             currency = \"EUR\"\nrevenue_share = \"0.85\"\nauction = \"first_price\"\n",
        );
        let (mut partners, mut listeners) = (Vec::new(), Vec::new());
        for index in 0..count {
            let is_bad = index < bad;
            let profile = if is_bad {
                kind.profiles[index % kind.profiles.len()]
            } else {
                Profile::Ok
            };
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let scheme = if is_bad && kind.tls { "https" } else { "http" };
            let gzip = is_bad && kind.gzip;
            write!(
                resources,
                "\n[[partners]]\nid = \"p{index}\"\nname = \"p{index}\"\n\
                 endpoint = \"{scheme}://{address}/bid\"\ntimeout_ms = 1000\n\
                 max_connections = {connections}\nallow_private = true\ngzip_answers = {gzip}\n"
            )?;
            partners.push(partner(index, profile));
            listeners.push(listener);
        }
        let stop = serve(listeners, partners.clone());
        let config = String::from(
            "data.listen = \"127.0.0.1:0\"\ndata.workers = 1\ncontrol.listen = \"127.0.0.1:0\"\n\
             control.admin_key_file = \"admin.key\"\nstorage.path = \"data\"\n\
             exchange.local_bidder = false\n",
        );
        std::fs::write(folder.join("admin.key"), KEY)?;
        std::fs::write(folder.join("gavel.toml"), config)?;
        std::fs::write(folder.join("resources.toml"), resources)?;
        let gavel = std::fs::canonicalize(gavel).with_context(|| gavel.to_owned())?;
        apply(&gavel, &folder)?;
        let mut process = Command::new(&gavel)
            .args(["serve", "--config", "gavel.toml"])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("the output is captured")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut address = || -> anyhow::Result<SocketAddr> {
            let line = lines.next().context("the node says where it listens")??;
            let url = line.split_once("http://").context(line.clone())?.1;
            Ok(url.parse()?)
        };
        let (data, control) = (address()?, address()?);
        // Whatever else it prints must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self {
            process,
            data,
            control,
            folder,
            partners,
            bad,
            _stop: stop,
        })
    }

    /// Where auctions are held.
    pub(super) fn auctions(&self) -> anyhow::Result<Target> {
        Ok(format!("http://{}/openrtb2/auction", self.data).parse()?)
    }

    /// Looks at memory, sockets and metrics. What cannot be read counts as nothing.
    pub(super) async fn look(&self) -> Seen {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let metrics = tokio::time::timeout(METRICS_WITHIN, self.metrics()).await;
        let events = metrics.ok().and_then(Result::ok).unwrap_or_default();
        let of = |range: std::ops::Range<usize>, event: &str| -> Vec<u64> {
            let key = |index: usize| (format!("p{index}"), event.to_owned());
            let count = |index| events.get(&key(index)).copied().unwrap_or(0);
            range.map(count).collect()
        };
        let open = of(0..self.bad, "breaker_open");
        Seen {
            memory: memory(&process).unwrap_or(0),
            sockets: sockets(&process).unwrap_or(0),
            open_breakers: open.iter().filter(|count| **count > 0).count(),
            healthy_wins: of(self.bad..self.partners.len(), "won").iter().sum(),
            bad_wins: of(0..self.bad, "won").iter().sum(),
            followed: self
                .partners
                .iter()
                .map(|partner| partner.stats().redirects_followed)
                .sum(),
        }
    }

    /// The counts of `gavel_partner_events_total` by partner and event.
    async fn metrics(&self) -> anyhow::Result<BTreeMap<(String, String), u64>> {
        let mut stream = TcpStream::connect(self.control).await?;
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {KEY}\r\n\
             Connection: close\r\n\r\n",
            self.control
        );
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let mut events = BTreeMap::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("gavel_partner_events_total{") else {
                continue;
            };
            let label = |name: &str| {
                let after = rest.split_once(&format!("{name}=\""))?.1;
                Some(after.split_once('"')?.0.to_owned())
            };
            let count = rest
                .rsplit_once(' ')
                .and_then(|(_, count)| count.parse().ok());
            if let (Some(partner), Some(event), Some(count)) =
                (label("partner"), label("event"), count)
            {
                events.insert((partner, event), count);
            }
        }
        ensure!(!events.is_empty(), "no metrics of partners");
        Ok(events)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must not outlive the measurement.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn partner(index: usize, profile: Profile) -> Arc<Partner> {
    Partner::new(partner::Settings {
        profile,
        price_micros: 2_000_000,
        spread_percent: 40,
        bid_percent: BID_PERCENT,
        currency: "EUR".to_owned(),
        seat: format!("s{index}"),
        domain: format!("p{index}.example"),
        together: false,
        silent: false,
    })
}

/// Serves the partners on a thread of their own, apart from the generator.
pub(in crate::scenario) fn serve(
    listeners: Vec<std::net::TcpListener>,
    partners: Vec<Arc<Partner>>,
) -> oneshot::Sender<()> {
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system can make a runtime for a thread");
        runtime.block_on(async {
            for (listener, partner) in listeners.into_iter().zip(partners) {
                let listener = TcpListener::from_std(listener).expect("it is a TCP socket");
                tokio::spawn(async move {
                    // Its failure shows as missing bids.
                    let _ = partner::serve(listener, partner, std::future::pending()).await;
                });
            }
            // Ends with the node, whichever way.
            let _ = stopped.await;
        });
    });
    stop
}

fn apply(gavel: &Path, folder: &Path) -> anyhow::Result<()> {
    let applied = Command::new(gavel)
        .args(["apply", "--config", "gavel.toml", "resources.toml"])
        .current_dir(folder)
        .output()?;
    if !applied.status.success() {
        bail!("{}", String::from_utf8_lossy(&applied.stderr));
    }
    Ok(())
}

fn memory(process: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn sockets(process: &Path) -> Option<usize> {
    let files = std::fs::read_dir(process.join("fd")).ok()?;
    let is_socket = |entry: &std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    };
    Some(files.filter_map(Result::ok).filter(is_socket).count())
}
