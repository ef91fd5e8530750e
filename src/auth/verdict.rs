//! What the answer of an auth endpoint means: a pair, or a refusal and why.

use crate::auth::answer::Grant;
use crate::auth::call::Call;
use crate::auth::endpoint::Endpoint;
use crate::auth::json::Document;
use crate::auth::meaning::{self, Meaning, Means, Of};
use crate::auth::message::ServerMessage;
use crate::auth::place::{self, Answer};
use crate::auth::values::{Discovered, Kept};
use crate::error::{Error, Status};
use crate::redact::scrub;
use crate::sys::secret::Secret;
use http::{HeaderMap, header};
use std::time::Duration;

/// An answer as it came.
pub struct Reply<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// Where an intermediary refused: who, and what to do.
    pub intermediary: Option<&'a str>,
    /// This machine's wall clock, in Unix milliseconds.
    pub now: i64,
}

impl Reply<'_> {
    pub fn retry_after(&self) -> Option<Duration> {
        place::pause(self.headers, self.now.div_euclid(1000))
    }
}

/// How an auth endpoint said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The credentials, or the refresh token: asking again with the same ones is no use.
    Rejected,
    /// R4: nothing that other tokens or credentials could mend.
    Forbidden,
    RateLimited,
    /// What became of the request is unknown.
    Unavailable,
    /// An answer that holds no usable token.
    Unusable,
    /// Something in front of the API answered in its place: the API has most likely not seen the request.
    Intercepted,
}

/// A refusal, and the error for the caller.
#[derive(Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub error: Error,
}

/// Which rule decided what an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// One of the endpoint's own meanings, by its place.
    Endpoint(usize),
    /// One of the dialect's.
    Dialect(usize),
    /// The status codes that mean yes.
    Success,
    /// What a status means where nothing else is said.
    Default,
}

/// Reads an endpoint's reply: whether it means yes, and what it brought.
pub struct ReplyReader<'a> {
    pub of: Of,
    pub endpoint: &'a Endpoint,
    pub discovered: Option<&'a Discovered>,
    pub meanings: &'a [Meaning],
    /// How calls carry the token, which it has to fit.
    pub call: &'a Call,
    /// What to check when it refuses the credentials.
    pub credentials: &'a str,
    /// What was sent and must not be shown.
    pub secrets: &'a [&'a Secret],
    /// What earlier answers kept.
    pub kept: Option<&'a Kept>,
}

/// What an endpoint's answer brought: all values that are kept now, and a pair where one was looked for.
pub enum Brought {
    Kept(Kept),
    Grant(Box<Grant>),
}

