//! What keys, addresses and sessions may take, on a clock of the test's own.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use http::Request;

use super::*;
use crate::client_address::Peer;
use store::clock::SystemClock;
use store::meta::{Meta, NewKey};

/// A key of a store of its own.
fn new_key(kind: KeyKind, rate: Option<NonZeroU32>) -> Arc<Key> {
    let folder = tempfile::tempdir().unwrap();
    let meta = Meta::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let workspace = meta.workspace("default").unwrap();
    let new = NewKey {
        rate,
        ..NewKey::of(workspace, kind)
    };
    meta.create_key(new).unwrap().0
}

fn payer(address: &str) -> Payer {
    let address: IpAddr = address.parse().unwrap();
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(Peer(SocketAddr::new(address, 1)));
    Payer::of(&parts, &[])
}

fn public(rate: Option<u32>) -> KeyRates {
    let key = new_key(KeyKind::Public, rate.and_then(NonZeroU32::new));
    KeyRates::of(&key, start()).unwrap()
}

/// One moment for all of a test.
fn start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Sends requests of so many events each until one is refused; how many passed, and why it ended.
fn until_refused(rates: &mut KeyRates, from: &str, events: u32, now: Instant) -> (u32, Limit) {
    let cost = Cost {
        requests: 1,
        events,
        bytes: 100,
    };
    let mut passed = 0;
    loop {
        match rates.take(&payer(from), Cost::default(), cost, now) {
            Ok(_) => passed += 1,
            Err((limit, wait)) => {
                assert!(!wait.is_zero());
                return (passed, limit);
            }
        }
        assert!(passed < 1_000_000, "nothing limits it");
    }
}

#[test]
fn a_public_key_has_a_burst_of_requests_events_and_bytes() {
    let local = "127.0.0.1";
    assert_eq!(
        until_refused(&mut public(None), local, 1, start()),
        (5_000, Limit::Requests)
    );
    assert_eq!(
        until_refused(&mut public(None), local, 1_000, start()),
        (50, Limit::Events)
    );
    let mut rates = public(None);
    let megabyte = Cost::bytes(1_000_000);
    for _ in 0..40 {
        let taken = rates.take(&payer(local), Cost::default(), megabyte, start());
        assert!(taken.is_ok());
    }
    let refused = rates.take(&payer(local), Cost::default(), megabyte, start());
    assert!(matches!(refused, Err((Limit::Bytes, _))));
}

#[test]
fn who_sends_large_batches_leaves_room_for_small_ones() {
    let mut rates = public(None);
    until_refused(&mut rates, "127.0.0.1", 999, start());
    let (passed, _) = until_refused(&mut rates, "127.0.0.1", 1, start());
    assert!(passed > 0);
}

#[test]
fn above_half_of_the_rate_an_address_has_a_tenth() {
    let mut rates = public(None);
    // One address alone may take half of the burst.
    let (passed, limit) = until_refused(&mut rates, "203.0.113.7", 1, start());
    assert_eq!((passed, limit), (2_500, Limit::Address));
    // Its neighbour is the same network; another has its own tenth.
    let (passed, limit) = until_refused(&mut rates, "203.0.113.8", 1, start());
    assert_eq!((passed, limit), (0, Limit::Address));
    let (passed, limit) = until_refused(&mut rates, "198.51.100.1", 1, start());
    assert_eq!((passed, limit), (500, Limit::Address));
    // The rate itself is never passed, and who stands for many has no part of it.
    let (passed, limit) = until_refused(&mut rates, "10.0.0.1", 1, start());
    assert_eq!((passed, limit), (2_000, Limit::Requests));
}

#[test]
fn a_flood_leaves_visitors_their_part_second_by_second() {
    let mut rates = public(None);
    let mut now = start();
    for _ in 0..30 {
        now += Duration::from_secs(1);
        until_refused(&mut rates, "203.0.113.7", 1, now);
        for visitor in 0..100 {
            let visitor = format!("198.51.{visitor}.1");
            let cost = Cost::REQUEST;
            let taken = rates.take(&payer(&visitor), Cost::default(), cost, now);
            assert!(taken.is_ok(), "{taken:?}");
        }
    }
    let (passed, _) = until_refused(&mut rates, "203.0.113.7", 1, now);
    assert_eq!(passed, 0, "the flood has only its part");
}

#[test]
fn the_parts_of_ipv6_are_not_multiplied_by_64s() {
    let mut rates = public(None);
    until_refused(&mut rates, "203.0.113.7", 1, start());
    let mut passed = 0;
    for subnet in 0..5_000 {
        let address = format!("2001:db8:1:{subnet:x}::1");
        let cost = Cost::REQUEST;
        let taken = rates.take(&payer(&address), Cost::default(), cost, start());
        passed += u32::from(taken.is_ok());
    }
    assert_eq!(passed, 500);
}

#[test]
fn a_rate_bounds_events_and_each_request_costs_one_at_least() {
    for events in [0, 1] {
        let mut rates = public(Some(50));
        let (passed, limit) = until_refused(&mut rates, "127.0.0.1", events, start());
        assert_eq!((passed, limit), (50, Limit::Events));
    }
    let mut rates = public(Some(50));
    assert_eq!(
        until_refused(&mut rates, "127.0.0.1", 10, start()),
        (5, Limit::Events)
    );
    // A batch that is larger than the rate passes once all of it is there, and is paid for afterwards.
    let mut rates = public(Some(50));
    assert_eq!(until_refused(&mut rates, "127.0.0.1", 500, start()).0, 1);
    let later = start() + Duration::from_secs(9);
    assert_eq!(until_refused(&mut rates, "127.0.0.1", 1, later).0, 0);
}

