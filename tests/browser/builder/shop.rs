//! Who did what in a made-up shop: so few that every question can be answered by looking at all of it.

use serde_json::{Value, json};
use tests::collector::Collector;

/// Somebody, and all that they did.
pub(super) struct Person {
    pub(super) email: String,
    pub(super) events: Vec<Event>,
    pub(super) orders: usize,
}

/// Something that somebody did.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) properties: Value,
    /// Years ago rather than now.
    pub(super) is_old: bool,
}

impl Person {
    pub(super) fn did(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.name == name)
    }
}

/// Sixty people who differ in the plan of their trials, how often and when they began one, and whether they bought.
pub(super) fn people() -> Vec<Person> {
    (0..60)
        .map(|at| {
            let plan = ["pro", "free", "pro", "team"][at % 4];
            let trial = |is_old| Event {
                name: "trial_started".to_owned(),
                properties: json!({"plan": plan, "seats": at}),
                is_old,
            };
            let mut events: Vec<Event> = (0..at % 5).map(|turn| trial(turn == 3)).collect();
            if at % 3 == 0 {
                events.push(Event {
                    name: "invited".to_owned(),
                    properties: json!({}),
                    is_old: false,
                });
            }
            events.push(Event {
                name: "page_viewed".to_owned(),
                properties: json!({"n": at}),
                is_old: at % 2 == 0,
            });
            Person {
                email: format!("p{at}@example.com"),
                events,
                orders: usize::from(at % 7 == 2),
            }
        })
        .collect()
}

/// People whose events have names that would be code elsewhere.
pub(super) fn hostile() -> Vec<Person> {
    let names = [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "' onfocus=alert(1) autofocus x='<",
        "{{constructor.constructor('alert(1)')()}}",
        "javascript:alert(1)//<svg/onload=alert(1)>",
        "&lt;iframe src=javascript:alert(1)&gt;",
    ];
    let person = |(at, name): (usize, &str)| Person {
        email: format!("h{at}@example.com"),
        events: vec![Event {
            name: name.to_owned(),
            properties: json!({"<b onmouseover=alert(1)>": name}),
            is_old: false,
        }],
        orders: 0,
    };
    names.into_iter().enumerate().map(person).collect()
}

/// Sends all of it.
pub(super) async fn send(collector: &Collector, people: &[Person]) {
    let mut events = Vec::new();
    for person in people {
        for event in &person.events {
            let mut sent = json!({
                "type": "track",
                "email": person.email,
                "event": event.name,
                "properties": event.properties,
            });
            if event.is_old {
                sent["timestamp"] = json!("2020-03-01T10:00:00Z");
            }
            events.push(sent);
        }
        for order in 0..person.orders {
            events.push(json!({
                "type": "purchase",
                "email": person.email,
                "orderId": format!("{} {order}", person.email),
                "revenue": 12.5,
                "currency": "EUR",
            }));
        }
    }
    let body = json!({"events": events});
    let answer = collector.post("/v1/track/batch", body).await;
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    assert_eq!(results.len(), events.len(), "{answer}");
    assert!(
        results.iter().all(|result| result["status"] == "tracked"),
        "{results:?}"
    );
}
