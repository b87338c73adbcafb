//! The unsubscribe placeholder in whatever form and place: filled or refused, never sent dead.

use super::*;

const ENCODED: &str = "https://t.example/mail/u?x=1&amp;y=2";

/// What a message is refused for.
fn refusal(
    input: &str,
    instrument: fn(&str, &mut Plan<'_>) -> Instrumented,
) -> Option<MailRefusal> {
    let mut link = |index: u32, _: u32, _: &str| Some(format!("{OWN}c/{index}"));
    let mut plan = plan(LINKS, &mut link);
    instrument(input, &mut plan);
    plan.refused
}

#[track_caller]
fn assert_filled(input: &str, expected: &str) {
    assert_eq!(refusal(input, instrument_html), None, "{input}");
    assert_eq!(html(input).body, expected, "{input}");
}

#[track_caller]
fn assert_refused(input: &str, at: &str) {
    let place = input.find(at).unwrap();
    let expected = Some(MailRefusal::Placeholder(place));
    assert_eq!(refusal(input, instrument_html), expected, "{input}");
}

const FORMS: [&str; 27] = [
    "{{unsubscribe_url}}",
    "{{ unsubscribe_url }}",
    "{{UNSUBSCRIBE_URL}}",
    "{{ Unsubscribe_Url }}",
    "{{unsubscribeUrl}}",
    "{{unsubscribe-url}}",
    "{{{unsubscribe_url}}}",
    "{{& unsubscribe_url}}",
    "{unsubscribe_url}",
    "[[unsubscribe_url]]",
    "[unsubscribe_url]",
    "*|unsubscribe_url|*",
    "*|UNSUBSCRIBE_URL|*",
    "%unsubscribe_url%",
    "%%unsubscribe_url%%",
    "<%= unsubscribe_url %>",
    "${unsubscribe_url}",
    "#{unsubscribe_url}",
    "{% unsubscribe_url %}",
    "{$unsubscribe_url}",
    "##unsubscribe_url##",
    "((unsubscribe_url))",
    "%7B%7Bunsubscribe_url%7D%7D",
    "%7b%7b%20unsubscribe_url%20%7d%7d",
    "%5B%5Bunsubscribe_url%5D%5D",
    "*%7Cunsubscribe_url%7C*",
    "&#123;&#123;unsubscribe_url&rcub;&rcub;",
];

#[test]
fn a_link_that_is_the_placeholder_in_any_form_becomes_the_unsubscribe_link() {
    for form in FORMS {
        for before in [
            "",
            "http://",
            "https://",
            "HTTP://",
            "//",
            "http:",
            "https://http://",
        ] {
            for after in ["", "/"] {
                let input = format!("<a href=\"{before}{form}{after}\">Leave</a>");
                assert_filled(&input, &format!("<a href=\"{ENCODED}\">Leave</a>"));
            }
        }
        let input = format!("<a href=\"{form}?from=mail#x\">");
        assert_filled(&input, &format!("<a href=\"{ENCODED}?from=mail#x\">"));
    }
    assert_filled(
        "<a href='unsubscribe_url'>",
        &format!("<a href='{ENCODED}'>"),
    );
}

/// A reader's program decodes the text of a message that it begins; a sign of the address would end it.
#[test]
fn in_the_text_of_a_message_that_a_link_begins_it_is_filled_encoded() {
    let encoded = "https%3A%2F%2Ft.example%2Fmail%2Fu%3Fx%3D1%26y%3D2";
    for form in [
        "{{unsubscribe_url}}",
        "%7B%7Bunsubscribe_url%7D%7D",
        "http://{{unsubscribe_url}}",
    ] {
        for (before, after) in [
            ("mailto:help@shop.example?body=Leave: ", " bye"),
            ("MAILTO:help@shop.example?subject=Leave&amp;Body=", ""),
            ("mailto:?body=Leave%20", "%0D%0A&amp;subject=x"),
            ("sms:+15550100?body=", ""),
            ("sms:+15550100;body=", ""),
            ("sms:+15550100&amp;body=", ""),
        ] {
            assert_filled(
                &format!("<a href='{before}{form}{after}'>"),
                &format!("<a href='{before}{encoded}{after}'>"),
            );
        }
        let action =
            |url: &str| format!("<form action='mailto:a@shop.example?subject=x&amp;body={url}'>");
        assert_filled(&action(form), &action(encoded));
        let text = format!("mailto:a@shop.example?body={form}");
        assert_eq!(refusal(&text, instrument_text), None, "{text}");
        let filled = run(&text, LINKS, instrument_text).body;
        assert_eq!(filled, format!("mailto:a@shop.example?body={encoded}"));
    }
}

#[test]
fn behind_the_scheme_of_another_address_it_is_refused() {
    for before in [
        "mailto:",
        "MailTo:",
        "mailto://",
        "mailto:a@shop.example?subject=",
        "mailto:a@shop.example?body=x&amp;cc=",
        "mailto:a@shop.example,",
        "tel:",
        "sms:",
        "sms:+1?to=",
        "javascript:",
        "javascript:location=",
        "data:text/html,",
        "ftp://",
        "myapp:",
        "myapp://open?url=",
        "cid:",
    ] {
        for form in [
            "{{unsubscribe_url}}",
            "%7B%7Bunsubscribe_url%7D%7D",
            "http://{{unsubscribe_url}}",
        ] {
            for (open, close) in [("<a href=\"", "\">"), ("<form action=\"", "\">")] {
                let input = format!("{open}{before}{form}{close}");
                let refused = refusal(&input, instrument_html);
                assert!(
                    matches!(refused, Some(MailRefusal::Placeholder(_))),
                    "{input}"
                );
            }
        }
    }
    for before in [
        "mailto:",
        "tel:",
        "sms:",
        "javascript:",
        "<mailto:",
        "Write to mailto:a@b.example?subject=",
    ] {
        let input = format!("{before}{{{{unsubscribe_url}}}}");
        let refused = refusal(&input, instrument_text);
        assert!(
            matches!(refused, Some(MailRefusal::Placeholder(_))),
            "{input}"
        );
    }
    // A word before a colon is none.
    for before in ["Leave:", "Abmelden:", "Unsubscribe here:"] {
        let input = format!(
            "<p title=\"{before}{{{{unsubscribe_url}}}}\">{before}{{{{unsubscribe_url}}}}</p>"
        );
        assert_filled(
            &input,
            &format!("<p title=\"{before}{ENCODED}\">{before}{ENCODED}</p>"),
        );
    }
}

#[test]
fn it_is_filled_wherever_it_stands_in_a_document() {
    for form in FORMS {
        let input = format!(
            "<p>Copy this: {form}</p><!--[if mso]><v:roundrect href=\"{form}\"><center>Leave</center></v:roundrect><![endif]-->\
             <form action=\"http://{form}\" method=\"post\"><input value='{form}'></form><title>{form}</title>\
             <!--[if mso]><p>{form}</p><![endif]-->"
        );
        assert_filled(
            &input,
            &format!(
                "<p>Copy this: {ENCODED}</p><!--[if mso]><v:roundrect href=\"{ENCODED}\"><center>Leave</center></v:roundrect><![endif]-->\
                 <form action=\"{ENCODED}\" method=\"post\"><input value='{ENCODED}'></form><title>{ENCODED}</title>\
                 <!--[if mso]><p>{ENCODED}</p><![endif]-->"
            ),
        );
    }
    assert_filled(
        "<a data-misar-notrack href={{unsubscribe_url}}>x",
        &format!("<a href={ENCODED}>x"),
    );
    assert_filled(
        "<head><a href='{{unsubscribe_url}}'></a></head>",
        &format!("<head><a href='{ENCODED}'></a></head>"),
    );
}

#[test]
fn where_it_cannot_become_a_link_the_place_is_named() {
    for (input, at) in [
        (
            "<a href='https://shop.example/{{unsubscribe_url}}'>",
            "https",
        ),
        (
            "<a href='https://shop.example/?next={{unsubscribe_url}}'>",
            "https",
        ),
        (
            "<a href='https://shop.example/?next=%7B%7Bunsubscribe_url%7D%7D'>",
            "https",
        ),
        ("<a href='{{unsubscribe_url}}{{unsubscribe_url}}'>", "{{"),
        ("<a href='{{ unsubscribe_url | safe }}'>", "{{"),
        ("<a href='{{unsubscribe_url}'>", "{{"),
        ("<p>{{ unsubscribe_url | safe }}</p>", "unsubscribe"),
        ("<p>{{#if unsubscribe_url}}Leave{{/if}}</p>", "unsubscribe"),
        ("<p>{{<b>unsubscribe_url</b>}}</p>", "unsubscribe"),
        (
            "<form action='https://shop.example/{{unsubscribe_url}}'>",
            "{{",
        ),
        ("<p>Leave{{unsubscribe_url}}</p>", "{{"),
        ("<p>{{unsubscribe_url}}now</p>", "{{"),
        ("<p>myapp://open?url={{unsubscribe_url}}</p>", "{{"),
    ] {
        assert_refused(input, at);
    }
}

#[test]
fn what_is_plainly_something_else_stays() {
    for input in [
        "<p id=unsubscribe_url class='unsubscribe_url'>unsubscribe_url</p>",
        "<input name='unsubscribe_url'>",
        "<p>Write unsubscribe_url, or the unsubscribe URL (unsubscribe url).</p>",
        "<p>{{list_unsubscribe_url}} {{contact.unsubscribe_url}} {{unsubscribe_url_text}} {{unsubscribe}}</p>",
        "<p>*|UNSUB|* %mailing_list_unsubscribe_url% <%asm_group_unsubscribe_url%></p>",
        "<!-- {{unsubscribe_url}} -->",
        "<script>{\"unsubscribe_url\": 1}</script>",
        "<a href='#unsubscribe_url'>below</a>",
        "<unsubscribe_url>",
    ] {
        assert_filled(input, input);
    }
    for input in [
        "[Leave][unsubscribe_url]",
        "[unsubscribe_url]: x",
        "unsubscribe_url",
        "a {{unsubscribes_url}}",
    ] {
        assert_eq!(run(input, LINKS, instrument_text).body, input);
    }
}

#[test]
fn in_a_text_part_it_is_filled_or_refused_too() {
    for form in FORMS {
        for (before, after) in [
            ("Leave: ", "."),
            ("<", ">"),
            ("(http://", ")"),
            ("", ""),
            ("見て", "。"),
        ] {
            if before == "<" && form.starts_with('%') {
                // `<%…%>` are braces of their own.
                continue;
            }
            let input = format!("{before}{form}{after}");
            let expected = format!("{}{UNSUBSCRIBE}{after}", before.replace("http://", ""));
            assert_eq!(refusal(&input, instrument_text), None, "{input}");
            assert_eq!(
                run(&input, LINKS, instrument_text).body,
                expected,
                "{input}"
            );
        }
    }
    assert_eq!(
        run("<unsubscribe_url>", LINKS, instrument_text).body,
        UNSUBSCRIBE
    );
    for (input, at) in [
        ("https://shop.example/{{unsubscribe_url}}", "{{"),
        ("shop.example/?next={{unsubscribe_url}}", "{{"),
        ("{{ unsubscribe_url | escape }}", "unsubscribe"),
        ("Leave{{unsubscribe_url}}", "{{"),
    ] {
        let place = input.find(at).unwrap();
        let expected = Some(MailRefusal::Placeholder(place));
        assert_eq!(refusal(input, instrument_text), expected, "{input}");
    }
}
