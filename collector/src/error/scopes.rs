//! What a caller is told whose key may not do what it asks: which scopes it has, and the command that
//! makes a key with the one that is missing.

use shared::api_key::Scope;

use store::meta::DEFAULT_WORKSPACE;

/// Of a secret key, or of a session that was opened with one.
pub(crate) fn refusal(wanted: Scope, held: &[Scope], workspace: &str, whose: &str) -> String {
    let named = |scopes: Vec<Scope>, mark: &str, between: &str| {
        let names = scopes
            .iter()
            .map(|scope| format!("{mark}{}{mark}", scope.as_str()));
        names.collect::<Vec<_>>().join(between)
    };
    let (has, scopes) = match held {
        [] => ("no scope".to_owned(), ""),
        [_] => (named(held.to_vec(), "`", ", "), "the scope "),
        _ => (named(held.to_vec(), "`", ", "), "the scopes "),
    };
    // What the new key may do beside the old one's.
    let all = Scope::ALL.into_iter().filter(|scope| {
        let is_covered = *scope != wanted && wanted.allows(*scope);
        *scope == wanted || (held.contains(scope) && !is_covered)
    });
    let all = named(all.collect(), "", ",");
    let workspace = if workspace == DEFAULT_WORKSPACE {
        String::new()
    } else {
        format!(" --workspace {workspace}")
    };
    format!(
        "this takes the scope `{}`, and {whose} has {scopes}{has}: make a key that may with `misar keys create --scope \
         {all}{workspace}`",
        wanted.as_str()
    )
}

/// Of a public key, which only sends.
pub(crate) fn of_public_key(wanted: Scope) -> String {
    match wanted {
        Scope::Read | Scope::Contacts => format!(
            "public keys never read, they have the one scope `send`: use a secret key with the scope `{0}`, from a \
             server; `misar keys create --scope {0}` makes one",
            wanted.as_str()
        ),
        _ => format!(
            "public keys only send events, with the one scope `send`: use a secret key with the scope `{0}`, from a \
             server; `misar keys create --scope {0}` makes one",
            wanted.as_str()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scopes_that_a_key_has_are_named_and_the_command_keeps_them() {
        let said = refusal(
            Scope::Contacts,
            &[Scope::Write, Scope::Read],
            "default",
            "this key",
        );
        assert_eq!(
            said,
            "this takes the scope `contacts`, and this key has the scopes `write`, `read`: make a key that may with \
             `misar keys create --scope write,contacts,read`"
        );
        let said = refusal(Scope::Write, &[Scope::Send], "shop", "this key");
        assert!(said.contains("has the scope `send`:"), "{said}");
        assert!(
            said.ends_with("`misar keys create --scope write --workspace shop`"),
            "{said}"
        );
    }
}
