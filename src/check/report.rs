//! The report, written as JSON while the check goes on.

use crate::auth::{Meant, json_string};
use crate::check::advice::Advice;
use crate::check::json::member;

/// Each step is begun, gets what there is of it in this order, and is ended.
pub struct Report {
    /// The steps, with a comma before each but the first.
    steps: String,
    understood: String,
    pub is_ok: bool,
}

impl Report {
    pub fn new() -> Report {
        Report { steps: String::new(), understood: String::new(), is_ok: true }
    }

    pub fn begin(&mut self, name: &str) {
        self.steps.push_str(if self.steps.is_empty() { "{\"name\":" } else { ",{\"name\":" });
        self.steps.push_str(&json_string(name));
    }

    /// What was sent, or what was answered: JSON.
    pub fn add(&mut self, name: &str, json: &str) {
        for piece in [",\"", name, "\":", json] {
            self.steps.push_str(piece);
        }
    }

    /// Something in the answer, where that was found, and what it was taken for.
    pub fn understand(&mut self, what: &str, from: &str, value: &str) {
        self.understood.push_str(if self.understood.is_empty() { "{" } else { ",{" });
        member("what", what, &mut self.understood);
        member("from", from, &mut self.understood);
        member("value", value, &mut self.understood);
        self.understood.push('}');
    }

    pub fn understand_meaning(&mut self, meant: &Meant) {
        if let Some(means) = meant.means {
            self.understand("meaning", &meant.by, means.name());
        }
    }

    pub fn end(&mut self, is_ok: bool, advice: Option<Advice>) {
        if !self.understood.is_empty() {
            let understood = std::mem::take(&mut self.understood);
            for piece in [",\"understood\":[", &understood, "]"] {
                self.steps.push_str(piece);
            }
        }
        if let Some(advice) = advice {
            self.steps.push(',');
            member("problem", &advice.problem, &mut self.steps);
            if !advice.change.is_empty() {
                member("change", &advice.change, &mut self.steps);
            }
        }
        self.steps.push_str(if is_ok { ",\"ok\":true}" } else { ",\"ok\":false}" });
        self.is_ok &= is_ok;
    }

    pub fn skip(&mut self, name: &str, why: &str) {
        self.begin(name);
        self.add("skipped", &json_string(why));
        self.end(true, None);
    }

    pub fn finish(self) -> String {
        format!("{{\"ok\":{},\"steps\":[{}]}}", self.is_ok, self.steps)
    }
}
