//! From the option `auth` to a dialect: the preset that it begins from, and every member checked.

use crate::auth::answer::Shape;
use crate::auth::assertion::{self, Assertion};
use crate::auth::call::Call;
use crate::auth::dialect::Dialect;
use crate::auth::endpoint::Endpoint;
use crate::auth::identity;
use crate::auth::meaning::Meaning;
use crate::auth::member::{Member, merge};
use crate::auth::oauth2::{self, Made};
use crate::auth::setting::Setting;
use crate::auth::source::{self, Read};
use crate::auth::template::{Name, Scope, Template, Where};
use crate::error::{Error, Result, Status};
use crate::options::tree::{self, Why};
use crate::sys::secret::Secret;
use crate::sys::zeroing::SecretWork;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The members that every dialect may have.
pub const MEMBERS: [&str; 8] = ["preset", "login", "refresh", "logout", "answer", "call", "meanings", "assertion"];

pub const PRESETS: [(&str, &str); 6] = [
    ("popup", include_str!("presets/popup.json")),
    ("oauth2", include_str!("presets/oauth2.json")),
    ("simplejwt", include_str!("presets/simplejwt.json")),
    ("dj-rest-auth", include_str!("presets/dj-rest-auth.json")),
    ("directus", include_str!("presets/directus.json")),
    ("vault", include_str!("presets/vault.json")),
];

/// What a dialect is compiled with.
pub struct Environment<'a> {
    pub params: &'a BTreeMap<String, Secret>,
    pub read: Read<'a>,
    pub allow_insecure: bool,
}

impl Dialect {
    /// Compiles the option `auth`.
    pub fn compile(auth: &Value, environment: &Environment<'_>) -> Result<Dialect> {
        let _work = SecretWork::begin();
        compile(auth, environment)
    }
}

fn compile(auth: &Value, environment: &Environment<'_>) -> Result<Dialect> {
    let given = given(auth, environment.read)?;
    let root = Member::new("auth", &given);
    let preset = match root.get("preset") {
        None => None,
        Some(name) => Some(name.one_of(&PRESETS.map(|preset| (preset.0, preset)))?),
    };
    let is_oauth2 = preset.is_some_and(|(name, _)| name == "oauth2");
    let oauth2s = oauth2::MEMBERS.iter().filter(|_| is_oauth2);
    let known: Vec<&str> = MEMBERS.iter().chain(oauth2s).copied().collect();
    root.check_names(&known)?;
    let merged = match preset {
        None => with_default_call(&given),
        Some((name, text)) => merged(name, text, &given)?,
    };
    let option = Member::new("auth", &merged);
    let identity = identity::of(preset.map(|(name, _)| name), &given, environment.params);
    Compiler { option, given: &given, is_oauth2, environment }.dialect(identity)
}

/// The object that the option stands for.
fn given(auth: &Value, read: Read<'_>) -> Result<Value> {
    let option = Member::new("auth", auth);
    match auth {
        Value::Null => Ok(named("popup")),
        // PHP's json_encode([]).
        Value::Array(items) if items.is_empty() => Ok(named("popup")),
        Value::String(name) => Ok(named(name)),
        Value::Object(map) if map.contains_key("file") => {
            option.check_names(&["file"])?;
            of_file(&option, read)
        }
        Value::Object(_) => Ok(auth.clone()),
        _ => Err(option.takes("a preset's name, {\"file\": PATH} or an object")),
    }
}

fn named(preset: &str) -> Value {
    let mut option = Value::Null;
    option["preset"] = preset.into();
    option
}

fn of_file(option: &Member<'_>, read: Read<'_>) -> Result<Value> {
    let text = source::from_source(option, read)?;
    let text = text.as_str();
    let value = tree::read(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|mut untaken| match untaken.why {
        Why::Syntax(line, column) => option.refuse(&format!(
            "names a file that is not JSON (line {line}, column {column}); it takes one that holds an object"
        )),
        _ => {
            untaken.path.insert(0, "auth".to_owned());
            Error::new(Status::TM_INVALID_OPTIONS, untaken.sentence("options"))
        }
    })?;
    match value.is_object() {
        true => Ok(value),
        false => Err(option.refuse("names a file that does not hold an object; it takes one that does")),
    }
}

