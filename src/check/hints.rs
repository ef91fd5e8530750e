//! What the refusal of an auth endpoint suggests beside what it says. Pure.

use crate::auth::{Document, Means, Meant, Stage, is_page};
use crate::check::evidence::Evidence;
use crate::check::suspects::{self, Sought};
use crate::error::Error;
use http::header;

/// The member to change, and what to try there.
pub fn of_refusal(evidence: &Evidence<'_>, meant: &Meant, error: &Error) -> Option<(String, String)> {
    yes_with_another_status(evidence, meant)
        .or_else(|| csrf(evidence))
        .or_else(|| basic(evidence))
        .or_else(|| another_body(evidence, error))
        .or_else(|| login_page(evidence, meant))
}

/// A status that is no yes by the dialect, with what looks like a token in a header or a cookie.
fn yes_with_another_status(evidence: &Evidence<'_>, meant: &Meant) -> Option<(String, String)> {
    if meant.means != Some(Means::Unusable) || !evidence.dialect.brings_token(evidence.stage) {
        return None;
    }
    let headers = &evidence.answer.headers;
    let suspect = suspects::token(headers, &Document::new(b""), Sought::AccessToken, evidence.secrets)?;
    let why = format!(
        "but it has {}: if that is the token, add \"success\": [{}], and use {} for auth.answer.access_token",
        suspect.text, evidence.answer.status, suspect.place
    );
    Some((evidence.dialect.member(evidence.stage) + ".success", why))
}

fn csrf(evidence: &Evidence<'_>) -> Option<(String, String)> {
    let text = Document::new(&evidence.answer.body).text().to_ascii_lowercase();
    // The page of a login holds one whatever went wrong.
    if evidence.answer.status < 400 || !text.contains("csrf") && !text.contains("xsrf") {
        return None;
    }
    let why = "it speaks of a CSRF token: a step of the login before can keep one from what it is answered, for a header or a field";
    Some((evidence.dialect.member(evidence.stage), why.to_owned()))
}

/// Credentials in the body, where HTTP Basic is asked for.
fn basic(evidence: &Evidence<'_>) -> Option<(String, String)> {
    let challenge = evidence.answer.header(header::WWW_AUTHENTICATE)?;
    let is_asked_for = challenge.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"));
    let is_login = matches!(evidence.stage, Stage::Login(_));
    if evidence.answer.status != 401
        || !is_asked_for
        || !is_login
        || evidence.dialect.is_authorized(evidence.stage, evidence.values)
    {
        return None;
    }
    let why = "it asks for Basic: perhaps \"basic\": [\"{username}\", \"{password}\"]";
    Some((evidence.dialect.member(evidence.stage) + ".basic", why.to_owned()))
}

/// JSON where a form is wanted, or the other way round: its fields are missing there.
fn another_body(evidence: &Evidence<'_>, error: &Error) -> Option<(String, String)> {
    let Evidence { dialect, stage, values, answer, .. } = evidence;
    let words = error.message().to_ascii_lowercase();
    let lacks = answer.body.is_empty() || ["required", "missing"].iter().any(|word| words.contains(word));
    let member = dialect.body_member(*stage, values);
    let other = match (answer.status, member.rsplit('.').next()) {
        _ if dialect.is_oauth2 => return None,
        (415, Some("json")) => "form",
        (415, Some("form")) => "json",
        (400 | 422, Some("json")) if lacks => "form",
        (400 | 422, Some("form")) if lacks => "json",
        _ => return None,
    };
    let other = format!("{}.{other}", dialect.member(*stage));
    Some((member, format!("perhaps it takes {other} instead")))
}

/// A page in place of the status that means yes.
fn login_page(evidence: &Evidence<'_>, meant: &Meant) -> Option<(String, String)> {
    let status = evidence.answer.status;
    let is_no_yes = (200..300).contains(&status) && meant.means == Some(Means::Unusable);
    if !is_no_yes
        || !matches!(evidence.stage, Stage::Login(_))
        || !is_page(&Document::new(&evidence.answer.body).text())
    {
        return None;
    }
    let why = format!("if it answers so to wrong credentials, add {{\"status\": {status}, \"means\": \"rejected\"}}");
    // Not to the dialect's meanings, which hold for every step of the login.
    Some((evidence.dialect.member(evidence.stage) + ".meanings", why))
}

/// Of a login that was accepted by its status and brought no token: how it may have refused the credentials all the same.
pub fn accepted_refusal(evidence: &Evidence<'_>) -> Option<String> {
    let body = suspects::stated_refusal(&Document::new(&evidence.answer.body), evidence.secrets)?;
    let Evidence { dialect, stage, answer, .. } = evidence;
    matches!(stage, Stage::Login(_)).then(|| {
        format!(
            "; or, if it answers so to wrong credentials, add {{\"status\": {}, \"body\": {body}, \"means\": \"rejected\"}} to {}.meanings",
            answer.status,
            dialect.member(*stage)
        )
    })
}
