//! A runtime on the caller's own thread, the connection that it drives, and finding the server to connect to.

use super::address::{Access, Address, Server, Servers, listed};
use super::link::{Dialing, Link};
use super::trouble::Trouble;
use crate::call::{Call, SLICE};
use crate::clock::Tick;
use crate::error::{Error, Result, Status};
use crate::http::lane::runtime;
use crate::signal::NoSigpipe;
use redis::{Cmd, Value, cmd};
use rustls::ClientConfig;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How often in a row a Cluster may send a command on.
const MOST_REDIRECTIONS: u32 = 5;

/// A connection that idled this long is not used again.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// How many of a Cluster's nodes are remembered.
const MOST_NODES: usize = 64;

/// One runtime and the connection that it drives. One operation has it at a time; no thread runs between two.
#[derive(Debug)]
pub struct Lane {
    /// `None` only while it is being dropped.
    runtime: Option<Runtime>,
    pub line: Line,
    idle_since: Tick,
}

/// The connection, and what is known of where to connect to.
#[derive(Debug, Default)]
pub struct Line {
    link: Option<Link>,
    /// Whether the link comes from an earlier operation, so that the server may have closed it since.
    is_kept: bool,
}

/// A Cluster's nodes, as far as they were met. Nothing calls out under its lock; it is std's because threads may wait
/// for it (see `gate`).
#[derive(Debug, Default)]
pub struct Met(Mutex<Vec<Server>>);

impl Met {
    fn lock(&self) -> MutexGuard<'_, Vec<Server>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn all(&self) -> Vec<Server> {
        self.lock().clone()
    }

    fn put_first(&self, node: Server) {
        let mut nodes = self.lock();
        nodes.retain(|one| *one != node);
        nodes.insert(0, node);
    }

    fn add(&self, more: impl Iterator<Item = Server>) {
        let mut nodes = self.lock();
        for node in more {
            if !nodes.contains(&node) && nodes.len() < MOST_NODES {
                nodes.push(node);
            }
        }
    }
}

impl Lane {
    pub fn new() -> Result<Lane> {
        let runtime = runtime().map_err(|cause| {
            Error::new(
                Status::TM_STORE,
                format!("no connection to Redis could be prepared ({cause}); check the limit of open files"),
            )
        })?;
        Ok(Lane { runtime: Some(runtime), line: Line::default(), idle_since: Tick::now() })
    }

    /// Whether its connection may be gone without a word: firewalls forget those that idle.
    pub fn is_stale(&self, now: Tick) -> bool {
        now >= self.idle_since.after(LONGEST_IDLE)
    }