/// A dialect that begins from nothing carries the token as a bearer's, unless it says otherwise.
fn with_default_call(given: &Value) -> Value {
    let mut own = given.clone();
    let call = given.get("call").unwrap_or(&Value::Null);
    let says_nothing = call.get("headers").is_none_or(Value::is_null);
    if says_nothing && (call.is_null() || call.is_object()) {
        own["call"]["headers"]["Authorization"] = "Bearer {access_token}".into();
    }
    own
}

/// What is given, merged into a preset.
fn merged(name: &str, text: &str, given: &Value) -> Result<Value> {
    let mut merged: Value = serde_json::from_slice(text.as_bytes())
        .map_err(|cause| Error::new(Status::TM_PANIC, format!("the preset {name} is not JSON: {cause}")))?;
    let mut patch = given.clone();
    // No preset has one to merge with, and null means something there.
    let assertion = patch.as_object_mut().and_then(|patch| patch.remove("assertion"));
    if let ("oauth2", Some(Value::Array(own)), Some(Value::Array(codes))) =
        (name, patch.get_mut("meanings"), merged.get("meanings"))
    {
        // OAuth's codes hold behind whatever else is given.
        own.extend(codes.iter().cloned());
    }
    merge(&mut merged, &patch);
    if let Some(assertion) = assertion {
        merged["assertion"] = assertion;
    }
    Ok(merged)
}

/// The last step of a login and a refresh have to bring a token.
fn brings_access_token(endpoint: &Endpoint, answer: &Value) -> Result<()> {
    match endpoint.shape.has_access_token() {
        true => Ok(()),
        false => Err(Member::new("auth.answer", answer).refuse(&format!(
            "has no access_token for {}; it takes a JSON pointer like \"/access_token\", a header or a cookie",
            endpoint.redacted(None)
        ))),
    }
}

fn uses_password(endpoint: &Endpoint, assertion: Option<&Assertion>) -> bool {
    let mut is_used = false;
    endpoint.each_name(assertion, &mut |name| is_used |= matches!(name, Name::Password | Name::Basic));
    is_used
}

/// What a refused login's message tells to check.
fn credentials(uses_password: bool, is_oauth2: bool, mutual_tls: bool) -> &'static str {
    match (uses_password, is_oauth2) {
        _ if mutual_tls => "the client in the option auth and the certificate in client_cert_file",
        (true, _) => "the username and the password",
        (false, true) => "the client and its secret or key in the option auth",
        (false, false) => "the credentials in the options auth and auth_params",
    }
}

struct Compiler<'a> {
    option: Member<'a>,
    given: &'a Value,
    is_oauth2: bool,
    environment: &'a Environment<'a>,
}

