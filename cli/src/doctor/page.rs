//! What the doctor prints: one line a finding.

use crate::output::Output;
use crate::report;
use reqwest::Url;

pub struct Page {
    output: Output,
    faults: usize,
}

impl Page {
    pub fn new() -> Page {
        Page { output: Output::new("-".into()), faults: 0 }
    }

    pub fn heading(&mut self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    pub fn good(&mut self, name: &str, text: &str) {
        self.write(&format!("  ok     {name}: {text}\n"));
    }

    pub fn bad(&mut self, name: &str, text: &str) {
        self.faults += 1;
        self.write(&format!("  WRONG  {name}: {text}\n"));
    }

    /// What may be as it has to be.
    pub fn warn(&mut self, name: &str, text: &str) {
        self.write(&format!("  warn   {name}: {text}\n"));
    }

    fn write(&mut self, line: &str) {
        // What could not be written, `finish` says.
        if self.output.error.is_none() && self.output.open() {
            self.output.write(line.as_bytes());
        }
    }

    /// Returns the exit code.
    pub fn finish(mut self) -> i32 {
        let last = match self.faults {
            0 => "nothing is wrong; `tokenmgr check` logs in and calls\n".to_owned(),
            1 => "1 thing is wrong\n".to_owned(),
            faults => format!("{faults} things are wrong\n"),
        };
        self.write(&last);
        let code = self.output.finish();
        if code == report::DONE && self.faults > 0 { report::FOUND } else { code }
    }

    /// A URL that can be connected to.
    pub fn url(text: &str) -> Option<Url> {
        Url::parse(text).ok().filter(|url| url.has_host() && url.port_or_known_default().is_some())
    }

    /// Without its user-info.
    pub fn redacted(url: &Url) -> String {
        let mut url = url.clone();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }
}
