//! What a server says of itself, beside its tools.

use serde_json::{Value, json};

use crate::{Digest, ServerTitle};

/// A server's own words. They change without a release, and models read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWords {
    /// What people see.
    pub title: ServerTitle,
    /// What it is for; may be empty. Clients give it to models as instructions.
    pub description: String,
}

impl ServerWords {
    /// All that a client or a model reads.
    #[must_use]
    pub fn definition(&self) -> Value {
        let Self { title, description } = self;
        json!({ "title": title, "description": description })
    }

    /// Their digest (SEC-18): of the two as an array of JSON.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let Self { title, description } = self;
        Digest::of(json!([title, description]).to_string().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_keeps_title_and_description_apart() {
        let digest = |title: &str, description: &str| {
            ServerWords { title: title.parse().unwrap(), description: description.to_owned() }.digest()
        };

        assert_eq!(digest("a", "b"), digest("a", "b"));
        for (title, description) in [("a", "c"), ("c", "b"), ("ab", ""), ("b", "a")] {
            assert_ne!(digest(title, description), digest("a", "b"), "{title}, {description}");
        }
    }
}
