//! Who unsubscribed. It acts whatever comes out here: a gateway that presses the button must not keep a
//! reader subscribed, and whoever reads the reports must know that it was one.

use crate::record::Class;

use super::{Evidence, HitKind, Judgement, Method, agent, by_network, classify, networks};

/// The class of a one-click unsubscribe (RFC 8058): a mailbox provider's, for the reader who asked it to.
/// Providers post from their back ends, so that an empty agent or a library's says nothing here, and
/// neither do haste and method; the network of a scanner does, and an agent that names what steers a
/// browser or who sells filters.
pub fn of_one_click(evidence: &Evidence<'_>) -> Judgement {
    let network = evidence.address.and_then(networks::find);
    let judged = agent::judge(evidence.agent);
    let by_agent = if agent::is_headless(evidence.agent) {
        Some((Class::Bot, "automation_agent"))
    } else {
        judged.is_checking().then(|| judged.verdict(evidence.kind))
    };
    let (class, reason) = by_network(evidence, network)
        .or(by_agent)
        .unwrap_or((Class::ProxyHuman, "one_click"));
    Judgement { class, reason }
}

/// The class of a button pressed on our page: what a click would be. Gateways press buttons too (Safe
/// Links submits forms: `FusionAuth` 1.49).
pub fn of_form(evidence: &Evidence<'_>) -> Judgement {
    let verdict = classify(&Evidence {
        kind: HitKind::Click,
        method: Method::Get,
        ..*evidence
    });
    match verdict.class {
        Class::Human => Judgement {
            reason: "unsubscribe_form",
            ..verdict
        },
        _ => verdict,
    }
}
