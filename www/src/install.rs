//! The state of the install card: whose embed code is shown, and whether its events arrive.

use std::collections::BTreeSet;

use serde::Deserialize;

/// The answer of `/v1/embeds`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Embeds {
    pub(crate) embeds: Vec<Embed>,
}

/// One public key and the code to put into pages.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Embed {
    pub(crate) key_id: String,
    pub(crate) key: String,
    pub(crate) label: Option<String>,
    pub(crate) allow_purchases: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) received: bool,
    pub(crate) html: String,
}

impl Embed {
    /// What the choice of keys calls it.
    pub(crate) fn title(&self) -> String {
        match self.label.as_deref().filter(|label| !label.is_empty()) {
            Some(label) => label.to_owned(),
            None => format!("{}…", self.key.chars().take(14).collect::<String>()),
        }
    }

    /// Where the code works.
    pub(crate) fn reach(&self) -> String {
        let pages = if self.origins.is_empty() {
            "Works on pages of any site: give the key an --origin before you publish it.".to_owned()
        } else {
            format!("Works on pages of {}.", self.origins.join(", "))
        };
        if self.allow_purchases {
            format!(
                "{pages} Purchases from pages count as unverified until your server confirms them."
            )
        } else {
            pages
        }
    }
}

/// The card.
#[derive(Debug, Default)]
pub(crate) struct Install {
    embeds: Vec<Embed>,
    selected: usize,
    /// Keys whose events have come, also while the list of keys was still on its way.
    heard: BTreeSet<String>,
    /// Of the selected key: why its last event was rejected, while none has been tracked.
    refusal: Option<String>,
}

impl Install {
    /// Takes the keys, keeping the choice where its key is still there.
    pub(crate) fn set(&mut self, mut embeds: Vec<Embed>) {
        for embed in &mut embeds {
            embed.received |= self.heard.contains(&embed.key_id);
        }
        let chosen = self.selected().map(|embed| embed.key_id.clone());
        let at = embeds
            .iter()
            .position(|embed| Some(&embed.key_id) == chosen.as_ref());
        self.selected = at.unwrap_or(0);
        self.embeds = embeds;
    }

    pub(crate) fn embeds(&self) -> &[Embed] {
        &self.embeds
    }

    pub(crate) fn selected(&self) -> Option<&Embed> {
        self.embeds.get(self.selected)
    }

    pub(crate) fn select(&mut self, key_id: &str) {
        if let Some(at) = self.embeds.iter().position(|embed| embed.key_id == key_id) {
            self.selected = at;
            self.refusal = None;
        }
    }

    /// An event came with this key; says whether the card changes.
    pub(crate) fn heard(&mut self, key_id: Option<&str>, refused: Option<&str>) -> bool {
        if let (Some(key_id), None) = (key_id, refused)
            && !self.heard.contains(key_id)
        {
            self.heard.insert(key_id.to_owned());
        }
        let Some(at) = self
            .embeds
            .iter()
            .position(|embed| Some(embed.key_id.as_str()) == key_id)
        else {
            return false;
        };
        let before = (self.embeds[at].received, self.refusal.clone());
        match refused {
            None => self.embeds[at].received = true,
            Some(code) if at == self.selected => self.refusal = Some(code.to_owned()),
            Some(_) => {}
        }
        before != (self.embeds[at].received, self.refusal.clone())
    }

    pub(crate) fn receiving(&self) -> bool {
        self.selected().is_some_and(|embed| embed.received)
    }

    /// What the card says of its state.
    pub(crate) fn sentence(&self) -> String {
        match (&self.refusal, self.receiving()) {
            (_, true) => "Receiving events".to_owned(),
            (Some(code), false) => format!("Events arrive, but are rejected: {code}"),
            (None, false) => "Waiting for the first event".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install() -> Install {
        let mut install = Install::default();
        let embed = |id: &str| Embed {
            key_id: id.to_owned(),
            key: format!("msk_pub_{id}_0123456789"),
            ..Embed::default()
        };
        install.set(vec![embed("one"), embed("two")]);
        install
    }

    #[test]
    fn the_card_turns_green_at_the_first_tracked_event_of_its_key() {
        let mut install = install();
        assert!(!install.heard(None, None) && !install.heard(Some("other"), None));
        assert!(!install.receiving());
        assert!(install.heard(Some("one"), None) && install.receiving());
        assert!(!install.heard(Some("one"), None));
    }

    #[test]
    fn another_keys_event_is_remembered_for_when_it_is_chosen() {
        let mut install = install();
        install.heard(Some("two"), None);
        assert!(!install.receiving());
        install.select("two");
        assert!(install.receiving());
    }

    #[test]
    fn a_rejected_event_says_why_but_is_not_success() {
        let mut install = install();
        assert!(install.heard(Some("one"), Some("invalid_email")));
        assert_eq!(
            install.sentence(),
            "Events arrive, but are rejected: invalid_email"
        );
        assert!(!install.receiving());
        assert!(install.heard(Some("one"), None));
        assert_eq!(install.sentence(), "Receiving events");
    }

    #[test]
    fn the_choice_stays_when_keys_are_read_again() {
        let mut install = install();
        install.select("two");
        let again: Vec<Embed> = install.embeds().iter().rev().cloned().collect();
        install.set(again);
        assert_eq!(
            install.selected().map(|embed| embed.key_id.as_str()),
            Some("two")
        );
        install.set(Vec::new());
        assert!(install.selected().is_none());
    }

    #[test]
    fn an_event_that_comes_before_the_list_of_keys_counts() {
        let mut install = Install::default();
        assert!(!install.heard(Some("one"), None));
        let embed = Embed {
            key_id: "one".to_owned(),
            ..Embed::default()
        };
        install.set(vec![embed]);
        assert!(install.receiving());
    }

    #[test]
    fn a_key_without_a_label_is_called_by_its_start() {
        assert_eq!(install().embeds()[0].title(), "msk_pub_one_01…");
        assert!(install().embeds()[0].reach().contains("any site"));
    }
}