impl Compiler<'_> {
    fn dialect(&self, identity: String) -> Result<Dialect> {
        let Compiler { option, environment, is_oauth2, .. } = self;
        let mut scope = Scope {
            place: Where::Login,
            params: environment.params,
            kept: Vec::new(),
            client_id: None,
            has_assertion: option.get("assertion").is_some(),
            has_issuer: *is_oauth2 && option.get("issuer").is_some(),
        };
        let client_member = option.get("client");
        let client = match client_member.as_ref().and_then(|client| client.get("id")) {
            Some(id) => Some(Template::parse(&id, &scope)?),
            None => None,
        };
        scope.client_id = client.as_ref();
        let made = match is_oauth2 {
            true => Some(oauth2::expand(option, &scope, environment.read, environment.allow_insecure)?),
            false => None,
        };
        let answer = self.answer()?;
        let literals = RefCell::new(Vec::new());
        let setting = Setting {
            scope: &scope,
            answer: &answer,
            basic_as_form: made.as_ref().is_some_and(|made| made.basic_as_form),
            allow_insecure: environment.allow_insecure,
            literals: &literals,
        };
        let assertion = self.assertion(&setting)?;

        let value = self.value("login", made.as_ref().map(|made| &made.login));
        let mut scope = scope.clone();
        let mut login = Vec::new();
        let login_member = Member::new("auth.login", &value);
        let steps = if value.is_null() { Vec::new() } else { login_member.one_or_many() };
        for step in steps {
            login.push(Endpoint::parse(&step, &Setting { scope: &scope, ..setting })?);
            scope.kept.extend(kept_by(step.value));
        }
        scope.place = Where::Token;
        let value = self.value("refresh", made.as_ref().map(|made| &made.refresh));
        scope.kept.extend(kept_by(&value));
        let setting = Setting { scope: &scope, ..setting };
        let refresh = match value.is_null() {
            true => None,
            false => Some(Endpoint::parse(&Member::new("auth.refresh", &value), &setting)?),
        };
        for endpoint in login.last().into_iter().chain(&refresh) {
            brings_access_token(endpoint, &answer)?;
        }
        let logout = self.logout(made.as_ref(), &setting)?;
        let scope = Scope { place: Where::Call, ..scope.clone() };
        let call = Call::parse(option.get("call"), &Setting { scope: &scope, ..setting })?;

        let uses_password = login.iter().any(|endpoint| uses_password(endpoint, assertion.as_ref()));
        let (dpop, mutual_tls) = made.as_ref().map_or((false, false), |made| (made.dpop, made.mutual_tls));
        let (issuer, initial_refresh_token) =
            made.map_or((None, None), |made| (made.issuer, made.initial_refresh_token));
        let mut secrets = literals.take();
        secrets.extend(environment.params.values().cloned());
        secrets.extend(initial_refresh_token.clone());
        secrets.extend(assertion.as_ref().and_then(Assertion::secret).cloned());
        Ok(Dialect {
            login,
            refresh,
            logout,
            call,
            meanings: Meaning::parse_all(option.get("meanings"))?,
            assertion,
            issuer,
            initial_refresh_token,
            dpop,
            is_oauth2: *is_oauth2,
            mutual_tls,
            identity,
            secrets,
            credentials: credentials(uses_password, *is_oauth2, mutual_tls),
        })
    }

    /// `auth.answer`, which holds for every endpoint unless that has its own.
    fn answer(&self) -> Result<Value> {
        let mut answer = Value::Object(serde_json::Map::new());
        if let Some(given) = self.option.get("answer") {
            Shape::check_names(&given)?;
            merge(&mut answer, given.value);
        }
        Shape::parse(&Member::new("auth.answer", &answer))?;
        Ok(answer)
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

    fn logout(&self, made: Option<&Made>, setting: &Setting<'_>) -> Result<Vec<Endpoint>> {
        let values: Vec<Value> = match made {
            Some(made) if !made.logout.is_empty() => {
                made.logout.iter().map(|made| self.value("logout", Some(made))).collect()
            }
            _ => vec![self.value("logout", None)],
        };
        let given = values.iter().filter(|value| !value.is_null());
        given.map(|value| Endpoint::parse(&Member::new("auth.logout", value), setting)).collect()
    }

    fn assertion(&self, setting: &Setting<'_>) -> Result<Option<Assertion>> {
        let Some(member) = self.option.get("assertion") else {
            return Ok(None);
        };
        member.check_names(&assertion::MEMBERS)?;
        let Some(key) = member.get("key") else {
            return Err(member.refuse("has no key; it takes {\"env\": NAME} or {\"file\": PATH} of a PEM or a JWK"));
        };
        let key = source::secret(&key, setting.scope, self.environment.read)?;
        let scope = Scope { place: Where::Assertion, ..setting.scope.clone() };
        Assertion::parse(&member, &key, &Setting { scope: &scope, ..*setting }).map(Some)
    }
}

/// The names that an endpoint keeps.
fn kept_by(endpoint: &Value) -> impl Iterator<Item = &str> {
    let keep = endpoint.get("keep").and_then(Value::as_object);
    keep.into_iter().flat_map(|keep| keep.keys().map(String::as_str))
}
