//! A JWT signed anew for each request: who is asking, proven by a key (RFC 7523).

use crate::auth::body::Json;
use crate::auth::key::{Algorithm, Key};
use crate::auth::member::{Member, merge};
use crate::auth::render::{Request, Signer, json_string};
use crate::auth::setting::Setting;
use crate::auth::template::{Name, Scope, Template};
use crate::auth::values::missing;
use crate::error::Result;
use crate::sys::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Assertion {
    algorithm: Algorithm,
    key: Key,
    header: Json,
    claims: Json,
    /// `client.id`, else the username.
    issuer: Template,
    lifetime: i64,
    /// The claims that are filled in: those that the dialect neither gives nor leaves out.
    filled: Vec<&'static str>,
}

pub const MEMBERS: [&str; 5] = ["alg", "key", "header", "claims", "lifetime_seconds"];

/// So many seconds an assertion may hold.
pub const LONGEST: u64 = 86_400;

const FILLED: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "jti"];

impl Assertion {
    /// `key` is what the member `key` stands for.
    pub fn parse(member: &Member<'_>, key: &Secret, setting: &Setting<'_>) -> Result<Assertion> {
        member.check_names(&MEMBERS)?;
        let algorithm = match member.get("alg") {
            Some(name) => name.one_of(&Algorithm::NAMES)?,
            None => return Err(member.refuse("has no alg; it takes RS256, PS256, ES256, EdDSA or HS256")),
        };
        let key = match Key::read(algorithm, key) {
            Ok(key) => key,
            Err(why) => return Err(member.get("key").as_ref().unwrap_or(member).refuse(&why)),
        };
        let mut header = Value::Null;
        header["alg"] = algorithm.name().into();
        header["typ"] = "JWT".into();
        if let Some(id) = key.id() {
            header["kid"] = id.into();
        }
        let claims = Value::Object(serde_json::Map::new());
        let lifetime = match member.get("lifetime_seconds") {
            None => 300,
            Some(seconds) => seconds.seconds(LONGEST)?.cast_signed(),
        };
        let scope: &Scope<'_> = setting.scope;
        Ok(Assertion {
            algorithm,
            header: part(member, "header", header, setting)?,
            claims: part(member, "claims", claims, setting)?,
            issuer: match scope.client_id {
                Some(client) => client.clone(),
                None => Template::parse_text("{username}", member, scope)?,
            },
            lifetime,
            filled: FILLED
                .into_iter()
                .filter(|name| member.value.pointer(&format!("/claims/{name}")).is_none())
                .collect(),
            key,
        })
    }

    pub fn each_name(&self, visit: &mut dyn FnMut(&Name)) {
        let mut through = |template: &Template| template.each_name(visit);
        if self.filled.contains(&"iss") || self.filled.contains(&"sub") {
            through(&self.issuer);
        }
        self.header.each_template(&mut through);
        self.claims.each_template(&mut through);
    }

    pub fn secret(&self) -> Option<&Secret> {
        self.key.secret()
    }
}

impl Signer for Assertion {
    fn sign(&self, audience: &str, request: &Request<'_>) -> Result<Secret> {
        let mut header = String::new();
        self.header.render(request, &mut header)?;
        let mut claims = String::new();
        self.claims.render(request, &mut claims)?;
        for name in &self.filled {
            let now = request.moment.now;
            let value = match *name {
                "iss" | "sub" => json_string(&request.render(&self.issuer)?),
                "aud" => json_string(audience),
                "iat" => now.to_string(),
                "exp" => now.saturating_add(self.lifetime).to_string(),
                _ => json_string(&request.moment.jti()),
            };
            let separator = if claims.len() > 2 { "," } else { "" };
            claims.pop();
            claims.push_str(&format!("{separator}\"{name}\":{value}}}"));
        }
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.as_bytes()), URL_SAFE_NO_PAD.encode(claims.as_bytes()));
        let signature = self.key.sign(self.algorithm, signed.as_bytes())?;
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        Secret::new(&token).ok_or_else(|| missing(&Name::Assertion))
    }
}

/// What is given of the header or the claims, over what they begin from; null leaves one out.
fn part(member: &Member<'_>, name: &str, mut begin: Value, setting: &Setting<'_>) -> Result<Json> {
    if let Some(given) = member.get(name) {
        if !given.value.is_object() {
            return Err(given.takes("an object"));
        }
        merge(&mut begin, given.value);
    }
    Json::parse(&member.at(name, &begin), false, setting)
}
