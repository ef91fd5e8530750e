//! What did not fit, in one sentence, and the member of the option `auth` to change. Pure.

use crate::auth::{Document, Means, Meant, Stage, is_page};
use crate::check::evidence::Evidence;
use crate::check::hints;
use crate::check::outline::is_fit;
use crate::check::suspects::{self, Sought};
use crate::error::Error;
use crate::http::message::Answer;
use crate::sys::secret::Secret;
use http::header;

/// What did not fit.
pub struct Advice {
    pub problem: String,
    /// The member to change; empty: none would help.
    pub change: String,
}

impl Advice {
    pub fn plain(problem: String) -> Advice {
        Advice { problem, change: String::new() }
    }

    /// `why` in pieces.
    pub fn change(member: String, why: &[&str]) -> Advice {
        Advice { problem: format!("{member}: {}", why.concat()), change: member }
    }
}

/// The answer to a call, and the redirects that were followed to it.
pub struct Called {
    pub answer: Answer,
    pub redirects: Vec<Redirect>,
}

pub struct Redirect {
    pub status: u16,
    /// Where it led, fit to be shown.
    pub to: String,
}

impl Evidence<'_> {
    /// The endpoint said yes, but its answer holds no usable token.
    pub fn no_token(&self, error: &Error) -> Advice {
        let Evidence { dialect, stage, values, answer, .. } = self;
        if is_page(&Document::new(&answer.body).text()) {
            let why = "the answer is a page of HTML; see what the API's documentation gives as its address";
            return Advice::change(dialect.url_member(*stage), &[why]);
        }
        self.token(Sought::AccessToken).unwrap_or_else(|| {
            let member = dialect.answer_member(*stage, values, "access_token");
            let places = dialect.places(*stage, values, "access_token").unwrap_or_default();
            let url = dialect.url_member(*stage);
            let why = ["nothing like a token is in the answer, neither at ", &places, " nor elsewhere; see whether "];
            let refusal = hints::accepted_refusal(self).unwrap_or_default();
            Advice::change(
                member,
                &[&why.concat(), &url, " is what issues tokens", &refusal, " (", error.message(), ")"],
            )
        })
    }

    /// A token that is elsewhere than the dialect looks for it.
    pub fn token(&self, sought: Sought) -> Option<Advice> {
        let Evidence { dialect, stage, values, answer, secrets } = self;
        let name = if sought == Sought::AccessToken { "access_token" } else { "refresh_token" };
        let suspect = suspects::token(&answer.headers, &Document::new(&answer.body), sought, secrets)?;
        let lacks = match dialect.places(*stage, values, name) {
            Some(places) => format!("the answer has no {places}; it has "),
            None => "the dialect does not look for one; the answer has ".to_owned(),
        };
        let why = [&lacks, &suspect.text, ": use ", &suspect.place];
        Some(Advice::change(dialect.answer_member(*stage, values, name), &why))
    }

    /// An expiry that the dialect does not look for.
    pub fn expiry(&self) -> Option<Advice> {
        let Evidence { dialect, stage, values, answer, secrets } = self;
        let (name, suspect) = suspects::expiry(&Document::new(&answer.body), secrets)?;
        let why = ["nothing says how long the token lives; the answer has ", &suspect.text, ": use ", &suspect.place];
        Some(Advice::change(dialect.answer_member(*stage, values, name), &why))
    }

    /// The endpoint said no.
    pub fn refused(&self, meant: &Meant, error: &Error) -> Advice {
        let Evidence { dialect, stage, values, answer, .. } = self;
        let status = answer.status;
        let says = format!("{error} ({status} means {} by {})", meant.name(), meant.by);
        let of_oauth = match error.server_code().filter(|_| dialect.is_oauth2) {
            Some("invalid_client") => "auth.client_auth",
            Some("invalid_scope") => "auth.scope",
            Some("invalid_target") => "auth.resource",
            Some("unsupported_grant_type" | "unauthorized_client") => "auth.grant",
            _ => "",
        };
        if let Some((member, why)) = hints::of_refusal(self, meant, error).filter(|_| of_oauth.is_empty()) {
            return Advice::change(member, &[&says, "; ", &why]);
        }
        let member = match status {
            _ if !of_oauth.is_empty() => of_oauth.to_owned(),
            300..400 | 404 | 410 => dialect.url_member(*stage),
            405 => dialect.member(*stage) + ".method",
            // Of credentials that the API does not take no member is to blame; of a token that it has issued, how it is sent.
            401 | 403 if matches!(stage, Stage::Login(_)) => String::new(),
            400 | 401 | 403 | 406 | 415 | 422 => dialect.body_member(*stage, values),
            _ => String::new(),
        };
        match member.is_empty() {
            true => Advice::plain(says),
            false => Advice::change(member, &[&says]),
        }
    }
}

