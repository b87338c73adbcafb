//! What a route asks of a key, and what that key can never do: the kind first, then the scope. Not where
//! the key may be used from, which is the origin's.

use shared::api_key::{KeyKind, Scope};

use super::require;
use crate::error::ApiError;
use store::meta::Key;

/// What a route asks of whoever sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nothing, as long as the key is good.
    Nothing,
    /// Events: of servers and of pages.
    Events,
    /// Purchases: of servers, and of pages with a key that was made for them.
    Purchases,
    /// A secret key with this scope: no page has any business there.
    Server(Scope),
}

impl Asks {
    /// Refuses a key that can never do it, whoever sends it.
    ///
    /// # Errors
    /// 403 `insufficient_scope` or `purchases_not_allowed`.
    pub(super) fn of(self, key: &Key) -> Result<(), ApiError> {
        match self {
            Self::Nothing => Ok(()),
            Self::Events => require(key, Scope::Send),
            Self::Purchases if key.kind == KeyKind::Public && !key.allow_purchases => {
                Err(ApiError::PurchasesNotAllowed)
            }
            Self::Purchases => require(key, Scope::Send),
            Self::Server(scope) => {
                only_secret(key, scope)?;
                require(key, scope)
            }
        }
    }
}

/// Refuses a public key what takes a secret one with this scope.
pub(super) fn only_secret(key: &Key, wanted: Scope) -> Result<(), ApiError> {
    match key.kind {
        KeyKind::Public => Err(ApiError::NotForPublicKeys(wanted)),
        KeyKind::Secret => Ok(()),
    }
}
