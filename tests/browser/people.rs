//! The pages of contacts and of segments, and moves on the live page: what they show, by hand and on a phone.

use serde_json::{Value, json};
use tests::chromium::{Browser, pictures};
use tests::collector::Collector;

use crate::live;

const ADA: &str = "ada@example.com";

/// A collector in which Ada and Ben did something, with a segment of each kind.
async fn lived() -> (Collector, String) {
    let collector = Collector::start().await;
    let traits = json!({"plan": "pro", "seats": 12, "note": "<b>bold</b>"});
    let ada = json!({"email": ADA, "traits": traits});
    collector.post("/v1/identify", ada).await;
    for (email, event) in [
        (ADA, "trial_started"),
        ("ben@example.com", "trial_started"),
        (ADA, "invited"),
    ] {
        let properties = json!({"plan": "pro", "from": "<img src=x onerror=alert(1)>"});
        collector
            .send(json!({"email": email, "event": event, "properties": properties}))
            .await;
    }
    let held = json!({"email": ADA, "reason": "manual"});
    collector.post("/v1/suppressions", held).await;
    let segment = create(&collector, "Invited", json!({"event": "invited"})).await;
    create(&collector, "Buyers", json!({"purchase": {}})).await;
    (collector, segment)
}

async fn create(collector: &Collector, name: &str, definition: Value) -> String {
    let body = json!({"name": name, "definition": definition});
    let made = collector.post("/v1/segments", body).await;
    made["id"].as_str().expect("a segment is made").to_owned()
}

/// Opens one of our pages with a link that lets in.
async fn open(browser: &Browser, collector: &Collector, page: &str) {
    let link = collector.new_link();
    browser
        .goto(&link.replace("/live#", &format!("{page}#")))
        .await;
}

async fn text_of(browser: &Browser, selector: &str, part: &str) -> String {
    // What is hidden has a text too.
    let script = format!(
        "const place = document.querySelector({});
         const text = place?.checkVisibility() ? place.innerText : '';
         return text.includes({}) && text",
        json!(selector),
        json!(part)
    );
    let text = browser
        .wait_for(&format!("{part} in {selector}"), &script)
        .await;
    text.as_str().unwrap_or_default().to_owned()
}

