//! The HTTP contract, asked of a real server on a port of its own, as a caller sees it.
//! Not the command line, and not what a crash leaves behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

mod support;

#[path = "../data/corpus.rs"]
mod corpus;

mod admin_keys;
mod admin_settings;
mod amendments;
mod assets;
mod batch;
mod building;
mod bursts;
mod contacts_files;
mod contacts_list;
mod contacts_one;
mod contacts_segments;
mod deliveries;
mod demo_shop;
mod documents;
mod embeds;
mod encodings;
mod erasures;
mod events_filters;
mod events_in;
mod events_list;
mod exports;
mod floods;
mod framing;
mod identify;
mod ids;
mod keys;
mod lenient;
mod limits;
mod live;
mod mail;
mod mail_again;
mod mail_hostile;
mod mail_raw;
mod matrix;
mod message_limits;
mod messages;
mod metrics;
mod money;
mod near_misses;
mod newsletters;
mod one_or_many;
mod operations;
mod origins;
mod overload;
mod pages;
mod people;
mod people_of_older_stores;
mod private;
mod proxies;
mod public_url;
mod purchases;
mod queries;
mod rates;
mod receipts;
mod refunds;
mod refused_addresses;
mod report_spans;
mod reports;
mod says;
mod secret_contents;
mod secrets;
mod segment_cases;
mod segments;
mod sent;
mod seqs;
mod sessions;
mod signed_identify;
mod snippets;
mod stalled;
mod stitching;
mod suppressions;
mod tenants;
mod times;
mod unsubscribe_class;
mod unsubscribe_pages;
mod upgrade;
mod upgrade_retries;
mod views_lost;
