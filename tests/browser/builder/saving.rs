//! A segment's life in the builder: made from a template, changed after a look at who moves, explained, copied, deleted.

use serde_json::json;

use super::{choose, counted, document, key, look_at, open, shop, text_of};
use crate::live;

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_made_changed_explained_copied_and_deleted() {
    let people = shop::people();
    let (collector, _gate, browser) = open(&people).await;
    browser.click("#new-segment").await;
    browser.click("[data-template='0']").await;
    let name = browser
        .run("return document.querySelector('#segment-name').value")
        .await;
    assert_eq!(name, "Trial without purchase");
    counted(&browser).await;
    browser.click("#save").await;
    text_of(&browser, "#builder-note", "Saved").await;
    text_of(&browser, "#builder-title", "Change segment").await;

    // Another plan: first it is said who would move, and nothing happens until somebody agrees.
    let id = browser
        .run("return location.hash.replace('#edit=', '')")
        .await;
    let path = format!("/v1/segments/{}", id.as_str().unwrap_or_default());
    browser.fill(&key("all[0].event"), "invited").await;
    counted(&browser).await;
    browser.click("#save").await;
    let bought = |person: &&shop::Person| person.orders > 0;
    let before: Vec<_> = people
        .iter()
        .filter(|person| {
            !bought(person)
                && person
                    .events
                    .iter()
                    .any(|event| event.name == "trial_started" && !event.is_old)
        })
        .map(|person| &person.email)
        .collect();
    let after: Vec<_> = people
        .iter()
        .filter(|person| !bought(person) && person.did("invited"))
        .map(|person| &person.email)
        .collect();
    let enter = after.iter().filter(|email| !before.contains(email)).count();
    let leave = before.iter().filter(|email| !after.contains(email)).count();
    assert!(enter > 1 && leave > 1, "{enter} {leave}");
    let words = format!("Now {enter} contacts would enter and {leave} contacts would leave.");
    text_of(&browser, "#builder-asks", &words).await;
    look_at(&browser, "builder-diff").await;
    browser.click("#builder-no").await;
    assert_eq!(collector.read(&path).await["version"], 1);
    browser.click("#save").await;
    text_of(&browser, "#builder-asks", &words).await;
    browser.click("#builder-yes").await;
    text_of(&browser, "#builder-note", "Saved").await;
    assert_eq!(collector.read(&path).await["version"], 2);

    // Why in, why not, for one address.
    browser.click("#why summary").await;
    browser.fill("#why-email", &people[2].email).await;
    browser.click("#why-form button").await;
    text_of(&browser, "#why-words", "is not in this segment").await;
    let reasons = text_of(&browser, "#why-conditions", "purchase").await;
    assert!(
        reasons.contains("No. ") && reasons.contains("Yes. "),
        "{reasons}"
    );
    // The versions of before, one of which goes back into the draft.
    browser.click("#history summary").await;
    text_of(&browser, "#versions", "Version 1").await;
    look_at(&browser, "builder-saved").await;
    browser.click("#versions li:last-child button").await;
    assert_eq!(document(&browser).await["all"][0]["event"], "trial_started");
    browser.click("#undo").await;
    assert_eq!(document(&browser).await["all"][0]["event"], "invited");

    // The address is the state, also for who comes back.
    browser.run("location.reload()").await;
    text_of(&browser, "#builder-title", "Change segment").await;
    counted(&browser).await;
    browser.click("#duplicate").await;
    text_of(&browser, "#builder-note", "This is the copy").await;
    browser.click("#delete").await;
    text_of(&browser, "#builder-asks", "Copy of Trial without purchase").await;
    browser.click("#builder-yes").await;
    text_of(&browser, "#groups", "Trial without purchase").await;
    assert_eq!(
        collector.read("/v1/segments").await["segments"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    live::nothing_to_complain_of(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_json_and_undo_are_one_document() {
    let people = shop::people();
    let (_collector, _gate, browser) = open(&people).await;
    browser.click("#new-segment").await;
    counted(&browser).await;
    browser
        .run("document.querySelector('#json').closest('details').open = true")
        .await;
    let definition = json!({"any": [
        {"event": "invited", "within": "30d"},
        {"all": [
            {"event": "page_*", "max": "n", "gte": 10, "lt": 40},
            {"not": {"lastSeen": {"within": "90d"}, "includeNew": false}},
            {"sequence": [{"event": "trial_started"}, {"purchase": {"currency": "EUR"}}], "within": "7d"},
            {"trait": "plan", "in": ["pro", 12, true]},
            {"firstSeen": {"before": {"ago": "30d"}}},
            {"message": "sent", "without": "opened", "count": {"gte": 2, "lte": 5}},
            {"score": {"gte": 1.5}}
        ]}
    ]});
    browser.fill("#json", &definition.to_string()).await;
    counted(&browser).await;
    browser.wait_for_element(&key("any[1].all[0].max")).await;
    look_at(&browser, "builder-whole-grammar").await;
    choose(&browser, "any[1].all[0].gt?", "lte").await;
    browser.fill(&key("any[1].all[0].lte"), "7.5").await;
    assert_eq!(
        document(&browser).await["any"][1]["all"][0],
        json!({"event": "page_*", "max": "n", "lte": 7.5})
    );
    browser
        .fill("#json", "{\"all\":[{\"event\":\"a\",\"witin\":\"7d\"}]}")
        .await;
    text_of(
        &browser,
        "#json-error",
        "all[0].witin: `witin` is no word here: did you mean `within`?",
    )
    .await;
    browser.wait_for_element(&key("any[1].all[0].max")).await;
    // Letting go of what is no definition brings the document back; what was done to it is taken back step by step.
    for _ in 0..9 {
        browser.click("#undo:not(:disabled)").await;
        if browser
            .run("return document.querySelector('#undo').disabled")
            .await
            == true
        {
            break;
        }
    }
    assert_eq!(document(&browser).await, json!({"all": []}));
    live::nothing_to_complain_of(&browser).await;
}
