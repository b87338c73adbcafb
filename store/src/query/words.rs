//! Closed sets of words, for the annotations of fields that hold a text of ours: each set is the code's own list,
//! so that the document knows a new word as soon as the code does.

use std::borrow::Cow;

use serde::{Serialize as _, Serializer};
use shared::api_key::Scope;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::report::GroupBy;
use crate::attribution::Model;
use crate::ledger::suppression::Cause;
use crate::record::identity::FactKind;
use crate::record::{Class, MessageType, Source};

/// A member of a closed set, as answers spell it.
pub trait Word {
    /// `None` is no word.
    fn word(&self) -> Option<&'static str>;
}

impl Word for FactKind {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for Source {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for MessageType {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for Cause {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for Model {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for GroupBy {
    fn word(&self) -> Option<&'static str> {
        Some(self.as_str())
    }
}

impl Word for Option<Class> {
    fn word(&self) -> Option<&'static str> {
        self.map(Class::as_str)
    }
}

/// Writes a field as its word: what these types derive is how they lie on disk.
pub fn spelled<W: Word, S: Serializer>(word: &W, to: S) -> Result<S::Ok, S::Error> {
    word.word().serialize(to)
}

macro_rules! sets {
    ($($(#[doc = $doc:literal])* $name:ident = $words:expr;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $words;
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some([$($doc.trim()),*].join(" ")))
                    .enum_values(Some(words))
                    .build()
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

sets! {
    /// What kind of event it is.
    EventType = FactKind::ALL.map(FactKind::as_str);
    /// Who told of an event.
    EventSource = Source::ALL.map(Source::as_str);
    /// Who acted, as far as the evidence goes: a person, a mailbox provider's proxy for one, a machine that
    /// loads ahead, or a bot.
    EventClass = Class::ALL.map(Class::as_str);
    /// Who acted; `genuine` is a person, by a proxy or not.
    ClassFilter = Class::ALL.map(Class::as_str).into_iter().chain(["genuine"]);
    /// Why a contact is to get no more mail.
    SuppressionReason = Cause::ALL.map(Cause::as_str);
    /// What a message is for. People wait for transactional ones.
    MessageKind = [MessageType::Campaign, MessageType::Transactional].map(MessageType::as_str);
    /// By what revenue is grouped.
    RevenueGrouping = GroupBy::ALL.map(GroupBy::as_str);
    /// How orders are credited to messages.
    AttributionModel = Model::ALL.map(Model::as_str);
    /// What a key may do.
    ScopeName = Scope::ALL.map(Scope::as_str);
}
