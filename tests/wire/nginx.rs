//! A real nginx of a test's own.

use support::folder::Folder;
use support::pki::Issued;
use support::program::Program;

pub struct Nginx {
    // Stopped before its folder goes.
    program: Program,
    folder: Folder,
}

impl Nginx {
    /// With TLS, and `server` inside its server block; `listen` is what stands behind `ssl` there.
    pub fn with_tls(certificate: &Issued, listen: &str, server: &str) -> Nginx {
        let folder = Folder::new();
        let [certificate, key] =
            [folder.file("cert.pem", &certificate.chain), folder.file("key.pem", &certificate.key)];
        let tls = format!("ssl_certificate {certificate}; ssl_certificate_key {key}; {server}");
        Nginx::start(folder, &format!("ssl {listen}"), &tls)
    }

    pub fn plain(server: &str) -> Nginx {
        Nginx::start(Folder::new(), "", server)
    }

    fn start(folder: Folder, listen: &str, server: &str) -> Nginx {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {};\n", folder.path(kind)))
            .collect();
        let program = Program::start("nginx", "nginx", &folder, |port| {
            let config = format!(
                "daemon off; master_process off; pid {pid}; error_log stderr warn;\n\
                 events {{ worker_connections 256; }}\n\
                 http {{\n{temporary}\
                 log_format wire '$server_protocol $ssl_protocol $request_method $uri $status';\n\
                 access_log {log} wire;\n\
                 server {{ listen 127.0.0.1:{port} {listen}; {server} }}\n}}\n",
                pid = folder.path("pid"),
                log = folder.path("access"),
            );
            let config = folder.file("nginx.conf", config);
            ["-e", "stderr", "-p", &folder.path(""), "-c", &config].map(str::to_owned).to_vec()
        });
        Nginx { program, folder }
    }

    pub fn port(&self) -> u16 {
        self.program.port
    }

    /// `PROTOCOL TLS METHOD PATH STATUS` a line.
    pub fn log(&self) -> String {
        self.folder.read("access")
    }
}

/// A location that hands everything below `path` to another server.
pub fn passing(path: &str, to: &str) -> String {
    format!("location {path} {{ proxy_pass {to}/; proxy_http_version 1.1; }}")
}
