//! Secrets by name: what `auth_params` holds, and what endpoints keep for templates.

use crate::secret::Secret;

/// In the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named(Vec<(String, Secret)>);

impl Named {
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// In place of one of the same name.
    pub fn set(&mut self, name: &str, value: Secret) {
        self.0.retain(|(known, _)| known != name);
        let at = self.0.iter().position(|(known, _)| known.as_str() > name).unwrap_or(self.0.len());
        self.0.insert(at, (name.to_owned(), value));
    }

    /// Takes over what is newer; what is not among it stays.
    pub fn update(&mut self, newer: &Named) {
        for (name, value) in newer.iter() {
            self.set(name, value.clone());
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