#[test]
fn a_secret_key_may_use_its_rate_from_one_address_and_has_none_by_default() {
    let key = new_key(KeyKind::Secret, NonZeroU32::new(50));
    let mut rates = KeyRates::of(&key, start()).unwrap();
    let (passed, limit) = until_refused(&mut rates, "203.0.113.7", 1, start());
    assert_eq!((passed, limit), (50, Limit::Events));
    let key = new_key(KeyKind::Secret, None);
    assert!(KeyRates::of(&key, start()).is_none());
}

fn remaining(rates: &Rates, key: &Key) -> u32 {
    lock(&rates.of(key).unwrap()).state().remaining
}

#[test]
fn what_is_refused_costs_a_public_key_nothing_and_a_secret_one_its_request() {
    let rates = Rates::new(Metrics::default());
    let key = new_key(KeyKind::Public, NonZeroU32::new(1_000_000));
    let local = payer("127.0.0.1");
    let before = remaining(&rates, &key);
    let mut ticket = rates.begin(&key, local).unwrap().unwrap();
    ticket.take(Cost::events(500)).unwrap();
    assert!(remaining(&rates, &key) <= before - 490);
    drop(ticket);
    assert_eq!(remaining(&rates, &key), before);
    let mut ticket = rates.begin(&key, local).unwrap().unwrap();
    ticket.take(Cost::events(1_000)).unwrap();
    ticket.give_back_events(1_000);
    ticket.keep();
    assert!(remaining(&rates, &key) >= before - 1);
    let secret = new_key(KeyKind::Secret, NonZeroU32::new(1));
    drop(rates.begin(&secret, local).unwrap());
    assert_eq!(remaining(&rates, &secret), 0);
}

#[test]
fn an_overdraft_takes_nothing() {
    let rates = Rates::new(Metrics::default());
    let key = new_key(KeyKind::Public, NonZeroU32::new(10));
    let local = payer("127.0.0.1");
    rates.count(&key).unwrap();
    let mut ticket = rates.begin(&key, local).unwrap().unwrap();
    assert!(ticket.take(Cost::events(1_000)).is_err());
    drop(ticket);
    assert!(remaining(&rates, &key) >= 9);
}

#[test]
fn an_address_pays_for_what_is_refused_and_who_stands_for_many_does_not() {
    let rates = Rates::new(Metrics::default());
    let stranger = payer("203.0.113.7");
    let refused = |from: &Payer| rates.blame(from, ApiError::UnknownKey);
    for _ in 0..500 {
        assert!(matches!(refused(&stranger), ApiError::UnknownKey));
    }
    let limited = (0..200).any(|_| matches!(refused(&stranger), ApiError::RateLimited { .. }));
    assert!(limited);
    assert!(rates.may_send_large(&payer("198.51.100.1")).is_ok());
    // What is not its fault costs it nothing.
    for _ in 0..2_000 {
        let other = payer("198.51.100.2");
        let reason = rates.blame(&other, ApiError::Overloaded);
        assert!(matches!(reason, ApiError::Overloaded));
        let reason = rates.blame(&payer("127.0.0.1"), ApiError::UnknownKey);
        assert!(matches!(reason, ApiError::UnknownKey));
    }
}

#[test]
fn a_session_has_a_rate_of_its_own_and_the_map_is_bounded() {
    let rates = Rates::new(Metrics::default());
    let mut passed = 0;
    while rates.count_session_at(&[1; 32], start()).is_ok() {
        passed += 1;
    }
    assert_eq!(passed, 1_000);
    assert!(rates.count_session_at(&[2; 32], start()).is_ok());
    for number in 0..20_000_u32 {
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        rates.count_session_at(&digest, start()).unwrap();
    }
    assert!(lock(&rates.sessions).len() <= MAX_SESSIONS);
}

#[test]
fn portions_of_what_goes_on_for_long_are_waited_for_and_each_pays_for_itself() {
    let rates = Arc::new(Rates::new(Metrics::default()));
    let key = new_key(KeyKind::Secret, NonZeroU32::new(10));
    let begin = || {
        let ticket = rates.begin(&key, Payer::NOBODY).unwrap();
        Charge::new(&rates, Payer::NOBODY, 0).begun(&key, ticket)
    };
    let mut charge = begin().unwrap();
    // More than the key may send at once passes where it has taken nothing: it pays later.
    charge.take_events(1_000).unwrap();
    for _ in 0..2 {
        let long = Duration::from_secs(120);
        let wait = charge.take_portion(10, long).unwrap();
        assert!(wait.unwrap() > Duration::from_secs(90), "{wait:?}");
    }
    let refused = charge.take_portion(10, Duration::from_secs(30));
    assert!(matches!(refused, Err(ApiError::RateLimited { .. })));
    // It is no limit for a key that has none.
    let free = new_key(KeyKind::Secret, None);
    let ticket = rates.begin(&free, Payer::NOBODY).unwrap();
    let mut charge = Charge::new(&rates, Payer::NOBODY, 0)
        .begun(&free, ticket)
        .unwrap();
    assert_eq!(
        charge.take_portion(1_000_000, Duration::ZERO).unwrap(),
        None
    );
}
