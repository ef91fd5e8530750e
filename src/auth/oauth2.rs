//! The preset `oauth2`: what its members stand for, as endpoints in the language of every dialect.

use crate::auth::address::{Address, is_callable};
use crate::auth::member::{Member, merge};
use crate::auth::render::Request;
use crate::auth::source::{self, Read};
use crate::auth::template::{Scope, Template, Where};
use crate::auth::values::{Moment, Values};
use crate::error::Result;
use crate::sys::secret::Secret;
use serde_json::{Map, Value};

/// The members that it takes beside those of every dialect.
pub const MEMBERS: [&str; 18] = [
    "issuer",
    "token_url",
    "revocation_url",
    "grant",
    "client",
    "body",
    "client_auth",
    "scope",
    "audience",
    "resource",
    "extra",
    "dpop",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "initial_refresh_token",
];

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClientAuth {
    Basic,
    BasicRaw,
    Post,
    PrivateKeyJwt,
    Tls,
    None,
}

pub const CLIENT_AUTH: [(&str, ClientAuth); 6] = [
    ("basic", ClientAuth::Basic),
    ("basic_raw", ClientAuth::BasicRaw),
    ("post", ClientAuth::Post),
    ("private_key_jwt", ClientAuth::PrivateKeyJwt),
    ("tls", ClientAuth::Tls),
    ("none", ClientAuth::None),
];

/// What an endpoint calls them.
pub const BODIES: [(&str, &str); 3] = [("form", "form"), ("json", "json"), ("query", "query")];

/// What the members come to.
pub struct Made {
    /// `null`: there is none.
    pub login: Value,
    pub refresh: Value,
    /// What to revoke with, in this order of preference.
    pub logout: Vec<Value>,
    pub basic_as_form: bool,
    pub issuer: Option<String>,
    pub initial_refresh_token: Option<Secret>,
    pub dpop: bool,
    /// RFC 8705: the client is known by the certificate that it shows.
    pub mutual_tls: bool,
}

/// Who asks, and how that is proven.
struct Client {
    id: Option<String>,
    secret: Option<String>,
    auth: ClientAuth,
}

/// The fields of a request, by name.
type Fields = Map<String, Value>;

fn set(fields: &mut Fields, name: &str, value: &str) {
    fields.insert(name.to_owned(), Value::String(value.to_owned()));
}

/// `option` is the merged dialect, `scope` that of what any request may use.
pub fn expand(option: &Member<'_>, scope: &Scope<'_>, read: Read<'_>, allow_insecure: bool) -> Result<Made> {
    let grant = text(option, "grant", scope)?.unwrap_or("client_credentials");
    let client = client(option, grant, scope, read)?;
    let body = match option.get("body") {
        None => "form",
        Some(body) => body.one_of(&BODIES)?,
    };
    let (token_url, revocation_url) = endpoints(option, scope, allow_insecure)?;
    let mut login = common(option, scope)?;
    let mut refresh = login.clone();
    if grant != "refresh_token" {
        // RFC 6749, 6: without it the new token has the scope of the old one.
        refresh.remove("scope");
    }
    set(&mut refresh, "grant_type", "refresh_token");
    set(&mut refresh, "refresh_token", "{refresh_token}");
    grant_fields(option, grant, scope, &mut login)?;
    let mut logout = Vec::new();
    if let Some(url) = revocation_url {
        for (hint, token) in [("refresh_token", "{refresh_token}"), ("access_token", "{access_token}")] {
            let mut fields = Fields::new();
            set(&mut fields, "token", token);
            set(&mut fields, "token_type_hint", hint);
            logout.push(client.endpoint(url, body, fields));
        }
    }
    let initial_refresh_token = match option.get("initial_refresh_token") {
        None => None,
        Some(member) if grant != "refresh_token" => {
            return Err(member.refuse("is for the grant refresh_token only; leave it out, or set grant"));
        }
        Some(member) => Some(source::secret(&member, scope, read)?),
    };
    Ok(Made {
        login: if grant == "refresh_token" { Value::Null } else { client.endpoint(token_url, body, login) },
        refresh: client.endpoint(token_url, body, refresh),
        logout,
        basic_as_form: client.auth != ClientAuth::BasicRaw,
        issuer: issuer(option, scope, allow_insecure)?,
        initial_refresh_token,
        dpop: match option.get("dpop") {
            None => false,
            Some(dpop) => dpop.flag()?,
        },
        mutual_tls: client.auth == ClientAuth::Tls,
    })
}

