//! The library's own token at the Vault: where it comes from, how it is kept alive, and what is done when it is
//! refused. All of it happens inside calls that need the store: nothing runs between them.

use crate::call::Call;
use crate::call::backoff::{PASSING, Pause, REFUSED, RENEW_VAULT_TOKEN};
use crate::call::log::Level;
use crate::call::single_flight::SingleFlight;
use crate::error::{Error, Result, Status};
use crate::http::message::Reuse;
use crate::options::SecretSource;
use crate::store::contract::StoreFault;
use crate::store::contract::to_json;
use crate::store::vault::answer::Auth;
use crate::store::vault::options::VaultOptions;
use crate::store::vault::path::in_url;
use crate::store::vault::server::{Answered, Request, Server};
use crate::sys::clock::Tick;
use crate::sys::recent::Event;
use crate::sys::secret::Secret;
use arc_swap::ArcSwapOption;
use http::Method;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

type Outcome<T> = std::result::Result<T, StoreFault>;

/// How long a secret that the Vault does not know is not sent again while it is the same. A Vault forgets refused logins
/// after a quarter of an hour, unless it is configured otherwise.
const UNCHANGED: Duration = Duration::from_secs(3600);

/// Where the token comes from.
#[derive(Clone, Debug)]
enum Source {
    /// It is given, in the options or in a file that someone else keeps up to date: by the option of this name.
    Given(SecretSource, &'static str),
    /// It is logged in for.
    AppRole { login: String, role_id: SecretSource, secret_id: Option<SecretSource> },
}

/// The token in use, and what it came from.
#[derive(Debug)]
pub struct Tokens {
    source: Source,
    current: ArcSwapOption<VaultToken>,
    /// One caller at a time gets or renews a token.
    turn: SingleFlight,
    /// A renewal that did not succeed.
    transaction: Pause,
    /// An AppRole login that was refused for another reason than its secret, and the credentials that it was tried with.
    login: Pause,
    login_with: AtomicU64,
    /// A new token that was refused, too: so the cause is not the token.
    denied: Pause,
}

/// A token, and how long it lives.
#[derive(Debug)]
pub struct VaultToken {
    pub secret: Secret,
    /// `None`: it does not run out, or it may not be asked.
    life: Option<Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    /// When a third of it is left.
    due: Tick,
    ends: Tick,
    renewable: bool,
}

impl VaultToken {
    /// `ttl` in seconds; 0: it does not run out.
    fn new(secret: Secret, ttl: u64, renewable: bool) -> VaultToken {
        let (now, ttl) = (Tick::now(), Duration::from_secs(ttl));
        let life = (!ttl.is_zero()).then(|| Life { due: now.after(ttl / 3 * 2), ends: now.after(ttl), renewable });
        VaultToken { secret, life }
    }

    fn is_due(&self) -> bool {
        self.life.is_some_and(|life| Tick::now() >= life.due)
    }

    fn lives(&self) -> bool {
        self.life.is_none_or(|life| Tick::now() < life.ends)
    }

    fn is_renewable(&self) -> bool {
        self.lives() && self.life.is_some_and(|life| life.renewable)
    }
}

impl Tokens {
    /// Checks what the options name, but for `token_file`: its writer may start later than this process.
    pub fn new(options: &VaultOptions) -> Result<Tokens> {
        let source = match (&options.token, &options.token_file, &options.role_id) {
            (Some(token), ..) => {
                token.read("store.token")?;
                Source::Given(token.clone(), "store.token")
            }
            (None, Some(path), _) => Source::Given(SecretSource::File(path.clone()), "store.token_file"),
            (None, None, Some(role_id)) => {
                role_id.read("store.role_id")?;
                options.secret_id.as_ref().map(|secret_id| secret_id.read("store.secret_id")).transpose()?;
                Source::AppRole {
                    login: format!("auth/{}/login", in_url(&options.approle_mount)),
                    role_id: role_id.clone(),
                    secret_id: options.secret_id.clone(),
                }
            }
            (None, None, None) => {
                return Err(Error::new(Status::TM_INVALID_OPTIONS, "the option store.token is missing"));
            }
        };
        Ok(Tokens::of(source, None))
    }

    fn of(source: Source, current: Option<Arc<VaultToken>>) -> Tokens {
        Tokens {
            source,
            current: ArcSwapOption::new(current),
            turn: SingleFlight::default(),
            transaction: Pause::default(),
            login: Pause::default(),
            login_with: AtomicU64::new(0),
            denied: Pause::default(),
        }
    }

