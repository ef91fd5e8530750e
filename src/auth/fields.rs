//! Templates with names: headers, and the fields of a query or a form.

use crate::auth::member::{Member, is_sensitive};
use crate::auth::render::Request;
use crate::auth::setting::Setting;
use crate::auth::template::Template;
use crate::error::{Error, Result, Status};
use http::{HeaderName, HeaderValue, header};
use zeroize::Zeroizing;

/// Fields of a form or a query; a list repeats its name.
pub fn fields(member: Option<Member<'_>>, setting: &Setting<'_>) -> Result<Vec<(String, Template)>> {
    let Some(member) = member else {
        return Ok(Vec::new());
    };
    let mut fields = Vec::new();
    for (name, values) in member.entries("an object of strings")? {
        for value in values.one_or_many() {
            let template = Template::parse(&value, setting.scope)?;
            setting.note_literals(is_sensitive(name), &template);
            fields.push((name.to_owned(), template));
        }
    }
    Ok(fields)
}

/// Appends fields, each encoded, with a `&` between two.
pub fn write(
    fields: &[(String, Template)],
    request: &Request<'_>,
    encode: fn(&str) -> String,
    out: &mut String,
) -> Result<()> {
    for (name, template) in fields {
        let Some(value) = request.named(template)? else { continue };
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&encode(name));
        out.push('=');
        out.push_str(&encode(&value));
    }
    Ok(())
}

/// More of them no server would take.
const MOST_HEADERS: usize = 100;

/// Headers with templates in their values.
pub fn headers(member: Option<Member<'_>>, setting: &Setting<'_>) -> Result<Vec<(HeaderName, Template)>> {
    const CONNECTIONS: [HeaderName; 5] =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::UPGRADE];
    let Some(member) = member else {
        return Ok(Vec::new());
    };
    let entries = member.entries("an object of strings")?;
    if entries.len() > MOST_HEADERS {
        return Err(member.refuse(&format!("has more than {MOST_HEADERS} headers; leave some out")));
    }
    let mut headers = Vec::with_capacity(entries.len());
    for (text, value) in entries {
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| member.refuse("has a name that no header can have; it takes an object of headers"))?;
        if CONNECTIONS.contains(&name) {
            return Err(value.refuse("is a header that the connection itself sets; leave it out"));
        }
        let template = Template::parse(&value, setting.scope)?;
        if template.literals().any(|text| header_value(&name, text.as_str()).is_err()) {
            return Err(
                value.refuse("holds characters that no header can carry; it takes text without control characters")
            );
        }
        // `Bearer` before a token is no secret.
        setting.note_literals(is_sensitive(text) && template.fixed().is_some(), &template);
        headers.push((name, template));
    }
    Ok(headers)
}

/// A header's value, never shown.
pub fn header_value(name: &HeaderName, value: &str) -> Result<HeaderValue> {
    let made = HeaderValue::from_maybe_shared(bytes::Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec())));
    match made {
        Ok(mut made) => {
            made.set_sensitive(true);
            Ok(made)
        }
        Err(_) => Err(Error::new(
            Status::TM_INVALID_OPTIONS,
            format!(
                "the header {name} of the option auth would get a value with characters that no header can carry; nothing was sent"
            ),
        )),
    }
}
