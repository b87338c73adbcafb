//! Places in a document, spelled as the collector spells them (`all[1].not.within`), and what may be done to its shape.

use shared::segment::value::Value;

/// One step further in.
#[derive(Clone, Copy)]
enum Hop<'p> {
    Name(&'p str),
    At(usize),
}

/// What stands at a place.
pub(crate) fn find<'v>(root: &'v Value, path: &str) -> Option<&'v Value> {
    hops(path).try_fold(root, |value, hop| match (hop, value) {
        (Hop::Name(name), value) => value.get(name),
        (Hop::At(at), Value::List(parts)) => parts.get(at),
        (Hop::At(_), _) => None,
    })
}

/// The same, to be changed.
pub(crate) fn find_mut<'v>(root: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    hops(path).try_fold(root, |value, hop| match (hop, value) {
        (Hop::Name(name), Value::Object(fields)) => field_mut(fields, name),
        (Hop::At(at), Value::List(parts)) => parts.get_mut(at),
        _ => None,
    })
}

fn field_mut<'v>(fields: &'v mut [(String, Value)], name: &str) -> Option<&'v mut Value> {
    let field = fields.iter_mut().find(|(known, _)| known == name);
    field.map(|(_, value)| value)
}

fn hops(path: &str) -> impl Iterator<Item = Hop<'_>> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts.map(|part| {
        let number = part
            .strip_suffix(']')
            .and_then(|number| number.parse().ok());
        number.map_or(Hop::Name(part), Hop::At)
    })
}

/// The place of a name inside a place.
pub(crate) fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The place of a part of a list.
pub(crate) fn element(list: &str, at: usize) -> String {
    format!("{list}[{at}]")
}

/// The list in which a place is a part, and which part it is.
pub(crate) fn in_list(path: &str) -> Option<(&str, usize)> {
    let (list, at) = path.strip_suffix(']')?.rsplit_once('[')?;
    Some((list, at.parse().ok()?))
}

/// The place of the condition of which the list of a group is a part: that of the negation, where there is one.
pub(crate) fn owner(list: &str) -> &str {
    let mut group = list.strip_suffix("all").or(list.strip_suffix("any"));
    while let Some(inner) = group {
        let path = inner.strip_suffix('.').unwrap_or(inner);
        match path.strip_suffix("not") {
            Some(outer) => group = Some(outer),
            None => return path,
        }
    }
    ""
}

/// What is negated, its place, and how often it is.
pub(crate) fn inside<'v>(value: &'v Value, path: &str) -> (&'v Value, String, usize) {
    let (mut value, mut path, mut nots) = (value, path.to_owned(), 0);
    while let Some(inner) = value.get("not") {
        (value, path, nots) = (inner, child(&path, "not"), nots + 1);
    }
    (value, path, nots)
}

/// The word of a group and its parts; `None` of a leaf.
pub(crate) fn group(value: &Value) -> Option<(&'static str, &[Value])> {
    ["all", "any"]
        .into_iter()
        .find_map(|word| match value.get(word) {
            Some(Value::List(parts)) => Some((word, parts.as_slice())),
            _ => None,
        })
}

/// An object of one field.
pub(crate) fn object(name: &str, value: Value) -> Value {
    Value::Object(vec![(name.to_owned(), value)])
}

/// Puts a condition at the end of the group at a place; the whole becomes one where it is none. Says where it is then.
pub(crate) fn add(root: &mut Value, path: &str, condition: Value) -> Option<String> {
    let is_group = group(inside(find(root, path)?, path).0).is_some();
    if !is_group {
        let before = find_mut(root, path)?;
        let whole = std::mem::replace(before, Value::Null);
        *before = object("all", Value::List(vec![whole]));
    }
    let (value, inner, _) = inside(find(root, path)?, path);
    let (word, parts) = group(value)?;
    let (list, at) = (child(&inner, word), parts.len());
    insert(root, &list, at, condition)?;
    Some(element(&list, at))
}