    /// The same for a forked child. It goes on with its parent's token, which does not rotate.
    pub fn after_fork(&self) -> Tokens {
        Tokens::of(self.source.clone(), self.current.load_full())
    }

    /// The token to send: the one in use, renewed where less than a third of its life is left, or a first one.
    pub fn current(&self, call: &Call, server: &Server) -> Outcome<Arc<VaultToken>> {
        let usable = |token: &Arc<VaultToken>| !token.is_due() || !self.transaction.is_over(Tick::now());
        if let Some(token) = self.current.load_full().filter(usable) {
            return Ok(token);
        }
        let _turn = self.turn.start(call).map_err(unwritten)?;
        match self.current.load_full() {
            None => self.begin(call, server),
            Some(token) if usable(&token) => Ok(token),
            Some(token) => self.prolong(call, server, token),
        }
    }

    /// What to send in place of a token that was answered 403; `None` where another would be no better.
    pub fn after_refusal(
        &self,
        call: &Call,
        server: &Server,
        refused: &VaultToken,
    ) -> Outcome<Option<Arc<VaultToken>>> {
        if !self.denied.is_over(Tick::now()) {
            return Ok(None);
        }
        let _turn = self.turn.start(call).map_err(unwritten)?;
        if let Some(token) = self.current.load_full().filter(|token| token.secret != refused.secret) {
            return Ok(Some(token)); // another caller was quicker
        }
        match &self.source {
            Source::Given(source, option) if read(source, option)? == refused.secret => Ok(None),
            _ => self.begin(call, server).map(Some),
        }
    }

    /// Notes whether a new token was accepted after one was refused. If it was refused as well, the cause is not the token,
    /// and later calls do not ask the Vault for further ones.
    pub fn after_second(&self, was_refused: bool) {
        match was_refused {
            true => self.denied.grow(PASSING, None),
            false => self.denied.end(),
        }
    }

    fn begin(&self, call: &Call, server: &Server) -> Outcome<Arc<VaultToken>> {
        let token = match &self.source {
            Source::Given(source, option) => self.look_up(call, server, read(source, option)?)?,
            Source::AppRole { login, role_id, secret_id } => {
                self.log_in(call, server, login, role_id, secret_id.as_ref())?
            }
        };
        Ok(self.install(token))
    }

    fn install(&self, token: VaultToken) -> Arc<VaultToken> {
        let token = Arc::new(token);
        self.current.store(Some(Arc::clone(&token)));
        self.transaction.end();
        token
    }

    /// A token with less than a third of its life left is renewed, or replaced; where neither works it serves on.
    fn prolong(&self, call: &Call, server: &Server, token: Arc<VaultToken>) -> Outcome<Arc<VaultToken>> {
        if token.is_renewable() {
            let answered = self.ask(call, server, Method::POST, "auth/token/renew-self", &token.secret);
            if let Ok(answered) = &answered
                && let (200, Some(Auth { lease_duration, renewable, .. })) = (answered.status, &answered.body.auth)
            {
                call.log(Level::Debug, || format!("the Vault token was renewed for {lease_duration} s"));
                return Ok(self.install(VaultToken::new(token.secret.clone(), *lease_duration, *renewable)));
            }
        }
        let is_replaced = match &self.source {
            Source::AppRole { .. } => true,
            // A file that is being written at this moment is read the next time.
            Source::Given(source, option) => read(source, option).is_ok_and(|given| given != token.secret),
        };
        if is_replaced {
            match self.begin(call, server) {
                Err(_) if token.lives() => {}
                outcome => return outcome,
            }
        }
        self.transaction.grow(RENEW_VAULT_TOKEN, None);
        call.log(Level::Warning, || {
            let left = token.life.map_or(0, |life| Tick::now().until(life.ends).as_secs());
            format!("the Vault token runs out in {left} s and could be neither renewed nor replaced; see what the Vault allows it")
        });
        Ok(token)
    }

