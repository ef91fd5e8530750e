//! A server program that a test started: found, given a free port, and stopped whatever happens.

use crate::folder::Folder;
use crate::wait::PATIENCE;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Program {
    child: Child,
    /// What it was started as, to be started again.
    command: Vec<OsString>,
    log: PathBuf,
    pub port: u16,
}

impl Program {
    /// Starts `name` until it listens. `arguments` is told a port that was free just now; another program
    /// may be quicker to take it, so that a few are tried.
    pub fn start(name: &str, package: &str, folder: &Folder, arguments: impl Fn(u16) -> Vec<String>) -> Program {
        Program::start_at(find(name, package), folder, arguments)
    }

    /// The same of a program whose path is known.
    pub fn start_at(path: PathBuf, folder: &Folder, arguments: impl Fn(u16) -> Vec<String>) -> Program {
        for _ in 0..5 {
            let port = free_port();
            let log = PathBuf::from(folder.path("output"));
            let command: Vec<OsString> = [path.clone().into_os_string()]
                .into_iter()
                .chain(arguments(port).into_iter().map(Into::into))
                .collect();
            let mut program = Program { child: spawn(&command, &log), command, log, port };
            if program.comes_up() {
                return program;
            }
        }
        panic!("{} did not start: {}", path.display(), folder.read("output"));
    }

    /// Ends it as kill -9 does, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it as before, on the same port.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.command, &self.log);
        assert!(self.comes_up(), "it did not start again: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
    }

    /// Sends a signal by its name, such as STOP.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill").success(), "{name} could not be sent");
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

fn spawn(command: &[OsString], log: &Path) -> Child {
    let home = log.parent().expect("a folder");
    let log = std::fs::File::create(log).expect("a file in a folder of ours");
    // It dies with the test's thread, should that not come to its end.
    Command::new(find("setpriv", "util-linux"))
        .args(["--pdeathsig", "KILL"])
        .args(command)
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle of a file"))
        .stderr(log)
        .spawn()
        .expect("it was found")
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