/// Takes a condition away; where it was all there is, everybody is left. Says what stands there or before it then.
pub(crate) fn remove(root: &mut Value, path: &str) -> String {
    match take(root, path) {
        Some(_) => match in_list(path) {
            Some((list, at)) => {
                let is_there = |at: &usize| find(root, &element(list, *at)).is_some();
                let near = [Some(at), at.checked_sub(1)];
                let left = near.into_iter().flatten().find(is_there);
                left.map_or_else(|| owner(list).to_owned(), |at| element(list, at))
            }
            None => String::new(),
        },
        None => {
            *root = object("all", Value::List(Vec::new()));
            String::new()
        }
    }
}

/// Says the opposite of a condition, or no longer.
pub(crate) fn negate(root: &mut Value, path: &str) -> Option<()> {
    let value = find_mut(root, path)?;
    let whole = std::mem::replace(value, Value::Null);
    *value = match whole {
        Value::Object(mut fields) if fields.len() == 1 && fields[0].0 == "not" => {
            fields.remove(0).1
        }
        other => object("not", other),
    };
    Some(())
}

/// Puts a condition into a group of its own, for others beside it. Says where it is then.
pub(crate) fn enclose(root: &mut Value, path: &str) -> Option<String> {
    let value = find_mut(root, path)?;
    let whole = std::mem::replace(value, Value::Null);
    *value = object("any", Value::List(vec![whole]));
    Some(element(&child(path, "any"), 0))
}

/// Puts the parts of a group in its place; a negated one, or the whole of several, stays.
pub(crate) fn dissolve(root: &mut Value, path: &str) -> Option<String> {
    let (_, parts) = group(find(root, path)?)?;
    let parts = parts.to_vec();
    match in_list(path) {
        Some((list, at)) => {
            take(root, path)?;
            for part in parts.into_iter().rev() {
                insert(root, list, at, part)?;
            }
            Some(if find(root, path).is_some() {
                path.to_owned()
            } else {
                owner(list).to_owned()
            })
        }
        None if path.is_empty() && parts.len() == 1 => {
            *root = parts.into_iter().next()?;
            Some(String::new())
        }
        None => None,
    }
}

/// Has all of a group's parts hold, or one of them.
pub(crate) fn turn(root: &mut Value, path: &str) -> Option<()> {
    let (_, inner, _) = inside(find(root, path)?, path);
    let value = find_mut(root, &inner)?;
    let (word, parts) = group(value)?;
    let other = if word == "all" { "any" } else { "all" };
    *value = object(other, Value::List(parts.to_vec()));
    Some(())
}

/// Moves a condition one line up or down: past its neighbour, into it where that is a group, out of its own group at
/// the group's end. Says where it is then; `None` where there is no further way.
pub(crate) fn shift(root: &mut Value, path: &str, is_down: bool) -> Option<String> {
    let (list, at) = in_list(path)?;
    let next = if is_down {
        Some(at + 1)
    } else {
        at.checked_sub(1)
    };
    let neighbour = next.and_then(|next| Some((next, find(root, &element(list, next))?)));
    let Some((next, neighbour)) = neighbour else {
        let group = owner(list).to_owned();
        let (outer, place) = in_list(&group)?;
        let moved = take(root, path)?;
        let place = if is_down { place + 1 } else { place };
        insert(root, outer, place, moved)?;
        return Some(element(outer, place));
    };
    let (value, inner, _) = inside(neighbour, &element(list, next));
    let Some((word, parts)) = group(value) else {
        let Value::List(parts) = find_mut(root, list)? else {
            return None;
        };
        parts.swap(at, next);
        return Some(element(list, next));
    };
    let place = if is_down { 0 } else { parts.len() };
    let into = child(&inner, word);
    let moved = find(root, path)?.clone();
    insert(root, &into, place, moved)?;
    take(root, path)?;
    // What stood behind it has come up by one.
    let into = match is_down {
        true => into.replacen(&element(list, next), &element(list, at), 1),
        false => into,
    };
    Some(element(&into, place))
}

fn take(root: &mut Value, path: &str) -> Option<Value> {
    let (list, at) = in_list(path)?;
    match find_mut(root, list)? {
        Value::List(parts) if at < parts.len() => Some(parts.remove(at)),
        _ => None,
    }
}