    /// How long a given token lives. One that may not ask is used as it is.
    fn look_up(&self, call: &Call, server: &Server, secret: Secret) -> Outcome<VaultToken> {
        let answered = self.ask(call, server, Method::GET, "auth/token/lookup-self", &secret)?;
        match (answered.status, &answered.body.data) {
            (200, Some(data)) => Ok(VaultToken::new(secret, data.ttl.unwrap_or(0), data.renewable.unwrap_or(false))),
            (403 | 404, _) => Ok(VaultToken { secret, life: None }),
            _ => Err(unwritten(answered.reply().error())),
        }
    }

    fn ask(&self, call: &Call, server: &Server, method: Method, path: &str, token: &Secret) -> Outcome<Answered> {
        let body = Zeroizing::new(if method == Method::POST { b"{}".to_vec() } else { Vec::new() });
        // Renewing twice does no harm.
        let reuse = Reuse::Kept { repeatable: true };
        let request = Request { method, path, token: Some(token), body, secrets: Vec::new(), reuse };
        server.ask(call, request).map_err(|fault| unwritten(fault.error))
    }

    fn log_in(
        &self,
        call: &Call,
        server: &Server,
        path: &str,
        role_id: &SecretSource,
        secret_id: Option<&SecretSource>,
    ) -> Outcome<VaultToken> {
        let role_id = read(role_id, "store.role_id")?;
        let secret_id = secret_id.map(|source| read(source, "store.secret_id")).transpose()?;
        let parts = [role_id.as_bytes(), secret_id.as_ref().map_or(b"", Secret::as_bytes)];
        let mark = Event::of(&format!("{} {path}", server.name()), &parts);
        self.may_log_in(mark).map_err(unwritten)?;
        #[derive(Serialize)]
        struct Login<'a> {
            role_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            secret_id: Option<&'a str>,
        }
        let login = Login { role_id: role_id.as_str(), secret_id: secret_id.as_ref().map(Secret::as_str) };
        let request = Request {
            method: Method::POST,
            path,
            token: None,
            body: to_json(&login),
            secrets: [&role_id].into_iter().chain(&secret_id).cloned().collect(),
            // A secret with a limited number of logins must not lose one to a connection that had died.
            reuse: Reuse::Never,
        };
        let answered = server.ask(call, request).map_err(|fault| unwritten(fault.error))?;
        match (answered.status, &answered.body.auth) {
            (200, Some(Auth { client_token: Some(token), lease_duration, renewable })) => {
                self.login.end();
                call.log(Level::Debug, || format!("logged in to the Vault by AppRole, for {lease_duration} s"));
                Ok(VaultToken::new(token.clone(), *lease_duration, *renewable))
            }
            (400 | 401 | 403, _) => Err(unwritten(self.refused(mark, &answered))),
            _ => Err(unwritten(answered.reply().error())),
        }
    }
}

impl Tokens {
    /// R5: notes that the login `mark` was refused, for [`Tokens::may_log_in`].
    fn refused(&self, mark: Event, answered: &Answered) -> Error {
        match answered.status {
            400 => mark.note(),
            _ => self.login.grow(REFUSED, None),
        }
        self.login_with.store(mark.number(), Ordering::Relaxed);
        let advice = match answered.status {
            403 => {
                "the Vault has locked the role after too many refused logins, for a quarter of an hour unless it is \
                 told otherwise (sys/locked-users), or takes no login from here; see its log"
            }
            _ => "check store.role_id, store.secret_id and store.approle_mount",
        };
        Error::new(Status::TM_STORE, format!("{} was refused ({}); {advice}", answered.redacted, answered.status))
    }

    /// R5: what was refused is not sent again as it is; what has changed since is tried at once.
    fn may_log_in(&self, mark: Event) -> Result<()> {
        if mark.happened_within(UNCHANGED) {
            return Err(Error::new(
                Status::TM_STORE,
                "no AppRole login was tried: the Vault does not know this role_id or secret_id; correct store.role_id or store.secret_id, which is then tried at once",
            ));
        }
        if !self.login.is_over(Tick::now()) && self.login_with.load(Ordering::Relaxed) == mark.number() {
            return Err(Error::new(
                Status::TM_STORE,
                "no AppRole login was tried: the Vault refused the last one a short while ago, perhaps as the role is locked; see the Vault's log",
            ));
        }
        Ok(())
    }
}

fn read(source: &SecretSource, option: &str) -> Outcome<Secret> {
    source.read(option).map_err(|error| unwritten(Error::new(Status::TM_STORE, error.message())))
}

fn unwritten(error: Error) -> StoreFault {
    StoreFault { error, maybe_written: false }
}
