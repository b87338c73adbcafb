//! `misar serve --require-signed-identify`: a page says who its visitor is with the word of the customer's server.
//!
//! That server signs the address (HMAC-SHA-256 under the workspace's secret for this, in hexadecimal digits), the page
//! sends the signature beside it. Without a good one no page names anybody: an `identify` is rejected, and what else a
//! page says with an address is recorded under its anonymousId alone, which a signed `identify` makes theirs.

use crate::hex::hex;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use shared::email::Email;
use shared::event::{Event, EventKind};
use shared::rejection::{Rejection, codes};
use store::ledger::decide::WorkspaceKey;

/// The field of the signature.
const FIELD: &str = "signature";

/// A workspace's secret for signing addresses: what the customer's server keeps, 64 hexadecimal digits.
#[must_use]
pub(crate) fn secret_of(key: &WorkspaceKey) -> String {
    hex(&key.mac(&[b"identify signature"]))
}

/// What of an event of a page counts where signatures are wanted; `body` is the event as it was sent. True where its
/// address is not taken.
///
/// # Errors
/// `unsigned_identify`.
pub(super) fn check(
    key: &WorkspaceKey,
    body: &str,
    event: Event,
) -> Result<(Event, bool), Rejection> {
    let Some(email) = event.email.as_ref() else {
        return Ok((event, false));
    };
    if signature(body).is_some_and(|signature| is_good(key, email, &signature)) {
        return Ok((event, false));
    }
    let is_identify = matches!(event.kind, EventKind::Identify { .. });
    if is_identify || event.anonymous_id.is_none() {
        let message = "send `signature`: the HMAC-SHA-256 of the address, in hexadecimal digits, that your server has \
                       made with the secret of `misar settings identify-secret`. Without it a page names nobody here";
        return Err(Rejection::of(codes::UNSIGNED_IDENTIFY, FIELD, message));
    }
    let event = Event {
        email: None,
        ..event
    };
    Ok((event, true))
}

/// What stands in the event's own field.
fn signature(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Signed<'a> {
        #[serde(borrow)]
        signature: Option<&'a RawValue>,
    }
    let signed: Signed<'_> = serde_json::from_str(body).ok()?;
    serde_json::from_str(signed.signature?.get()).ok()
}

/// Whether it is of this address, as it was sent or as it is known. Takes as long whatever is wrong with it.
fn is_good(key: &WorkspaceKey, email: &Email, signature: &str) -> bool {
    let Some(bytes) = bytes_of(signature) else {
        return false;
    };
    let secret = secret_of(key);
    [email.original(), email.normalised()].iter().any(|text| {
        // A key of any length will do.
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
        mac.is_ok_and(|mac| {
            mac.chain_update(text.as_bytes())
                .verify_slice(&bytes)
                .is_ok()
        })
    })
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let byte = |pair: &[u8; 2]| {
        let digit = |sign: u8| char::from(sign).to_digit(16);
        u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()
    };
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: WorkspaceKey = WorkspaceKey([7; 32]);

    fn signed(text: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret_of(&KEY).as_bytes()).unwrap();
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    #[test]
    fn an_address_is_signed_as_it_is_sent_or_as_it_is_known_and_by_nobody_else() {
        let email = Email::parse(" Ada@Example.com ").unwrap();
        for good in [
            signed("Ada@Example.com"),
            signed("ada@example.com"),
            signed("ada@example.com").to_uppercase(),
        ] {
            assert!(is_good(&KEY, &email, &good));
        }
        let other = WorkspaceKey([8; 32]);
        assert!(!is_good(&other, &email, &signed("ada@example.com")));
        let mut cut = signed("ada@example.com");
        cut.pop();
        for bad in ["", "zz", &cut, &cut[1..], &signed("bob@example.com")] {
            assert!(!is_good(&KEY, &email, bad), "{bad}");
        }
    }

    #[test]
    fn the_secret_is_of_digits_and_of_the_workspace() {
        let secret = secret_of(&KEY);
        assert_eq!(secret.len(), 64);
        assert_ne!(secret, secret_of(&WorkspaceKey([8; 32])));
    }
}
