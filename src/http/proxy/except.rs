//! The hosts that are reached without a proxy: `NO_PROXY` and loopback. Pure.

use std::net::IpAddr;
use url::Host;

/// What `NO_PROXY` lists.
///
/// Its entries are separated by commas or blanks. There are
/// - `*`: every host;
/// - `example.com`, `.example.com`: this host and all below it, as curl reads both;
/// - `*.example.com`: the hosts below it;
/// - `10.0.0.1`, `::1`, `[::1]`: this address;
/// - `10.0.0.0/8`, `fd00::/8`: the addresses that begin with the same bits.
///
/// All but the first and the last may end with a port (an IPv6 address in brackets), and then hold for it only. What
/// cannot be read as any of these is passed over, as other programs may know more.
#[derive(Debug, Default)]
pub struct Exceptions(Vec<Entry>);

#[derive(Debug, PartialEq)]
enum Entry {
    Everything,
    Address(IpAddr, Option<u16>),
    /// The address, and how many of its bits count.
    Network(IpAddr, u32),
    Name {
        /// In lower case, without dots around it.
        name: String,
        with_itself: bool,
        port: Option<u16>,
    },
}

impl Exceptions {
    pub fn read(text: &str) -> Exceptions {
        Exceptions(text.split(|c: char| c == ',' || c.is_whitespace()).filter_map(Entry::read).collect())
    }

    pub fn is_everything(&self) -> bool {
        self.0.contains(&Entry::Everything)
    }

    pub fn contains(&self, host: &Host<&str>, port: u16) -> bool {
        self.0.iter().any(|entry| entry.contains(host, port))
    }
}

impl Entry {
    fn read(text: &str) -> Option<Entry> {
        if text == "*" {
            return Some(Entry::Everything);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = without_brackets(address).parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return number(bits).filter(|bits| *bits <= most).map(|bits| Entry::Network(address, bits));
        }
        if let Ok(address) = without_brackets(text).parse::<IpAddr>() {
            return Some(Entry::Address(address.to_canonical(), None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(u16::try_from(number(port)?).ok()?)),
            None => (text, None),
        };
        match without_brackets(host).parse::<IpAddr>() {
            // Without brackets, one cannot say where an IPv6 address ends and the port begins.
            Ok(address) if address.is_ipv4() || host.starts_with('[') => {
                Some(Entry::Address(address.to_canonical(), port))
            }
            Ok(_) => None,
            Err(_) => Entry::read_name(host, port),
        }
    }

    fn read_name(host: &str, port: Option<u16>) -> Option<Entry> {
        let (name, with_itself) = match host.strip_prefix("*.") {
            Some(name) => (name, false),
            None => (host.strip_prefix('.').unwrap_or(host), true),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_name = !name.is_empty() && !name.contains(['*', ':', '[', ']', '@']) && !name.starts_with('.');
        is_name.then_some(Entry::Name { name, with_itself, port })
    }

    fn contains(&self, host: &Host<&str>, port: u16) -> bool {
        match self {
            Entry::Everything => true,
            Entry::Address(address, only) => {
                only.is_none_or(|only| only == port) && address_of(host).is_some_and(|host| host == *address)
            }
            Entry::Network(network, bits) => address_of(host).is_some_and(|host| is_within(host, *network, *bits)),
            Entry::Name { name, with_itself, port: only } => {
                let Host::Domain(host) = host else { return false };
                let host = host.strip_suffix('.').unwrap_or(host);
                only.is_none_or(|only| only == port)
                    && match host.strip_suffix(name.as_str()) {
                        Some("") => *with_itself,
                        Some(below) => below.ends_with('.'),
                        None => false,
                    }
            }
        }
    }
}

/// Whether a host is this machine, whatever the proxy.
pub fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        _ => address_of(host).is_some_and(|address| address.is_loopback()),
    }
}

/// A host's address, where it is one; an IPv4 address that is written as an IPv6 one counts as IPv4.
fn address_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(address.to_canonical()),
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    // In Rust a shift by all bits overflows.
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0,
        _ => false,
    }
}

fn without_brackets(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
