//! What is measured at the moment of asking.

use std::borrow::Cow;
use std::time::Duration;

use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::{Audience, Machine, PREFIX};

#[derive(Debug, Clone)]
pub struct Gauges {
    pub queued_events: usize,
    pub view_lag: Duration,
    /// How much of what reads must be shown the views hold; 1 unless they are being built.
    pub views_built: f64,
    pub ready: bool,
    /// Files of the log that wait to be written anew without what was erased.
    pub waiting_segments: usize,
    /// Networks of peers that forward requests without being trusted.
    pub untrusted_proxies: usize,
    pub machine: Machine,
}

impl Gauges {
    /// Registers what this audience is told.
    pub(super) fn register(&self, registry: &mut Registry, audience: Audience) {
        let ours = registry.sub_registry_with_prefix(PREFIX);
        // All views are folded together, from one cursor.
        ours.sub_registry_with_label((Cow::from("view"), Cow::from("all")))
            .register_with_unit(
                "view_lag",
                "How far the views lie behind the log",
                Unit::Seconds,
                ConstGauge::new(self.view_lag.as_secs_f64()),
            );
        let help = "How much of what was on disk at the start the views hold; below 1 reads are answered with view_building";
        // The library writes a whole part as 1.0; everybody else's zeros and ones are 0 and 1.
        if self.views_built < 1.0 {
            ours.register("views_built_ratio", help, ConstGauge::new(self.views_built));
        } else {
            ours.register("views_built_ratio", help, ConstGauge::new(1_u32));
        }
        ours.register(
            "ready",
            "Whether events are taken",
            ConstGauge::new(u32::from(self.ready)),
        );
        if audience != Audience::Operator {
            return;
        }
        ours.register(
            "queued_events",
            "Events taken and not yet answered",
            ConstGauge::new(self.queued_events),
        );
        ours.register(
            "log_segments_to_redact",
            "Files of the log that wait to be written anew without what was erased",
            ConstGauge::new(self.waiting_segments),
        );
        ours.register(
            "untrusted_proxies",
            "Networks of peers that forward requests and are not trusted: see --trusted-proxy",
            ConstGauge::new(self.untrusted_proxies),
        );
        self.machine.register(registry);
    }
}
