//! TLS: verified always (S1), and where it fails the message says what to do.

use crate::child;
use crate::client::{PASSWORD, USERNAME, demo, fails, get, manager, stat, try_manager};
use crate::nginx::{Nginx, passing};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::api::{Config, DemoApi};
use support::folder::Folder;
use support::pki::{Authority, Issued};
use tokenmgr::error::Status;

fn serving(certificate: &Issued, clients: Option<&Authority>) -> DemoApi {
    let tls = Some(certificate.tls(clients));
    DemoApi::start(Config { tls, ..Config::default() }).expect("a free port")
}

/// An authority, its certificate in a file, and the folder that the file is in.
fn authority() -> (Authority, String, Folder) {
    let (authority, folder) = (Authority::new(), Folder::new());
    let ca_file = folder.file("ca.pem", &authority.certificate);
    (authority, ca_file, folder)
}

#[test]
fn s1_a_server_that_ca_file_vouches_for_is_trusted() {
    let (authority, ca_file, _folder) = authority();
    for certificate in [authority.server(), authority.server_by_intermediate()] {
        let api = serving(&certificate, None);
        for host in [api.url(), format!("https://localhost:{}", api.port())] {
            let manager = manager(&host, json!({"ca_file": ca_file, "ca_only": true}));
            assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
        }
    }
}

#[test]
fn s1_a_server_of_an_unknown_authority_is_refused() {
    let (_, other_ca_file, _folder) = authority();
    let api = serving(&Authority::new().server(), None);
    for options in [json!({}), json!({"ca_file": other_ca_file}), json!({"ca_file": other_ca_file, "ca_only": true})] {
        let error =
            fails(manager(&api.url(), options).login(), Status::TM_TLS, &[&api.url(), "not trusted", "ca_file"]);
        assert!(!error.is_retryable());
    }
    assert_eq!(api.counter("login_arrivals"), 0);
}

#[test]
fn s1_an_authority_of_the_same_name_is_another_one() {
    let (ours, theirs, folder) = (Authority::named("The CA"), Authority::named("The CA"), Folder::new());
    let api = serving(&theirs.server(), None);
    let ca_file = folder.file("ca.pem", &ours.certificate);
    // As after the authority got a new key: the advice is to get its new file.
    fails(manager(&api.url(), json!({"ca_file": ca_file})).login(), Status::TM_TLS, &["not trusted", "ca_file"]);
    assert_eq!(api.counter("login_arrivals"), 0);
}

#[test]
fn s1_a_certificate_for_another_name_is_refused() {
    let (authority, ca_file, _folder) = authority();
    let api = serving(&authority.issue(&["other.example"]), None);
    let outcome = manager(&api.url(), json!({"ca_file": ca_file})).login();
    fails(outcome, Status::TM_TLS, &["another name", "check the host"]);
    assert_eq!(api.counter("login_arrivals"), 0);
}

#[test]
fn s1_an_expired_certificate_is_refused() {
    let (authority, ca_file, _folder) = authority();
    let api = serving(&authority.expired(), None);
    let outcome = manager(&api.url(), json!({"ca_file": ca_file})).login();
    fails(outcome, Status::TM_TLS, &["expired", "clock"]);
    assert_eq!(api.counter("login_arrivals"), 0);
}

#[test]
fn s1_min_tls_is_kept_to() {
    let (api, (authority, ca_file, _folder)) = (demo(), authority());
    for (speaks, min_tls, is_enough) in
        [("TLSv1.2", "1.2", true), ("TLSv1.3", "1.2", true), ("TLSv1.3", "1.3", true), ("TLSv1.2", "1.3", false)]
    {
        let server = format!("ssl_protocols {speaks}; {}", passing("/", &api.url()));
        let nginx = Nginx::with_tls(&authority.server(), "", &server);
        let options = json!({"ca_file": ca_file, "min_tls": min_tls});
        let manager = manager(&format!("https://127.0.0.1:{}", nginx.port()), options);
        match is_enough {
            true => assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200, "{speaks}"),
            false => drop(fails(manager.login(), Status::TM_TLS, &["min_tls"])),
        }
    }
}

#[test]
fn https_to_a_port_without_tls_says_so() {
    let api = demo();
    let nginx = Nginx::plain(&passing("/", &api.url()));
    for port in [api.port(), nginx.port()] {
        let outcome = manager(&format!("https://127.0.0.1:{port}"), json!({})).login();
        fails(outcome, Status::TM_TLS, &["does not speak TLS on this port", "http://"]);
    }
}

