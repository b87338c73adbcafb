//! The bytes of every kind against the layout, written down by hand.

use serde::Serialize;

use super::*;
use crate::record::ClickMarks;
use crate::views::history::{NOW, address, entry, message_id};

fn postcard_of(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap()
}

/// The bytes of a record by the layout: what stands in front of its fact, that, and what stands behind.
/// The place of a variant is a `u32` in postcard.
struct Layout<'a> {
    source: u32,
    key_id: Option<&'a str>,
    verified: bool,
    message_id: Option<&'a str>,
    fact: Vec<u8>,
    money: Option<(i64, &'a str)>,
    rounded: bool,
    behind: Vec<u8>,
}

impl Layout<'_> {
    fn bytes(&self) -> Vec<u8> {
        let front = (NOW, false, NOW, self.source, self.key_id, self.verified);
        let names = (0_u8, 0_u8, self.message_id);
        // No context, client, class or ignored fields, and not erased.
        let back = (self.money, self.rounded, (0_u8, 0_u8, 0_u8, 0_u8, false));
        [
            postcard_of(&front),
            postcard_of(&names),
            self.fact.clone(),
            postcard_of(&back),
            self.behind.clone(),
        ]
        .concat()
    }
}

fn server(fact: Vec<u8>) -> Layout<'static> {
    Layout {
        source: 1,
        key_id: None,
        verified: true,
        message_id: None,
        fact,
        money: None,
        rounded: false,
        behind: Vec::new(),
    }
}

fn mail(fact: Vec<u8>) -> Layout<'static> {
    Layout {
        source: 2,
        verified: false,
        message_id: Some("m"),
        ..server(fact)
    }
}

fn send() -> SendRef {
    SendRef {
        message_id: message_id("m"),
        contact: Some(ContactId([7; 16])),
        campaign_id: CampaignId::parse("c").ok(),
        message_type: MessageType::Transactional,
        sent_at: Timestamp::from_millis(NOW - 5),
    }
}

fn send_bytes() -> (Option<[u8; 16]>, Option<&'static str>, u32, i64) {
    (Some([7; 16]), Some("c"), 1, NOW - 5)
}

fn order() -> OrderId {
    OrderId::parse("o").unwrap()
}

fn euros(minor: i64) -> Money {
    let currency = Currency::parse("EUR").unwrap();
    Money { minor, currency }
}

/// One of every kind, with the bytes that versions before wrote of it.
fn every_kind() -> Vec<(Fact, Layout<'static>)> {
    let text = Some(Personal("{}".into()));
    vec![
        (
            Fact::Track {
                name: "viewed".into(),
                properties: text.clone(),
                message_id: Some(message_id("m")),
            },
            Layout {
                message_id: Some("m"),
                ..server(postcard_of(&(0_u32, "viewed", Some("{}"))))
            },
        ),
        (
            Fact::Identify { traits: None },
            server(postcard_of(&(1_u32, None::<&str>))),
        ),
        (
            Fact::Purchase {
                order_id: order(),
                revenue: euros(499),
                rounded: true,
                items: None,
                message_id: Some(message_id("m")),
            },
            Layout {
                message_id: Some("m"),
                money: Some((499, "EUR")),
                rounded: true,
                ..server(postcard_of(&(2_u32, "o", None::<&str>)))
            },
        ),
        (
            Fact::Refund {
                order_id: order(),
                refund_id: RefundId::parse("r").unwrap(),
                amount: euros(1),
                rounded: false,
            },
            Layout {
                money: Some((1, "EUR")),
                ..server(postcard_of(&(3_u32, "o", "r")))
            },
        ),
        (
            Fact::Send {
                message_id: message_id("m"),
                campaign_id: None,
                message_type: MessageType::Campaign,
                subject: text.clone(),
                content: [3; 32],
                token_key: 300,
                targets: Some(12),
            },
            Layout {
                message_id: Some("m"),
                behind: postcard_of(&[(1_u32, 12_u32)].as_slice()),
                ..server(postcard_of(&(
                    4_u32,
                    None::<&str>,
                    0_u32,
                    Some("{}"),
                    [3_u8; 32],
                    300_u32,
                )))
            },
        ),
        (
            Fact::Open { send: send() },
            mail(postcard_of(&(5_u32, send_bytes()))),
        ),
        (
            Fact::Click {
                send: send(),
                link: 4,
                target: text.clone(),
                target_number: Some(3),
                marks: Some(ClickMarks {
                    target: 5,
                    network: 6,
                }),
            },
            Layout {
                // Two additions: the marks, then the number.
                behind: [
                    postcard_of(&(2_u8, 2_u32, 5_u64, 6_u64)),
                    postcard_of(&(3_u32, 3_u32)),
                ]
                .concat(),
                ..mail(postcard_of(&(6_u32, send_bytes(), 4_u32, Some("{}"))))
            },
        ),
        (
            Fact::Unsubscribe { send: send() },
            mail(postcard_of(&(7_u32, send_bytes()))),
        ),
        (
            Fact::Told { send: send() },
            Layout {
                message_id: Some("m"),
                ..server(postcard_of(&(8_u32, send_bytes())))
            },
        ),
        (
            Fact::Delivery {
                send: send(),
                status: DeliveryStatus::Deferred,
                code: Some("4.2.2".into()),
                reason: None,
            },
            Layout {
                message_id: Some("m"),
                ..server(postcard_of(&(
                    9_u32,
                    send_bytes(),
                    2_u32,
                    Some("4.2.2"),
                    None::<&str>,
                )))
            },
        ),
        (
            Fact::Suppress {
                cause: Cause::Manual,
            },
            server(postcard_of(&(10_u32, 3_u32))),
        ),
        (
            Fact::Lift {
                send: None,
                cause: None,
            },
            server(postcard_of(&(11_u32, 0_u8, 0_u8))),
        ),
        (
            Fact::Erase {
                contact: ContactId([7; 16]),
            },
            server(postcard_of(&(13_u32, [7_u8; 16]))),
        ),
        (
            Fact::Amend {
                order_id: order(),
                revenue: euros(7),
                rounded: false,
                items: text,
                message_id: None,
            },
            Layout {
                money: Some((7, "EUR")),
                ..server(postcard_of(&(12_u32, "o", Some("{}"))))
            },
        ),
    ]
}

