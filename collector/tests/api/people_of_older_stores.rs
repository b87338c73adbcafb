//! Contacts of a store from before NFC and A-labels: their old tokens, unsubscribes and orders find them
//! under the rule of today.
//!
//! What such a store holds is written here byte for byte as it was then: addresses with their trimmed,
//! lower-cased spelling for a form, and order digests made from that.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};
use shared::api_key::Scope;
use shared::email::older_normal_form;
use shared::ids::{EventId, MessageId, OrderId};
use shared::money::{Currency, Money};
use shared::time::Timestamp;
use store::clock::SystemClock;
use store::ledger::decide::{WorkspaceKey, WorkspaceKeys as _};
use store::ledger::local::{LocalLedger, Options};
use store::ledger::{Appended, Log as _, Submission};
use store::meta::Meta;
use store::record::{
    Address, Class, ContactId, Entry, Fact, MessageType, Personal, SendRef, ToldBy, Visitor,
    WorkspaceId,
};
use store::token::{Sent, Token};

use crate::mail::{ask, settled};
use crate::support::{Folder, TestApp, spawn_app_in};

const THEN: i64 = 1_790_000_000_000;
const HUMAN: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const U_LABEL: &str = "Kate@exámple.person.example";
const A_LABEL: &str = "kate@xn--exmple-qta.person.example";
const DECOMPOSED: &str = "rene\u{301}@person.example";
const COMPOSED: &str = "rené@person.example";
const KELVIN: &str = "\u{212a}evin@person.example";
const PLAIN: &str = "kevin@person.example";

/// A store of that time.
struct OldStore {
    folder: Folder,
    meta: Arc<Meta>,
    key: WorkspaceKey,
    entries: Vec<Entry>,
}

impl OldStore {
    fn new() -> Self {
        let folder = Folder::new();
        let meta = Arc::new(Meta::open(folder.path(), Arc::new(SystemClock)).unwrap());
        let key = meta.key_of(WorkspaceId(1)).unwrap();
        Self {
            folder,
            meta,
            key,
            entries: Vec::new(),
        }
    }

    fn address(spelling: &str) -> Option<Address> {
        let normalised = older_normal_form(spelling);
        Some(Address {
            original: (normalised != spelling).then(|| Personal(spelling.to_owned())),
            normalised: Personal(normalised),
            older: None,
        })
    }

    fn contact(&self, spelling: &str) -> ContactId {
        self.key.contact(&older_normal_form(spelling))
    }

