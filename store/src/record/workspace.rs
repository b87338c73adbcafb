//! A tenant: its number, its secret, and what is made under that.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use shared::segment::score::ScoreRules;
use shared::time::Timestamp;

use super::contact::ContactId;
use super::segments::{SegmentBooks, Since};

/// A tenant's number, given when the workspace is created and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkspaceId(pub u32);

/// A workspace's secret, under which digests and contact ids are made.
#[derive(Clone, Copy)]
pub struct WorkspaceKey(pub [u8; 32]);

impl std::fmt::Debug for WorkspaceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkspaceKey(…)")
    }
}

impl WorkspaceKey {
    /// The same, prepared for many uses.
    pub(crate) fn prepared(&self) -> PreparedKey {
        let mac = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        PreparedKey(mac)
    }

    /// HMAC-SHA-256 of the parts, each of which is told apart from its neighbours.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.prepared().mac(parts)
    }

    /// The pseudonym of the contact with this normalised address.
    pub fn contact(&self, normalised: &str) -> ContactId {
        self.prepared().contact(normalised)
    }

    /// The pseudonym of a browser, by its anonymousId.
    pub fn browser(&self, anonymous_id: &str) -> [u8; 16] {
        let mac = self.mac(&[b"browser", anonymous_id.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&mac[..16]);
        id
    }

    /// What is remembered of the address of an order.
    pub(crate) fn email_digest(&self, normalised: &str) -> u64 {
        self.digest("email", normalised.as_bytes())
    }

    pub(crate) fn digest(&self, field: &str, value: &[u8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.mac(&[field.as_bytes(), value]);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A workspace's secret after what an HMAC does with its key, which is half of the work where what is told apart
/// is short.
#[derive(Clone)]
pub(crate) struct PreparedKey(Hmac<Sha256>);

impl PreparedKey {
    /// See [`WorkspaceKey::mac`].
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// See [`WorkspaceKey::contact`].
    pub(crate) fn contact(&self, normalised: &str) -> ContactId {
        let mac = self.mac(&[b"contact", normalised.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&mac[..16]);
        ContactId(id)
    }
}

/// What a browser did from one time on and before another was done by a contact that was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedStretch {
    pub workspace: WorkspaceId,
    /// See [`WorkspaceKey::browser`].
    pub browser: [u8; 16],
    /// Milliseconds since 1970; `until` is no part of it.
    pub from: i64,
    pub until: i64,
    /// When the contact was erased: what the browser did later is of somebody new.
    pub erased_at: Timestamp,
}

/// Hands out the keys of workspaces.
pub trait WorkspaceKeys: Send + Sync + 'static {
    /// The key of a workspace; every workspace that ever took an event has one.
    fn key_of(&self, workspace: WorkspaceId) -> Option<WorkspaceKey>;

    /// The id that this contact has by today's rule of addresses, where an older rule gave it.
    fn contact_today(&self, workspace: WorkspaceId, contact: ContactId) -> ContactId {
        let _ = workspace;
        contact
    }

    /// Likewise of the digest of an address that orders are kept with.
    fn email_digest_today(&self, workspace: WorkspaceId, digest: u64) -> u64 {
        let _ = workspace;
        digest
    }

    /// When this contact (by its id of today) was last erased, and who is left of it.
    fn erased(&self, workspace: WorkspaceId, contact: ContactId) -> Option<(Timestamp, ContactId)> {
        let _ = (workspace, contact);
        None
    }

    /// When anybody of the workspace was last erased.
    fn last_erasure(&self, workspace: WorkspaceId) -> Option<Timestamp> {
        let _ = workspace;
        None
    }

    /// Remembers, durably, what browsers did for contacts that were erased.
    ///
    /// # Errors
    /// A sentence, where it cannot be kept.
    fn keep_erased_stretches(&self, stretches: &[ErasedStretch]) -> Result<(), String> {
        let _ = stretches;
        Ok(())
    }

    /// Whether what this browser did at that time was done by somebody who was erased since.
    fn is_erased_browser(&self, workspace: WorkspaceId, browser: &str, time: Timestamp) -> bool {
        let _ = (workspace, browser, time);
        false
    }

    /// How long a workspace credits opens and clicks with orders.
    fn attribution(&self, workspace: WorkspaceId) -> Attribution {
        let _ = workspace;
        Attribution::default()
    }

    /// What events weigh in a workspace's scores.
    fn scoring(&self, workspace: WorkspaceId) -> Scoring {
        let _ = workspace;
        Scoring::default()
    }

    /// The segments of every workspace that uses any.
    fn segments(&self) -> Arc<SegmentBooks> {
        Arc::default()
    }

    /// What was asked for of these workspaces' segments, and does not hold yet, holds from here on; durable with the
    /// return. Whether there was anything.
    ///
    /// # Errors
    /// Why it could not be kept.
    fn hold_segments(&self, workspaces: &[WorkspaceId], since: Since) -> Result<bool, String> {
        let _ = (workspaces, since);
        Ok(false)
    }

    /// What tells this store from others: views of another one are not these.
    fn store_digest(&self) -> u64 {
        0
    }
}

/// How long a touch is credited, in milliseconds from the touch on; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribution {
    pub click_window_ms: i64,
    pub open_window_ms: i64,
}

impl Default for Attribution {
    /// 5 days each (design, section 7; Klaviyo's default for e-mail).
    fn default() -> Self {
        const FIVE_DAYS: i64 = 5 * 24 * 60 * 60 * 1000;
        Self {
            click_window_ms: FIVE_DAYS,
            open_window_ms: FIVE_DAYS,
        }
    }
}

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What events weigh in the scores of contacts, and how fast that fades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scoring {
    /// After so many days an event counts half, 1 to [`Self::MOST_DAYS`].
    pub half_life_days: u32,
    /// Of an open, a click, a page view, any other event and a purchase, in thousandths of a point: 0 to
    /// [`Self::MOST_WEIGHT`].
    pub weights: [u32; 5],
}

impl Scoring {
    /// Design, section 7.
    pub const USUAL: Self = Self {
        half_life_days: 30,
        weights: [1_000, 3_000, 500, 2_000, 10_000],
    };
    /// The longest half-life, in days: ten years.
    pub const MOST_DAYS: u32 = 3_650;
    /// The greatest weight, in thousandths of a point.
    pub const MOST_WEIGHT: u32 = 1_000_000;

    /// The half-life in milliseconds.
    pub(crate) fn half_life_ms(&self) -> i64 {
        i64::from(self.half_life_days.max(1)) * DAY_MS
    }

    /// The same for what definitions of segments ask.
    pub(crate) fn rules(&self) -> ScoreRules {
        ScoreRules {
            half_life_ms: self.half_life_ms(),
            weights: self.weights.map(|weight| f64::from(weight) / 1_000.0),
        }
    }
}

impl Default for Scoring {
    fn default() -> Self {
        Self::USUAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_and_segments_begin_with_the_same_rules() {
        assert_eq!(Scoring::default().rules(), ScoreRules::default());
    }
}
