//! What the parts of a dialect are compiled with.

use crate::auth::member::looks_like_key;
use crate::auth::template::{Scope, Template};
use crate::sys::secret::Secret;
use serde_json::Value;
use std::cell::RefCell;

/// What an endpoint is compiled with.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub scope: &'a Scope<'a>,
    /// The dialect's `answer`, over which the endpoint's own is merged.
    pub answer: &'a Value,
    pub basic_as_form: bool,
    pub allow_insecure: bool,
    /// Takes what is written into the dialect where secrets stand.
    pub literals: &'a RefCell<Vec<Secret>>,
}

impl Setting<'_> {
    /// What is written into a dialect where secrets stand is one, and so is what looks like a key wherever it stands.
    pub fn note_literals(&self, is_secret: bool, template: &Template) {
        let mut literals = self.literals.borrow_mut();
        for text in template.literals().filter(|text| is_secret || looks_like_key(text.as_str())) {
            literals.push(text.clone());
            // `Bearer …`: the word before it is none.
            literals.extend(text.as_str().split_whitespace().skip(1).filter_map(Secret::new));
        }
    }
}
