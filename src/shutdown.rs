//! Stopping in order: listeners first, then the maintenance threads, the ledger last, so that
//! what was acknowledged is durable and what is under way finds its writer.

use std::sync::Arc;
use tokio::sync::watch;

/// A signal that everything listens to.
#[derive(Clone)]
pub struct Shutdown {
    sender: Arc<watch::Sender<bool>>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            sender: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Shutdown {
    /// Asks everything to stop.
    pub fn begin(&self) {
        self.sender.send_replace(true);
    }

    /// Whether stopping has begun, for threads that work in turns.
    pub fn begun(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until stopping begins.
    pub async fn wait(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so waiting ends only with the signal.
        let _ = receiver.wait_for(|begun| *begun).await;
    }
}
