//! A dialect: the option `auth`, checked and compiled once per manager.

use super::assertion::Assertion;
use super::call::Call;
use super::endpoint::{Endpoint, Prepared, Setting};
use super::identity;
use super::meaning::{self, Meaning, Means, Of};
use super::member::{Member, merge};
use super::oauth2;
use super::render::{Kept, Moment, Values};
use super::source::{self, Read};
use super::template::{Name, Place, Scope, Template};
use super::verdict::{Asked, Brought, Refusal, Reply};
use crate::error::{Error, Result, Status};
use crate::secret::Secret;
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The members that every dialect may have.
const MEMBERS: [&str; 8] = ["preset", "login", "refresh", "logout", "answer", "call", "meanings", "assertion"];

const PRESETS: [(&str, &str); 6] = [
    ("popup", include_str!("presets/popup.json")),
    ("oauth2", include_str!("presets/oauth2.json")),
    ("simplejwt", include_str!("presets/simplejwt.json")),
    ("dj-rest-auth", include_str!("presets/dj-rest-auth.json")),
    ("directus", include_str!("presets/directus.json")),
    ("vault", include_str!("presets/vault.json")),
];

/// Which of an API's endpoints for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A login may have several steps; the last one's answer holds the pair.
    Login(usize),
    Refresh,
    Logout,
}

/// What a refresh renews the access token with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The usual: spent by its use.
    ByRefreshToken,
    /// With itself: spent by nobody. Not once it has expired or was refused.
    ByAccessToken,
    /// With what endpoints kept, or with credentials.
    ByNeither,
}

/// What a dialect is compiled with.
pub struct Environment<'a> {
    pub params: &'a BTreeMap<String, Secret>,
    pub read: Read<'a>,
    pub allow_insecure: bool,
}

/// What login, refresh, logout and calls look like on the wire.
#[derive(Debug)]
pub struct Dialect {
    login: Vec<Endpoint>,
    refresh: Option<Endpoint>,
    /// The first of which all values are there is asked.
    logout: Vec<Endpoint>,
    pub call: Call,
    meanings: Vec<Meaning>,
    assertion: Option<Assertion>,
    /// Discovery: where its endpoints are is asked from there.
    pub issuer: Option<String>,
    /// The refresh token to begin from, where there is no login.
    pub initial_refresh_token: Option<Secret>,
    /// RFC 9449: proofs go with token requests and calls.
    pub dpop: bool,
    identity: String,
    secrets: Vec<Secret>,
    credentials: &'static str,
}

impl Dialect {
    /// Compiles the option `auth`.
    pub fn compile(auth: &Value, environment: &Environment<'_>) -> Result<Dialect> {
        let given = given(auth, environment.read)?;
        let root = Member::new("auth", &given);
        let (preset, merged) = merged(&root)?;
        let is_oauth2 = preset == Some("oauth2");
        let option = Member::new("auth", &merged);
        let known: Vec<&str> = MEMBERS.iter().chain(oauth2::MEMBERS.iter().filter(|_| is_oauth2)).copied().collect();
        option.check_names(&known)?;
        Compiler { option, given: &given, is_oauth2, environment }.dialect(identity::of(
            preset,
            &given,
            environment.params,
        ))
    }

    pub fn login_steps(&self) -> usize {
        self.login.len()
    }

    pub fn renewal(&self) -> Option<Renewal> {
        let refresh = self.refresh.as_ref()?;
        let uses = |wanted: Name| {
            let mut is_used = false;
            refresh.each_name(self.assertion.as_ref(), &mut |name| is_used |= *name == wanted);
            is_used
        };
        Some(match (uses(Name::RefreshToken), uses(Name::AccessToken)) {
            (true, _) => Renewal::ByRefreshToken,
            (false, true) => Renewal::ByAccessToken,
            (false, false) => Renewal::ByNeither,
        })
    }

    fn endpoint(&self, stage: Stage, values: &Values<'_>) -> Option<&Endpoint> {
        match stage {
            Stage::Login(step) => self.login.get(step),
            Stage::Refresh => self.refresh.as_ref(),
            Stage::Logout => {
                let is_ready = |endpoint: &&Endpoint| endpoint.missing(values, self.assertion.as_ref()).is_none();
                self.logout.iter().find(is_ready).or(self.logout.last())
            }
        }
    }

