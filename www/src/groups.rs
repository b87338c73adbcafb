//! Segments as the collector tells of them, and what the page says about them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::{count, pretty};

/// A page of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct GroupList {
    pub(crate) segments: Vec<Group>,
    pub(crate) next: Option<String>,
}

/// A segment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: String,
    progress: Option<u8>,
    count: Option<u64>,
    /// As it was written.
    definition: Box<RawValue>,
    pub(crate) sentence: String,
    pub(crate) version: u32,
    pub(crate) created_at: String,
    pub(crate) changed_at: String,
}

/// A page of members.
#[derive(Debug, Deserialize)]
pub(crate) struct MemberList {
    pub(crate) members: Vec<Member>,
    pub(crate) next: Option<String>,
}

/// A member.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) email: Option<String>,
    pub(crate) entered_at: String,
}

impl Group {
    /// How many are in; `None` while nobody can say.
    pub(crate) fn members(&self) -> Option<String> {
        self.count.map(|members| match members {
            1 => "1 member".to_owned(),
            members => format!("{} members", count(members)),
        })
    }

    /// How far it is, while it is building.
    pub(crate) fn building(&self) -> Option<String> {
        let progress = self.progress.unwrap_or_default();
        (self.status == "building").then(|| format!("building {progress} %"))
    }

    /// The definition as it is kept.
    pub(crate) fn definition_json(&self) -> &str {
        self.definition.get()
    }

    /// The definition, indented.
    pub(crate) fn definition(&self) -> String {
        pretty(self.definition.get())
    }
}

/// What the page shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown<'f> {
    /// All segments, one of them open where it is named.
    List(Option<&'f str>),
    /// A new one, to be written.
    New,
    /// One to be changed.
    Edit(&'f str),
}

/// What a fragment says is shown.
pub(crate) fn shown_by(fragment: &str) -> Shown<'_> {
    let edited = fragment.strip_prefix("#edit=").and_then(id_in);
    match (fragment, edited) {
        ("#new", _) => Shown::New,
        (_, Some(id)) => Shown::Edit(id),
        _ => Shown::List(fragment.strip_prefix('#').and_then(id_in)),
    }
}

/// Where one is changed.
pub(crate) fn editor_of(id: &str) -> String {
    format!("#edit={id}")
}

fn id_in(id: &str) -> Option<&str> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_one = id.starts_with("seg_") && id.bytes().all(is_id);
    is_one.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rest: &str) -> Group {
        let text = format!(
            r#"{{"id":"seg_1","name":"n","definition":{{"event":"a"}},"sentence":"s","version":1,"createdAt":"t","changedAt":"t",{rest}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_segment_says_how_many_are_in_or_how_far_it_is() {
        let one = group(r#""status":"active","count":1"#);
        assert_eq!(
            (one.members().as_deref(), one.building()),
            (Some("1 member"), None)
        );
        let many = group(r#""status":"active","count":12345"#);
        assert_eq!(many.members().as_deref(), Some("12,345 members"));
        assert_eq!(many.definition(), "{\n  \"event\": \"a\"\n}");
        let building = group(r#""status":"building","progress":57"#);
        assert_eq!(building.members(), None);
        assert_eq!(building.building().as_deref(), Some("building 57 %"));
    }

    #[test]
    fn only_an_id_in_the_fragment_names_a_segment() {
        assert_eq!(shown_by("#seg_0a1"), Shown::List(Some("seg_0a1")));
        assert_eq!(shown_by("#new"), Shown::New);
        assert_eq!(shown_by(&editor_of("seg_0a1")), Shown::Edit("seg_0a1"));
        for text in [
            "",
            "#",
            "#code=x",
            "#seg_a/../b",
            "seg_1",
            "#edit=",
            "#edit=x",
            "#newer",
        ] {
            assert_eq!(shown_by(text), Shown::List(None), "{text}");
        }
    }
}
