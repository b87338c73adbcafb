//! Who a request's events come from: worked out once, however many events it has.

use shared::api_key::KeyKind;
use shared::time::Timestamp;
use shared::wire::Context;

use super::dropped::KeptContext;
use super::incoming::Incoming;
use crate::app::App;
use crate::auth::Caller;
use crate::client_address::client_of;
use crate::error::ApiError;
use store::classify::{Judgement, of_client};
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::record::identity::Sender;
use store::record::{Class, Client, Source, WorkspaceId};

/// The sender of a request's events, and all that is the same of each of them.
pub(super) struct RequestSender {
    pub(super) caller: Caller,
    pub(super) received_at: Timestamp,
    /// The workspace's secret, under which ids are made that nobody sent.
    pub(super) key: WorkspaceKey,
    pub(super) context: KeptContext,
    page: Option<Page>,
}

/// Who stands behind the request of a page.
struct Page {
    client: Client,
    /// By the request and its context alone: no event of it says more.
    judged: Judgement,
}

impl RequestSender {
    /// `context` is what the request says of all its events.
    ///
    /// # Errors
    /// [`ApiError::Internal`], where the workspace has no secret.
    pub(super) fn of(
        app: &App,
        incoming: &Incoming,
        caller: Caller,
        context: Option<&Context>,
    ) -> Result<Self, ApiError> {
        let key = app.meta.key_of(caller.key.workspace);
        let kind = caller.key.kind;
        let context = KeptContext::of(context, kind);
        let page = (kind == KeyKind::Public).then(|| {
            let (_, client) = client_of(&incoming.parts, &app.trusted_proxies);
            let judged = of_client(&client, context.of_first());
            Page { client, judged }
        });
        Ok(Self {
            caller,
            received_at: incoming.received_at,
            key: key.ok_or(ApiError::Internal)?,
            context,
            page,
        })
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.caller.key.workspace
    }

    /// Among whose ids those of its events are.
    pub(super) fn kind(&self) -> Sender {
        kind_of(&self.caller)
    }

    pub(super) fn source(&self) -> Source {
        match self.caller.key.kind {
            KeyKind::Public => Source::Browser,
            KeyKind::Secret => Source::Server,
        }
    }

    /// What a record keeps of a page's client, and its class.
    pub(super) fn client(&self) -> (Option<Client>, Option<(Class, String)>) {
        let page = self.page.as_ref();
        page.map(|Page { client, judged }| (client.clone(), judged.kept()))
            .unzip()
    }
}

/// Which kind of sender a caller is.
pub(super) fn kind_of(caller: &Caller) -> Sender {
    match caller.key.kind {
        KeyKind::Public => Sender::Page,
        KeyKind::Secret => Sender::Server,
    }
}
