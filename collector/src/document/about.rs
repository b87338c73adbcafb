//! What the document says that no route does: title, version, tags, keys.

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::session::COOKIE_NAME;

/// The document without its routes. Its version is the contract's (the `1` of `/v1/`), not the program's.
/// The order of the tags is that of `/docs`: what a reader needs first, and what is read only once it is there,
/// last.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "MisarMail Tracking",
        version = "1.0.0",
        contact(name = "MisarMail Tracking"),
        description = "Events, purchases and contacts from web pages, servers and mail clients. \
            A 200 means that the event is on disk; every event gets a verdict, and a receipt tells later what became of it.\n\n\
            Errors are `{\"success\":false,\"error\":{\"code\",\"message\",\"field\"?},\"id\"?}`: 400 not JSON · \
            401 no or unknown key · 403 scope, origin, or a secret key in a page · 404 · 408 body too slow · \
            409 an order that differs · 413 too large · 415 media type or encoding · 422 a field · \
            429 rate (Retry-After, RateLimit-*) · 503 overloaded, storage failing, or a view behind (Retry-After). \
            Bodies are JSON, plain or gzip; unknown fields are ignored, and named in `ignoredFields` of the answer and of the receipt. \
            A query parameter that a read does not know is 422 `unknown_parameter`.\n\n\
            A secret key is refused with 403 `secret_key_in_browser`, and flagged, where a page shows one in its \
            headers or body, and where anybody shows one in an address or as `key` in a body. An event that holds one \
            of this store's is rejected with the same code; any other secret key in an event is kept as \
            `msk_sec_[masked]`.",
    ),
    tags(
        (name = "ingest", description = "Events in"),
        (name = "mail", description = "Messages that are sent, and the addresses in them; those under /mail/ need no key"),
        (name = "read", description = "What is known"),
        (name = "segments", description = "Groups of contacts by what they did and are, live: exact at every instant"),
        (name = "admin", description = "Keys and settings of a workspace, for its admins"),
        (name = "snippet", description = "What pages embed"),
        (name = "operations", description = "The process itself"),
        (name = "session", description = "The sessions of misar's own pages"),
    ),
    modifiers(&Keys),
)]
pub(crate) struct About;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let secret = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A secret key, `msk_sec_…`, from a server; X-API-Key takes it too. Never in a page."))
            .build();
        components.add_security_scheme("secret_key", SecurityScheme::Http(secret));
        let description = "A public key, `msk_pub_…`; pages send it as `key` in the body instead.";
        let public = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", description));
        components.add_security_scheme("public_key", SecurityScheme::ApiKey(public));
        let description = "The session of misar's own pages, from POST /session; __Host-misar_session where the public URL is https.";
        let session = ApiKey::Cookie(ApiKeyValue::with_description(COOKIE_NAME, description));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}
