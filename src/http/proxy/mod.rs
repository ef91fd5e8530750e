//! Which proxy, if any, a request goes through: by the option `proxy`, else by the environment. Pure: the
//! environment comes in as a function, so that it is read once, when the manager is made.

mod except;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, Status};
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use except::Exceptions;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use std::ffi::OsString;
use url::{Host, ParseError, Url};

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    /// HTTP in a TLS connection to the proxy.
    Https,
    /// SOCKS5, which is given addresses: host names are looked up here.
    Socks5,
    /// SOCKS5, which is given host names and looks them up itself.
    Socks5h,
}

impl Scheme {
    const ALL: [Scheme; 4] = [Scheme::Http, Scheme::Https, Scheme::Socks5, Scheme::Socks5h];

    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
            Scheme::Socks5h => "socks5h",
        }
    }

    pub fn is_socks(self) -> bool {
        matches!(self, Scheme::Socks5 | Scheme::Socks5h)
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 | Scheme::Socks5h => 1080,
        }
    }
}

/// A proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub scheme: Scheme,
    pub host: Host<String>,
    pub port: u16,
    credentials: Option<Credentials>,
}

#[derive(Clone, Debug)]
struct Credentials {
    username: Secret,
    /// Empty where only a username is given.
    password: Secret,
    /// See `Proxies::secrets`.
    forms: Vec<Secret>,
}

const NO_HOST: &str = "its host is no host name or address in ASCII";
const NO_PORT: &str = "its port is not a number from 1 to 65535";

impl Proxy {
    /// Reads a proxy's URL. The error says what is wrong with it, in a phrase without any of its text.
    fn read(text: &str, default: Option<Scheme>) -> std::result::Result<Proxy, &'static str> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("it holds a blank or a control character");
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) => {
                let secrets = Scheme::ALL.into_iter().find(|scheme| name.eq_ignore_ascii_case(scheme.name()));
                (secrets.ok_or("its scheme is none of http, https, socks5 and socks5h")?, rest)
            }
            None => (default.ok_or("it has no scheme")?, text),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            return Err("its username or password holds a /, ? or #, which has to be percent-encoded");
        }
        let at_host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if at_host.matches(':').count() > 1 && !at_host.starts_with('[') {
            return Err("it has more than one port; an IPv6 address has to be in brackets");
        }
        // With a scheme that has no default port: else a port that is given would be taken for none.
        let url = Url::parse(&format!("proxy://{authority}")).map_err(|error| match error {
            ParseError::InvalidPort => NO_PORT,
            ParseError::EmptyHost => "it has no host",
            _ => NO_HOST,
        })?;
        // What is not ASCII is percent-encoded by now. It would be an error further down, too, but only after idna has
        // asserted in debug builds that it is in lower case.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it has no host")?.to_ascii_lowercase();
        let host = if host.contains('%') { None } else { Host::parse(&host).ok() };
        Ok(Proxy {
            scheme,
            host: host.ok_or(NO_HOST)?,
            port: match url.port() {
                Some(0) => return Err(NO_PORT),
                Some(port) => port,
                None => scheme.default_port(),
            },
            credentials: Credentials::read(&url, authority, scheme)?,
        })
    }

    /// `Proxy-Authorization`, for a proxy that speaks HTTP.
    pub fn basic(&self) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref().filter(|_| !self.scheme.is_socks())?;
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials.joined()))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The username and the password, for a proxy that speaks SOCKS5.
    pub fn login(&self) -> Option<(&[u8], &[u8])> {
        let credentials = self.credentials.as_ref()?;
        Some((credentials.username.as_bytes(), credentials.password.as_bytes()))
    }

    /// What errors and log lines call it: never the user-info.
    pub fn redacted(&self) -> String {
        format!("{}://{}:{}", self.scheme.name(), self.host, self.port)
    }
}

