//! The languages a source can be written in.

use serde::{Deserialize, Serialize};

/// What a version's source is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// TypeScript: types are stripped, not checked.
    #[serde(rename = "typescript")]
    TypeScript,
    /// JavaScript, as a module.
    #[serde(rename = "javascript")]
    JavaScript,
    /// A WebAssembly component that was built elsewhere; the source is the component itself.
    Component,
}

impl Language {
    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TypeScript => "typescript",
            Self::JavaScript => "javascript",
            Self::Component => "component",
        }
    }

    /// The language that [`Language::as_str`] named.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::TypeScript, Self::JavaScript, Self::Component].into_iter().find(|language| language.as_str() == word)
    }

    /// The name of the source file in error positions.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::TypeScript => "tool.ts",
            Self::JavaScript => "tool.js",
            Self::Component => "tool.wasm",
        }
    }
}