/// An API call was refused with the token that the API has just issued.
pub fn unrecognised(answer: &Answer, carried: &str, secrets: &[Secret]) -> Advice {
    let scheme = answer.header(header::WWW_AUTHENTICATE).and_then(|text| text.split([' ', ',']).next());
    let is_other = |scheme: &&str| {
        let is_word = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_word && is_fit(scheme, secrets) && !carried.contains(*scheme)
    };
    let asks = match scheme.filter(is_other) {
        Some(scheme) => format!("it asks for {scheme}: perhaps {{\"Authorization\": \"{scheme} {{access_token}}\"}}"),
        None => "see how the API's documentation has calls carry the token".to_owned(),
    };
    let status = answer.status;
    let why = format!(
        "the API answered {status} to the token that it has just issued, which the call carried in {carried}; "
    );
    Advice::change("auth.call.headers".to_owned(), &[&why, &asks])
}

/// An API call was refused, not the token.
pub fn refused(error: &Error, means: Option<Means>, carried: &str) -> Advice {
    match means {
        // Some say so too where they see no token.
        Some(Means::Forbidden) => {
            let why = [error.message(), "; or the API sees no token, which the call carried in ", carried];
            Advice::change("auth.call.headers".to_owned(), &why)
        }
        _ => Advice::plain(error.message().to_owned()),
    }
}

/// A call with a wrong token was not answered as one with an expired token is.
pub fn not_expired(good: &Called, dead: &Called, meant: &Meant, secrets: &[Secret]) -> Advice {
    if let Some(advice) = led_elsewhere(good, dead) {
        return advice;
    }
    let (good, dead) = (&good.answer, &dead.answer);
    let body = suspects::refusal(&Document::new(&good.body), &Document::new(&dead.body), secrets);
    let status = dead.status;
    if good.status == status && body.is_none() {
        return Advice::plain(format!(
            "a wrong token was answered {status} like the right one, so an expired one would not be noticed; give a call that needs a token"
        ));
    }
    let body = body.map_or_else(String::new, |body| format!(", \"body\": {body}"));
    let why = format!(
        "a wrong token was answered {status}, which means {} by {}, and has to mean expired if the API answers so to expired ones: add {{\"of\": \"call\", \"status\": {status}{body}, \"means\": \"expired\"}}",
        meant.name(),
        meant.by
    );
    Advice::change("auth.meanings".to_owned(), &[&why])
}

/// A wrong token was redirected where the right one was not: most likely to where people log in. What that page answers says
/// nothing of the token.
fn led_elsewhere(good: &Called, dead: &Called) -> Option<Advice> {
    let Redirect { status, to } = dead.redirects.last().filter(|_| dead.answer.url != good.answer.url)?;
    if good.redirects.iter().any(|redirect| redirect.status == *status) {
        return Some(Advice::plain(format!(
            "a wrong token was redirected to {to} ({status}), which its status does not tell from the redirect of the right one; give a call that is not redirected"
        )));
    }
    let why = format!(
        "a wrong token was redirected to {to}, which was followed and has to mean expired if the API answers so to expired ones: add {{\"of\": \"call\", \"status\": {status}, \"means\": \"expired\"}}"
    );
    Some(Advice::change("auth.meanings".to_owned(), &[&why]))
}
