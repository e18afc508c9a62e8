//! Pools by host, for addresses that come with bids: notices, and markup from win notices.

use super::pool::{Manner, Pool};
use crate::catalog::Endpoint;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Pools of one thread, of which the least recently used one goes first.
pub(super) struct Hosts {
    manner: Manner,
    most: usize,
    pools: RefCell<VecDeque<Rc<Pool>>>,
}

impl Hosts {
    /// At most `most` hosts, each connected to in the same manner.
    pub(super) fn new(manner: Manner, most: usize) -> Self {
        Self {
            manner,
            most,
            pools: RefCell::default(),
        }
    }

    /// The pool of an endpoint's host, whatever the path.
    pub(super) fn pool(&self, mut endpoint: Endpoint) -> Rc<Pool> {
        endpoint.path = "/".into();
        let mut pools = self.pools.borrow_mut();
        let found = pools.iter().position(|pool| *pool.endpoint() == endpoint);
        let pool = found.and_then(|at| pools.remove(at));
        let pool = pool.unwrap_or_else(|| Rc::new(Pool::new(endpoint, self.manner.clone())));
        pools.push_back(Rc::clone(&pool));
        if pools.len() > self.most {
            pools.pop_front();
        }
        pool
    }
}
