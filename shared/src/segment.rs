//! Segments: the language in which groups of contacts are described, and what it means.
//!
//! A definition is JSON; reading it gives a tree ([`tree`]) within all bounds, or a refusal that names
//! the place and the word that was meant. From the same tree come its canonical form and key (equal for
//! what is known to mean the same), a sentence in words, and what it holds for: [`evaluate`] says that
//! in the plainest way, over a list of one contact's facts, at any instant. No state is kept here, and
//! nothing is stored: engines that answer fast are held against this one.
//!
//! Reading order: [`tree`] and its small parts (`value`, `billionths`, `span`, `calendar`), `read`,
//! `write`, `canonical`, `words`; then [`facts`], [`score`], [`evaluate`], `certain`, `changes`, `explain`.

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
mod references;
pub mod schema;
mod words;

pub mod evaluate;
pub mod facts;
pub mod score;

mod certain;
mod changes;
mod explain;

#[cfg(test)]
mod tests;

pub use certain::Outlived;
pub use explain::{Evidence, Explained};
pub use refusal::DefinitionError;

/// A definition within all bounds. Made by [`Definition::parse`], of what it made, and of parts of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    root: Condition,
}

impl Definition {
    /// A leaf of a definition alone; beneath a `not` where it is read as it is beneath an odd number of them.
    #[must_use]
    pub fn of_leaf(leaf: tree::Leaf, negated: bool) -> Definition {
        let leaf = Condition::Leaf(leaf);
        let root = match negated {
            true => Condition::Not(alloc::boxed::Box::new(leaf)),
            false => leaf,
        };
        Definition { root }
    }

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
