//! The demo API as a program. `--help` tells everything.

// As the tests include it; its own modules lie beside it.
#[path = "api.rs"]
mod api;
#[cfg(test)]
mod tests;

use api::{Account, Config, DemoApi, Settings, Tls};
use serde_json::json;
use std::{
    env, fs,
    io::{self, Read, Write},
    process::ExitCode,
    str::FromStr,
    thread,
};

const HELP: &str = "\
The Popup Reward Store API on this machine: log in, refresh, call, watch tokens rotate.

usage: demo-api [options]

  --listen ADDRESS:PORT       where to listen; port 0 is any free one      [127.0.0.1:0]
  --user NAME:PASSWORD        an API client; may be repeated               [demo:demo-password]
  --access-seconds N          lifetime of access tokens, e.g. 2 or 0.5     [3600]
  --refresh-seconds N         lifetime of refresh tokens                   [604800]
  --old-envelope              answer as the older version of the API does
  --login-limit MAX/SECONDS   more logins than that in so many seconds are refused with 429
  --tls-cert FILE             speak HTTPS (HTTP/1.1 and HTTP/2) with this certificate chain, PEM
  --tls-key FILE              and this key
  --client-ca FILE            clients must show a certificate that this CA signed
  --verbose                   a line on stderr for every request; tokens appear as fingerprints
  --parent-exits              end when stdin closes, so that nothing outlives whoever started this
  --help                      this text

It prints one line, `listening on http://127.0.0.1:PORT`, when it is ready. Then try:

  curl -d '{\"username\":\"demo\",\"password\":\"demo-password\"}' http://127.0.0.1:PORT/auth/login
  curl -H 'Authorization: Bearer ACCESS_TOKEN' http://127.0.0.1:PORT/api/v1/products
  curl http://127.0.0.1:PORT/control/counters

Everything else it can do, faults of all kinds included, is set through POST /control while it runs:
see README.md beside the source. It is for loopback only: whoever can connect can control it.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("demo-api: {wrong}\ndemo-api --help tells more.");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let Some((config, parent_exits)) = parse(env::args().skip(1))? else {
        print!("{HELP}");
        return Ok(());
    };
    let api = DemoApi::start(config).map_err(|e| format!("it does not start: {e}"))?;
    println!("listening on {}", api.url());
    io::stdout().flush().map_err(|e| e.to_string())?;
    if parent_exits {
        // The end of stdin, an error included, is the end of the parent.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        return Ok(());
    }
    loop {
        thread::park();
    }
}

/// The configuration, and whether to end with the parent. None: help was asked for.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<(Config, bool)>, String> {
    let mut config = Config::default();
    let mut users = Vec::new();
    let mut settings = serde_json::Map::new();
    let (mut certificate, mut key, mut client_ca) = (None, None, None);
    let mut parent_exits = false;
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--listen" => config.listen = read(&arg, &value()?)?,
            "--user" => users.push(user(&value()?)?),
            "--access-seconds" => drop(settings.insert("access_ms".into(), json!(milliseconds(&arg, &value()?)?))),
            "--refresh-seconds" => drop(settings.insert("refresh_ms".into(), json!(milliseconds(&arg, &value()?)?))),
            "--old-envelope" => drop(settings.insert("old_envelope".into(), json!(true))),
            "--login-limit" => {
                let text = value()?;
                let (max, seconds) = text.split_once('/').ok_or("--login-limit wants MAX/SECONDS")?;
                let limit = json!({"max": read::<usize>(&arg, max)?, "window_ms": milliseconds(&arg, seconds)?});
                settings.insert("login_limit".into(), limit);
            }
            "--tls-cert" => certificate = Some(file(&value()?)?),
            "--tls-key" => key = Some(file(&value()?)?),
            "--client-ca" => client_ca = Some(file(&value()?)?),
            "--verbose" => config.verbose = true,
            "--parent-exits" => parent_exits = true,
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    if !config.listen.ip().is_loopback() {
        return Err("--listen wants a loopback address: whoever can connect can control the server".into());
    }
    if !users.is_empty() {
        config.accounts = users;
    }
    config.settings = Settings::default().with(settings)?;
    config.tls = match (certificate, key) {
        (Some(certificates), Some(key)) => Some(Tls { certificates, key, client_ca }),
        (None, None) if client_ca.is_none() => None,
        _ => {
            return Err("--tls-cert and --tls-key belong together, and --client-ca needs both".into());
        }
    };
    Ok(Some((config, parent_exits)))
}

fn user(text: &str) -> Result<Account, String> {
    let (username, password) = text.split_once(':').ok_or("--user wants NAME:PASSWORD")?;
    Ok(Account { username: username.into(), password: password.into(), client_id: 0, active: true })
}

fn milliseconds(option: &str, seconds: &str) -> Result<i64, String> {
    Ok((read::<f64>(option, seconds)? * 1000.0) as i64)
}

fn read<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} does not take {text}"))
}

fn file(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}
