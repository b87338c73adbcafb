//! `just bench-classify`: how long one verdict takes, and one look-up in a list as long as Apple's.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use store::classify::relay::RelayRanges;
use store::classify::{Evidence, HitKind, classify};

const BROWSERS: &str = include_str!("../tests/data/agents/browsers.txt");
const CRAWLERS: &str = include_str!("../tests/data/agents/crawlers.txt");
/// Apple's list had 286,949 rows on 2026-07-31, most of them of IPv4.
const NETWORKS: u32 = 240_000;
const LOOK_UPS: u32 = 4_000_000;
const ROUNDS: usize = 5;

fn main() {
    for (name, file) in [("browsers", BROWSERS), ("crawlers", CRAWLERS)] {
        let agents: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
        let best = best_of(|| {
            for agent in &agents {
                black_box(classify(&Evidence::of_agent(HitKind::Open, Some(agent))));
            }
        });
        let each = best / u32::try_from(agents.len()).expect("a few thousand agents");
        println!("a verdict on {name}: {each:?} ({} agents)", agents.len());
    }
    let csv: String = (0..NETWORKS)
        .map(|n| Ipv4Addr::from_bits(n.wrapping_mul(17_891) & !31))
        .map(|address| format!("{address}/27,,,\n"))
        .collect();
    let list = RelayRanges::parse(csv.as_bytes()).expect("every row is a network");
    let best = best_of(|| {
        for n in 0..LOOK_UPS {
            let address = Ipv4Addr::from_bits(n.wrapping_mul(2_654_435_761));
            black_box(list.contains(address.into()));
        }
    });
    println!(
        "a look-up of a relay: {:?} ({NETWORKS} networks)",
        best / LOOK_UPS
    );
}

fn best_of(work: impl Fn()) -> Duration {
    (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .min()
        .unwrap_or_default()
}