/// The entry of a layout above.
fn entry_of(fact: Fact, source: u32) -> Entry {
    let mut entry = entry(0).saying(fact);
    if source == 2 {
        entry.told_by = ToldBy::mail(Visitor {
            client: None,
            class: None,
        });
    }
    entry
}

#[test]
fn the_bytes_of_every_kind_are_those_that_versions_before_wrote_and_come_back() {
    for (fact, layout) in every_kind() {
        let entry = entry_of(fact, layout.source);
        let bytes = write(&entry, Vec::new()).unwrap();
        assert_eq!(bytes, layout.bytes(), "{entry:?}");
        assert_eq!(read(entry.workspace, entry.id, &bytes), Ok(entry));
    }
}

#[test]
fn all_that_is_the_same_of_every_kind_has_its_place() {
    let client = Client {
        address: Personal("192.0.2.1".into()),
        agent: None,
        headers: vec![("dnt".into(), Personal("1".into()))],
    };
    let entry = Entry {
        time: Timestamp::from_millis(NOW - 1),
        time_sent: true,
        told_by: ToldBy::Browser {
            key_id: Some("key_1".into()),
            context: Some(Arc::new(Personal("{\"page\":\"/\"}".into()))),
            visitor: Visitor {
                client: Some(Arc::new(client)),
                class: Some((Class::Machine, "agent".into())),
            },
        },
        address: address("ada@example.com"),
        anonymous_id: AnonymousId::parse("visitor").ok(),
        ignored_fields: vec!["a".into(), "b".into()],
        redacted: true,
        ..entry(0)
    };
    let expected = [
        postcard_of(&(NOW - 1, true, NOW, 0_u32, Some("key_1"), false)),
        postcard_of(&(
            Some(("ada@example.com", None::<&str>)),
            Some("visitor"),
            None::<&str>,
        )),
        postcard_of(&(0_u32, "viewed", None::<&str>)),
        postcard_of(&(0_u8, false, Some("{\"page\":\"/\"}"))),
        postcard_of(&Some((
            "192.0.2.1",
            None::<&str>,
            [("dnt", "1")].as_slice(),
        ))),
        postcard_of(&(Some((2_u32, "agent")), ["a", "b"].as_slice(), true)),
    ]
    .concat();
    let bytes = write(&entry, Vec::new()).unwrap();
    assert_eq!(bytes, expected);
    assert_eq!(read(entry.workspace, entry.id, &bytes), Ok(entry));
}

#[test]
fn a_record_without_what_its_kind_needs_is_none() {
    for (fact, layout) in every_kind() {
        let has_money = fact.money().is_some();
        let is_of_mail = matches!(fact, Fact::Send { .. }) || fact.send().is_some();
        let read = |layout: &Layout<'_>| {
            let Entry { workspace, id, .. } = entry(0);
            read(workspace, id, &layout.bytes()).err()
        };
        assert_eq!(read(&layout), None);
        let without = Layout {
            money: None,
            fact: layout.fact.clone(),
            behind: layout.behind.clone(),
            ..layout
        };
        assert_eq!(read(&without), has_money.then_some(NO_MONEY));
        let without = Layout {
            message_id: None,
            money: layout.money,
            ..without
        };
        assert_eq!(read(&without), is_of_mail.then_some(NO_MESSAGE));
    }
}

#[test]
fn bytes_that_are_cut_short_or_of_a_currency_that_nobody_has_are_no_record() {
    let Entry { workspace, id, .. } = entry(0);
    for (_, layout) in every_kind() {
        let bytes = Layout {
            fact: layout.fact.clone(),
            behind: Vec::new(),
            ..layout
        }
        .bytes();
        for end in 0..bytes.len() {
            assert_eq!(read(workspace, id, &bytes[..end]), Err(UNDECODED), "{end}");
        }
    }
    let layout = Layout {
        money: Some((1, "E\u{0}R")),
        ..server(postcard_of(&(2_u32, "o", None::<&str>)))
    };
    assert_eq!(read(workspace, id, &layout.bytes()), Err(UNDECODED));
}
