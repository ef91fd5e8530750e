//! Whether a proxy is on the way to a URL, and who says so.

use super::Options;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use serde_json::Value;
use std::env;

pub struct Route {
    /// The proxy's URL as it was given, maybe with a password.
    pub proxy: Option<String>,
    /// Who says so, in words.
    pub why: String,
}

/// The option `proxy`, else the variables, in the order in which the library looks at them.
pub fn of(url: &Url, options: &Options) -> Route {
    let direct = |why: String| Route { proxy: None, why };
    let option = options.get("proxy").and_then(Value::as_str);
    if option == Some("none") {
        return direct("the option proxy says none".to_owned());
    }
    let scheme = url.scheme();
    let upper = format!("{scheme}_proxy").to_uppercase();
    let mut names = vec![format!("{scheme}_proxy"), upper, "all_proxy".into(), "ALL_PROXY".into()];
    // In a CGI program a client sets that one, with a header `Proxy`.
    names.retain(|name| name != "HTTP_PROXY" || env::var_os("REQUEST_METHOD").is_none());
    let variable = || names.iter().find_map(|name| Some((format!("${name}"), set(name)?)));
    let Some((who, proxy)) = option.map(|proxy| ("the option proxy".to_owned(), proxy.to_owned())).or_else(variable)
    else {
        return direct(format!("neither the option proxy nor ${} is set", names.join(", $")));
    };
    if option.is_some() && is_loopback(url) {
        return direct("the option proxy is not for this machine itself".to_owned());
    }
    if is_excepted(url) {
        return direct(format!("$no_proxy excepts this host from {who}"));
    }
    Route { proxy: Some(proxy), why: who }
}

fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_excepted(url: &Url) -> bool {
    let except = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
    let matcher = Matcher::builder().all("http://proxy.invalid").no(except).build();
    url.as_str().parse().is_ok_and(|uri| matcher.intercept(&uri).is_none())
}