#[test]
fn a_port_that_begins_no_tls_is_told_from_one_that_takes_no_connection() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("https://{}", silent.local_addr().unwrap());
    let waits = manager(&host, json!({"timeout_ms": 300}));
    fails(waits.login(), Status::TM_TIMEOUT, &["waiting for TLS with the server, for the login at", &host]);
    let connects = manager(&host, json!({"connect_timeout_ms": 300}));
    fails(connects.login(), Status::TM_TIMEOUT, &["connect_timeout_ms", "began no TLS; use http://"]);
}

#[test]
fn http_to_a_port_with_tls_says_so() {
    let authority = Authority::new();
    let api = serving(&authority.server(), None);
    let manager = manager(&format!("http://127.0.0.1:{}", api.port()), json!({}));
    fails(manager.login(), Status::TM_NETWORK, &["https://"]);
}

#[test]
fn r5_nginxs_answer_to_http_on_its_tls_port_is_no_refusal_of_the_password() {
    let nginx = Nginx::with_tls(&Authority::new().server(), "", "");
    let manager = manager(&format!("http://127.0.0.1:{}", nginx.port()), json!({}));
    // A 400 in HTML, which says nothing about the credentials, and must not suspend the login.
    fails(manager.login(), Status::TM_BAD_RESPONSE, &["400", "speaks TLS; use https://"]);
    assert_eq!(stat(&manager, "logins_refused"), 0);
    fails(manager.login(), Status::TM_BAD_RESPONSE, &[]);
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    let (authority, ca_file, folder) = authority();
    let api = serving(&authority.server(), Some(&authority));
    let client = authority.issue(&["client.example"]);
    let cert = folder.file("client.pem", &client.chain);
    let key = folder.file("client.key", &client.key);
    let both = folder.file("both.pem", format!("{}{}", client.key, client.chain));
    for options in [
        json!({"ca_file": ca_file, "client_cert_file": cert, "client_key_file": key}),
        json!({"ca_file": ca_file, "client_cert_file": both}),
    ] {
        let manager = manager(&api.url(), options);
        assert_eq!(get(&manager, "/api/v1/products").unwrap().status, 200);
    }
}

#[test]
fn s1_without_the_right_client_certificate_the_server_refuses() {
    let (authority, ca_file, folder) = authority();
    let api = serving(&authority.server(), Some(&authority));
    let stranger = Authority::new().issue(&["client.example"]);
    let strange = folder.file("strange.pem", stranger.chain + &stranger.key);
    for options in [json!({"ca_file": ca_file}), json!({"ca_file": ca_file, "client_cert_file": strange})] {
        let error = fails(manager(&api.url(), options).login(), Status::TM_TLS, &["client_cert_file"]);
        assert!(!error.is_retryable());
    }
    assert_eq!(api.counter("login_arrivals"), 0);
}

#[test]
fn r5_nginxs_answer_to_a_missing_client_certificate_is_no_refusal_of_the_password() {
    let (authority, ca_file, _folder) = authority();
    let server = format!("ssl_verify_client on; ssl_client_certificate {ca_file};");
    let nginx = Nginx::with_tls(&authority.server(), "", &server);
    let manager = manager(&format!("https://127.0.0.1:{}", nginx.port()), json!({"ca_file": ca_file}));
    fails(manager.login(), Status::TM_BAD_RESPONSE, &["400"]);
    assert_eq!(stat(&manager, "logins_refused"), 0);
}

#[test]
fn s1_ssl_cert_dir_is_where_the_platforms_authorities_are() {
    let (authority, _, folder) = authority();
    // Files in such a folder go by a hash of the authority's name.
    folder.file("0a1b2c3d.0", &authority.certificate);
    let api = serving(&authority.server(), None);
    let outcome = ask(&api, &[("SSL_CERT_DIR", &folder.path(""))], json!({}));
    assert_eq!(outcome["http_status"], 200, "{outcome}");
}

