//! Who gets memory for a body, and who waits.

use super::*;

const MB: usize = 1024 * 1024;

fn memory() -> BodyMemory {
    BodyMemory::new(Metrics::default())
}

fn from(network: u8) -> Owner {
    let address = std::net::Ipv4Addr::new(203, 0, network, 1);
    Owner::Anybody(Some(Network::of(address.into())))
}

fn server(workspace: u32, key: &str) -> Owner {
    Owner::Server(WorkspaceId(workspace), key.into())
}

/// Fills permits of a megabyte until there is no more.
fn fill(memory: &BodyMemory, owner: &Owner) -> Vec<BodyPermit> {
    let mut permits = Vec::new();
    loop {
        let mut permit = memory.enter(owner);
        if permit.hold(MB, MB).is_err() {
            return permits;
        }
        permits.push(permit);
        assert!(permits.len() < 1_000, "nothing limits it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_holds_a_tenth_and_the_next_one_notices_nothing() {
    let memory = memory();
    let first = fill(&memory, &from(1));
    assert_eq!(first.len(), 6);
    assert_eq!(fill(&memory, &from(2)).len(), 6);
    assert_eq!(fill(&memory, &server(1, "a")).len(), 66);
    drop(first);
    assert_eq!(fill(&memory, &from(1)).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_key_and_a_workspace_hold_a_share_and_the_largest_request_always_fits() {
    let memory = memory();
    let one = fill(&memory, &server(1, "a"));
    let two = fill(&memory, &server(1, "b"));
    let three = fill(&memory, &server(1, "c"));
    assert_eq!((one.len(), two.len(), three.len()), (66, 19, 0));
    let mut largest = memory.enter(&server(2, "d"));
    assert!(largest.hold(32 * MB, MB).is_ok());
    assert!(largest.hold(64 * MB, MB).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_makes_room_and_is_told() {
    let memory = memory();
    let stalled = fill(&memory, &from(1));
    tokio::time::advance(GRACE / 2).await;
    assert!(memory.enter(&from(1)).hold(MB, MB).is_err());
    tokio::time::advance(GRACE).await;
    let mut newcomer = memory.enter(&from(1));
    assert!(newcomer.hold(MB, MB).is_ok());
    let told = stalled
        .iter()
        .filter(|permit| !lock(&permit.pool.state).bodies.contains_key(&permit.id));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1);
    assert!(matches!(told[0].evicted().await, ApiError::BodyTimeout));
    // Those of another address stay, however slow.
    let other = fill(&memory, &from(2));
    tokio::time::advance(GRACE * 2).await;
    fill(&memory, &from(1));
    let stay = other
        .iter()
        .all(|permit| lock(&permit.pool.state).bodies.contains_key(&permit.id));
    assert!(stay);
}

#[tokio::test(start_paused = true)]
async fn eight_kilobytes_a_second_are_not_slow_and_one_is() {
    for (rate, is_slow) in [(8 * 1024, false), (1024, true)] {
        let memory = memory();
        let mut dripping = memory.enter(&from(1));
        for second in 1..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(dripping.hold(second * rate, rate).is_ok());
        }
        let permits = fill(&memory, &from(1));
        let stays = lock(&memory.unproven.state)
            .bodies
            .contains_key(&dripping.id);
        assert_eq!(stays, !is_slow, "{rate}");
        drop(permits);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_whole_is_never_evicted() {
    let memory = memory();
    let permits = fill(&memory, &from(1));
    for permit in &permits {
        permit.is_whole();
    }
    tokio::time::advance(GRACE * 10).await;
    assert!(memory.enter(&from(1)).hold(MB, MB).is_err());
}

#[tokio::test(start_paused = true)]
async fn all_is_given_back() {
    let memory = memory();
    for _ in 0..20 {
        let stalled = fill(&memory, &from(1));
        tokio::time::advance(GRACE * 2).await;
        let after = fill(&memory, &from(1));
        drop((stalled, after));
    }
    let state = lock(&memory.unproven.state);
    assert_eq!(state.held_kb, 0);
    assert!(state.shares.is_empty() && state.bodies.is_empty());
}