/// What is given of an endpoint, merged over what was made; null leaves it out.
pub fn overlay(made: &mut Value, given: Option<&Value>) {
    match given {
        None => {}
        Some(Value::Object(patch)) if made.is_object() => merge(made, &Value::Object(patch.clone())),
        Some(other) => *made = other.clone(),
    }
}

/// A member that is a template, checked.
fn text<'a>(option: &Member<'a>, name: &str, scope: &Scope<'_>) -> Result<Option<&'a str>> {
    let Some(member) = option.get(name) else {
        return Ok(None);
    };
    member.text()?;
    Template::parse(&member, scope)?;
    Ok(option.value[name].as_str())
}

/// The URLs for tokens and for revoking them.
fn endpoints<'a>(option: &Member<'a>, scope: &Scope<'_>, allow_insecure: bool) -> Result<(&'a str, Option<&'a str>)> {
    let mut urls = [None, None];
    for (url, name) in urls.iter_mut().zip(["token_url", "revocation_url"]) {
        if let Some(member) = option.get(name) {
            Address::parse(&member, scope, allow_insecure)?;
            *url = option.value[name].as_str();
        }
    }
    let [token_url, revocation_url] = urls;
    let has_issuer = option.get("issuer").is_some();
    match token_url.or(has_issuer.then_some("{issuer.token_endpoint}")) {
        Some(token_url) => Ok((token_url, revocation_url.or(has_issuer.then_some("{issuer.revocation_endpoint}")))),
        None => Err(option.refuse("has neither token_url nor issuer; it takes one of them with the preset oauth2")),
    }
}

/// The issuer's URL, filled in.
fn issuer(option: &Member<'_>, scope: &Scope<'_>, allow_insecure: bool) -> Result<Option<String>> {
    let Some(member) = option.get("issuer") else {
        return Ok(None);
    };
    let scope = Scope { place: Where::Fixed, kept: Vec::new(), client_id: None, ..scope.clone() };
    let template = Template::parse(&member, &scope)?;
    let (values, moment) = (Values::default(), Moment { now: 0, random: [0; 32] });
    let url = Request::new(&values, &moment, None).render(&template)?.to_string();
    match is_callable(&url, allow_insecure) && !url.contains('?') {
        true => Ok(Some(url)),
        false => Err(member.refuse("is no https:// URL; it takes the issuer's, without a query")),
    }
}

fn client(option: &Member<'_>, grant: &str, scope: &Scope<'_>, read: Read<'_>) -> Result<Client> {
    let given = option.get("client");
    let (mut id, mut secret) = (None, None);
    if let Some(client) = &given {
        client.check_names(&["id", "secret"])?;
        id = text(client, "id", scope)?.map(str::to_owned);
        secret = match client.get("secret") {
            // What is read from elsewhere is taken as it is.
            Some(member) if member.value.is_object() => {
                let secret = source::secret(&member, scope, read)?;
                Some(secret.as_str().replace('{', "{{").replace('}', "}}"))
            }
            _ => text(client, "secret", scope)?.map(str::to_owned),
        };
    }
    if grant == "client_credentials" {
        id.get_or_insert_with(|| "{username}".to_owned());
        secret.get_or_insert_with(|| "{password}".to_owned());
    } else if let (Some(client), None) = (&given, &id) {
        return Err(client.refuse("has no id; it takes {\"id\": …, \"secret\": …}"));
    }
    let stated = option.get("client_auth");
    let auth = match &stated {
        Some(member) => member.one_of(&CLIENT_AUTH)?,
        None if secret.is_some() => ClientAuth::Basic,
        // A public client says its name only.
        None => ClientAuth::None,
    };
    let wants_secret = matches!(auth, ClientAuth::Basic | ClientAuth::BasicRaw | ClientAuth::Post);
    let why = if wants_secret && secret.is_none() {
        "proves the client by a secret, but there is none; add it to auth.client, or take another client_auth"
    } else if auth == ClientAuth::PrivateKeyJwt && !scope.has_assertion {
        "is private_key_jwt, but there is no key; add the member assertion"
    } else {
        return Ok(Client { id, secret, auth });
    };
    Err(stated.as_ref().unwrap_or(option).refuse(why))
}