impl ReplyReader<'_> {
    /// Reads an answer. `wants_grant`: it has to hold a pair.
    pub fn read(&self, reply: &Reply<'_>, wants_grant: bool) -> Result<Brought, Refusal> {
        self.judge(reply, wants_grant).map_err(|Refusal { kind, error }| Refusal {
            kind,
            error: error.with_http_status(reply.status).with_retry_after(reply.retry_after()),
        })
    }

    /// What an answer means, and what says so.
    pub fn decide(&self, reply: &Reply<'_>, document: &Document<'_>) -> (Means, Decided) {
        let find = |meanings: &[Meaning]| meaning::find(meanings, self.of, reply.status, reply.headers, document);
        if let Some((at, means)) = find(&self.endpoint.meanings) {
            return (means, Decided::Endpoint(at));
        }
        if let Some((at, means)) = find(self.meanings) {
            return (means, Decided::Dialect(at));
        }
        match self.endpoint.success.contains(reply.status) {
            true => (Means::Accepted, Decided::Success),
            false => (meaning::default(self.of, reply.status).unwrap_or(Means::Unusable), Decided::Default),
        }
    }

    fn judge(&self, reply: &Reply<'_>, wants_grant: bool) -> Result<Brought, Refusal> {
        let document = Document::new(reply.body);
        match self.decide(reply, &document) {
            (Means::Accepted, _) => {}
            (means, decided) => {
                let is_stated = matches!(decided, Decided::Endpoint(_) | Decided::Dialect(_));
                return Err(self.refuse(reply, &document, means, is_stated));
            }
        }
        let answer = Answer { headers: reply.headers, document: &document, now: reply.now };
        let mut kept = self.kept.cloned().unwrap_or_default();
        for (name, places) in &self.endpoint.keep {
            match places.keep(&answer, kept.get(name)) {
                None => None,
                Some(value) if value.as_bytes().is_empty() => kept.remove(name),
                Some(value) => kept.insert(name.clone(), value),
            };
        }
        if !wants_grant {
            return Ok(Brought::Kept(kept));
        }
        self.endpoint.shape.grant(&answer, self.call, kept).map(|grant| Brought::Grant(Box::new(grant))).map_err(
            |why| {
                let words = ServerMessage::of(&document, self.secrets);
                let Refusal { kind, error } = self.unusable(reply, &words, why);
                Refusal { kind, error: error.with_server_code(words.code) }
            },
        )
    }

    fn refuse(&self, reply: &Reply<'_>, document: &Document<'_>, means: Means, is_stated: bool) -> Refusal {
        if let (Some(why), false) = (reply.intermediary, is_stated) {
            // R4: a 403 spends nothing, an intermediary's neither.
            let kind = if reply.status == 403 { RefusalKind::Forbidden } else { RefusalKind::Intercepted };
            return self.refusal(reply, kind, Status::TM_BAD_RESPONSE, &format!(": {why}"));
        }
        let words = ServerMessage::of(document, self.secrets);
        let is_own = is_stated || self.is_own(reply, document);
        let Refusal { kind, error } = match means {
            Means::Rejected | Means::Expired if !is_own => self.intercepted(reply),
            Means::Rejected | Means::Expired => self.rejected(&words),
            Means::Forbidden => Refusal {
                kind: RefusalKind::Forbidden,
                error: forbidden(&self.redacted(), reply.status, &words, is_own),
            },
            Means::RateLimited => {
                let rest = format!("{words}; wait before the next try");
                self.refusal(reply, RefusalKind::RateLimited, Status::TM_RATE_LIMITED, &rest)
            }
            Means::Unavailable => {
                let rest = format!("{words}; try again later");
                self.refusal(reply, RefusalKind::Unavailable, Status::TM_SERVER_ERROR, &rest)
            }
            Means::Unusable | Means::Accepted => self.unusable(reply, &words, &self.reason(reply, is_stated)),
        };
        Refusal { kind, error: error.with_server_code(words.code) }
    }

    /// Whether a refusal is the API's own. A gateway in front of it sends pages, or nothing at all, or asks for a login of its
    /// own; it knows nothing of the credentials in the body.
    fn is_own(&self, reply: &Reply<'_>, document: &Document<'_>) -> bool {
        const PROXYS: [&str; 2] = ["proxy-authenticate", "x-squid-error"];
        let schemes: Vec<String> = reply
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Some(value.to_str().ok()?.split_whitespace().next()?.to_ascii_lowercase()))
            .collect();
        let is_tokens = schemes.iter().any(|scheme| matches!(scheme.as_str(), "bearer" | "dpop"));
        if document.json().is_some() || is_tokens {
            return true;
        }
        // The server that answers a request with Authorization has read that header.
        if reply.status == 401 && self.endpoint.is_authorized() {
            return true;
        }
        let is_proxys = PROXYS.iter().any(|name| reply.headers.contains_key(*name));
        let text = document.text();
        !text.is_empty() && !is_page(&text) && schemes.is_empty() && !is_proxys
    }

    fn rejected(&self, words: &ServerMessage) -> Refusal {
        let message = match self.of {
            Of::Login => format!("the login was refused{words}; check {}", self.credentials),
            Of::Refresh => format!("the refresh token was refused{words}; log in again"),
            Of::Logout | Of::Call => {
                let redacted = self.redacted();
                let error = format!(
                    "{redacted} was refused{words}: the token was no longer valid there; the local and the stored ones are gone"
                );
                return Refusal { kind: RefusalKind::Rejected, error: Error::new(Status::TM_UNAUTHORIZED, error) };
            }
        };
        Refusal { kind: RefusalKind::Rejected, error: Error::new(Status::TM_LOGIN_REJECTED, message) }
    }

    fn intercepted(&self, reply: &Reply<'_>) -> Refusal {
        let rest = match reply.status {
            401 => {
                " not in the API's own words: a gateway or a proxy in front of it wants a login of its own; the credentials were not judged. Ask whoever runs it to let this machine through, and check that the host is the API's address"
            }
            _ => {
                " not in the API's own words: it may not have understood the request, or a gateway or a proxy in front of it refused; the credentials were not judged. Check that the option auth sends what the API takes, and that the host is the API's address"
            }
        };
        self.refusal(reply, RefusalKind::Intercepted, Status::TM_BAD_RESPONSE, rest)
    }

    fn redacted(&self) -> String {
        self.endpoint.redacted(self.discovered)
    }

    /// "POST /auth/login was answered 429…"
    fn refusal(&self, reply: &Reply<'_>, kind: RefusalKind, status: Status, rest: &str) -> Refusal {
        let message = format!("{} was answered {}{rest}", self.redacted(), reply.status);
        Refusal { kind, error: Error::new(status, message) }
    }

    fn unusable(&self, reply: &Reply<'_>, words: &ServerMessage, why: &str) -> Refusal {
        let what = if self.of == Of::Logout { "" } else { " without a usable token" };
        let (kind, next) = match reply.status {
            407 => (RefusalKind::Intercepted, ""),
            300..400 => (RefusalKind::Unusable, ""),
            _ => (RefusalKind::Unusable, "; check that the host is the API's address"),
        };
        self.refusal(reply, kind, Status::TM_BAD_RESPONSE, &format!("{words}{what}: {why}{next}"))
    }

    fn reason(&self, reply: &Reply<'_>, is_stated: bool) -> String {
        match reply.status {
            300..400 => {
                let to = location(reply.headers, self.secrets).unwrap_or_else(|| "another address".to_owned());
                format!(
                    "it is a redirect to {to}, and {} follows none, so that credentials go nowhere else; if that is the API's address, set the host or the option auth to it",
                    self.of.name()
                )
            }
            407 => "a proxy wants a username and a password; check the option proxy".to_owned(),
            200..300 if is_stated => "it says that it did not succeed".to_owned(),
            _ => "it is no answer that this endpoint gives".to_owned(),
        }
    }
}

