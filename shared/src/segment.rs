//! Segments: the language in which groups of contacts are described, and what it means.
//!
//! A definition is JSON; reading it gives a tree ([`tree`]) within all bounds, or a refusal that names
//! the place and the word that was meant. From the same tree come its canonical form and keys (what
//! means the same is kept once) and a sentence in words. No state is kept here, and nothing is stored.
//!
//! Reading order: [`tree`] and its small parts (`value`, `billionths`, `span`, `calendar`), `read`,
//! `write`, `canonical`, `words`.

use tree::Condition;

pub mod tree;

pub mod billionths;
pub mod calendar;
pub mod span;
pub mod value;

mod spelling;

mod include_new;
mod read;
pub mod refusal;
mod write;

mod canonical;
pub mod preview;
pub mod references;
mod words;

#[cfg(test)]
mod tests;

pub use refusal::DefinitionError;

/// A definition within all bounds. Made by [`Definition::parse`] alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    root: Condition,
}

impl Definition {
    /// What it says.
    #[must_use]
    pub fn root(&self) -> &Condition {
        &self.root
    }

    /// The key of what it means: equal for definitions that are known to mean the same.
    #[must_use]
    pub fn key(&self) -> alloc::string::String {
        self.root.key()
    }
}