    /// The first value that an endpoint needs and there is not. `None` also where there is no such endpoint.
    pub fn missing(&self, stage: Stage, values: &Values<'_>) -> Option<Name> {
        self.endpoint(stage, values)?.missing(values, self.assertion.as_ref())
    }

    /// A request, ready to be sent; `None`: the dialect has no such endpoint.
    pub fn prepare(&self, stage: Stage, values: &Values<'_>, moment: &Moment) -> Option<Result<Prepared>> {
        Some(self.endpoint(stage, values)?.prepare(values, moment, self.assertion.as_ref()))
    }

    /// Reads the answer to one. `values` are those that it was prepared with, `known` what must not be shown of it.
    pub fn read(
        &self,
        stage: Stage,
        values: &Values<'_>,
        reply: &Reply<'_>,
        known: &[&Secret],
    ) -> std::result::Result<Brought, Refusal> {
        let (of, wants_grant) = match stage {
            Stage::Login(step) => (Of::Login, step + 1 == self.login.len()),
            Stage::Refresh => (Of::Refresh, true),
            Stage::Logout => (Of::Logout, false),
        };
        let Some(endpoint) = self.endpoint(stage, values) else {
            return Ok(Brought::Kept(Kept::new()));
        };
        let known: Vec<&Secret> = known.iter().copied().chain(&self.secrets).collect();
        let asked = Asked { of, endpoint, meanings: &self.meanings, credentials: self.credentials, known: &known };
        asked.read(reply, wants_grant)
    }

    /// What the answer to a call means; `None`: nothing beside its status. `body` may be empty where
    /// [`Dialect::asks_body`] says no.
    pub fn call_means(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Means> {
        let document = super::json::Document::new(body);
        meaning::find(&self.meanings, Of::Call, status, headers, &document)
            .or_else(|| meaning::default(Of::Call, status))
    }

    /// Whether the body of a call's answer with this status has to be read to tell what it means.
    pub fn asks_body(&self, status: u16) -> bool {
        meaning::asks_body(&self.meanings, Of::Call, status)
    }

    /// Checks what can be known before the first request: `values` are the credentials.
    pub fn check(&self, values: &Values<'_>) -> Result<()> {
        let token = Secret::new("token");
        let values = Values { access_token: token.as_ref(), refresh_token: token.as_ref(), path: Some("/"), ..*values };
        let moment = Moment { now: 0, random: [0; 32] };
        for endpoint in self.login.iter().chain(&self.refresh).chain(&self.logout) {
            // Signing takes its time, and is checked when it is done.
            let mut is_signed = false;
            endpoint.each_name(None, &mut |name| is_signed |= *name == Name::Assertion);
            match endpoint.missing(&values, self.assertion.as_ref()) {
                None if !is_signed => of_options(endpoint.prepare(&values, &moment, None).map(drop))?,
                Some(name) => of_options(Err(super::render::missing(&name)))?,
                None => {}
            }
        }
        if self.call.missing(&values).is_none() && !self.call.uses_assertion() {
            of_options(self.call.fill(&values, &moment, None, false).map(drop))?;
        }
        Ok(())
    }

    /// A call's headers and query with a token.
    pub fn fill_call(&self, values: &Values<'_>, moment: &Moment) -> Result<super::call::Filled> {
        self.call.fill(values, moment, self.assertion.as_ref(), self.dpop)
    }

    /// What distinguishes pairs beside host and client in every store: scope, audience, resource and the dialect. Empty for
    /// `popup` as it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// What the dialect itself carries and must not be shown.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }
}

/// Only what the options are to blame for.
fn of_options(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.status() == Status::TM_INVALID_OPTIONS { Err(error) } else { Ok(()) })
}

