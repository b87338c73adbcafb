//! How many bytes a link grows by when it is tracked: a report, and the bound that it keeps.
//! `cargo test --workspace --lib token_sizes -- --nocapture` prints it.

use std::sync::Arc;

use shared::time::Timestamp;
use store::clock::SystemClock;
use store::meta::Meta;
use store::record::{MessageType, WorkspaceId, WorkspaceKey};
use store::token::{Sent, Token};

use super::corpus;

/// As other senders' mails have them, with their own tokens: long and hard to pack.
const LONG: &str = include_str!("../../tests/data/long_links.txt");
const BASE: &str = "https://track.example/mail/track/click/";

/// Links of the corpus's templates, each of them once.
fn corpus_links() -> Vec<String> {
    let mut links = Vec::new();
    for (_, template) in corpus::templates() {
        let document = scraper::Html::parse_document(&corpus::expanded(&template, "plain"));
        corpus::links_of(
            &document,
            &|href| corpus::is_tracked(BASE, href),
            &mut links,
        );
    }
    links.sort();
    links.dedup();
    links
}

/// The growth of each link, in order.
fn growth(links: &[String], message_id: &str, campaign_id: &str) -> Vec<i64> {
    let folder = tempfile::tempdir().unwrap();
    let meta = Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let keys = meta.token_keys();
    let mut growth: Vec<_> = (0..)
        .zip(links)
        .map(|(link, target)| {
            let sent = Sent {
                message_id: message_id.to_owned(),
                campaign_id: Some(campaign_id.to_owned()),
                workspace: WorkspaceId(1),
                contact: WorkspaceKey([3; 32]).contact("user@example.com"),
                message_type: MessageType::Campaign,
                sent_at: Timestamp::from_millis(1_764_000_000_000),
            };
            let token = Token::Click {
                sent,
                link,
                target_number: Some(link / 2),
                target: target.clone(),
            };
            (BASE.len() + keys.seal(None, &token).len()) as i64 - target.len() as i64
        })
        .collect();
    growth.sort_unstable();
    growth
}

#[test]
fn a_tracked_link_is_at_most_140_bytes_longer_at_the_median() {
    let long = LONG.lines().map(str::to_owned).collect();
    eprintln!("bytes a link grows by, behind {BASE}: median, nine tenths, most");
    for (links, name) in [(corpus_links(), "corpus"), (long, "long links")] {
        for (message_id, campaign_id) in [
            ("msg_019ac1f0e52c7c3e9d2b7a41c08e6f35", "spring-2026"),
            ("spring-2026-user-48151623", "spring-2026"),
            (
                "019ac1f0-e52c-7c3e-9d2b-7a41c08e6f35",
                "0192f3c4-1b2d-4e5f-8a9b-0c1d2e3f4a5b",
            ),
            (
                "20261127101530.9c41f2e07b@mail.shop.example",
                "Spring Sale 2026",
            ),
        ] {
            let growth = growth(&links, message_id, campaign_id);
            let (median, tenth) = (growth[growth.len() / 2], growth[growth.len() * 9 / 10]);
            let most = growth[growth.len() - 1];
            eprintln!(
                "{name} ({}), {message_id}: +{median}, +{tenth}, +{most}",
                growth.len()
            );
            assert!(median <= 140, "{name} {message_id}: +{median}");
        }
    }
}
