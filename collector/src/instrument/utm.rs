//! Campaign parameters of links.

use form_urlencoded::{byte_serialize, parse};

/// Campaign parameters, each added to a link whose query does not have that name yet. An absent or
/// empty one is not added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Utm {
    pub source: Option<String>,
    pub medium: Option<String>,
    pub campaign: Option<String>,
    pub term: Option<String>,
    pub content: Option<String>,
}

impl Utm {
    /// `target` with the parameters at the end of its query, before its fragment. Everything else of it
    /// stays as it was, to the byte; names are compared without regard to case.
    pub(crate) fn add_to(&self, target: &str) -> String {
        let (before, fragment) = match target.find('#') {
            Some(at) => target.split_at(at),
            None => (target, ""),
        };
        let mut url = before.to_owned();
        let query = before.split_once('?').map(|(_, query)| query.to_owned());
        let mut separator = match query.as_deref() {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        for (name, value) in self.pairs() {
            let is_there = query.as_deref().is_some_and(|query| {
                parse(query.as_bytes()).any(|(there, _)| there.eq_ignore_ascii_case(name))
            });
            if is_there {
                continue;
            }
            url.push_str(separator);
            separator = "&";
            url.push_str(name);
            url.push('=');
            url.extend(byte_serialize(value.as_bytes()));
        }
        url.push_str(fragment);
        url
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("utm_source", &self.source),
            ("utm_medium", &self.medium),
            ("utm_campaign", &self.campaign),
            ("utm_term", &self.term),
            ("utm_content", &self.content),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .filter(|(_, value)| !value.is_empty())
    }
}
