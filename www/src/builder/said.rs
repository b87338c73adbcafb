//! The conditions of a definition in words, each with its place: what an explanation is about.

use shared::ids::SegmentId;
use shared::segment::Definition;
use shared::segment::tree::Condition;

use super::place::{child, element};

/// Each condition with its place, from the outermost in.
pub(crate) fn conditions(
    definition: &Definition,
    names: &dyn Fn(&SegmentId) -> Option<String>,
) -> Vec<(String, String)> {
    let mut said = Vec::new();
    walk(definition.root(), String::new(), names, &mut said);
    said
}

fn walk(
    condition: &Condition,
    path: String,
    names: &dyn Fn(&SegmentId) -> Option<String>,
    said: &mut Vec<(String, String)>,
) {
    let words = match condition {
        Condition::All(_) => "All of these:".to_owned(),
        Condition::Any(_) => "One of these, or more:".to_owned(),
        Condition::Not(_) => "Not:".to_owned(),
        Condition::Leaf(leaf) => Definition::of_leaf(leaf.clone(), false).sentence(names),
    };
    said.push((path.clone(), words));
    match condition {
        Condition::All(parts) => branches(parts, &child(&path, "all"), names, said),
        Condition::Any(parts) => branches(parts, &child(&path, "any"), names, said),
        Condition::Not(inner) => walk(inner, child(&path, "not"), names, said),
        Condition::Leaf(_) => {}
    }
}

fn branches(
    parts: &[Condition],
    list: &str,
    names: &dyn Fn(&SegmentId) -> Option<String>,
    said: &mut Vec<(String, String)>,
) {
    for (at, part) in parts.iter().enumerate() {
        walk(part, element(list, at), names, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_has_words_and_its_place() {
        let json = r#"{"all":[{"event":"joined"},{"not":{"any":[{"segment":"seg_1"}]}}]}"#;
        let said = conditions(&Definition::parse(json).unwrap(), &|_| {
            Some("VIP".to_owned())
        });
        let paths: Vec<&str> = said.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            ["", "all[0]", "all[1]", "all[1].not", "all[1].not.any[0]"]
        );
        assert!(
            said[1].1.contains("joined") && said[4].1.contains("VIP"),
            "{said:?}"
        );
    }
}
