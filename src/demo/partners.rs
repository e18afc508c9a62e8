//! The two external partners of the demo: mock bidders on loopback ports of their own, one of
//! them slow. They keep their own account of what they were billed.

use crate::demo::statement::Billed;
use crate::server::thread_runtime;
use crate::shutdown::Shutdown;
use anyhow::{Context, Result};
use ledger::{Carry, Cpm};
use load_tests::partner::{self, Partner, Profile, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The running partners.
pub(super) struct Partners {
    /// Id of the partner in the fixtures, its address, its own books.
    pub(super) running: Vec<Running>,
    thread: JoinHandle<()>,
}

/// One partner.
pub(super) struct Running {
    /// Id of the partner in the fixtures.
    pub(super) id: &'static str,
    /// The word that stands for its address in the fixtures.
    pub(super) placeholder: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    partner: Arc<Partner>,
}

impl Running {
    /// What the partner was billed, by its own count of first billing notices. It buys for one
    /// campaign, so its costs are rounded as one.
    pub(super) fn billed(&self) -> Billed {
        let bill = self.partner.stats().bill;
        Billed {
            id: self.id,
            impressions: bill.count - bill.repeated,
            amount: Carry::default().impression(Cpm(bill.price_micros)),
        }
    }
}

impl Partners {
    /// Starts both on ports that the system chooses.
    ///
    /// # Errors
    /// Where no port can be had.
    pub(super) fn start(shutdown: &Shutdown) -> Result<Self> {
        let plans = [
            ("dsp_fast", "PARTNER_FAST", Profile::Ok, "fast", 1_900_000),
            (
                "dsp_slow",
                "PARTNER_SLOW",
                Profile::Slow(Duration::from_millis(45)),
                "slow",
                2_300_000,
            ),
        ];
        let mut running = Vec::new();
        let mut listeners = Vec::new();
        for (id, placeholder, profile, seat, price_micros) in plans {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")
                .context("no port for a partner of the demo")?;
            listener.set_nonblocking(true)?;
            let settings = Settings {
                profile,
                price_micros,
                spread_percent: 60,
                bid_percent: 45,
                currency: "EUR".to_owned(),
                seat: seat.to_owned(),
                domain: format!("{seat}.example"),
                together: false,
                silent: false,
            };
            let address = listener.local_addr()?;
            running.push(Running {
                id,
                placeholder,
                address,
                partner: Partner::new(settings),
            });
            listeners.push(listener);
        }
        let partners: Vec<Arc<Partner>> = running
            .iter()
            .map(|running| Arc::clone(&running.partner))
            .collect();
        let shutdown = shutdown.clone();
        let thread = std::thread::Builder::new()
            .name("demo-partners".to_owned())
            .spawn(move || serve(listeners, partners, &shutdown))?;
        Ok(Self { running, thread })
    }

    /// Waits for the partners to end after the shutdown has begun.
    pub(super) fn join(self) -> Vec<Running> {
        // A partner that panicked shows as a difference in the statement.
        let _ = self.thread.join();
        self.running
    }
}

fn serve(listeners: Vec<std::net::TcpListener>, partners: Vec<Arc<Partner>>, shutdown: &Shutdown) {
    let runtime = thread_runtime();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let mut tasks = Vec::new();
        for (listener, partner) in listeners.into_iter().zip(partners) {
            let listener =
                tokio::net::TcpListener::from_std(listener).expect("the listener is a TCP socket");
            let shutdown = shutdown.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let ended = async move { shutdown.wait().await };
                // Its failure shows as missing bids and bills.
                let _ = partner::serve(listener, partner, ended).await;
            }));
        }
        for task in tasks {
            let _ = task.await;
        }
    });
}