/// Whether a text is HTML.
pub fn is_page(text: &str) -> bool {
    const LOOKED_AT: usize = 2048;
    let head = text[..text.floor_char_boundary(LOOKED_AT)].to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<title", "<h1", "<center"].iter().any(|tag| head.contains(tag))
}

/// Where a redirect leads, without what its query may hold.
pub fn location(headers: &HeaderMap, secrets: &[&Secret]) -> Option<String> {
    let text = headers.get(header::LOCATION)?.to_str().ok()?;
    let text = text.split(['?', '#']).next()?;
    let redacted = match text.split_once("//") {
        None => text.to_owned(),
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // Without user-info.
            format!("{scheme}//{}{path}", authority.rsplit('@').next().unwrap_or_default())
        }
    };
    // Segment by segment: a whole path looks like a token.
    let redacted = redacted.split('/').map(|segment| scrub(segment, secrets)).collect::<Vec<_>>().join("/");
    Some(redacted).filter(|redacted| !redacted.is_empty())
}

/// R4's message, for auth endpoints and API calls alike: what a 403 is, where its code says so, else what it may be.
pub fn forbidden(what: &str, status: u16, words: &ServerMessage, is_own: bool) -> Error {
    let code = words.code.as_deref().unwrap_or_default().to_ascii_lowercase();
    let parts: Vec<&str> = code.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let names_address = parts.contains(&"ip")
        || ["whitelist", "allowlist", "ipnot", "ipaddress"].iter().any(|mark| code.contains(mark));
    let why = if names_address {
        "this machine's IP address is not on the account's IP whitelist, and only the account's administrator can add it"
    } else if !is_own {
        "it is not in the API's own words: a firewall, a gateway or a proxy in front of it may have refused, or the account's IP whitelist, which only its administrator can change"
    } else {
        "the account may lack the permission, or this machine's IP address may not be on the account's IP whitelist; only the account's administrator can change either"
    };
    Error::new(Status::TM_FORBIDDEN, format!("{what} was answered {status}{words}; {why}"))
}
