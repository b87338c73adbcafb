//! Every way in which the meta store refuses or fails.

use std::path::{Path, PathBuf};

use shared::time::Timestamp;

use super::{DEFAULT_WORKSPACE, OriginPattern};
use crate::record::public_seq::MAX_GENERATION;

/// Why the meta store refused or failed. The text is for whoever runs the command.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    // The caller's fault.
    #[error("the name of a workspace has 1 to 63 characters of a-z, 0-9 and -")]
    WorkspaceName,
    #[error("there is a workspace {0} already")]
    WorkspaceExists(String),
    #[error(
        "a public key stands in every page and holds the scope `send` alone: leave other scopes out, or make a secret key"
    )]
    PublicKeyScope,
    #[error(
        "origins are for public keys: a secret key is refused from every page. Add --public, or leave --origin out"
    )]
    SecretKeyOrigins,
    #[error("a secret key may always send purchases: add --public, or leave --allow-purchases out")]
    SecretKeyPurchases,
    #[error(
        "a key of the operator tells about the whole process, and a public key stands in every page: leave --public or --operator out"
    )]
    PublicKeyOperator,
    #[error("a key takes at most {0} origins: use a pattern such as *.example.com")]
    TooManyOrigins(usize),
    #[error("a label has 1 to {0} characters, none of them a control character")]
    Label(usize),
    #[error("a label must not hold a secret key: it is shown to whoever lists the keys")]
    SecretLabel,
    // Does not repeat what was asked for: it may be a key, pasted by mistake.
    #[error("there is no such key: `misar keys list` shows them")]
    UnknownKey,
    #[error("the key is revoked, which is for good: make a new one with `misar keys create`")]
    RevokedKey,
    #[error(
        "the workspace has {0} keys, revoked ones among them, which is all that may be made here"
    )]
    TooManyKeys(usize),
    #[error("the key would have expired already: it is {0} now")]
    ExpiryPast(Timestamp),
    #[error("{origin} is none of the key's origins: they are {known}")]
    UnknownOrigin {
        origin: OriginPattern,
        known: String,
    },
    #[error(
        "without its last origin the key would be good on every site: add another one, revoke the key, or say \
         --any-origin where that is wanted"
    )]
    LastOrigin,

    // Ours.
    #[error("{} is missing, although the folder holds a log: restore it from a backup", .0.display())]
    Missing(PathBuf),
    #[error("{} is damaged: {what}. Restore it from a backup", .path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} failed while {doing}: {what}", .path.display())]
    Storage {
        path: PathBuf,
        doing: &'static str,
        what: String,
    },
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("the workspace {DEFAULT_WORKSPACE} is missing")]
    NoDefaultWorkspace,
    #[error("there have been as many workspaces as there can be")]
    WorkspacesUsedUp,
    #[error("there have been as many token keys as there can be")]
    TokenKeysUsedUp,
    #[error(
        "this store has been restored as often as its seqs have room for ({} times): start an empty store and send it what matters",
        MAX_GENERATION - 1
    )]
    GenerationsUsedUp,
}

pub(super) fn storage(
    path: &Path,
    doing: &'static str,
    error: &dyn std::fmt::Display,
) -> MetaError {
    MetaError::Storage {
        path: path.to_owned(),
        doing,
        what: error.to_string(),
    }
}
