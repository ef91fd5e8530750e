//! How an API call carries the token.

use crate::auth::assertion::Assertion;
use crate::auth::fields::{self, fields, header_value, headers};
use crate::auth::member::Member;
use crate::auth::render::{Request, Signer, url_value};
use crate::auth::setting::Setting;
use crate::auth::template::{Name, Template};
use crate::auth::values::{Moment, Values, missing};
use crate::error::Result;
use crate::sys::secret::Secret;
use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

#[derive(Clone, Debug)]
pub struct Call {
    headers: Vec<(HeaderName, Template)>,
    query: Vec<(String, Template)>,
}

/// What a call gets.
pub struct Filled {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Pairs to append to the URL's query, without a `?`; perhaps empty.
    pub query: Zeroizing<String>,
    pub secrets: Vec<Secret>,
}

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filled").finish_non_exhaustive()
    }
}

impl Call {
    pub fn parse(member: Option<Member<'_>>, setting: &Setting<'_>) -> Result<Call> {
        let Some(member) = member else {
            return Ok(Call { headers: Vec::new(), query: Vec::new() });
        };
        member.check_names(&["headers", "query"])?;
        Ok(Call { headers: headers(member.get("headers"), setting)?, query: fields(member.get("query"), setting)? })
    }

    fn each_template(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|(_, template)| template);
        headers.chain(self.query.iter().map(|(_, template)| template))
    }

    /// Whether it is made of a pair alone, so that it can be made once for each.
    pub fn is_fixed(&self) -> bool {
        self.each_template().all(Template::is_of_pair)
    }

    /// Whether an access token may have blanks: it may (RFC 6749, A.12), but for Bearer (RFC 6750, 2.1).
    pub fn takes_blanks(&self) -> bool {
        !self.headers.iter().any(|(_, template)| template.is_bearer())
    }

    pub fn uses_assertion(&self) -> bool {
        self.each_template().any(|template| template.uses(&Name::Assertion))
    }

    /// The first value that it needs and there is not.
    pub fn missing(&self, values: &Values<'_>) -> Option<Name> {
        let mut found = None;
        for template in self.each_template() {
            template.each_name(&mut |name| {
                if found.is_none() && !values.has(name) {
                    found = Some(name.clone());
                }
            });
        }
        found
    }

    /// `dpop`: the token may be one that is shown with a proof (RFC 9449).
    pub fn fill(&self, values: &Values<'_>, moment: &Moment, signer: Option<&Assertion>, dpop: bool) -> Result<Filled> {
        if let Some(name) = self.missing(values) {
            return Err(missing(&name));
        }
        let request = Request::new(values, moment, signer.map(|signer| signer as &dyn Signer));
        let is_bearer = values.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("dpop"));
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, template) in &self.headers {
            let Some(mut value) = request.named(template)? else { continue };
            let scheme = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(str::len);
            if let (true, false, Some(length)) = (dpop, is_bearer, scheme) {
                value = format!("DPoP {}", &value[length..]);
            }
            headers.push((name.clone(), header_value(name, &value)?));
        }
        let mut query = String::new();
        fields::write(&self.query, &request, url_value, &mut query)?;
        Ok(Filled { headers, query: Zeroizing::new(query), secrets: request.secrets.take() })
    }
}