impl Credentials {
    fn read(url: &Url, authority: &str, scheme: Scheme) -> std::result::Result<Option<Credentials>, &'static str> {
        let (username, password) = (url.username(), url.password().unwrap_or_default());
        if username.is_empty() && password.is_empty() {
            return Ok(None);
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().ok();
            text.and_then(|text| Secret::new(&text)).ok_or("its username or password is not UTF-8 or holds a NUL")
        };
        let mut credentials =
            Credentials { username: decoded(username)?, password: decoded(password)?, forms: Vec::new() };
        if scheme.is_socks() && [&credentials.username, &credentials.password].iter().any(|s| s.as_bytes().len() > 255)
        {
            return Err("its username or password is longer than the 255 bytes that SOCKS5 has room for");
        }
        // Where there is no password, the username may well be a token.
        let (secret, encoded) = match password {
            "" => (&credentials.username, username),
            _ => (&credentials.password, password),
        };
        let user_info = authority.rsplit_once('@').map_or("", |(user_info, _)| user_info);
        let written = user_info.split_once(':').map_or(user_info, |(username, password)| match password {
            "" => username,
            _ => password,
        });
        // Without the padding, which a message may leave out.
        let basic = STANDARD_NO_PAD.encode(credentials.joined());
        let mut forms: Vec<Secret> = [&basic, written, encoded].into_iter().filter_map(Secret::new).collect();
        forms.push(secret.clone());
        forms.dedup();
        credentials.forms = forms;
        Ok(Some(credentials))
    }

    fn joined(&self) -> String {
        format!("{}:{}", self.username.as_str(), self.password.as_str())
    }
}

/// The proxies of one manager, and what goes past them.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    except: Exceptions,
    /// Whether loopback hosts are excepted, too. The environment's proxy is meant for all programs and for what is
    /// elsewhere: from its machine, loopback is another host. The option is meant for this manager's host.
    except_loopback: bool,
}

impl Proxies {
    /// `option` is the option `proxy`: a URL, `none`, or absent for what the environment says.
    ///
    /// For `http` URLs that is `http_proxy`, `HTTP_PROXY` (but in a CGI program a client sets that one, with
    /// a header `Proxy`), for `https` URLs `https_proxy`, `HTTPS_PROXY`, and for both, where these are unset
    /// or empty, `all_proxy`, `ALL_PROXY`. `no_proxy`, `NO_PROXY` holds for the option, too.
    pub fn new(option: Option<&str>, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Proxies> {
        let first = |names: &[&'static str]| {
            let set = |name: &&'static str| Some((*name, variable(name).filter(|value| !value.is_empty())?));
            names.iter().find_map(set)
        };
        let except = first(&["no_proxy", "NO_PROXY"])
            .map(|(_, value)| Exceptions::read(&value.to_string_lossy()))
            .unwrap_or_default();
        let given = match option {
            Some("none") => return Ok(Proxies::none()),
            Some(url) => Some(Proxy::read(url, None).map_err(bad_option)?),
            None => None,
        };
        if except.is_everything() {
            return Ok(Proxies::none());
        }
        if let Some(proxy) = given {
            return Ok(Proxies { http: Some(proxy.clone()), https: Some(proxy), except, except_loopback: false });
        }
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http: &[_] = match is_cgi {
            true => &["http_proxy", "all_proxy", "ALL_PROXY"],
            false => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let read = |names| first(names).map(|(name, value)| read_variable(name, value)).transpose();
        Ok(Proxies {
            http: read(http)?,
            https: read(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            except,
            except_loopback: true,
        })
    }

    pub fn none() -> Proxies {
        Proxies::default()
    }

    /// The proxy for this URL, if any.
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref()?,
            "https" => self.https.as_ref()?,
            _ => return None,
        };
        let (host, port) = (url.host()?, url.port_or_known_default()?);
        let excepted = (self.except_loopback && except::is_loopback(&host)) || self.except.contains(&host, port);
        (!excepted).then_some(proxy)
    }

    /// S2: every form in which a proxy's password could be repeated in a message: as it is, as it is written in the
    /// URL, as the URL's parser writes it, and as `Basic` sends it.
    pub fn secrets(&self) -> Vec<Secret> {
        let credentials =
            [&self.http, &self.https].into_iter().flatten().filter_map(|proxy| proxy.credentials.as_ref());
        let mut forms: Vec<Secret> = Vec::new();
        for form in credentials.flat_map(|credentials| &credentials.forms) {
            if !forms.contains(form) {
                forms.push(form.clone());
            }
        }
        forms
    }
}

const TAKES: &str = "http://[user:password@]host:port, or the same with https, socks5 or socks5h";

fn bad_option(why: &'static str) -> Error {
    let message = format!("the option proxy is not a proxy's URL: {why}; it takes {TAKES}, or \"none\"");
    Error::new(Status::TM_INVALID_OPTIONS, message)
}

fn read_variable(name: &'static str, value: OsString) -> Result<Proxy> {
    let text = value.to_str().ok_or("it is not UTF-8");
    text.and_then(|text| Proxy::read(text, Some(Scheme::Http))).map_err(|why| {
        let message = format!(
            "the environment variable {name} is not a proxy's URL: {why}; it takes {TAKES}; correct it or unset it, or \
             set the option proxy, which takes precedence"
        );
        Error::new(Status::TM_INVALID_OPTIONS, message)
    })
}
