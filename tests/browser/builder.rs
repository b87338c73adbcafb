//! Segments → New segment → Event condition: written by mouse and by keys alone, counted against all that was sent.
//!
//! - `shop`: who did what, and whom a question is about, by looking at all of it
//! - `saving`: a segment's life: made, changed, explained, copied, deleted

mod saving;
mod shop;

use serde_json::{Value, json};
use tests::chromium::keys::{ALT, BACKSPACE, CONTROL, DOWN, ENTER, RELEASE, SHIFT, TAB, UP};
use tests::chromium::{Browser, pictures};
use tests::collector::Collector;
use tests::gate::{Gate, Obstacle};

use crate::live;

/// Opens the builder in a browser of its own, behind a gate.
async fn open(people: &[shop::Person]) -> (Collector, Gate, Browser) {
    let (collector, gate) = Collector::start_behind_a_gate().await;
    shop::send(&collector, people).await;
    let browser = Browser::open().await;
    let link = collector.new_link();
    browser.goto(&link.replace("/live#", "/segments#")).await;
    text_of(&browser, "#new-segment", "New segment").await;
    (collector, gate, browser)
}

async fn text_of(browser: &Browser, selector: &str, part: &str) -> String {
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

/// The selector of what has a key.
fn key(key: &str) -> String {
    format!("[data-key='{key}']")
}

/// Chooses as a mouse does.
async fn choose(browser: &Browser, field: &str, option: &str) {
    browser
        .click(&format!("{} option[value='{option}']", key(field)))
        .await;
}

/// Waits until the count is of the draft as it stands, and says it.
async fn counted(browser: &Browser) -> u64 {
    // What keeps it from being counted is told where it is waited for in vain.
    let script = "const { count } = document.querySelector('.told').dataset;
        const stays = ['refused', 'given-up', 'unfinished'].includes(count);
        if (!stays) { delete window.stays; }
        else if (performance.now() - (window.stays ??= performance.now()) > 20_000)
          return `${count}: ${document.querySelector('#told-words').textContent}`;
        return count === 'fresh' && document.querySelector('#told-count').textContent";
    let text = browser.wait_for("a count of this draft", script).await;
    let text = text.as_str().unwrap_or_default().replace(',', "");
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// The document as it stands beside the rows.
async fn document(browser: &Browser) -> Value {
    let text = browser
        .run("return document.querySelector('#json').value")
        .await;
    serde_json::from_str(text.as_str().unwrap_or_default()).unwrap_or_default()
}

/// What has the focus.
async fn focused(browser: &Browser) -> String {
    let script = "return document.activeElement?.dataset.key ?? document.activeElement?.id ?? ''";
    let focused = browser.run(script).await;
    focused.as_str().unwrap_or_default().to_owned()
}

/// Presses a key until something has the focus.
async fn press_until(browser: &Browser, pressed: &str, wanted: &str) {
    for _ in 0..80 {
        if focused(browser).await == wanted {
            return;
        }
        browser.press(pressed).await;
    }
    panic!(
        "{wanted} is not reached by keys: {} is",
        focused(browser).await
    );
}

/// Types in place of what stands in the field that has the focus.
async fn over_type(browser: &Browser, text: &str) {
    browser.press(&format!("{CONTROL}a{RELEASE}{text}")).await;
}

/// Goes through a choice with the arrow key until it stands at a value.
async fn choose_by_keys(browser: &Browser, field: &str, option: &str) {
    let value = format!(
        "return document.querySelector({})?.value",
        json!(key(field))
    );
    for _ in 0..20 {
        if browser.run(&value).await == option {
            return;
        }
        browser.press(DOWN).await;
        assert_eq!(focused(browser).await, field, "the choice keeps the focus");
    }
    panic!("{option} is not reached in {field}");
}

/// Nothing sticks out at the side, and everything that can be set has a name, in every look.
async fn look_at(browser: &Browser, name: &str) {
    for (scheme, size, width, height) in [
        ("light", "wide", 1280, 1100),
        ("dark", "wide", 1280, 1100),
        ("light", "phone", 360, 1500),
        ("dark", "phone", 360, 1500),
    ] {
        browser.look(scheme, width, height).await;
        let sticks_out = "return document.documentElement.scrollWidth > innerWidth";
        assert_eq!(browser.run(sticks_out).await, false, "{name} {size}");
        let file = format!("{name}-{size}-{scheme}.png");
        browser.screenshot(&pictures().join(file)).await;
    }
    let nameless = "return [...document.querySelectorAll('#builder input, #builder select, #builder textarea, #builder button')]
        .filter((field) => field.checkVisibility() && !field.ariaLabel && !field.labels?.length && !field.textContent.trim())
        .map((field) => field.outerHTML)";
    assert_eq!(browser.run(nameless).await, json!([]), "{name}");
    browser.look("light", 1280, 900).await;
}

/// Who began a trial of the plan pro twice or more in the last week and bought nothing.
fn is_wanted(person: &shop::Person) -> bool {
    let trials = person.events.iter().filter(|event| {
        event.name == "trial_started" && event.properties["plan"] == "pro" && !event.is_old
    });
    trials.count() >= 2 && person.orders == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_condition_is_written_with_the_mouse_and_counts_exactly_whom_it_is_about() {
    let people = shop::people();
    let expected = people.iter().filter(|person| is_wanted(person)).count() as u64;
    assert!((2..20).contains(&expected), "{expected}");
    let (_collector, _gate, browser) = open(&people).await;
    browser.click("#new-segment").await;
    text_of(&browser, "#builder-templates", "Trial without purchase").await;
    assert_eq!(counted(&browser).await, people.len() as u64);
    look_at(&browser, "builder-empty").await;

    browser.click("[data-do=add][data-kind=event]").await;
    text_of(&browser, "#told-words", "something is still missing").await;
    text_of(&browser, "#rows .missing", "Name of the event").await;
    // What is typed is completed from what was sent.
    browser.click(&key("all[0].event")).await;
    browser
        .wait_for(
            "names of events",
            "return document.querySelector(\"#completions option[value='trial_started']\")?.textContent.includes('of the newest')",
        )
        .await;
    browser.fill(&key("all[0].event"), "trial_started").await;
    let began = people
        .iter()
        .filter(|person| person.did("trial_started"))
        .count() as u64;
    assert_eq!(counted(&browser).await, began);
    browser
        .click(&format!("summary{}", key("all[0].where+")))
        .await;
    browser.click(&key("all[0].where+ where")).await;
    browser.fill(&key("all[0].where[0].property"), "plan").await;
    browser.fill(&key("all[0].where[0].eq"), "pro").await;
    choose(&browser, "all[0].count?", "count").await;
    browser.fill(&key("all[0].count.gte"), "2").await;
    choose(&browser, "all[0].within?", "within").await;
    browser.fill(&key("all[0].within"), "7").await;
    browser
        .click("[data-do=add][data-kind=purchase][data-path='']")
        .await;
    browser.click(&key("all[1] not")).await;

    assert_eq!(
        document(&browser).await,
        json!({"all": [
            {"event": "trial_started", "where": [{"property": "plan", "eq": "pro"}], "count": {"gte": 2}, "within": "7d"},
            {"not": {"purchase": {}}}
        ]})
    );
    assert_eq!(counted(&browser).await, expected);
    text_of(
        &browser,
        "[data-path='all[1]'] > .left",
        &format!("{expected} left"),
    )
    .await;
    text_of(&browser, "#sentence", "have not ordered").await;
    // Those who are named are those who are meant.
    let named = browser
        .run("return [...document.querySelectorAll('#told-members a')].map((link) => link.textContent)")
        .await;
    let named = named.as_array().cloned().unwrap_or_default();
    assert_eq!(named.len() as u64, expected.min(10));
    for email in &named {
        let person = people.iter().find(|person| email == person.email.as_str());
        assert!(person.is_some_and(is_wanted), "{email}");
    }
    look_at(&browser, "builder").await;

    // With a window the opposite asks who is meant; without an answer nothing is counted.
    choose(&browser, "all[1].not.within?", "within").await;
    text_of(
        &browser,
        "#rows [data-path='all[1]'] .missing",
        "younger than the window",
    )
    .await;
    choose(&browser, "all[1].not.includeNew?", "true").await;
    counted(&browser).await;
    text_of(
        &browser,
        "#told-warnings",
        "Whether newer contacts are meant matters for",
    )
    .await;
    // A name that nobody sent leaves nobody, and the row says so.
    browser.fill(&key("all[0].event"), "never_sent").await;
    text_of(
        &browser,
        "[data-path='all[0]'] > .left",
        "Nobody is left after this condition",
    )
    .await;
    text_of(&browser, "#told-warnings", "never_sent").await;
    look_at(&browser, "builder-nobody").await;
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_written_counted_and_saved_with_keys_alone() {
    let people = shop::people();
    let expected = people.iter().filter(|person| is_wanted(person)).count() as u64;
    let (collector, _gate, browser) = open(&people).await;
    press_until(&browser, TAB, "new-segment").await;
    browser.press(ENTER).await;
    press_until(&browser, TAB, "segment-name").await;
    browser.press("Trial without purchase").await;
    press_until(&browser, TAB, " add event").await;
    browser.press(ENTER).await;
    assert_eq!(focused(&browser).await, "all[0].event");
    browser.press("trial_started").await;
    press_until(&browser, TAB, "all[0].count?").await;
    choose_by_keys(&browser, "all[0].count?", "count").await;
    press_until(&browser, TAB, "all[0].count.gte").await;
    over_type(&browser, "2").await;
    press_until(&browser, TAB, "all[0].within?").await;
    choose_by_keys(&browser, "all[0].within?", "within").await;
    press_until(&browser, TAB, "all[0].within").await;
    over_type(&browser, "7").await;
    press_until(&browser, TAB, "all[0].where+").await;
    browser.press(ENTER).await;
    press_until(&browser, TAB, "all[0].where+ where").await;
    browser.press(ENTER).await;
    assert_eq!(focused(&browser).await, "all[0].where[0].property");
    browser.press("plan").await;
    press_until(&browser, TAB, "all[0].where[0].eq").await;
    browser.press("pro").await;
    press_until(&browser, TAB, " add purchase").await;
    browser.press(ENTER).await;
    let back = format!("{SHIFT}{TAB}{RELEASE}");
    press_until(&browser, &back, "all[1] row").await;
    browser.press("n").await;
    assert_eq!(counted(&browser).await, expected);

    // Rows are gone through, moved, taken away and brought back by keys.
    browser.press(UP).await;
    assert_eq!(focused(&browser).await, "all[0] row");
    browser.press(DOWN).await;
    browser.press(&format!("{ALT}{UP}{RELEASE}")).await;
    assert_eq!(focused(&browser).await, "all[0] row");
    assert_eq!(
        document(&browser).await["all"][0],
        json!({"not": {"purchase": {}}})
    );
    browser.press(BACKSPACE).await;
    assert_eq!(
        document(&browser).await["all"].as_array().map(Vec::len),
        Some(1)
    );
    browser.press(&format!("{CONTROL}z{RELEASE}")).await;
    assert_eq!(
        document(&browser).await["all"].as_array().map(Vec::len),
        Some(2)
    );
    browser.press(&format!("{CONTROL}zz{RELEASE}")).await;
    browser.press(&format!("{CONTROL}{SHIFT}z{RELEASE}")).await;
    assert_eq!(
        document(&browser).await["all"][1],
        json!({"not": {"purchase": {}}})
    );
    assert_eq!(counted(&browser).await, expected);

    browser.press(&format!("{CONTROL}s{RELEASE}")).await;
    text_of(&browser, "#builder-note", "Saved").await;
    let id = browser
        .run("return location.hash.replace('#edit=', '')")
        .await;
    let id = id.as_str().unwrap_or_default().to_owned();
    let members = collector
        .read(&format!("/v1/segments/{id}/members?limit=1000"))
        .await;
    let members: Vec<&str> = members["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|member| member["email"].as_str())
        .collect();
    let meant = |email: &&str| {
        people
            .iter()
            .any(|person| person.email == *email && is_wanted(person))
    };
    assert_eq!(
        (members.len() as u64, members.iter().all(meant)),
        (expected, true)
    );
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_named_is_shown_as_text() {
    let hostile = shop::hostile();
    let (collector, _gate, browser) = open(&hostile).await;
    browser.click("#new-segment").await;
    browser.click("[data-do=add][data-kind=event]").await;
    for (at, person) in hostile.iter().enumerate() {
        let name = &person.events[0].name;
        browser.fill(&key("all[0].event"), name).await;
        assert_eq!(counted(&browser).await, 1, "{at}: {name}");
        let told = text_of(&browser, "#sentence", "have done").await;
        assert!(
            told.contains('<') || told.contains('&') || told.contains("{{"),
            "{told}"
        );
    }
    browser
        .click(&format!("summary{}", key("all[0].where+")))
        .await;
    browser.click(&key("all[0].where+ where")).await;
    let property = hostile[0].events[0]
        .properties
        .as_object()
        .and_then(|all| all.keys().next().cloned());
    browser
        .fill(
            &key("all[0].where[0].property"),
            &property.unwrap_or_default(),
        )
        .await;
    browser.click(&key("all[0].where[0].eq")).await;
    // A segment of a hostile name, in the list and in the choice of segments.
    let name = "<img src=x onerror=alert(1)>";
    let body = json!({"name": name, "definition": {"all": []}});
    collector.post("/v1/segments", body).await;
    browser
        .run("document.querySelector('#json').closest('details').open = true")
        .await;
    browser
        .fill(
            "#json",
            &json!({"trait": name, "eq": "<script>alert(1)</script>"}).to_string(),
        )
        .await;
    text_of(&browser, "#sentence", "<script>").await;
    let made = browser
        .run("return document.querySelectorAll('#builder img, #builder script, #builder svg, #builder iframe').length")
        .await;
    assert_eq!(made, 0);
    assert!(!browser.shows_a_dialog().await);
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_count_is_never_shown_as_the_new_one_and_an_outage_is_told() {
    let people = shop::people();
    let (_collector, gate, browser) = open(&people).await;
    browser.click("#new-segment").await;
    assert_eq!(counted(&browser).await, people.len() as u64);
    gate.idle().await;
    gate.obstruct(Obstacle::StallsOnce);
    browser.click("[data-do=add][data-kind=event]").await;
    browser.fill(&key("all[0].event"), "trial_started").await;
    text_of(
        &browser,
        "#told-words",
        "Counting … The number is of the draft before.",
    )
    .await;
    let count = "return document.querySelector('#told-count').textContent";
    assert_eq!(browser.run(count).await, people.len().to_string());
    browser.click("#stop-counting").await;
    text_of(&browser, "#told-words", "you stopped it").await;
    // By the button itself: what is told of the count may still be moving under a mouse.
    let again = "document.querySelector('#count-again').click();
        return document.querySelector('.told').dataset.count !== 'given-up'";
    browser.wait_for("the count to go on", again).await;
    let began = people
        .iter()
        .filter(|person| person.did("trial_started"))
        .count() as u64;
    assert_eq!(counted(&browser).await, began);

    gate.obstruct(Obstacle::Blocks);
    browser.fill(&key("all[0].event"), "invited").await;
    text_of(&browser, "#told-words", "Offline").await;
    gate.obstruct(Obstacle::Nothing);
    let invited = people.iter().filter(|person| person.did("invited")).count() as u64;
    assert_eq!(counted(&browser).await, invited);
    // One question at a time, each with the session's token.
    let asked = gate.passed();
    let asked: Vec<_> = asked
        .iter()
        .filter(|passed| passed.path.ends_with("/preview"))
        .collect();
    assert!(
        asked
            .iter()
            .all(|passed| passed.headers.contains_key("x-csrf-token"))
    );
}
