//! A host's addresses.

use crate::call::POLL_INTERVAL;
use crate::net::connect::Unreached;
use crate::net::drive::{Pace, Stopped};
use crate::sys::signals::without_signals;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;
use url::Host;

/// The addresses of a host, in the order in which the system prefers them. `localhost` and names below it are this
/// machine's own, whatever a name server says (RFC 6761, 6.3).
///
/// A look-up blocks in the C library for any time, so it gets a thread of its own, which may outlive the call. Where no
/// thread can be started, it happens on the caller's.
pub fn addresses(host: &Host<&str>, pace: &mut Pace<'_>) -> Result<Vec<IpAddr>, Unreached> {
    match host {
        Host::Ipv4(address) => Ok(vec![IpAddr::V4(*address)]),
        Host::Ipv6(address) => Ok(vec![IpAddr::V6(*address)]),
        Host::Domain(name) if is_this_machine(name) => {
            Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)])
        }
        Host::Domain(name) => look_up(name, ask_the_system, pace),
    }
}

/// Whether a name is one of this machine's own.
pub fn is_this_machine(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

/// Where a look-up's thread leaves its outcome. std's lock: only this call and its thread ever use it.
#[derive(Default)]
struct LookUp {
    outcome: Mutex<Option<Found>>,
    ended: Condvar,
}

type Found = io::Result<Vec<IpAddr>>;

fn look_up(name: &str, ask: fn(&str) -> Found, pace: &mut Pace<'_>) -> Result<Vec<IpAddr>, Unreached> {
    let look_up = Arc::new(LookUp::default());
    let work = {
        let (name, look_up) = (name.to_owned(), Arc::clone(&look_up));
        move || {
            let outcome = ask(&name);
            *look_up.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(outcome);
            look_up.ended.notify_one();
        }
    };
    // The host's signal handlers must run on the host's threads only.
    let thread = without_signals(|| std::thread::Builder::new().name("tokenmgr-lookup".to_owned()).spawn(work));
    if thread.is_err() {
        return ask(name).map_err(Unreached::LookUp);
    }
    loop {
        let outcome = look_up.outcome.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let left = pace.deadline.min(pace.call.deadline()).saturating_duration_since(Instant::now());
        let slice = if pace.is_watched() || pace.beside.is_some() { left.min(POLL_INTERVAL) } else { left };
        let waited = look_up.ended.wait_timeout_while(outcome, slice, |outcome| outcome.is_none());
        let mut outcome = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        if let Some(outcome) = outcome.take() {
            return outcome.map_err(Unreached::LookUp);
        }
        drop(outcome); // callbacks run with no lock held
        if let Some(beside) = pace.beside {
            beside.has_something().map_err(|cause| Unreached::Stopped(Stopped::Unable(cause)))?;
        }
        pace.checkpoint(Instant::now()).map_err(|stopped| match stopped {
            Stopped::StepOutOfTime => {
                let cause = "the name look-up took longer than the time there was";
                Unreached::LookUp(io::Error::new(io::ErrorKind::TimedOut, cause))
            }
            stopped => Unreached::Stopped(stopped),
        })?;
    }
}

fn ask_the_system(name: &str) -> Found {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use std::time::Duration;

    fn call() -> Call {
        Call::begin(Arc::default(), Duration::from_secs(20))
    }

    /// A claim is renewed meanwhile, or another process would take it over.
    #[test]
    fn a_slow_look_up_holds_nothing_else_up() {
        let (call, mut ticks) = (call(), 0);
        let mut on_tick = || ticks += 1;
        let mut pace = Pace::new(&call, call.deadline(), Some(&mut on_tick));
        let slowly = |_: &str| {
            std::thread::sleep(Duration::from_millis(500));
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        };
        assert_eq!(look_up("a.example", slowly, &mut pace).unwrap(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert!(ticks >= 2, "{ticks}");
        let mut pace = Pace::new(&call, Instant::now() + Duration::from_millis(50), None);
        let late = look_up("a.example", slowly, &mut pace).unwrap_err();
        assert!(matches!(late, Unreached::LookUp(cause) if cause.kind() == io::ErrorKind::TimedOut));
    }

    #[test]
    fn p4_a_look_ups_thread_takes_none_of_the_hosts_signals() {
        fn blocked() -> u64 {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
            u64::from_str_radix(mask.trim(), 16).unwrap()
        }
        let (call, before) = (call(), blocked());
        let found = look_up(
            "a.example",
            |_| Err(io::Error::other(format!("{}", blocked()))),
            &mut Pace::new(&call, call.deadline(), None),
        );
        let Unreached::LookUp(cause) = found.unwrap_err() else { panic!("it was not asked") };
        let mask: u64 = cause.to_string().parse().unwrap();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGPROF, libc::SIGUSR1, libc::SIGCHLD] {
            assert!(mask & (1 << (signal - 1)) != 0, "{signal}");
        }
        assert_eq!(blocked(), before, "the caller's own");
    }

    #[test]
    fn names_of_this_machine_are_not_looked_up() {
        for name in ["localhost", "LOCALHOST", "api.localhost", "localhost."] {
            assert!(is_this_machine(name), "{name}");
        }
        for name in ["localhost.example.com", "notlocalhost", "example.com", ""] {
            assert!(!is_this_machine(name), "{name}");
        }
    }
}
