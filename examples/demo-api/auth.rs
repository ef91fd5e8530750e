//! The rules of login, refresh and logout, and who may call the API.

use super::{
    ledger::Use,
    settings::{Account, lay_over},
    state::State,
    token::{fingerprint, rfc3339},
};
use serde_json::{Map, Value, json};
use std::{net::IpAddr, time::Instant};

/// What became of a request: the answer's data, and a few words for the log.
pub struct Done {
    pub data: Value,
    pub note: String,
}

pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: &'static str,
    pub retry_after_seconds: Option<i64>,
    pub note: String,
}

pub type Outcome = Result<Done, Refusal>;

pub fn refuse(status: u16, code: &'static str, message: &'static str) -> Refusal {
    Refusal { status, code, message, retry_after_seconds: None, note: code.replace('_', " ") }
}

impl State {
    pub fn login(&mut self, body: &[u8], peer: IpAddr) -> Outcome {
        let outcome = self.try_login(body, peer);
        self.counters.add(match &outcome {
            Ok(_) => "logins",
            Err(r) if r.status == 400 => "logins_bad",
            Err(r) if r.status == 403 => "logins_forbidden",
            Err(r) if r.status == 429 => "logins_limited",
            Err(_) => "logins_refused",
        });
        outcome
    }

    fn try_login(&mut self, body: &[u8], peer: IpAddr) -> Outcome {
        let [username, password] = fields(body, ["username", "password"])?;
        let client_id = self.client_with(&username, &password, peer)?;
        let family = self.ledger.open_family(client_id);
        let with_refresh = !self.settings.omit_refresh_token_on_login;
        let (data, pair) = self.hand_out(family, &username, with_refresh);
        let note = format!("login: family {family} opened for {username}, {pair}");
        Ok(Done { data, note })
    }

    /// The client whose credentials these are, in each kind of login.
    pub fn client_with(&mut self, username: &str, password: &str, peer: IpAddr) -> Result<u64, Refusal> {
        self.count_attempt()?;
        let matching = |a: &&Account| a.username == username && a.password == password && a.active;
        let Some(account) = self.accounts.iter().find(matching) else {
            let message = "Wrong username or password, or the client is inactive";
            return Err(refuse(401, "invalid_credentials", message));
        };
        let client_id = account.client_id;
        self.check_whitelist(peer)?;
        Ok(client_id)
    }

    pub fn refresh(&mut self, body: &[u8], peer: IpAddr) -> Outcome {
        let outcome = self.try_refresh(body, peer);
        if outcome.is_ok() {
            self.refreshed_at.push(Instant::now());
        }
        self.counters.add(match &outcome {
            Ok(_) => "refreshes",
            Err(r) if r.status == 400 => "refreshes_bad",
            Err(r) if r.status == 403 => "refreshes_forbidden",
            Err(_) => "refreshes_refused",
        });
        outcome
    }

    fn try_refresh(&mut self, body: &[u8], peer: IpAddr) -> Outcome {
        let [token] = fields(body, ["refresh_token"])?;
        let refused = |why: &str| {
            let message = "The refresh token is unknown, expired or already used";
            let note = format!("refresh token {} {why}", fingerprint(&token));
            Refusal { note, ..refuse(401, "invalid_refresh_token", message) }
        };
        let held = self.ledger.refresh(&token);
        let held = held.ok_or_else(|| refused("is unknown"))?;
        let family = held.family;
        match held.used {
            Use::Unused if held.expires_ms <= self.now_ms() => return Err(refused("has expired")),
            Use::Unused => {}
            Use::Revoked => return Err(refused("was revoked")),
            Use::Rotated => {
                // Two parties hold this token and one may be a thief: neither keeps anything.
                self.counters.add("reuse");
                self.ledger.revoke_all(|f, _| f == family);
                return Err(refused(&format!("REUSED: family {family} revoked")));
            }
        }
        let account = self.active_account(self.ledger.client_of(family));
        let account = account.ok_or_else(|| refused("is of an inactive client"))?;
        let username = account.username.clone();
        self.check_whitelist(peer)?;
        let rotates = !self.settings.omit_refresh_token_on_refresh;
        if rotates {
            self.ledger.mark_rotated(&token);
        } else {
            self.forget_arrivals(&token);
        }
        let (data, pair) = self.hand_out(family, &username, rotates);
        let note = format!("refresh: family {family} goes on, {pair}");
        Ok(Done { data, note })
    }

    pub fn logout(&mut self, bearer: Option<&str>) -> Outcome {
        let outcome = self.try_logout(bearer);
        let name = if outcome.is_ok() { "logouts" } else { "logouts_refused" };
        self.counters.add(name);
        outcome
    }

    fn try_logout(&mut self, bearer: Option<&str>) -> Outcome {
        let (account, _) = self.holder(bearer)?;
        let client_id = account.client_id;
        let note = format!("logout: every token of {} revoked", account.username);
        self.ledger.revoke_all(|_, client| client == client_id);
        let data = json!({"message": "Logged out: every token of this client is revoked"});
        Ok(Done { data, note })
    }

