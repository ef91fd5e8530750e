//! tokenmgr doctor: what would be used from where, what can be reached, and what is wrong. No secret is shown.

mod authorities;
mod file;
mod named;
mod network;
mod page;
mod route;

use crate::{ffi, report, session, state};
use clap::ArgMatches;
use page::Page;
use reqwest::Url;
use serde_json::{Map, Value};
use std::env;
use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

type Options = Map<String, Value>;

pub fn run(given: &ArgMatches) -> i32 {
    let mut page = Page::new();
    library(&mut page);
    let (options, targets) = settings(&mut page);
    for target in &targets {
        network::probe(&mut page, target, &options);
    }
    // A manager catches signals, which end its own calls only: so it comes last.
    engine(&mut page, &options, given);
    page.finish()
}

fn library(page: &mut Page) {
    page.heading("library");
    match ffi::library_path() {
        Some(path) => page.good("file", &path.display().to_string()),
        None => page.bad("file", "unknown"),
    }
    page.good("version", ffi::version());
    let interface = ffi::abi_version();
    match interface >= ffi::TM_ABI_VERSION {
        true => page.good("interface", &interface.to_string()),
        false => page.bad(
            "interface",
            &format!("{interface}, but this command needs {}: install the library of its release", ffi::TM_ABI_VERSION),
        ),
    }
}

/// Returns the options, and what is to be reached: the host, and others that the option auth names.
fn settings(page: &mut Page) -> (Options, Vec<Url>) {
    page.heading("settings");
    let mut targets = Vec::new();
    match (value(page, "TOKENMGR_HOST"), Page::url(&env::var("TOKENMGR_HOST").unwrap_or_default())) {
        (None, _) => {}
        (Some(_), Some(url)) => {
            page.good("TOKENMGR_HOST", Page::redacted(&url).as_str());
            targets.push(url);
        }
        (Some(_), None) => page.bad("TOKENMGR_HOST", "is no URL; it takes one such as https://api.example.com"),
    }
    if let Some(username) = value_or_file(page, "TOKENMGR_USERNAME") {
        page.good("TOKENMGR_USERNAME", &username);
    }
    if value_or_file(page, "TOKENMGR_PASSWORD").is_some() {
        page.good("TOKENMGR_PASSWORD", "is set (it is not shown)");
    }
    let options = options(page);
    let whole = named::with_dialect(&options);
    for (name, text) in named::urls(&whole) {
        // What stands in braces only a request tells.
        let url = Page::url(&text).filter(|url| !url.host_str().unwrap_or_default().contains(['{', '%']));
        match url {
            Some(url) if targets.iter().all(|known| known.origin() != url.origin()) => {
                let origin = url.origin().ascii_serialization();
                page.good(&name, &origin);
                targets.extend(Page::url(&origin));
            }
            Some(_) => {}
            None => page.warn(&name, "its host is not tried, as only a request tells it"),
        }
    }
    let password_file = env::var("TOKENMGR_PASSWORD_FILE").ok().map(|path| ("TOKENMGR_PASSWORD_FILE".to_owned(), path));
    for (name, path) in named::secret_files(&whole).into_iter().chain(password_file) {
        if fs::metadata(&path).is_ok_and(|status| status.mode() & 0o004 != 0) {
            page.warn(&name, &format!("every user of this machine can read {path}; chmod o= takes that from them"));
        }
    }
    (options, targets)
}

fn value(page: &mut Page, name: &str) -> Option<String> {
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        page.bad(name, "is not set");
    }
    value
}

/// The value of a variable, or the first line of the file that NAME_FILE names: as the library takes it.
fn value_or_file(page: &mut Page, name: &str) -> Option<String> {
    if let Ok(value) = env::var(name)
        && !value.is_empty()
    {
        return Some(value);
    }
    let file_name = format!("{name}_FILE");
    let Some(path) = env::var_os(&file_name).filter(|path| !path.is_empty()) else {
        page.bad(name, &format!("is not set, nor is {file_name}"));
        return None;
    };
    if fs::metadata(&path).is_ok_and(|status| status.file_type().is_fifo()) {
        page.warn(&file_name, "is a pipe, which can be read once, by the library");
        return None;
    }
    match read_beginning(Path::new(&path)) {
        Ok(text) => {
            page.good(&file_name, &path.to_string_lossy());
            Some(text.lines().next().unwrap_or_default().to_owned())
        }
        Err(error) => {
            page.bad(&file_name, &format!("cannot read {}: {}", path.to_string_lossy(), report::reason(&error)));
            None
        }
    }
}

fn read_beginning(path: &Path) -> io::Result<String> {
    let mut text = Vec::new();
    file::open(path)?.take(4096).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn options(page: &mut Page) -> Options {
    let text = env::var_os("TOKENMGR_OPTIONS").unwrap_or_default();
    let options = state::given_options();
    match &options {
        _ if text.is_empty() => page.good("TOKENMGR_OPTIONS", "is not set: every option has its default"),
        Some(options) if options.is_empty() => page.good("TOKENMGR_OPTIONS", "names none"),
        // Values may be secrets.
        Some(options) => {
            let names: Vec<&str> = options.keys().map(String::as_str).collect();
            page.good("TOKENMGR_OPTIONS", &format!("names {}", names.join(", ")));
        }
        None => page.bad("TOKENMGR_OPTIONS", "is not one JSON object"),
    }
    options.unwrap_or_default()
}

/// The library's own part: whether it takes the settings, and whether the store can be used.
fn engine(page: &mut Page, options: &Options, given: &ArgMatches) {
    page.heading("store");
    let (given_options, trouble) = state::options_and_trouble();
    let whole: Value = serde_json::from_slice(&given_options).unwrap_or_default();
    let (kind, path) = (whole["store"]["type"].as_str().unwrap_or_default(), whole["store"]["path"].as_str());
    match (trouble, path) {
        (Some(trouble), _) => page.bad("type", &trouble),
        (None, _) if options.contains_key("store") => {
            page.good("type", &format!("{kind}, as TOKENMGR_OPTIONS names it"))
        }
        (None, Some(path)) => page.good("type", &format!("{kind}, {path}")),
        // The library says what is wrong with the options.
        (None, None) => {}
    }
    match session::open_with(given_options, given).and_then(|manager| manager.check_store()) {
        Ok(()) => page.good("use", "the library takes the settings and can use the store"),
        Err(failure) => page.bad("use", &failure.message),
    }
}
