//! The library against real servers on loopback: the demo API in this process, nginx, tinyproxy, and a
//! recorder that answers whatever a test wants. What hangs on the environment runs in a process of its own.
//!
//! In reading order: `client`, `child` (who calls), `recorder`, `nginx`, `tinyproxy`, `pki` (who answers),
//! then the tests by subject.

#[path = "../../examples/demo-api/api.rs"]
mod api;

mod child;
mod client;
mod folder;
mod nginx;
mod pki;
mod program;
mod recorder;
mod tinyproxy;

mod algorithms;
mod authorities;
mod connections;
mod credentials;
mod hostile;
mod http;
mod limits;
mod proxy;
mod secrets;
mod silence;
mod tls;
mod torn;
