//! Why requests are refused, as the metrics name it: closed sets, so that each series begins at zero.

/// A body of nothing but white space.
pub(crate) const EMPTY: &str = "empty";
/// A body that was not read at all, because its sender showed no key.
pub(crate) const NO_KEY: &str = "no_key";
/// Why a body was refused, as the metric names it.
pub(crate) const BODY: [&str; 13] = [
    "memory_full",
    "workspace_share",
    "key_share",
    "address_share",
    "slow",
    "timeout",
    "too_large",
    "gzip_broken",
    "gzip_members",
    "gzip_ratio",
    "broken_off",
    EMPTY,
    NO_KEY,
];
/// Why a request to register messages was refused: too many links in one message or in all, markup that
/// nobody can take apart, an answer out of all proportion.
pub(crate) const MESSAGES: [&str; 4] = ["links", "links_in_all", "tangle", "answer"];