/// The object that the option stands for.
fn given(auth: &Value, read: Read<'_>) -> Result<Value> {
    let option = Member::new("auth", auth);
    match auth {
        Value::Null => Ok(json!({"preset": "popup"})),
        Value::Array(items) if items.is_empty() => Ok(json!({"preset": "popup"})),
        Value::String(name) => Ok(json!({"preset": name})),
        Value::Object(map) if map.contains_key("file") => {
            option.check_names(&["file"])?;
            let text = source::from_source(&option, read)?;
            let text = text.as_str();
            let value: Value = serde_json::from_slice(text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes())
                .map_err(|cause| {
                    let (line, column) = (cause.line(), cause.column());
                    option.refuse(&format!("names a file that is not JSON (line {line}, column {column}); it takes one that holds an object"))
                })?;
            match value.is_object() {
                true => Ok(value),
                false => Err(option.refuse("names a file that does not hold an object; it takes one that does")),
            }
        }
        Value::Object(_) => Ok(auth.clone()),
        _ => Err(option.takes("a preset's name, {\"file\": PATH} or an object")),
    }
}

/// The preset that a dialect begins from, and what it is with that.
fn merged(root: &Member<'_>) -> Result<(Option<&'static str>, Value)> {
    let Some(name) = root.get("preset") else {
        let mut own = root.value.clone();
        if root.value.pointer("/call/headers").is_none_or(Value::is_null)
            && root.get("call").is_none_or(|call| call.value.is_object())
        {
            merge(&mut own, &json!({"call": {"headers": {"Authorization": "Bearer {access_token}"}}}));
        }
        return Ok((None, own));
    };
    let names = PRESETS.map(|preset| (preset.0, preset));
    let (name, text) = name.one_of(&names)?;
    let mut merged: Value = serde_json::from_slice(text.as_bytes())
        .map_err(|cause| Error::new(Status::TM_PANIC, format!("the preset {name} is not JSON: {cause}")))?;
    let mut patch = root.value.clone();
    // Nothing to merge with; and null means something there.
    let assertion = patch.as_object_mut().and_then(|patch| patch.remove("assertion"));
    if name == "oauth2" {
        // OAuth's codes hold behind whatever else is given.
        if let (Some(Value::Array(own)), Some(Value::Array(codes))) =
            (patch.get_mut("meanings"), merged.get("meanings"))
        {
            own.extend(codes.iter().cloned());
        }
    }
    merge(&mut merged, &patch);
    if let Some(assertion) = assertion {
        merged["assertion"] = assertion;
    }
    Ok((Some(name), merged))
}

struct Compiler<'a> {
    option: Member<'a>,
    given: &'a Value,
    is_oauth2: bool,
    environment: &'a Environment<'a>,
}