/// One call to the demo API from a process with these certificate variables.
fn ask(api: &DemoApi, environment: &[(&'static str, &str)], options: Value) -> Value {
    let order = json!({"host": api.url(), "username": USERNAME, "password": PASSWORD, "options": options});
    child::ask_echo(environment.iter().copied(), order)
}

#[test]
fn s1_the_platforms_authorities_are_trusted() {
    let (authority, ca_file, folder) = authority();
    let api = serving(&authority.server(), None);
    let in_file = ask(&api, &[("SSL_CERT_FILE", &ca_file), ("SSL_CERT_DIR", &folder.path("none"))], json!({}));
    assert_eq!(in_file["http_status"], 200, "{in_file}");
    // And beside them those of ca_file.
    let (_, other, _folder) = self::authority();
    let beside = ask(&api, &[("SSL_CERT_FILE", &other)], json!({"ca_file": ca_file}));
    assert_eq!(beside["http_status"], 200, "{beside}");
}

#[test]
fn s1_ca_only_leaves_the_platforms_authorities_out() {
    let (authority, ca_file, _folder) = authority();
    let (_, other, _other_folder) = self::authority();
    let api = serving(&authority.server(), None);
    let refused = ask(&api, &[("SSL_CERT_FILE", &ca_file)], json!({"ca_file": other, "ca_only": true}));
    assert_eq!(refused["status"], "TM_TLS", "{refused}");
    assert_eq!(api.counter("login_arrivals"), 0);
    let taken = ask(&api, &[("SSL_CERT_FILE", &ca_file)], json!({"ca_file": other}));
    assert_eq!(taken["http_status"], 200, "{taken}");
    fails(try_manager(&api.url(), json!({"ca_only": true})), Status::TM_INVALID_OPTIONS, &["ca_only", "ca_file"]);
}

#[test]
fn s1_an_authority_is_looked_for_wherever_there_is_one_of_its_name() {
    let (ours, theirs, folder) = (Authority::named("The CA"), Authority::named("The CA"), Folder::new());
    let (our_file, their_file) =
        (folder.file("ours.pem", &ours.certificate), folder.file("theirs.pem", &theirs.certificate));
    let dir = folder.path("certificates");
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(&their_file, format!("{dir}/0a1b2c3d.0")).unwrap();
    let api = serving(&theirs.server(), None);
    let in_bundle = ask(&api, &[("SSL_CERT_FILE", &their_file)], json!({"ca_file": our_file}));
    assert_eq!(in_bundle["http_status"], 200, "{in_bundle}");
    let in_directory = ask(&api, &[("SSL_CERT_FILE", &our_file), ("SSL_CERT_DIR", &dir)], json!({"ca_file": our_file}));
    assert_eq!(in_directory["http_status"], 200, "{in_directory}");
}

#[test]
fn what_is_found_in_one_place_is_not_looked_for_in_the_next() {
    let (authority, ca_file, folder) = authority();
    let api = serving(&authority.server(), None);
    let dir = folder.path("certificates");
    std::fs::create_dir(&dir).unwrap();
    for (pipe, variables, options) in [
        ("bundle.pem", vec![("SSL_CERT_FILE", folder.path("bundle.pem"))], json!({"ca_file": ca_file})),
        ("certificates/0a1b2c3d.0", vec![("SSL_CERT_FILE", ca_file.clone()), ("SSL_CERT_DIR", dir)], json!({})),
    ] {
        let pipe = folder.path(pipe);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Opening it for writing takes a reader; until the test is one, nobody should be.
        let found = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (pipe, found) = (pipe.clone(), Arc::clone(&found));
            move || {
                std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
                found.store(true, Ordering::SeqCst);
            }
        });
        let variables: Vec<(&'static str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let outcome = ask(&api, &variables, options);
        let was_read = found.load(Ordering::SeqCst);
        if !was_read {
            std::fs::File::open(&pipe).unwrap();
        }
        writer.join().unwrap();
        assert_eq!(outcome["http_status"], 200, "{outcome}");
        assert!(!was_read, "{pipe}");
    }
}

#[test]
fn s1_a_machine_without_authorities_trusts_nobody_and_can_still_do_without() {
    let (authority, ca_file, folder) = authority();
    let (file, dir) = (folder.file("empty.pem", ""), folder.path("empty"));
    std::fs::create_dir(&dir).unwrap();
    let environment = [("SSL_CERT_FILE", file.as_str()), ("SSL_CERT_DIR", dir.as_str())];
    let api = serving(&authority.server(), None);
    let refused = ask(&api, &environment, json!({}));
    assert_eq!(refused["status"], "TM_TLS", "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("install the package ca-certificates, or set ca_file"), "{message}");
    for options in [json!({"ca_file": ca_file}), json!({"ca_file": ca_file, "ca_only": true})] {
        let trusted = ask(&api, &environment, options);
        assert_eq!(trusted["http_status"], 200, "{trusted}");
    }
    let plain = ask(&demo(), &environment, json!({}));
    assert_eq!(plain["http_status"], 200, "{plain}");
}

#[test]
fn files_that_hold_no_certificate_are_named() {
    let (_, _, folder) = authority();
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let not_der = "-----BEGIN CERTIFICATE-----\nQUJDRA==\n-----END CERTIFICATE-----\n";
    for option in ["ca_file", "client_cert_file"] {
        for path in [
            folder.path("missing"),
            folder.path(""),
            folder.file("empty", ""),
            folder.file("text", "no certificate at all\n"),
            folder.file("binary", [0, 159, 146, 150]),
            folder.file("not_base64", not_base64),
            folder.file("not_der", not_der),
            folder.file("only_a_key", Authority::new().server().key),
        ] {
            println!("{option} {path}");
            let made = try_manager("https://api.example.com", json!({option: path}));
            fails(made, Status::TM_INVALID_OPTIONS, &[option, &path]);
        }
    }
}

#[test]
fn only_regular_files_of_a_sensible_size_are_read() {
    let (authority, ca_file, folder) = authority();
    let cert = folder.file("client.pem", authority.issue(&["client.example"]).chain);
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let large = folder.file("large.pem", authority.certificate.repeat(3000));
    for (path, why) in [(pipe.as_str(), "not a regular file"), ("/dev/zero", "not a regular file"), (&large, "1 MiB")] {
        for (option, options) in [
            ("ca_file", json!({"ca_file": path})),
            ("client_cert_file", json!({"client_cert_file": path})),
            ("client_key_file", json!({"client_cert_file": cert, "client_key_file": path})),
        ] {
            println!("{option} {path}");
            let made = try_manager("https://api.example.com", options);
            fails(made, Status::TM_INVALID_OPTIONS, &[option, path, why]);
        }
    }
    let link = folder.path("link");
    std::os::unix::fs::symlink(ca_file, &link).unwrap();
    assert!(try_manager("https://api.example.com", json!({"ca_file": link})).is_ok());
}

#[test]
fn keys_are_taken_as_pkcs8_pkcs1_and_sec1_but_not_encrypted() {
    let folder = Folder::new();
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl").args(arguments).current_dir(folder.path("")).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa"]);
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec"]);
    openssl(&["rsa", "-in", "rsa", "-traditional", "-out", "rsa.pkcs1"]);
    openssl(&["ec", "-in", "ec", "-out", "ec.sec1"]);
    openssl(&["pkcs8", "-topk8", "-in", "ec", "-passout", "pass:secret", "-out", "ec.encrypted"]);
    openssl(&["rsa", "-in", "rsa", "-traditional", "-aes128", "-passout", "pass:secret", "-out", "rsa.encrypted"]);
    for (kind, begins) in [
        ("rsa", "-----BEGIN PRIVATE KEY"),
        ("rsa.pkcs1", "-----BEGIN RSA PRIVATE KEY"),
        ("ec", "-----BEGIN PRIVATE KEY"),
        ("ec.sec1", "-----BEGIN EC PRIVATE KEY"),
        ("ec.encrypted", "-----BEGIN ENCRYPTED PRIVATE KEY"),
        ("rsa.encrypted", "-----BEGIN RSA PRIVATE KEY"),
    ] {
        assert!(folder.read(kind).starts_with(begins), "{kind}: {}", folder.read(kind));
        let plain = kind.split('.').next().unwrap();
        openssl(&["req", "-x509", "-new", "-key", plain, "-subj", "/CN=client", "-out", "client.pem"]);
        let options = json!({"client_cert_file": folder.path("client.pem"), "client_key_file": folder.path(kind)});
        let made = try_manager("https://api.example.com", options);
        match kind.ends_with("encrypted") {
            false => assert!(made.is_ok(), "{kind}: {:?}", made.err()),
            true => drop(fails(made, Status::TM_INVALID_OPTIONS, &["client_key_file", "not encrypted"])),
        }
    }
}