    /// May whoever has this token call the API? Its client, and a note.
    pub fn authorize(&self, bearer: Option<&str>, peer: IpAddr) -> Result<(u64, String), Refusal> {
        let (account, note) = self.holder(bearer)?;
        self.check_whitelist(peer)?;
        Ok((account.client_id, note))
    }

    // A token is good if it is in the ledger and alive: that is more than a valid signature says.
    fn holder(&self, bearer: Option<&str>) -> Result<(&Account, String), Refusal> {
        let token = bearer.ok_or_else(|| refuse(401, "missing_token", "A Bearer access token is required"))?;
        let refused = |why: &str| {
            let message = "The access token is unknown, expired or revoked";
            let note = format!("access token {} {why}", fingerprint(token));
            Refusal { note, ..refuse(401, "invalid_token", message) }
        };
        if self.settings.refuse_all_access {
            return Err(refused("is refused like every other"));
        }
        let held = self.ledger.access(token);
        let held = held.ok_or_else(|| refused("is unknown or revoked"))?;
        if held.expires_ms <= self.now_ms() {
            return Err(refused("has expired"));
        }
        let account = self.active_account(self.ledger.client_of(held.family));
        let account = account.ok_or_else(|| refused("is of an inactive client"))?;
        let note = format!("family {}, access {}", held.family, held.fingerprint);
        Ok((account, note))
    }

    fn active_account(&self, client_id: u64) -> Option<&Account> {
        let mut accounts = self.accounts.iter();
        accounts.find(|a| a.client_id == client_id && a.active)
    }

    fn check_whitelist(&self, peer: IpAddr) -> Result<(), Refusal> {
        match &self.settings.whitelist {
            Some(list) if !list.contains(&peer) => {
                let message = "This IP address is not on the account's whitelist";
                Err(refuse(403, "ip_not_whitelisted", message))
            }
            _ => Ok(()),
        }
    }

    fn count_attempt(&mut self) -> Result<(), Refusal> {
        let Some(limit) = self.settings.login_limit else {
            return Ok(());
        };
        let now = self.now_ms();
        self.login_times.retain(|at| at + limit.window_ms > now);
        if self.login_times.len() < limit.max {
            self.login_times.push(now);
            return Ok(());
        }
        let until = self.login_times.first().map_or(now, |at| at + limit.window_ms);
        let refusal = refuse(429, "too_many_attempts", "Too many login attempts");
        Err(Refusal {
            // Rounded up: whoever waits that long gets in.
            retry_after_seconds: Some((until - now + 999) / 1000),
            ..refusal
        })
    }

    /// Makes a family's next pair, or an access token alone: the answer's data and the fingerprints.
    pub fn hand_out(&mut self, family: usize, username: &str, with_refresh: bool) -> (Value, String) {
        let now = self.now_ms();
        let set = &self.settings;
        let client_id = self.ledger.client_of(family);
        let again = (set.same_access_token).then(|| self.ledger.live_access(client_id, now)).flatten();
        let (access, expires) = match again {
            Some((token, held)) => (token.clone(), held.expires_ms),
            None => {
                let issued = now - set.access_age_ms;
                let times = [issued, issued + set.access_ms];
                (self.mint.access_token(set, client_id, username, times), times[1])
            }
        };
        let mut note = format!("access {}", fingerprint(&access));
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| data.insert(name.into(), value);
        put("client_id", client_id.into());
        put("access_token", access.as_str().into());
        if !set.omit_expiries {
            put("access_expires_at", rfc3339(expires, set.fractional_seconds).into());
        }
        if set.expires_in {
            put("expires_in", (expires - now).div_euclid(1000).into());
        }
        if with_refresh {
            let token = self.mint.opaque();
            let expires = now + set.refresh_ms;
            put("refresh_token", token.as_str().into());
            if !set.omit_expiries {
                put("refresh_expires_at", rfc3339(expires, set.fractional_seconds).into());
            }
            note += &format!(" refresh {}", fingerprint(&token));
            self.ledger.add_refresh(token, family, expires);
        }
        lay_over(&mut data, &set.patch);
        self.ledger.add_access(access, family, expires);
        (Value::Object(data), note)
    }
}

/// Members of a JSON object that must be there and must be strings with something in them.
pub fn fields<const N: usize>(body: &[u8], names: [&str; N]) -> Result<[String; N], Refusal> {
    let json: Value =
        serde_json::from_slice(body).map_err(|_| refuse(400, "invalid_json", "The body is not valid JSON"))?;
    let got = names.map(|name| json[name].as_str().unwrap_or_default().to_string());
    match got.iter().any(String::is_empty) {
        true => Err(refuse(400, "missing_field", "A required field is missing or empty")),
        false => Ok(got),
    }
}
