//! Who a request's events come from: worked out once, however many events it has.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use shared::api_key::KeyKind;
use shared::time::Timestamp;
use shared::wire::Context;

use super::dropped::KeptContext;
use super::incoming::Incoming;
use crate::app::App;
use crate::auth::Caller;
use crate::client_address::client_of;
use crate::error::ApiError;
use store::classify::of_client;
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::record::identity::Sender;
use store::record::{KeyId, ToldBy, Visitor, WorkspaceId};

/// The sender of a request's events, and all that is the same of each of them.
pub(super) struct RequestSender {
    pub(super) caller: Caller,
    pub(super) received_at: Timestamp,
    /// The workspace's secret, under which ids are made that nobody sent.
    pub(super) key: WorkspaceKey,
    pub(super) context: KeptContext,
    key_id: KeyId,
    /// Who stands behind the request of a page, judged by that and its context alone: no event of it says
    /// more.
    visitor: Option<Visitor>,
    /// It is a page's, which names nobody without a signature.
    pub(super) must_sign: bool,
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
        let is_anonymous = context.is_some_and(|context| context.anonymous);
        let context = KeptContext::of(context, kind);
        let visitor = (kind == KeyKind::Public).then(|| {
            let (_, client) = client_of(&incoming.parts, &app.trusted_proxies);
            let judged = of_client(&client, context.of_first());
            Visitor {
                client: app.privacy.kept(client, is_anonymous).map(Arc::new),
                class: Some(judged.kept()),
            }
        });
        Ok(Self {
            key_id: caller.key.id.as_str().into(),
            caller,
            received_at: incoming.received_at,
            key: key.ok_or(ApiError::Internal)?,
            context,
            must_sign: visitor.is_some() && app.wants_signed_identify.load(Ordering::Relaxed),
            visitor,
        })
    }

    pub(super) fn workspace(&self) -> WorkspaceId {
        self.caller.key.workspace
    }

    /// Among whose ids those of its events are.
    pub(super) fn kind(&self) -> Sender {
        kind_of(&self.caller)
    }

    /// Who told of one event, of the first one that is recorded or of another: they share what is large.
    pub(super) fn told_by(&self, is_first: bool) -> ToldBy {
        let key_id = Some(self.key_id.clone());
        let context = self.context.of_event(is_first);
        match &self.visitor {
            Some(visitor) => ToldBy::Browser {
                key_id,
                context,
                visitor: visitor.clone(),
            },
            None => ToldBy::Server { key_id, context },
        }
    }
}

/// Which kind of sender a caller is.
pub(super) fn kind_of(caller: &Caller) -> Sender {
    match caller.key.kind {
        KeyKind::Public => Sender::Page,
        KeyKind::Secret => Sender::Server,
    }
}