impl Compiler<'_> {
    fn dialect(self, identity: String) -> Result<Dialect> {
        let Compiler { option, environment, .. } = &self;
        let mut scope = Scope {
            place: Place::Login,
            params: environment.params,
            kept: BTreeSet::new(),
            client_id: None,
            has_assertion: option.get("assertion").is_some(),
            has_issuer: self.is_oauth2 && option.get("issuer").is_some(),
        };
        let client = match option.get("client").filter(|_| self.is_oauth2).and_then(|client| client.get("id")) {
            None => None,
            Some(id) => Some(Template::parse(&id, &scope)?),
        };
        scope.client_id = client.as_ref();
        let made = match self.is_oauth2 {
            false => None,
            true => Some(oauth2::expand(option, &scope, environment.read, environment.allow_insecure)?),
        };
        let answer = self.answer()?;
        let mut literals = Vec::new();
        let mut setting = Setting {
            scope: &scope,
            answer: &answer,
            basic_as_form: made.as_ref().is_some_and(|made| made.basic_as_form),
            allow_insecure: environment.allow_insecure,
            literals: &mut literals,
        };
        let assertion = self.assertion(&scope, &mut setting)?;

        let login_value = self.value("login", made.as_ref().map(|made| &made.login));
        let login_steps = steps(&login_value);
        let mut login: Vec<Endpoint> = Vec::new();
        let mut scope = scope.clone();
        for step in &login_steps {
            let endpoint =
                Endpoint::parse(step, &mut Setting { scope: &scope, literals: setting.literals, ..setting })?;
            scope.kept.extend(
                step.get("keep")
                    .and_then(|keep| keep.value.as_object())
                    .into_iter()
                    .flat_map(|keep| keep.keys().map(String::as_str)),
            );
            login.push(endpoint);
        }
        scope.place = Place::Token;
        let refresh_value = self.value("refresh", made.as_ref().map(|made| &made.refresh));
        let refresh_member = Member::new("auth.refresh", &refresh_value);
        scope.kept.extend(
            refresh_value
                .get("keep")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|keep| keep.keys().map(String::as_str)),
        );
        let mut setting = Setting { scope: &scope, ..setting };
        let refresh = match refresh_value.is_null() {
            true => None,
            false => Some(Endpoint::parse(&refresh_member, &mut setting)?),
        };
        for endpoint in login.last().into_iter().chain(&refresh) {
            if !endpoint.shape.has_access_token() {
                return Err(Member::new("auth.answer", &answer).refuse(&format!(
                    "has no access_token for {}; it takes a JSON pointer like \"/access_token\", a header or a cookie",
                    endpoint.shown()
                )));
            }
        }
        let logout_values: Vec<Value> = match &made {
            Some(made) if made.logout.len() > 1 => {
                made.logout.iter().map(|made| self.value("logout", Some(made))).collect()
            }
            _ => vec![self.value("logout", None)],
        };
        let logout = logout_values
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| Endpoint::parse(&Member::new("auth.logout", value), &mut setting))
            .collect::<Result<Vec<_>>>()?;
        let call_scope = Scope { place: Place::Call, ..scope.clone() };
        let call = Call::parse(
            option.get("call"),
            &mut Setting { scope: &call_scope, literals: setting.literals, ..setting },
        )?;
        let meanings = match option.get("meanings") {
            None => Vec::new(),
            Some(meanings) if meanings.value.is_array() => {
                meanings.one_or_many().iter().map(Meaning::parse).collect::<Result<_>>()?
            }
            Some(meanings) => return Err(meanings.takes("an array of meanings")),
        };
        let (issuer, initial_refresh_token, dpop) =
            made.map_or((None, None, false), |made| (made.issuer, made.initial_refresh_token, made.dpop));
        let secrets = environment
            .params
            .values()
            .chain(&literals)
            .chain(&initial_refresh_token)
            .chain(assertion.as_ref().and_then(Assertion::secret))
            .cloned()
            .collect();
        let uses_password = login.iter().any(|endpoint| {
            let mut is_used = false;
            endpoint.each_name(assertion.as_ref(), &mut |name| is_used |= matches!(name, Name::Password | Name::Basic));
            is_used
        });
        let credentials = match (uses_password, self.is_oauth2) {
            (true, _) => "the username and the password",
            (false, true) => "the client and its secret or key in the option auth",
            (false, false) => "the credentials in the options auth and auth_params",
        };
        Ok(Dialect {
            login,
            refresh,
            logout,
            call,
            meanings,
            assertion,
            issuer,
            initial_refresh_token,
            dpop,
            identity,
            secrets,
            credentials,
        })
    }

    /// An endpoint, or steps, as given; with `oauth2`, over what was made.
    fn value(&self, name: &str, made: Option<&Value>) -> Value {
        match made {
            None => self.option.value.get(name).cloned().unwrap_or(Value::Null),
            Some(made) => {
                let mut value = made.clone();
                oauth2::overlay(&mut value, self.given.get(name));
                value
            }
        }
    }

    fn answer(&self) -> Result<Value> {
        match self.option.get("answer") {
            None => Ok(json!({})),
            Some(answer) => {
                super::answer::Shape::parse(&answer)?;
                Ok(if answer.value.is_object() { answer.value.clone() } else { json!({}) })
            }
        }
    }

    fn assertion(&self, scope: &Scope<'_>, setting: &mut Setting<'_>) -> Result<Option<Assertion>> {
        let Some(member) = self.option.get("assertion") else {
            return Ok(None);
        };
        member.check_names(&["alg", "key", "header", "claims", "lifetime_seconds"])?;
        let Some(key) = member.get("key") else {
            return Err(member.refuse("has no key; it takes {\"env\": NAME} or {\"file\": PATH} of a PEM or a JWK"));
        };
        let key = source::secret(&key, scope, self.environment.read)?;
        let own = Scope { place: Place::Assertion, ..scope.clone() };
        Assertion::parse(&member, &key, &mut Setting { scope: &own, literals: setting.literals, ..*setting }).map(Some)
    }
}

/// The steps of a login.
fn steps(login: &Value) -> Vec<Member<'_>> {
    match login {
        Value::Null => Vec::new(),
        login => Member::new("auth.login", login).one_or_many(),
    }
}
