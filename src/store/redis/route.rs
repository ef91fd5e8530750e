//! The way to the server: what one operation needs to connect, and the nodes of a Cluster.

use crate::error::{Error, Status};
use crate::store::redis::address::{Address, Server};
use crate::store::redis::error::RedisError;
use rustls::ClientConfig;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many of a Cluster's nodes are remembered.
const MOST_NODES: usize = 64;

/// A Cluster's nodes, as far as they were met. Nothing calls out under its lock; it is std's because threads may wait
/// for it (see `single_flight`).
#[derive(Debug, Default)]
pub struct KnownNodes(Mutex<Vec<Server>>);

impl KnownNodes {
    fn lock(&self) -> MutexGuard<'_, Vec<Server>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn all(&self) -> Vec<Server> {
        self.lock().clone()
    }

    pub fn put_first(&self, node: Server) {
        let mut nodes = self.lock();
        nodes.retain(|one| *one != node);
        nodes.insert(0, node);
    }

    pub fn add(&self, more: impl Iterator<Item = Server>) {
        let mut nodes = self.lock();
        for node in more {
            if !nodes.contains(&node) && nodes.len() < MOST_NODES {
                nodes.push(node);
            }
        }
    }
}

/// What a session needs to connect.
#[derive(Debug)]
pub struct Route<'a> {
    pub address: Arc<Address>,
    pub tls: Option<&'a Arc<ClientConfig>>,
    /// The most that connecting may take, and each command.
    pub limit: Duration,
    /// When the operation has taken long enough.
    pub until: Instant,
    /// A Cluster's nodes, as far as they were met; the last that had the key first.
    pub known_nodes: &'a KnownNodes,
}

impl Route<'_> {
    /// What it means that a step's time is over: the operation's may be, too.
    pub fn out_of_time(&self, server: &Server, of_the_step: impl FnOnce() -> RedisError) -> RedisError {
        match Instant::now() >= self.until {
            true => RedisError::Ended(Error::new(
                Status::TM_STORE,
                format!(
                    "half of the call's time was over before {server} answered; see whether it runs and can be reached from here"
                ),
            )),
            false => of_the_step(),
        }
    }
}
