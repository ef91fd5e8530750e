//! The library against real servers on loopback: the demo API in this process, nginx, tinyproxy, a recorder that
//! answers whatever a test wants, and servers that do what a script says with connections that stay open. What hangs on
//! the environment or on limits of the process runs in a process of its own.
//!
//! In reading order: `client`, `child` (who calls), `recorder`, `scripted`, `frames`, `records`, `nginx`, `tinyproxy`
//! (who answers), then the tests by subject.

mod child;
mod client;
mod frames;
mod nginx;
mod peer;
mod recorder;
mod records;
mod scripted;
mod tinyproxy;

mod algorithms;
mod authorities;
mod connections;
mod credentials;
mod died_together;
mod early_refusal;
mod encodings;
mod exhaustion;
mod floods;
mod heads;
mod hostile;
mod http;
mod http2;
mod intermediaries;
mod limits;
mod proxy;
mod proxy_rules;
mod secrets;
mod sessions;
mod silence;
mod socks;
mod stale;
mod streams;
mod tls;
mod tolerance;
mod torn;
mod words;
