//! Every code with which a request or an event is refused, for the document. A code that is answered and
//! not listed here fails in every test that meets it: see `ApiError::respond`.

use shared::rejection::codes::ALL as OF_EVENTS;

/// The codes of requests by their status. Those of events, which a batch gives as verdicts and single
/// routes as 422, are [`OF_EVENTS`].
const OF_REQUESTS: &[(u16, &[&str])] = &[
    (400, &["invalid_json", "invalid_encoding", "invalid_host"]),
    (
        401,
        &[
            "missing_key",
            "invalid_key",
            "unknown_key",
            "revoked_key",
            "expired_key",
            "invalid_code",
            "no_session",
        ],
    ),
    (
        403,
        &[
            "secret_key_in_browser",
            "origin_missing",
            "origin_not_allowed",
            "insufficient_scope",
            "operator_only",
            "purchases_not_allowed",
            "cross_origin",
            "invalid_csrf_token",
        ],
    ),
    (
        404,
        &[
            "not_found",
            "unknown_receipt",
            "unknown_message",
            "unknown_campaign",
            "unknown_contact",
            "unknown_order",
            "no_such_key",
            "unknown_segment",
        ],
    ),
    (405, &["method_not_allowed"]),
    (408, &["body_timeout"]),
    (
        409,
        &[
            "id_conflict",
            "order_conflict",
            "refund_conflict",
            "message_conflict",
            "key_is_revoked",
            "segment_in_use",
        ],
    ),
    (
        413,
        &[
            "body_too_large",
            "event_too_large",
            "too_many_events",
            "too_many_links",
            "answer_too_large",
        ],
    ),
    (415, &["unsupported_media_type", "unsupported_encoding"]),
    (
        422,
        &[
            "unknown_seq",
            "invalid_parameter",
            "unknown_parameter",
            "public_url_missing",
            "invalid_idempotency_key",
            "idempotency_key_mismatch",
            "exceeds_order",
            "below_refunded",
            "too_many_amendments",
            "too_many_keys",
            "invalid_definition",
            "too_many_segments",
        ],
    ),
    (429, &["rate_limited"]),
    (500, &["internal"]),
    (501, &["unsupported_transfer_encoding"]),
    (
        503,
        &[
            "overloaded",
            "storage_failing",
            "view_behind",
            "view_building",
            "not_ready",
            "too_many_live_readers",
            "too_many_exports",
            "too_many_imports",
            "busy",
        ],
    ),
];

/// The statuses with their codes, in order. 422 has those of events too.
pub(crate) fn by_status() -> Vec<(u16, Vec<&'static str>)> {
    let mut table: Vec<_> = OF_REQUESTS
        .iter()
        .map(|(status, codes)| (*status, codes.to_vec()))
        .collect();
    for (status, codes) in &mut table {
        if *status == 422 {
            let fields = OF_EVENTS
                .iter()
                .filter(|code| !is_of_request(code))
                .copied();
            codes.splice(0..0, fields);
        }
    }
    table
}

/// All codes, each once.
pub(crate) fn all() -> Vec<&'static str> {
    let mut all: Vec<_> = by_status()
        .into_iter()
        .flat_map(|(_, codes)| codes)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether the document lists a code.
pub(crate) fn is_listed(code: &str) -> bool {
    OF_EVENTS.contains(&code) || is_of_request(code)
}

fn is_of_request(code: &str) -> bool {
    OF_REQUESTS.iter().any(|(_, codes)| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_listed_twice() {
        let listed: Vec<_> = by_status()
            .into_iter()
            .flat_map(|(_, codes)| codes)
            .collect();
        assert_eq!(listed.len(), all().len(), "{listed:?}");
    }
}
