//! The preset `oauth2`: what its members stand for, as endpoints in the language of every dialect.

use super::address::{Address, is_callable};
use super::member::{Member, merge};
use super::render::{Moment, Request, Values};
use super::source::{self, Read};
use super::template::{Scope, Template, Where};
use crate::error::{Error, Result};
use crate::sys::secret::Secret;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
}

/// Who asks, and how that is proven.
struct Client {
    id: Option<String>,
    secret: Option<String>,
    auth: ClientAuth,
}

/// `option` is the merged dialect, `scope` that of what any request may use.
pub fn expand(option: &Member<'_>, scope: &Scope<'_>, read: Read<'_>, allow_insecure: bool) -> Result<Made> {
    let grant = text(option, "grant", scope)?.unwrap_or_else(|| "client_credentials".to_owned());
    let client = client(option, &grant, scope, read)?;
    let (token_url, revocation_url) = endpoints(option, scope, allow_insecure)?;
    let body = match option.get("body") {
        None => "form",
        Some(body) => body.one_of(&BODIES)?,
    };
    let endpoint = |url: &str, fields: Map<String, Value>| {
        let mut endpoint = json!({"url": url});
        endpoint[body] = Value::Object(fields);
        client.authenticate(&mut endpoint, body);
        endpoint
    };
    let mut login = common(option, scope)?;
    let mut refresh = login.clone();
    if grant != "refresh_token" {
        // RFC 6749, 6: without it the new token has the scope of the old one.
        refresh.remove("scope");
    }
    refresh.insert("grant_type".into(), "refresh_token".into());
    refresh.insert("refresh_token".into(), "{refresh_token}".into());
    grant_fields(option, &grant, scope, &mut login)?;
    let revoke = |hint: &str| {
        let token = format!("{{{hint}}}");
        let fields = Map::from_iter([("token".to_owned(), token.into()), ("token_type_hint".to_owned(), hint.into())]);
        revocation_url.as_ref().map(|url| endpoint(url, fields))
    };
    Ok(Made {
        login: if grant == "refresh_token" { Value::Null } else { endpoint(&token_url, login) },
        refresh: endpoint(&token_url, refresh),
        logout: ["refresh_token", "access_token"].into_iter().filter_map(revoke).collect(),
        basic_as_form: client.auth != ClientAuth::BasicRaw,
        issuer: issuer(option, scope, allow_insecure)?,
        initial_refresh_token: match option.get("initial_refresh_token") {
            None => None,
            Some(member) if grant != "refresh_token" => {
                return Err(member.refuse("is for the grant refresh_token only; leave it out, or set grant"));
            }
            Some(member) => Some(source::secret(&member, scope, read)?),
        },
        dpop: option.get("dpop").map_or(Ok(false), |dpop| dpop.flag())?,
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
fn text(option: &Member<'_>, name: &str, scope: &Scope<'_>) -> Result<Option<String>> {
    let Some(member) = option.get(name) else {
        return Ok(None);
    };
    member.text()?;
    Template::parse(&member, scope)?;
    member.scalar().map(Some)
}

fn endpoints(option: &Member<'_>, scope: &Scope<'_>, allow_insecure: bool) -> Result<(String, Option<String>)> {
    let url = |name: &str| {
        let Some(member) = option.get(name) else {
            return Ok(None);
        };
        Address::parse(&member, scope, allow_insecure)?;
        member.text().map(|url| Some(url.to_owned()))
    };
    let has_issuer = option.get("issuer").is_some();
    let token_url = match (url("token_url")?, has_issuer) {
        (Some(url), _) => url,
        (None, true) => "{issuer.token_endpoint}".to_owned(),
        (None, false) => {
            return Err(option.refuse("has neither token_url nor issuer; it takes one of them with the preset oauth2"));
        }
    };
    let revocation_url = url("revocation_url")?;
    Ok((token_url, revocation_url.or_else(|| has_issuer.then(|| "{issuer.revocation_endpoint}".to_owned()))))
}

/// The issuer's URL, filled in.
fn issuer(option: &Member<'_>, scope: &Scope<'_>, allow_insecure: bool) -> Result<Option<String>> {
    let Some(member) = option.get("issuer") else {
        return Ok(None);
    };
    let scope = Scope { place: Where::Fixed, kept: BTreeSet::new(), client_id: None, ..scope.clone() };
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
        id = text(client, "id", scope)?;
        secret = match client.get("secret") {
            // What is read from elsewhere is taken as it is.
            Some(member) if member.value.is_object() => {
                let secret = source::secret(&member, scope, read)?;
                Some(secret.as_str().replace('{', "{{").replace('}', "}}"))
            }
            _ => text(client, "secret", scope)?,
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
    let refuse = |why: &str| Err(stated.clone().unwrap_or_else(|| option.clone()).refuse(why));
    match auth {
        ClientAuth::Basic | ClientAuth::BasicRaw | ClientAuth::Post if secret.is_none() => refuse(
            "proves the client by a secret, but there is none; add it to auth.client, or take another client_auth",
        ),
        ClientAuth::PrivateKeyJwt if !scope.has_assertion => {
            refuse("is private_key_jwt, but there is no key; add the member assertion")
        }
        _ => Ok(Client { id, secret, auth }),
    }
}

impl Client {
    /// Adds who asks, and the proof of it.
    fn authenticate(&self, endpoint: &mut Value, body: &str) {
        let id = self.id.as_deref();
        let mut field = |name: &str, value: &str| endpoint[body][name] = value.into();
        match self.auth {
            ClientAuth::Basic | ClientAuth::BasicRaw => endpoint["basic"] = json!([self.id, self.secret]),
            ClientAuth::Post => {
                field("client_id", id.unwrap_or_default());
                field("client_secret", self.secret.as_deref().unwrap_or_default());
            }
            ClientAuth::PrivateKeyJwt => {
                field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                field("client_assertion", "{assertion}");
                if let Some(id) = id {
                    field("client_id", id);
                }
            }
            ClientAuth::Tls | ClientAuth::None => {
                if let Some(id) = id {
                    field("client_id", id);
                }
            }
        }
    }
}

/// The fields of every token request.
fn common(option: &Member<'_>, scope: &Scope<'_>) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
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
        let takes = |_: Error| member.takes("a string or an array of strings");
        let values =
            member.one_or_many().iter().map(|value| value.text().map_err(takes)).collect::<Result<Vec<_>>>()?;
        for value in member.one_or_many() {
            Template::parse(&value, scope)?;
        }
        let value = match name {
            // Scopes are one field, in which blanks part them; the others repeat theirs.
            "scope" => values.join(" ").into(),
            _ => member.value.clone(),
        };
        fields.insert(name.to_owned(), value);
    }
    Ok(fields)
}

/// The fields of one grant.
fn grant_fields(option: &Member<'_>, grant: &str, scope: &Scope<'_>, fields: &mut Map<String, Value>) -> Result<()> {
    let grant_type = match grant {
        "password" => {
            fields.insert("username".into(), "{username}".into());
            fields.insert("password".into(), "{password}".into());
            grant
        }
        "jwt_bearer" => {
            if !scope.has_assertion && !fields.contains_key("assertion") {
                let member = option.get("grant").unwrap_or_else(|| option.clone());
                return Err(member.refuse("is jwt_bearer, but there is no key; add the member assertion"));
            }
            fields.entry("assertion").or_insert_with(|| "{assertion}".into());
            "urn:ietf:params:oauth:grant-type:jwt-bearer"
        }
        "token_exchange" => {
            exchange_fields(option, scope, fields)?;
            "urn:ietf:params:oauth:grant-type:token-exchange"
        }
        other => other,
    };
    fields.insert("grant_type".into(), grant_type.into());
    Ok(())
}

/// RFC 8693.
fn exchange_fields(option: &Member<'_>, scope: &Scope<'_>, fields: &mut Map<String, Value>) -> Result<()> {
    if option.get("subject_token").is_none() {
        return Err(option.refuse("has no subject_token; it takes one with the grant token_exchange"));
    }
    for name in ["subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type"] {
        if let Some(value) = text(option, name, scope)? {
            fields.insert(name.into(), value.into());
        }
    }
    fields.entry("subject_token_type").or_insert_with(|| ACCESS_TOKEN.into());
    if option.get("actor_token").is_some() {
        fields.entry("actor_token_type").or_insert_with(|| ACCESS_TOKEN.into());
    }
    Ok(())
}
