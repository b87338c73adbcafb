//! The environment variables that misar knows: a `MISAR_…` that it does not know is a typo, and must
//! not pass as if it had been set.

use std::ffi::OsString;

/// Variables with this beginning are ours.
const PREFIX: &str = "MISAR_";

/// Refuses variables of ours that no setting reads. The sentence names the nearest one that is read.
pub(super) fn check(
    command: &clap::Command,
    names: impl Iterator<Item = OsString>,
) -> Result<(), String> {
    let mut known = Vec::new();
    collect(command, &mut known);
    let mut unknown: Vec<String> = names
        .filter_map(|name| {
            let name = name.to_string_lossy().into_owned();
            (name.starts_with(PREFIX) && !known.contains(&name)).then_some(name)
        })
        .collect();
    unknown.sort();
    let Some(unknown) = unknown.first() else {
        return Ok(());
    };
    let nearest = known
        .iter()
        .min_by_key(|name| distance(name, unknown))
        // Farther than this it is something else, not a typo.
        .filter(|name| distance(name, unknown) <= 4);
    Err(match nearest {
        Some(name) => format!("misar knows no environment variable {unknown}: is {name} meant?"),
        None => format!(
            "misar knows no environment variable {unknown}: it knows {}",
            known.join(", ")
        ),
    })
}

fn collect(command: &clap::Command, known: &mut Vec<String>) {
    for argument in command.get_arguments() {
        if let Some(name) = argument.get_env() {
            let name = name.to_string_lossy().into_owned();
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    for nested in command.get_subcommands() {
        collect(nested, known);
    }
}

/// How many bytes must be added, removed or replaced to make one text the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.bytes().enumerate() {
        let mut diagonal = line;
        row[0] = line + 1;
        for (column, right) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[track_caller]
    fn checked(names: &[&str]) -> Result<(), String> {
        check(
            &super::super::Cli::command(),
            names.iter().map(OsString::from),
        )
    }

    #[test]
    fn every_setting_is_known() {
        let all = [
            "MISAR_CACHE",
            "MISAR_DATA",
            "MISAR_DEMO_LISTEN",
            "MISAR_ERASURES",
            "MISAR_LISTEN",
            "MISAR_METRICS_LISTEN",
            "MISAR_PRIVACY",
            "MISAR_PUBLIC_URL",
            "MISAR_REQUIRE_SIGNED_IDENTIFY",
            "MISAR_RETENTION",
            "MISAR_TRUSTED_PROXY",
            "MISAR_LOG_FORMAT",
        ];
        assert_eq!(checked(&all), Ok(()));
        let mut known = Vec::new();
        collect(&super::super::Cli::command(), &mut known);
        known.sort();
        let mut all = all.map(String::from);
        all.sort();
        assert_eq!(known, all);
    }

    #[test]
    fn a_typo_is_refused_with_what_is_probably_meant() {
        let sentence = checked(&["HOME", "MISAR_LISTENS"]).unwrap_err();
        assert!(
            sentence.contains("MISAR_LISTENS: is MISAR_LISTEN meant?"),
            "{sentence}"
        );
        let sentence = checked(&["MISAR_TRUSTED_PROXIES"]).unwrap_err();
        assert!(
            sentence.contains("is MISAR_TRUSTED_PROXY meant?"),
            "{sentence}"
        );
        let sentence = checked(&["MISAR_COLOUR_OF_THE_SKY"]).unwrap_err();
        assert!(sentence.contains("it knows MISAR_DATA, "), "{sentence}");
        assert!(checked(&["MISAR_"]).is_err());
    }

    #[test]
    fn variables_of_others_are_not_ours_to_judge() {
        assert_eq!(checked(&["MISARABLE", "misar_data", "RUST_LOG"]), Ok(()));
    }

    #[test]
    fn the_distance_is_levenshteins() {
        for (from, to, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)] {
            assert_eq!(distance(from, to), expected);
            assert_eq!(distance(to, from), expected);
        }
    }
}
