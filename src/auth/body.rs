//! An endpoint's body: JSON, a form or text, with templates in it.

use crate::auth::fields::{self, fields};
use crate::auth::member::{Member, is_sensitive};
use crate::auth::render::{Request, form_value, json_string};
use crate::auth::setting::Setting;
use crate::auth::template::Template;
use crate::error::Result;
use serde_json::Value;
use zeroize::Zeroizing;

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Json),
    Form(Vec<(String, Template)>),
    Text(Template),
}

/// JSON with templates in its strings.
#[derive(Clone, Debug)]
pub enum Json {
    Fixed(Value),
    Text(Template),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Body {
    pub fn parse(member: &Member<'_>, setting: &Setting<'_>) -> Result<Body> {
        match (member.get("json"), member.get("form"), member.get("text")) {
            (None, None, None) => Ok(Body::None),
            (Some(json), None, None) => Json::parse(&json, false, setting).map(Body::Json),
            (None, form @ Some(_), None) => fields(form, setting).map(Body::Form),
            (None, None, Some(text)) => Template::parse(&text, setting.scope).map(Body::Text),
            _ => Err(member.refuse("has more than one body; it takes one of json, form and text")),
        }
    }

    pub fn kind(&self) -> Option<&'static str> {
        match self {
            Body::None => None,
            Body::Json(_) => Some("application/json"),
            Body::Form(_) => Some("application/x-www-form-urlencoded"),
            Body::Text(_) => Some("text/plain; charset=utf-8"),
        }
    }

    pub fn render(&self, request: &Request<'_>) -> Result<Zeroizing<Vec<u8>>> {
        let mut out = String::new();
        match self {
            Body::None => {}
            Body::Json(json) => json.render(request, &mut out)?,
            Body::Text(text) => out = request.render(text)?,
            Body::Form(fields) => fields::write(fields, request, form_value, &mut out)?,
        }
        Ok(Zeroizing::new(out.into_bytes()))
    }
}

impl Json {
    pub fn parse(member: &Member<'_>, is_secret: bool, setting: &Setting<'_>) -> Result<Json> {
        Ok(match member.value {
            Value::String(_) => {
                let template = Template::parse(member, setting.scope)?;
                setting.note_literals(is_secret, &template);
                Json::Text(template)
            }
            Value::Array(_) => Json::Array(
                member.one_or_many().iter().map(|item| Json::parse(item, is_secret, setting)).collect::<Result<_>>()?,
            ),
            Value::Object(map) => Json::Object(
                map.iter()
                    .map(|(name, value)| {
                        Ok((name.clone(), Json::parse(&member.at(name, value), is_sensitive(name), setting)?))
                    })
                    .collect::<Result<_>>()?,
            ),
            other => Json::Fixed(other.clone()),
        })
    }

    pub fn each_template(&self, visit: &mut dyn FnMut(&Template)) {
        match self {
            Json::Fixed(_) => {}
            Json::Text(template) => visit(template),
            Json::Array(items) => items.iter().for_each(|item| item.each_template(visit)),
            Json::Object(members) => members.iter().for_each(|(_, member)| member.each_template(visit)),
        }
    }

    pub fn render(&self, request: &Request<'_>, out: &mut String) -> Result<()> {
        match self {
            Json::Fixed(value) => out.push_str(&value.to_string()),
            Json::Text(template) => out.push_str(&json_string(&request.render(template)?)),
            Json::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.render(request, out)?;
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (at, (name, member)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&json_string(name));
                    out.push(':');
                    member.render(request, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}