impl Client {
    /// A request with these fields, and with who asks and the proof of it.
    fn endpoint(&self, url: &str, body: &str, mut fields: Fields) -> Value {
        let mut endpoint = Fields::new();
        set(&mut endpoint, "url", url);
        let id = self.id.as_deref().unwrap_or_default();
        let secret = self.secret.as_deref().unwrap_or_default();
        match self.auth {
            ClientAuth::Basic | ClientAuth::BasicRaw => {
                endpoint.insert("basic".to_owned(), Value::Array(vec![id.into(), secret.into()]));
            }
            ClientAuth::Post => set(&mut fields, "client_secret", secret),
            ClientAuth::PrivateKeyJwt => {
                set(&mut fields, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                set(&mut fields, "client_assertion", "{assertion}");
            }
            ClientAuth::Tls | ClientAuth::None => {}
        }
        if !endpoint.contains_key("basic") && !id.is_empty() {
            set(&mut fields, "client_id", id);
        }
        endpoint.insert(body.to_owned(), Value::Object(fields));
        Value::Object(endpoint)
    }
}

/// The fields of every token request.
fn common(option: &Member<'_>, scope: &Scope<'_>) -> Result<Fields> {
    let mut fields = Fields::new();
    if let Some(extra) = option.get("extra") {
        for (name, member) in extra.entries("an object of strings")? {
            for value in member.one_or_many() {
                Template::parse(&value, scope)?;
            }
            fields.insert(name.to_owned(), member.value.clone());
        }
    }
    for name in ["scope", "audience", "resource"] {
        let Some(member) = option.get(name) else { continue };
        let mut joined = String::new();
        for value in member.one_or_many() {
            let Some(text) = value.value.as_str() else {
                return Err(member.takes("a string or an array of strings"));
            };
            Template::parse(&value, scope)?;
            joined.push_str(if joined.is_empty() { "" } else { " " });
            joined.push_str(text);
        }
        // Scopes are one field, in which blanks part them; the others repeat theirs.
        let value = if name == "scope" { Value::String(joined) } else { member.value.clone() };
        fields.insert(name.to_owned(), value);
    }
    Ok(fields)
}

/// The fields of one grant.
fn grant_fields(option: &Member<'_>, grant: &str, scope: &Scope<'_>, fields: &mut Fields) -> Result<()> {
    let mut grant_type = grant;
    match grant {
        "password" => {
            set(fields, "username", "{username}");
            set(fields, "password", "{password}");
        }
        "jwt_bearer" => {
            grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
            if !fields.contains_key("assertion") {
                if !scope.has_assertion {
                    let why = "is jwt_bearer, but there is no key; add the member assertion";
                    return Err(option.get("grant").as_ref().unwrap_or(option).refuse(why));
                }
                set(fields, "assertion", "{assertion}");
            }
        }
        "token_exchange" => {
            grant_type = "urn:ietf:params:oauth:grant-type:token-exchange";
            exchange_fields(option, scope, fields)?;
        }
        _ => {}
    }
    set(fields, "grant_type", grant_type);
    Ok(())
}

/// RFC 8693.
fn exchange_fields(option: &Member<'_>, scope: &Scope<'_>, fields: &mut Fields) -> Result<()> {
    if option.get("subject_token").is_none() {
        return Err(option.refuse("has no subject_token; it takes one with the grant token_exchange"));
    }
    set(fields, "subject_token_type", ACCESS_TOKEN);
    if option.get("actor_token").is_some() {
        set(fields, "actor_token_type", ACCESS_TOKEN);
    }
    for name in ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"] {
        if let Some(value) = text(option, name, scope)? {
            set(fields, name, value);
        }
    }
    Ok(())
}
