//! Definitions to begin with.

/// A definition that many want, under a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) says: &'static str,
    pub(crate) json: &'static str,
}

/// All of them.
pub(crate) const TEMPLATES: [Template; 8] = [
    Template {
        name: "Trial without purchase",
        says: "began a trial in the last two weeks and have bought nothing",
        json: r#"{"all":[{"event":"trial_started","within":"14d"},{"not":{"purchase":{}}}]}"#,
    },
    Template {
        name: "Asleep for 90 days",
        says: "did nothing for 90 days, and are no newcomers",
        json: r#"{"all":[{"not":{"lastSeen":{"within":"90d"},"includeNew":false}}]}"#,
    },
    Template {
        name: "First-time buyers",
        says: "bought once, in the last 30 days",
        json: r#"{"all":[{"purchase":{"count":{"eq":1}}},{"purchase":{},"within":"30d"}]}"#,
    },
    Template {
        name: "Big spenders",
        says: "bought for 500 or more in the last year",
        json: r#"{"all":[{"purchase":{"sum":{"gte":500},"currency":"EUR"},"within":"365d"}]}"#,
    },
    Template {
        name: "Clicked but did not buy",
        says: "clicked in a mail in the last week and have bought nothing since then",
        json: r#"{"all":[{"message":"clicked","within":"7d"},{"not":{"purchase":{},"within":"7d","includeNew":true}}]}"#,
    },
    Template {
        name: "New contacts",
        says: "were first seen in the last 7 days",
        json: r#"{"all":[{"firstSeen":{"within":"7d"}}]}"#,
    },
    Template {
        name: "Buyers who did not come back",
        says: "bought three to six months ago and not since",
        json: r#"{"all":[{"purchase":{},"ago":{"from":"180d","to":"90d"}},{"not":{"purchase":{},"within":"90d","includeNew":true}}]}"#,
    },
    Template {
        name: "Warm: a high score",
        says: "have a score of 20 or more",
        json: r#"{"all":[{"score":{"gte":20}}]}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Draft;

    #[test]
    fn every_template_is_a_definition_and_written_as_it_is_kept() {
        for template in TEMPLATES {
            let draft = Draft::read(template.json)
                .unwrap_or_else(|error| panic!("{}: {error}", template.name));
            assert_eq!(draft.json(), template.json, "{}", template.name);
            assert!(draft.definition().is_ok());
        }
    }
}