fn insert(root: &mut Value, list: &str, at: usize, part: Value) -> Option<()> {
    match find_mut(root, list)? {
        Value::List(parts) if at <= parts.len() => {
            parts.insert(at, part);
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Value {
        Value::read(json).unwrap()
    }

    /// A list of lists of letters, as a definition.
    fn tree() -> Value {
        read(
            r#"{"all":[{"event":"a"},{"not":{"any":[{"event":"b"},{"event":"c"}]}},{"event":"d"}]}"#,
        )
    }

    fn shape(value: &Value) -> String {
        let (inner, _, nots) = inside(value, "");
        let not = "!".repeat(nots);
        match group(inner) {
            Some((word, parts)) => {
                let parts: Vec<String> = parts.iter().map(shape).collect();
                format!("{not}{}({})", word, parts.join(" "))
            }
            None => format!(
                "{not}{}",
                inner
                    .to_json()
                    .replace(r#"{"event":""#, "")
                    .replace("\"}", "")
            ),
        }
    }

    #[test]
    fn a_place_is_spelled_as_the_collector_spells_it() {
        let tree = tree();
        assert_eq!(
            find(&tree, "all[1].not.any[0].event")
                .map(Value::to_json)
                .as_deref(),
            Some("\"b\"")
        );
        assert!(find(&tree, "").is_some());
        for nowhere in ["all[3]", "all[0].any", "event", "all[0][0]"] {
            assert!(find(&tree, nowhere).is_none(), "{nowhere}");
        }
        assert_eq!(owner("all[1].not.any"), "all[1]");
        assert_eq!(owner("not.not.any"), "");
        assert_eq!(owner("all"), "");
    }

    #[test]
    fn a_condition_goes_through_every_line_on_its_way_down_and_up_again() {
        let mut root = tree();
        let mut path = "all[0]".to_owned();
        let mut seen = Vec::new();
        while let Some(next) = shift(&mut root, &path, true) {
            path = next;
            seen.push(shape(&root));
        }
        assert_eq!(
            seen,
            [
                "all(!any(a b c) d)",
                "all(!any(b a c) d)",
                "all(!any(b c a) d)",
                "all(!any(b c) a d)",
                "all(!any(b c) d a)",
            ]
        );
        while let Some(next) = shift(&mut root, &path, false) {
            path = next;
            assert_eq!(find(&root, &path).map(shape).as_deref(), Some("a"));
        }
        assert_eq!((shape(&root), path.as_str()), (shape(&tree()), "all[0]"));
    }

    #[test]
    fn conditions_are_added_removed_negated_and_grouped() {
        let mut root = tree();
        let new = || read(r#"{"event":"n"}"#);
        assert_eq!(
            add(&mut root, "all[1]", new()).as_deref(),
            Some("all[1].not.any[2]")
        );
        assert_eq!(add(&mut root, "", new()).as_deref(), Some("all[3]"));
        assert_eq!(shape(&root), "all(a !any(b c n) d n)");
        assert_eq!(remove(&mut root, "all[3]"), "all[2]");
        assert_eq!(dissolve(&mut root, "all[1].not"), None);
        negate(&mut root, "all[1]").unwrap();
        turn(&mut root, "all[1]").unwrap();
        assert_eq!(shape(&root), "all(a all(b c n) d)");
        dissolve(&mut root, "all[1]").unwrap();
        assert_eq!(shape(&root), "all(a b c n d)");
        negate(&mut root, "all[4]").unwrap();
        assert_eq!(
            enclose(&mut root, "all[4]").as_deref(),
            Some("all[4].any[0]")
        );
        assert_eq!(shape(&root), "all(a b c n any(!d))");
        assert_eq!(remove(&mut root, "all[4].any[0]"), "all[4]");
        assert_eq!(shape(&root), "all(a b c n any())");
        remove(&mut root, "");
        assert_eq!(shape(&root), "all()");
    }

    #[test]
    fn a_condition_alone_becomes_a_group_when_another_joins_it() {
        let mut root = read(r#"{"not":{"event":"a"}}"#);
        assert_eq!(
            add(&mut root, "", read(r#"{"event":"b"}"#)).as_deref(),
            Some("all[1]")
        );
        assert_eq!(shape(&root), "all(!a b)");
    }
}
