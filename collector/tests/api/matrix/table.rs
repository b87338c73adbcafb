//! Which route asks what of whom, and how each kind of caller is refused.

use shared::api_key::Scope;

use super::SCOPES;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nobody in particular.
    Nothing,
    /// A key with `send`, public or secret.
    Send,
    /// The same, but of public keys only those that may send purchases.
    Purchase,
    /// A secret key with `send`.
    ServerSend,
    /// A secret key with `write`.
    Write,
    /// A secret key or a session that may write.
    WriteSegments,
    /// A secret key or a session that reads.
    Read,
    /// A secret key or a session that may see contacts.
    Contacts,
    /// A secret key that may change contacts.
    ChangeContacts,
    /// A secret key or a session that is admin.
    Admin,
    /// A session, and of this very page.
    Session,
    /// What [`Needs::Read`] does; whoever asks from this machine itself, as this test does, needs no key.
    Metrics,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Nobody,
    /// With a key that was never made.
    Unknown,
    /// With a key that has a typo.
    Mistyped,
    Revoked,
    Public,
    PublicInPage,
    /// A public key that may send purchases.
    Shop,
    Secret(Scope),
    SecretInPage(Scope),
    /// One of our own pages.
    Session,
    /// A page of another site that is sent the cookie too.
    SessionElsewhere,
}

/// Method, path, what it needs, and the body that gets in. `{…}` stands for something that exists.
pub(super) type Route = (&'static str, &'static str, Needs);

pub(super) const ROUTES: [Route; 75] = [
    ("POST", "/v1/track/event", Needs::Send),
    ("POST", "/v1/track/purchase", Needs::Purchase),
    ("POST", "/v1/track/refund", Needs::ServerSend),
    ("POST", "/v1/track/batch", Needs::Send),
    ("POST", "/v1/identify", Needs::Send),
    ("POST", "/v1/messages", Needs::Write),
    ("POST", "/v1/messages/batch", Needs::Write),
    ("POST", "/v1/messages/sent", Needs::Write),
    ("POST", "/v1/messages/delivery", Needs::Write),
    ("GET", "/v1/events", Needs::Read),
    ("GET", "/v1/receipts/{id}", Needs::Read),
    ("GET", "/v1/live", Needs::Read),
    ("GET", "/v1/embeds", Needs::Read),
    ("GET", "/v1/reports/overview", Needs::Read),
    ("GET", "/v1/reports/messages", Needs::Read),
    ("GET", "/v1/reports/campaigns", Needs::Read),
    ("GET", "/v1/reports/messages/{id}", Needs::Read),
    ("GET", "/v1/reports/campaigns/{id}", Needs::Read),
    ("GET", "/v1/reports/revenue", Needs::Read),
    ("GET", "/v1/contacts", Needs::Contacts),
    ("GET", "/v1/contacts/{email}", Needs::Contacts),
    ("PATCH", "/v1/contacts/{email}", Needs::ChangeContacts),
    ("DELETE", "/v1/contacts/{email}", Needs::ChangeContacts),
    ("POST", "/v1/contacts/import", Needs::ChangeContacts),
    ("GET", "/v1/contacts/{email}/timeline", Needs::Contacts),
    ("GET", "/v1/contacts/{email}/export", Needs::Contacts),
    ("GET", "/v1/contacts/{email}/score", Needs::Contacts),
    ("GET", "/v1/suppressions", Needs::Contacts),
    ("POST", "/v1/suppressions", Needs::ChangeContacts),
    ("DELETE", "/v1/suppressions", Needs::ChangeContacts),
    ("GET", "/v1/segments", Needs::Read),
    ("POST", "/v1/segments", Needs::WriteSegments),
    ("POST", "/v1/segments/preview", Needs::Read),
    ("GET", "/v1/segments/moves", Needs::Read),
    ("GET", "/v1/segments/{id}", Needs::Read),
    ("PATCH", "/v1/segments/{id}", Needs::WriteSegments),
    ("POST", "/v1/segments/{id}/duplicate", Needs::WriteSegments),
    ("GET", "/v1/segments/{id}/history", Needs::Read),
    ("GET", "/v1/segments/{id}/members", Needs::Read),
    ("GET", "/v1/segments/{id}/explain", Needs::Read),
    ("POST", "/v1/segments/{id}/diff", Needs::Read),
    ("DELETE", "/v1/segments/{id}", Needs::WriteSegments),
    ("GET", "/v1/contacts/{email}/segments", Needs::Contacts),
    ("GET", "/v1/export/events", Needs::Read),
    ("GET", "/v1/export/orders", Needs::Read),
    ("GET", "/v1/export/contacts", Needs::Contacts),
    ("GET", "/v1/keys", Needs::Admin),
    ("POST", "/v1/keys", Needs::Admin),
    ("GET", "/v1/keys/{id}", Needs::Admin),
    ("PATCH", "/v1/keys/{id}", Needs::Admin),
    ("DELETE", "/v1/keys/{id}", Needs::Admin),
    ("GET", "/v1/settings", Needs::Admin),
    ("PATCH", "/v1/settings", Needs::Admin),
    ("GET", "/session", Needs::Session),
    // What they need beyond a session is tested in `sessions`.
    ("POST", "/session", Needs::Session),
    ("DELETE", "/session", Needs::Session),
    // Which series each sees is tested in `metrics`.
    ("GET", "/metrics", Needs::Metrics),
    ("GET", "/healthz", Needs::Nothing),
    ("GET", "/readyz", Needs::Nothing),
    ("GET", "/openapi.json", Needs::Nothing),
    ("GET", "/openapi-3.0.json", Needs::Nothing),
    ("GET", "/schemas/segment.json", Needs::Nothing),
    ("GET", "/docs", Needs::Nothing),
    ("GET", "/mail/track.js", Needs::Nothing),
    ("GET", "/mail/track.json", Needs::Nothing),
    ("GET", "/mail/track/open/{token}", Needs::Nothing),
    ("GET", "/mail/track/click/{token}", Needs::Nothing),
    ("GET", "/mail/unsubscribe/{token}", Needs::Nothing),
    ("POST", "/mail/unsubscribe/{token}", Needs::Nothing),
    ("POST", "/mail/subscribe/{token}", Needs::Nothing),
    ("GET", "/", Needs::Nothing),
    ("GET", "/live", Needs::Nothing),
    ("GET", "/contacts", Needs::Nothing),
    ("GET", "/segments", Needs::Nothing),
    ("GET", "/assets/{name}", Needs::Nothing),
];