/// Looks at the page in every way that it is looked at; nothing may stick out at the side.
async fn look_at(browser: &Browser, name: &str) {
    for (scheme, size, width, height) in [
        ("light", "wide", 1280, 900),
        ("dark", "wide", 1280, 900),
        ("light", "phone", 360, 740),
        ("dark", "phone", 360, 740),
    ] {
        browser.look(scheme, width, height).await;
        let sticks_out = "return document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.run(sticks_out).await, false, "{name} {size}");
        let file = format!("{name}-{size}-{scheme}.png");
        browser.screenshot(&pictures().join(file)).await;
    }
    browser.look("light", 1280, 900).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_and_shown_with_score_segments_traits_and_timeline() {
    let (collector, _) = lived().await;
    let browser = Browser::open().await;
    open(&browser, &collector, "/contacts").await;
    browser
        .wait_for_element("#people [data-email='ben@example.com']")
        .await;
    look_at(&browser, "contacts").await;
    browser.fill("#find-text", "ada").await;
    browser.click("#find button").await;
    browser
        .wait_for(
            "only who was looked for",
            "const people = [...document.querySelectorAll('#people [data-email]')];
             return people.length === 1 && people[0].dataset.email === 'ada@example.com'",
        )
        .await;
    browser
        .click("#people [data-email='ada@example.com'] a")
        .await;

    text_of(&browser, "#one-mail", "no mail: manual").await;
    text_of(&browser, "#groups-in", "Invited").await;
    text_of(&browser, "#groups-out", "Buyers").await;
    let traits = text_of(&browser, "#traits", "plan").await;
    for part in ["pro", "seats", "12", "<b>bold</b>"] {
        assert!(traits.contains(part), "{traits}");
    }
    text_of(&browser, "#timeline", "segment_entered").await;
    text_of(&browser, "#timeline", "trial_started").await;
    // Events of a server, two points each, an instant ago.
    let score = text_of(&browser, "#score", "").await;
    assert!(
        score.parse::<f64>().is_ok_and(|score| score > 3.9),
        "{score}"
    );
    // One decimal is shown, all of them where one points.
    assert!(
        score
            .split_once('.')
            .is_some_and(|(_, decimals)| decimals.len() == 1),
        "{score}"
    );
    let exact = browser
        .run("return document.getElementById('score').title")
        .await;
    let exact = exact.as_str().and_then(|exact| exact.parse::<f64>().ok());
    assert!(
        exact.is_some_and(|exact| format!("{exact:.1}") == score),
        "{exact:?}"
    );
    let counting = text_of(&browser, "#score-events", "+2").await;
    for name in ["invited", "trial_started"] {
        assert!(counting.contains(name), "{counting}");
    }
    browser.click("#timeline [data-name=invited] summary").await;
    let detail = text_of(
        &browser,
        "#timeline [data-name=invited] .detail",
        "Properties",
    )
    .await;
    assert!(detail.contains("<img src=x"), "{detail}");
    look_at(&browser, "contact").await;
    assert!(!browser.shows_a_dialog().await);
    // Its address is one's own: it opens where it was, and the way back leads to the list.
    let address = browser.run("return location.href").await;
    let address = address.as_str().unwrap_or_default();
    assert!(
        address.ends_with("/contacts#email=ada%40example%2Ecom"),
        "{address}"
    );
    browser.goto("about:blank").await;
    browser.goto(address).await;
    text_of(&browser, "#groups-in", "Invited").await;
    browser.click("#one a[href='#']").await;
    browser
        .wait_for_element("#people [data-email='ben@example.com']")
        .await;
    browser
        .goto(
            &address
                .replace("ada", "nobody")
                .replace("/contacts", "/contacts?again"),
        )
        .await;
    text_of(&browser, "#one-note", "contact").await;
    live::nothing_to_complain_of_but(&browser, "404").await;
}

/// It was dropped as something that nobody waited for any more, and never asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_on_its_way_when_somebody_was_opened_is_there_on_the_way_back() {
    let (collector, _) = lived().await;
    let browser = Browser::open().await;
    open(&browser, &collector, "/contacts").await;
    let ben = "#people [data-email='ben@example.com']";
    browser.wait_for_element(ben).await;
    browser
        .run(
            "const real = window.fetch;
             const held = new Promise(letGo => { window.letGo = letGo });
             window.fetch = async (...asked) => {
                 if (String(asked[0].url ?? asked[0]).includes('/v1/contacts?')) await held;
                 return real(...asked);
             };
             return null",
        )
        .await;
    browser.click("#find button").await;
    let is_empty = "return !document.querySelector('#people [data-email]')";
    browser.wait_for("the list to be asked for", is_empty).await;
    let open_ada = "location.hash = '#email=ada%40example.com'; return null";
    browser.run(open_ada).await;
    text_of(&browser, "#groups-in", "Invited").await;
    browser.run("window.letGo(); return null").await;
    browser.click("#one a[href='#']").await;
    browser.wait_for_element(ben).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_listed_with_their_sentence_their_count_and_their_members_by_page() {
    let (collector, segment) = lived().await;
    let browser = Browser::open().await;
    open(&browser, &collector, "/segments").await;
    let row = format!("[data-segment-id='{segment}']");
    let told = text_of(&browser, &row, "1 member").await;
    assert!(
        told.contains("Invited") && told.contains("Contacts who have done"),
        "{told}"
    );
    // More than a page of members.
    let people: Vec<Value> = (0..60)
        .map(|at| json!({"type": "track", "event": "invited", "email": format!("p{at}@example.com")}))
        .collect();
    collector
        .post("/v1/track/batch", json!({"events": people}))
        .await;
    browser.click(&format!("{row} summary")).await;
    let members = format!("{row} .members li");
    let count = format!(
        "return document.querySelectorAll({}).length",
        json!(members)
    );
    browser
        .wait_for("a page of members", &format!("{count} === 50"))
        .await;
    look_at(&browser, "segments").await;
    browser.click(&format!("{row} .more")).await;
    browser
        .wait_for("all members", &format!("{count} === 61"))
        .await;
    // A member leads to their page, and that back to the segment.
    browser
        .click(&format!("{row} .members a[href*='ada']"))
        .await;
    text_of(&browser, "#one-email", ADA).await;
    browser.click("#groups-in a").await;
    browser
        .wait_for_element(&format!("{row} details[open] .members li"))
        .await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_segment_the_page_says_how_one_is_made() {
    let collector = Collector::start().await;
    let browser = Browser::open().await;
    open(&browser, &collector, "/segments").await;
    text_of(&browser, "#no-groups", "misar segments create").await;
    browser.click("nav a[href='/contacts']").await;
    text_of(&browser, "#people-note", "Nobody is known yet").await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_stand_on_the_live_page_with_their_cause_and_lead_to_contact_and_segment() {
    let (collector, segment) = lived().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    collector
        .send(json!({"email": "ben@example.com", "event": "invited"}))
        .await;
    let moved = "#events [data-status=moved][data-name=segment_entered]";
    let told = text_of(&browser, moved, "Invited").await;
    assert!(
        told.contains("ben@example.com") && told.contains("moved"),
        "{told}"
    );
    text_of(&browser, "#moves", "1 moved").await;
    browser
        .run("const choice = document.querySelector('#verdict-filter'); choice.value = 'moved'; choice.dispatchEvent(new Event('change', { bubbles: true }));")
        .await;
    browser
        .wait_for(
            "moves alone",
            "return [...document.querySelectorAll('#events > :not([hidden])')].every((row) => row.dataset.status === 'moved')",
        )
        .await;
    browser.click(&format!("{moved} summary .verdict")).await;
    let facts = text_of(&browser, &format!("{moved} .facts"), "Cause").await;
    assert!(facts.contains("event") && facts.contains("Due"), "{facts}");
    look_at(&browser, "live-moves").await;
    browser.click(&format!("{moved} .detail a")).await;
    browser
        .wait_for_element(&format!("[data-segment-id='{segment}'] details[open]"))
        .await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_the_live_page_leads_to_its_contact() {
    let (collector, _) = lived().await;
    let browser = Browser::open().await;
    live::open(&browser, &collector.new_link()).await;
    live::row_named(&browser, "invited").await;
    browser
        .click("#events [data-name=invited] .contact a")
        .await;
    text_of(&browser, "#one-email", ADA).await;
    text_of(&browser, "#traits", "plan").await;
    live::nothing_to_complain_of(&browser).await;
}
