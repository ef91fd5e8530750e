//! A real forward proxy that wants a username and a password.

use crate::client::until;
use support::folder::Folder;
use support::program::Program;

pub const USERNAME: &str = "wire";
pub const PASSWORD: &str = "s3cr-t.proxy_pw";

pub struct Tinyproxy {
    // Stopped before its folder goes.
    program: Program,
    folder: Folder,
}

impl Tinyproxy {
    pub fn start() -> Tinyproxy {
        Tinyproxy::start_with("")
    }

    /// One whose rules allow no host at all.
    pub fn that_refuses() -> Tinyproxy {
        Tinyproxy::start_with("FilterDefaultDeny Yes")
    }

    fn start_with(rules: &str) -> Tinyproxy {
        let folder = Folder::new();
        let filter = folder.file("filter", "^nothing$\n");
        let rules = if rules.is_empty() { String::new() } else { format!("Filter \"{filter}\"\n{rules}\n") };
        let program = Program::start("tinyproxy", "tinyproxy-bin", &folder, |port| {
            let config = format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nLogLevel Connect\n\
                 LogFile \"{log}\"\nBasicAuth {USERNAME} {PASSWORD}\n{rules}",
                log = folder.path("log"),
            );
            ["-d", "-c", &folder.file("tinyproxy.conf", config)].map(str::to_owned).to_vec()
        });
        Tinyproxy { program, folder }
    }

    /// Its URL with the right username and password.
    pub fn url(&self) -> String {
        self.url_with(&format!("{USERNAME}:{PASSWORD}"))
    }

    pub fn url_with(&self, user_info: &str) -> String {
        format!("http://{user_info}@127.0.0.1:{}", self.program.port)
    }

    /// Whether it was asked for that; it writes its log when it gets to it.
    pub fn wait_until_asked(&self, request: &str) {
        until(request, || self.folder.read("log").contains(request));
    }

    pub fn was_asked(&self) -> bool {
        self.folder.read("log").contains("Request (file descriptor")
    }
}
