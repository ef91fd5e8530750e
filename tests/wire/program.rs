//! A server program that a test started: found, given a free port, and stopped whatever happens.

use crate::client::PATIENCE;
use crate::folder::Folder;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Program {
    child: Child,
    pub port: u16,
}

impl Program {
    /// Starts `name` until it listens. `arguments` is told a port that was free just now; another program
    /// may be quicker to take it, so that a few are tried.
    pub fn start(name: &str, package: &str, folder: &Folder, arguments: impl Fn(u16) -> Vec<String>) -> Program {
        let path = find(name, package);
        for _ in 0..5 {
            let port = free_port();
            let log = std::fs::File::create(folder.path("output")).expect("a file in a folder of ours");
            // It dies with the test's thread, should that not come to its end.
            let child = Command::new(find("setpriv", "util-linux"))
                .args(["--pdeathsig", "KILL"])
                .arg(&path)
                .args(arguments(port))
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a second handle of a file"))
                .stderr(log)
                .spawn()
                .expect("it was found");
            let mut program = Program { child, port };
            if program.comes_up() {
                return program;
            }
        }
        panic!("{name} did not start: {}", folder.read("output"));
    }

    fn comes_up(&mut self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.child.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // If it is gone already there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers are often only on root's path.
fn find(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; the package {package} has it: run scripts/setup test"))
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