#[test]
fn files_that_hold_no_key_for_the_certificate_are_named() {
    let (authority, _, folder) = authority();
    let client = authority.issue(&["client.example"]);
    let cert = folder.file("client.pem", &client.chain);
    for path in [
        folder.path("missing"),
        folder.file("empty", ""),
        folder.file("no_key", &client.chain),
        folder.file("not_der", "-----BEGIN PRIVATE KEY-----\nQUJDRA==\n-----END PRIVATE KEY-----\n"),
        folder.file("another", authority.server().key),
    ] {
        let options = json!({"client_cert_file": cert, "client_key_file": path});
        let error = fails(
            try_manager("https://api.example.com", options),
            Status::TM_INVALID_OPTIONS,
            &["client_key_file", &path],
        );
        assert!(!error.message().contains("BEGIN"), "{}", error.message());
    }
    let made = try_manager("https://api.example.com", json!({"client_key_file": cert}));
    fails(made, Status::TM_INVALID_OPTIONS, &["client_key_file needs client_cert_file"]);
}

#[test]
fn a_key_that_was_expected_beside_the_certificate_is_missed_there() {
    let (authority, _, folder) = authority();
    let cert = folder.file("client.pem", authority.issue(&["client.example"]).chain);
    let made = try_manager("https://api.example.com", json!({"client_cert_file": cert}));
    let error = fails(made, Status::TM_INVALID_OPTIONS, &[&cert, "client_cert_file", "private key"]);
    // The file that an option names which was never given is none.
    assert!(!error.message().contains("that the option client_key_file names"), "{}", error.message());
}