    fn add(&mut self, fact: Fact, more: impl FnOnce(&mut Entry)) {
        let number = self.entries.len() as u64 + 1;
        let mut id = [0x41; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let time = Timestamp::from_millis(THEN + i64::try_from(number).unwrap() * 60_000);
        let id = EventId::from_bytes(id);
        let mut entry = Entry::new(WorkspaceId(1), id, ToldBy::server(), time, fact);
        more(&mut entry);
        self.entries.push(entry);
    }

    fn track(&mut self, spelling: &str) {
        self.add(Fact::track("joined"), |entry| {
            entry.address = Self::address(spelling)
        });
    }

    fn order(&mut self, spelling: &str, order_id: &str) {
        let fact = Fact::Purchase {
            order_id: OrderId::parse(order_id).unwrap(),
            revenue: Money {
                minor: 500,
                currency: Currency::parse("EUR").unwrap(),
            },
            rounded: false,
            items: None,
            message_id: None,
        };
        self.add(fact, |entry| entry.address = Self::address(spelling));
    }

    fn sent(&self, spelling: &str, message_id: &str) -> Sent {
        Sent {
            workspace: WorkspaceId(1),
            message_id: message_id.to_owned(),
            contact: self.contact(spelling),
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(THEN),
        }
    }

    /// A message that went out, and a person's click on it.
    fn send_and_click(&mut self, spelling: &str, message_id: &str) {
        let fact = Fact::Send {
            message_id: MessageId::parse(message_id).unwrap(),
            campaign_id: None,
            message_type: MessageType::Campaign,
            subject: None,
            content: [0; 32],
            token_key: 1,
            targets: None,
        };
        self.add(fact, |entry| entry.address = Self::address(spelling));
        let send = self.reference(spelling, message_id);
        let fact = Fact::Click {
            send,
            link: 0,
            target: None,
            target_number: None,
            marks: None,
        };
        self.mail(fact);
    }

    fn reference(&self, spelling: &str, message_id: &str) -> SendRef {
        SendRef {
            message_id: MessageId::parse(message_id).unwrap(),
            contact: Some(self.contact(spelling)),
            campaign_id: None,
            message_type: MessageType::Campaign,
            sent_at: Timestamp::from_millis(THEN),
        }
    }

    fn unsubscribe(&mut self, spelling: &str, message_id: &str) {
        let send = self.reference(spelling, message_id);
        self.mail(Fact::Unsubscribe { send });
    }

    fn mail(&mut self, fact: Fact) {
        self.add(fact, |entry| {
            entry.told_by = ToldBy::mail(Visitor {
                client: None,
                class: Some((Class::Human, "test".into())),
            });
        });
    }

    /// Writes it down, and starts today's server on it.
    async fn open(mut self) -> Upgraded {
        let tokens = ["m-u", "m-d"].map(|id| {
            let spelling = if id == "m-u" { U_LABEL } else { DECOMPOSED };
            let sent = self.sent(spelling, id);
            let seal = |token: &Token| self.meta.token_keys().seal(None, token);
            (
                seal(&Token::Open(sent.clone())),
                seal(&Token::Unsubscribe(sent)),
            )
        });
        let options = Options::new(self.folder.path(), Arc::clone(&self.meta) as _);
        let log = LocalLedger::open(options).unwrap();
        let entries = std::mem::take(&mut self.entries);
        let batch = entries.into_iter().map(Submission::from).collect();
        let appended = log.append(batch).await.unwrap();
        let is_tracked = |appended: &Appended| matches!(appended, Appended::Tracked { .. });
        assert!(appended.iter().all(is_tracked), "{appended:?}");
        log.close().await.unwrap();
        drop((log, self.meta));
        let app = spawn_app_in(self.folder, Arc::new(SystemClock)).await;
        let key = app.secret(&[Scope::Write, Scope::Read, Scope::Contacts]);
        let [u_label, decomposed] = tokens;
        Upgraded {
            app,
            key,
            u_label,
            decomposed,
        }
    }
}

struct Upgraded {
    app: TestApp,
    key: String,
    /// The open and the unsubscribe token of the message to [`U_LABEL`].
    u_label: (String, String),
    decomposed: (String, String),
}

impl Upgraded {
    async fn read(&self, route: &str, email: &str) -> Value {
        self.app.caught_up().await;
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", email)
            .finish();
        let path = format!("{route}?{query}");
        let answer = self.app.get_with(&path, &self.key).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    async fn contact(&self, email: &str) -> Value {
        self.read("/v1/contacts", email).await["contacts"][0].clone()
    }

    async fn names(&self, email: &str) -> Vec<String> {
        let list = self.read("/v1/events", email).await;
        let events = list["events"].as_array().unwrap().iter();
        let mut names: Vec<String> = events
            .map(|event| event["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

fn store() -> OldStore {
    let mut store = OldStore::new();
    store.track(A_LABEL);
    store.track(U_LABEL);
    store.send_and_click(U_LABEL, "m-u");
    store.order(U_LABEL, "o-u");
    store.send_and_click(DECOMPOSED, "m-d");
    store.unsubscribe(DECOMPOSED, "m-d");
    store.order(DECOMPOSED, "o-d");
    store.track(PLAIN);
    store.track(KELVIN);
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn two_contacts_of_one_address_are_one_with_all_that_they_did() {
    let app = store().open().await;
    let all = [
        "email_clicked",
        "email_sent",
        "joined",
        "joined",
        "purchase",
    ];
    for email in [U_LABEL, A_LABEL, "KATE@EXÁMPLE.person.example"] {
        assert_eq!(app.names(email).await, all, "{email}");
        assert_eq!(app.contact(email).await["email"], U_LABEL);
    }
    // Tokens tell no address: it is shown all the same.
    let list = app.read("/v1/events", A_LABEL).await;
    let events = list["events"].as_array().unwrap();
    assert!(
        events
            .iter()
            .all(|event| event["email"] == U_LABEL || event["email"] == A_LABEL)
    );
    let report = app.app.get("/v1/reports/messages/m-u").await;
    assert_eq!(
        report.body["clicks"]["genuine"]["total"], 1,
        "{}",
        report.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_unsubscribed_stays_so_and_old_mails_find_their_contact() {
    let app = store().open().await;
    for email in [DECOMPOSED, COMPOSED] {
        let contact = app.contact(email).await;
        assert!(contact["unsubscribedAt"].is_string(), "{contact}");
        assert_eq!(contact["email"], DECOMPOSED);
    }
    // Once for each message and contact, also across the rule.
    let on_disk = app.app.on_disk();
    let (open, unsubscribe) = &app.u_label;
    let agent = [("user-agent", HUMAN)];
    let path = format!("/mail/track/open/{open}");
    ask(&app.app, Method::GET, &path, &agent).await;
    settled(&app.app, on_disk + 1).await;
    assert!(app.contact(A_LABEL).await["unsubscribedAt"].is_null());
    for _ in 0..2 {
        let path = format!("/mail/unsubscribe/{unsubscribe}");
        let answer = ask(&app.app, Method::POST, &path, &agent).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(app.app.on_disk(), on_disk + 2);
    for email in [U_LABEL, A_LABEL] {
        let contact = app.contact(email).await;
        assert!(contact["unsubscribedAt"].is_string(), "{contact}");
        let names = app.names(email).await;
        assert!(names.contains(&"email_opened".to_owned()));
        assert!(names.contains(&"email_unsubscribed".to_owned()));
    }
    // What is written from now on names the contact by its id of today.
    let records = app.app.app.log.read_from(Default::default(), 100).unwrap();
    let key = app.app.app.meta.key_of(WorkspaceId(1)).unwrap();
    let newest = records.last().unwrap().entry.fact.send().unwrap().contact;
    assert_eq!(newest, Some(key.contact(A_LABEL)));
    let (open, _) = &app.decomposed;
    let path = format!("/mail/track/open/{open}");
    ask(&app.app, Method::GET, &path, &agent).await;
    settled(&app.app, on_disk + 3).await;
    let names = app.names(COMPOSED).await;
    assert!(names.contains(&"email_opened".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_then_is_a_duplicate_however_its_address_is_spelled_now() {
    let app = store().open().await;
    let order = async |email: &str, order_id: &str| {
        let body = json!({"email": email, "orderId": order_id, "revenue": 5, "currency": "EUR"});
        app.app.post("/v1/track/purchase", &app.key, &body).await
    };
    for (order_id, spellings) in [
        ("o-u", [U_LABEL, A_LABEL, "kate@EXÁMPLE.person.example"]),
        ("o-d", [DECOMPOSED, COMPOSED, "RENÉ@person.example"]),
    ] {
        for spelling in spellings {
            let answer = order(spelling, order_id).await;
            assert_eq!(answer.status, 200, "{spelling:?}: {}", answer.text);
            assert_eq!(answer.body["reason"], "duplicate", "{}", answer.text);
        }
        let answer = order(PLAIN, order_id).await;
        answer.is_refused(409, "order_conflict");
        assert_eq!(answer.body["error"]["fields"], json!(["email"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_alike_of_then_stays_whom_it_was_merged_with_and_is_not_shown() {
    let app = store().open().await;
    assert_eq!(app.names(PLAIN).await, ["joined", "joined"]);
    assert_eq!(app.contact(PLAIN).await["email"], PLAIN);
    let body = json!({"email": KELVIN, "event": "joined"});
    let answer = app.app.post("/v1/track/event", &app.key, &body).await;
    answer.is_refused_for("email", "invalid_email");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_and_another_start_say_the_same() {
    let app = store().open().await;
    let views = |app: &TestApp| app.app.views.dump().unwrap();
    app.contact(A_LABEL).await;
    let expected = views(&app.app);
    app.app.app.projector.rebuild(|_, _| {}).await.unwrap();
    assert_eq!(views(&app.app), expected);
    let (again, _) = app.app.restart().await;
    assert_eq!(views(&again), expected);
    assert_eq!(again.app.meta.former_looked_through(), None);
}