    /// Does some work on the line, in slices, between which the caller's callbacks are served: outside of the runtime,
    /// and with no lock held. `until`: when the operation has taken long enough.
    pub fn drive<'a, F, W>(&'a mut self, call: &Call, until: Instant, work: W) -> std::result::Result<F::Output, Error>
    where
        F: Future,
        W: FnOnce(&'a mut Line) -> F,
    {
        let Lane { runtime: Some(runtime), line, .. } = self else {
            return Err(Error::new(Status::TM_STORE, "the connection to Redis is closed"));
        };
        let mut work = pin!(work(line));
        loop {
            let end = if call.is_watched() { until.min(Instant::now() + SLICE) } else { until };
            let no_sigpipe = NoSigpipe::new();
            let slice = runtime.block_on(async { tokio::time::timeout_at(end.into(), work.as_mut()).await });
            drop(no_sigpipe);
            match slice {
                Ok(output) => return Ok(output),
                Err(_) => call.go_on()?,
            }
            if Instant::now() >= until {
                return Err(Error::new(
                    Status::TM_STORE,
                    "Redis took half of the call's time; see whether its servers run and can be reached from here",
                ));
            }
        }
    }

    /// Keeps the connection for the next operation.
    pub fn keep(&mut self) {
        self.idle_since = Tick::now();
        self.line.is_kept = self.line.link.is_some();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // A plain drop would wait for a name look-up that is stuck.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a line needs to connect.
#[derive(Debug)]
pub struct Route<'a> {
    pub address: &'a Address,
    pub tls: Option<&'a Arc<ClientConfig>>,
    pub limit: Duration,
    /// A Cluster's nodes, as far as they were met; the last that had the key first.
    pub met: &'a Met,
}

impl Line {
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whom the line is connected to, for messages.
    pub fn server(&self) -> Option<&Server> {
        self.link.as_ref().map(|link| &link.server)
    }

    pub fn hang_up(&mut self) {
        self.link = None;
        self.is_kept = false;
    }

    /// The connection as it is, or a new one.
    pub async fn link(&mut self, route: &Route<'_>) -> std::result::Result<&mut Link, Trouble> {
        if self.link.is_none() {
            self.link = Some(Line::connect(route).await?);
        }
        // It is `Some`: it was, or was made so.
        let link = self.link.as_mut().ok_or_else(|| Trouble::Unreached("there is no connection".to_owned()))?;
        link.set_limit(route.limit);
        Ok(link)
    }

    /// Sends one command to where its key is. A server that answers `MOVED` or `ASK` has not run it: so to send it to
    /// the node that it names is not to send it twice.
    pub async fn ask(&mut self, route: &Route<'_>, command: &Cmd) -> std::result::Result<Value, Trouble> {
        for _ in 0..MOST_REDIRECTIONS {
            let link = self.link(route).await?;
            let refused = match link.ask(command).await {
                Err(Trouble::Refused { server, code, detail }) if matches!(&*code, "MOVED" | "ASK") => {
                    (server, code, detail)
                }
                other => return other,
            };
            let (server, code, detail) = refused;
            let node = detail.split(' ').nth(1).and_then(|node| server.redirected(node));
            let (Servers::Cluster(_), Some(node)) = (&route.address.servers, node) else {
                return Err(Trouble::Refused { server, code, detail });
            };
            if code == "ASK" {
                // The key is on its way to that node; until the slot is, only this one command goes there: the next is
                // answered MOVED.
                let mut there = Link::open(&node, &route.address.access, &route.dialing()).await?;
                there.ask(&cmd("ASKING")).await?;
                return self.link.insert(there).ask(command).await;
            }
            self.hang_up();
            self.link = Some(Link::open(&node, &route.address.access, &route.dialing()).await?);
            route.met.put_first(node);
        }
        Err(Trouble::Unreached(
            "the nodes of the Cluster send each other's requests round; see CLUSTER NODES".to_owned(),
        ))
    }

    async fn connect(route: &Route<'_>) -> std::result::Result<Link, Trouble> {
        match &route.address.servers {
            Servers::One(server) => Link::open(server, &route.address.access, &route.dialing()).await,
            Servers::Sentinel { master, nodes } => {
                let server = ask_sentinels(master, nodes, &route.dialing()).await?;
                Link::open(&server, &route.address.access, &route.dialing()).await
            }
            Servers::Cluster(nodes) => Line::connect_to_any(nodes, route).await,
        }
    }

    /// A Cluster's node, whichever answers first: it knows where the key is.
    async fn connect_to_any(nodes: &[Server], route: &Route<'_>) -> std::result::Result<Link, Trouble> {
        let mut candidates = route.met.all();
        let others: Vec<Server> = nodes.iter().filter(|node| !candidates.contains(node)).cloned().collect();
        candidates.extend(others);
        let mut last = None;
        for node in &candidates {
            match Link::open(node, &route.address.access, &route.dialing()).await {
                Ok(mut link) => {
                    meet(&mut link, route.met).await;
                    return Ok(link);
                }
                Err(trouble) => last = Some(trouble),
            }
        }
        Err(last.unwrap_or_else(|| Trouble::Unreached("the option store.url names no node".to_owned())))
    }
}

/// Learns of the other nodes, for the day when those in the options are gone. Whoever may not ask does without.
async fn meet(link: &mut Link, met: &Met) {
    if let Ok(Value::Array(ranges)) = link.ask(cmd("CLUSTER").arg("SLOTS")).await {
        met.add(ranges.into_iter().flat_map(|range| nodes_in(range, &link.server)));
    }
}

impl<'a> Route<'a> {
    fn dialing(&self) -> Dialing<'a> {
        Dialing { tls: self.tls, limit: self.limit }
    }
}

/// The nodes of one range in the answer to CLUSTER SLOTS: `first, last, [host, port, …]…`.
fn nodes_in(range: Value, from: &Server) -> Vec<Server> {
    let Value::Array(parts) = range else {
        return Vec::new();
    };
    let node = |part: Value| match part {
        Value::Array(node) => match &node[..] {
            [Value::BulkString(host), Value::Int(port), ..] => {
                from.redirected(&format!("{}:{port}", String::from_utf8_lossy(host)))
            }
            [Value::Nil, Value::Int(port), ..] => from.redirected(&format!(":{port}")),
            _ => None,
        },
        _ => None,
    };
    parts.into_iter().skip(2).filter_map(node).collect()
}

/// Which server the Sentinels take for the master: the first that knows is believed.
async fn ask_sentinels(
    master: &str,
    nodes: &[(Server, Access)],
    dialing: &Dialing<'_>,
) -> std::result::Result<Server, Trouble> {
    let mut last = None;
    for (node, access) in nodes {
        let answer = async {
            let mut link = Link::open(node, access, dialing).await?;
            link.ask(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master)).await
        };
        match answer.await {
            Ok(Value::Array(parts)) => match &parts[..] {
                [Value::BulkString(host), Value::BulkString(port)] => {
                    let (host, port) = (String::from_utf8_lossy(host), String::from_utf8_lossy(port));
                    match port.parse() {
                        Ok(port) => return Ok(Server { host: host.into_owned(), port }),
                        Err(_) => last = Some(Trouble::Senseless(node.clone())),
                    }
                }
                _ => last = Some(Trouble::Senseless(node.clone())),
            },
            Ok(Value::Nil) => {
                last = Some(Trouble::Unreached(format!(
                    "the Sentinel at {node} watches nothing of the name in store.sentinel.master; correct that"
                )));
            }
            Ok(_) => last = Some(Trouble::Senseless(node.clone())),
            Err(trouble) => last = Some(trouble),
        }
    }
    Err(last.unwrap_or_else(|| {
        Trouble::Unreached(format!("no Sentinel of {} answers", listed(nodes.iter().map(|(node, _)| node))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_idled_for_a_minute_is_not_used_again() {
        let mut lane = Lane::new().unwrap();
        lane.keep();
        assert!(!lane.is_stale(lane.idle_since.after(LONGEST_IDLE - Duration::from_millis(1))));
        assert!(lane.is_stale(lane.idle_since.after(LONGEST_IDLE)));
    }
}