/// Other forms of routes above, for what mail programs and caches make of them.
pub(super) const FORMS: [(&str, &str); 11] = [
    ("GET", "/mail/{file}"),
    ("GET", "/mail/track/open"),
    ("GET", "/mail/track/open/"),
    ("GET", "/mail/track/open/{token}/"),
    ("GET", "/mail/track/open/{token}/{*rest}"),
    ("GET", "/mail/track/click/{token}/"),
    ("GET", "/mail/track/click/{token}/{*rest}"),
    ("GET", "/mail/unsubscribe/{token}/"),
    ("GET", "/mail/unsubscribe/{token}/{*rest}"),
    ("POST", "/mail/unsubscribe/{token}/"),
    ("POST", "/mail/unsubscribe/{token}/{*rest}"),
];

pub(super) fn callers() -> Vec<Caller> {
    let mut callers = vec![
        Caller::Nobody,
        Caller::Unknown,
        Caller::Mistyped,
        Caller::Revoked,
        Caller::Public,
        Caller::PublicInPage,
        Caller::Shop,
        Caller::Session,
        Caller::SessionElsewhere,
    ];
    callers.extend(SCOPES.map(Caller::Secret));
    callers.extend(SCOPES.map(Caller::SecretInPage));
    callers
}

/// The rule of the contract: the status and code of the refusal, `None` where the caller gets in.
pub(super) fn refusal(path: &str, needs: Needs, caller: Caller) -> Option<(u16, &'static str)> {
    let scope = Some((403, "insufficient_scope"));
    let wanted = match needs {
        Needs::Nothing => {
            let shows_a_key = matches!(caller, Caller::SecretInPage(_));
            // Whoever reads a mail must not suffer for a key that somebody shows.
            return (shows_a_key && !path.starts_with("/mail/"))
                .then_some((403, "secret_key_in_browser"));
        }
        Needs::Send | Needs::Purchase | Needs::ServerSend => Scope::Send,
        Needs::Write | Needs::WriteSegments => Scope::Write,
        Needs::Read => Scope::Read,
        Needs::Contacts | Needs::ChangeContacts => Scope::Contacts,
        Needs::Admin => Scope::Admin,
        Needs::Session => {
            return match caller {
                Caller::Session => None,
                Caller::SessionElsewhere => Some((403, "cross_origin")),
                Caller::SecretInPage(_) => Some((403, "secret_key_in_browser")),
                Caller::Unknown => Some((401, "unknown_key")),
                Caller::Mistyped => Some((401, "invalid_key")),
                Caller::Revoked => Some((401, "revoked_key")),
                _ => Some((401, "no_session")),
            };
        }
        Needs::Metrics => {
            return match caller {
                Caller::Nobody | Caller::Session | Caller::SessionElsewhere => None,
                _ => refusal(path, Needs::Read, caller),
            };
        }
    };
    let takes_sessions = matches!(
        needs,
        Needs::Read | Needs::WriteSegments | Needs::Contacts | Needs::Admin
    );
    match caller {
        Caller::Nobody => Some((401, "missing_key")),
        Caller::Unknown => Some((401, "unknown_key")),
        Caller::Mistyped => Some((401, "invalid_key")),
        Caller::Revoked => Some((401, "revoked_key")),
        Caller::SecretInPage(_) => Some((403, "secret_key_in_browser")),
        Caller::Secret(held) => (!held.allows(wanted)).then_some((403, "insufficient_scope")),
        Caller::Session => (!takes_sessions).then_some((401, "missing_key")),
        Caller::SessionElsewhere if takes_sessions => Some((403, "cross_origin")),
        Caller::SessionElsewhere => Some((401, "missing_key")),
        Caller::Public | Caller::PublicInPage | Caller::Shop => match needs {
            Needs::Send => None,
            Needs::Purchase if caller == Caller::Shop => None,
            Needs::Purchase => Some((403, "purchases_not_allowed")),
            _ => scope,
        },
    }
}
