//! Who unsubscribed: it acts whatever the class, and its class comes from the evidence.

use reqwest::Method;
use store::record::{Class, ContactId, Seq};
use store::token::Token;

use crate::mail::{seal, sent};
use crate::support::{TestApp, spawn_app_behind};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const HEADLESS: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36";
const ORDINARY: &str = "198.51.100.7";
const SCANNER: &str = "40.107.1.2";
const MULTIPART: &str = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";

/// A POST of another contact each time; what its record says of who it was.
struct Stage {
    app: TestApp,
    contacts: u8,
}

impl Stage {
    async fn new() -> Self {
        let app = spawn_app_behind(&["127.0.0.0/8"]).await;
        Self { app, contacts: 0 }
    }

    async fn unsubscribe(
        &mut self,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (Class, String) {
        self.contacts += 1;
        let mut sent = sent();
        sent.contact = ContactId([self.contacts; 16]);
        let token = seal(&self.app, &Token::Unsubscribe(sent));
        let path = format!("/mail/unsubscribe/{token}");
        let mut request = self.app.ask(Method::POST, &path).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("You are unsubscribed"));
        let records = self.app.app.log.read_from(Seq::START, 1_000).unwrap();
        assert_eq!(records.len(), usize::from(self.contacts));
        let told_by = &records.last().unwrap().entry.told_by;
        told_by.class().cloned().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_click_post_of_any_body_is_a_mailbox_providers_for_its_reader() {
    let mut stage = Stage::new().await;
    let urlencoded = "application/x-www-form-urlencoded";
    for (kind, body, agent) in [
        (
            urlencoded,
            "List-Unsubscribe=One-Click",
            "Go-http-client/1.1",
        ),
        (urlencoded, "List-Unsubscribe=One-Click\r\n", BROWSER),
        ("multipart/form-data; boundary=b", MULTIPART, "Java/17.0.1"),
        (urlencoded, "", "python-requests/2.31.0"),
        ("text/plain", "", ""),
        ("application/json", "{\"odd\":true}", BROWSER),
    ] {
        let headers = [
            ("content-type", kind),
            ("user-agent", agent),
            ("x-forwarded-for", ORDINARY),
        ];
        let class = stage.unsubscribe(&headers, body).await;
        assert_eq!(
            class,
            (Class::ProxyHuman, "one_click".to_owned()),
            "{kind} {body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_presses_the_button_is_a_bot_and_what_it_asks_is_done_all_the_same() {
    let mut stage = Stage::new().await;
    for (address, agent, origin, body, class, reason) in [
        (
            ORDINARY,
            BROWSER,
            true,
            "from=page",
            Class::Human,
            "unsubscribe_form",
        ),
        (
            ORDINARY,
            BROWSER,
            true,
            "",
            Class::Human,
            "unsubscribe_form",
        ),
        (
            SCANNER,
            BROWSER,
            true,
            "from=page",
            Class::Bot,
            "scanner_network",
        ),
        (
            SCANNER,
            BROWSER,
            false,
            "List-Unsubscribe=One-Click",
            Class::Bot,
            "scanner_network",
        ),
        (
            ORDINARY,
            HEADLESS,
            true,
            "from=page",
            Class::Bot,
            "automation_agent",
        ),
        (
            ORDINARY,
            HEADLESS,
            false,
            "",
            Class::Bot,
            "automation_agent",
        ),
        (
            ORDINARY,
            "Mozilla/5.0 (compatible; Proofpoint/2.0)",
            false,
            "",
            Class::Bot,
            "security_vendor",
        ),
        (ORDINARY, "", true, "from=page", Class::Bot, "empty_agent"),
    ] {
        let mut headers = vec![("user-agent", agent), ("x-forwarded-for", address)];
        headers.extend(origin.then_some(("origin", "null")));
        let found = stage.unsubscribe(&headers, body).await;
        assert_eq!(
            found,
            (class, reason.to_owned()),
            "{address} {agent} {body}"
        );
    }
}
