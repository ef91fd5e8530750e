//! A Vault behind TLS, with an authority of its own, and one that asks for a certificate.

use serde_json::json;
use support::bao::Bao;
use support::demo::*;
use support::pki::Authority;
use support::program::free_port;

#[test]
fn s1_a_vault_behind_tls_is_trusted_by_its_authority_only_and_may_ask_for_a_certificate() {
    let (api, files) = (start(json!({})), support::folder::Folder::new());
    let (authority, clients) = (Authority::new(), Authority::new());
    let (server, client) = (authority.server(), clients.issue(&["shop"]));
    let ca = files.file("ca.pem", &authority.certificate);
    let client_ca = files.file("clients.pem", &clients.certificate);
    let (chain, key) = (files.file("server.pem", &server.chain), files.file("server.key", &server.key));
    let certificate = files.file("client.pem", client.chain + &client.key);
    let (port, strict) = (free_port(), free_port());
    let tls = format!("tls_cert_file = \"{chain}\"\n tls_key_file = \"{key}\"");
    let lines = format!(
        "storage \"inmem\" {{}}\nlistener \"tcp\" {{ address = \"127.0.0.1:{port}\"\n {tls} }}\n\
         listener \"tcp\" {{ address = \"127.0.0.1:{strict}\"\n {tls}\n\
         tls_require_and_verify_client_cert = true\n tls_client_ca_file = \"{client_ca}\" }}"
    );
    let bao = Bao::with(|_| lines.clone());
    let (url, strict) = (format!("https://127.0.0.1:{port}"), format!("https://127.0.0.1:{strict}"));
    let trusted = bao.manager_with(&api, json!({"url": url, "ca_file": ca, "ca_only": true}));
    assert_eq!(status(&trusted), 200);
    trusted.refresh().expect("a refresh");
    let shown = bao.manager_with(&api, json!({"url": strict, "ca_file": ca, "client_cert_file": certificate}));
    assert_eq!(status(&shown), 200);
    assert_counters(&api, [("logins", 1), ("refreshes", 1)]);
    assert_eq!((stat(&trusted, "store_failures"), stat(&shown, "store_failures")), (0, 0));
    for (store, says) in [
        (json!({ "url": url }), "name the authority's file in store.ca_file"),
        (json!({"url": strict, "ca_file": ca}), "store.client_cert_file"),
        (json!({"url": bao.url().replace("http:", "https:"), "ca_file": ca}), "got no TLS connection"),
    ] {
        let manager = bao.manager_with(&api, store);
        let lines = listen(&manager);
        assert_eq!(status(&manager), 200);
        let lines = lines.lock().unwrap();
        assert!(lines.iter().any(|(_, line)| line.contains(says)), "{says}: {lines:?}");
    }
}

#[test]
fn tls_on_one_side_only_is_said() {
    let (files, authority) = (support::folder::Folder::new(), Authority::new());
    let server = authority.server();
    let ca = files.file("ca.pem", &authority.certificate);
    let (chain, key) = (files.file("server.pem", &server.chain), files.file("server.key", &server.key));
    let port = free_port();
    let lines = format!(
        "storage \"inmem\" {{}}\nlistener \"tcp\" {{ address = \"127.0.0.1:{port}\"\n \
         tls_cert_file = \"{chain}\"\n tls_key_file = \"{key}\" }}"
    );
    let bao = Bao::with(|_| lines.clone());
    let plain_to_tls = json!({"url": format!("http://127.0.0.1:{port}")});
    bao.fails(plain_to_tls, 60_000, &[&format!("http://127.0.0.1:{port}/v1/"), "its port speaks TLS; use https://"]);
    let url = bao.url().replace("http:", "https:");
    let tls_to_plain = json!({"url": url, "ca_file": ca});
    bao.fails(tls_to_plain, 60_000, &[&url, "does not speak TLS on this port", "use a URL without TLS"]);
}
