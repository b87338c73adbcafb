//! `/docs`: the document as a page, pure. It needs no script; the one it names adds buttons that copy.

use std::fmt::Write as _;

use serde_json::Value;

use super::shape::{operations, target};
use super::{BASE, examples};
use crate::error::codes;

const HEAD: &str = include_str!("../../../www/docs.html");
/// Where the page goes into [`HEAD`].
const PLACE: &str = "<!-- document -->";

/// The whole page, with [`BASE`] for the server.
pub(super) fn of(document: &Value) -> String {
    let mut html = String::new();
    // Writing to a text cannot fail.
    let _ = write_page(&mut html, document);
    HEAD.replace(PLACE, &html)
}

/// The operations of a tag, by path; what changes something comes first, so that each example finds what
/// it asks for.
fn of_tag<'a>(document: &'a Value, tag: &str) -> Vec<(&'a str, &'a str, &'a Value)> {
    let mut found: Vec<_> = operations(document)
        .filter(|(_, _, operation)| operation["tags"][0] == tag)
        .collect();
    found.sort_by_key(|(path, method, _)| (*method == "get", *method == "delete", *path));
    found
}

fn write_page(html: &mut String, document: &Value) -> std::fmt::Result {
    let tags: Vec<_> = document["tags"].as_array().into_iter().flatten().collect();
    let name = |tag: &Value| text(&tag["name"]).to_owned();
    html.push_str("<nav class=\"contents\" aria-label=\"Contents\"><details open><summary>Contents</summary>\n");
    html.push_str("<p><a href=\"#start\">Start</a></p>\n");
    for tag in &tags {
        write!(html, "<p>{}</p>\n<ul>\n", title(&name(tag)))?;
        for (path, method, operation) in of_tag(document, &name(tag)) {
            let id = text(&operation["operationId"]);
            writeln!(
                html,
                "<li><a href=\"#{}\">{} {}</a></li>",
                escaped(id),
                method_chip(method),
                in_pieces(path)
            )?;
        }
        html.push_str("</ul>\n");
    }
    html.push_str("<p><a href=\"#codes\">Codes</a></p>\n<p><a href=\"#objects\">Objects</a></p>\n</details></nav>\n<div class=\"document\">\n");
    write_start(html, document)?;
    for tag in &tags {
        write!(
            html,
            "<section aria-labelledby=\"tag-{0}\">\n<h2 id=\"tag-{0}\">{1}</h2>\n",
            name(tag),
            title(&name(tag))
        )?;
        prose(html, text(&tag["description"]))?;
        for (path, method, operation) in of_tag(document, &name(tag)) {
            write_operation(html, document, path, method, operation)?;
        }
        html.push_str("</section>\n");
    }
    write_codes(html)?;
    write_objects(html, document)?;
    html.push_str("</div>\n");
    Ok(())
}

fn write_start(html: &mut String, document: &Value) -> std::fmt::Result {
    html.push_str("<section aria-labelledby=\"start\">\n<h1 id=\"start\">The API</h1>\n");
    let description = text(&document["info"]["description"]);
    // The table of codes has a place of its own here.
    let before_codes = description
        .split("\n\nThe codes, by status")
        .next()
        .unwrap_or_default();
    let (first, rest) = before_codes
        .split_once("\n\n")
        .unwrap_or((before_codes, ""));
    prose(html, first)?;
    html.push_str("<p>Make a key where misar runs; every request below then works as it is pasted, from the first to the last.</p>\n");
    code(
        html,
        "export KEY=$(misar keys create --scope admin --quiet)",
    )?;
    html.push_str(SCOPES);
    prose(html, rest)?;
    html.push_str("<p>For programs: <a href=\"/openapi.json\">openapi.json</a> (3.1) and <a href=\"/openapi-3.0.json\">openapi-3.0.json</a>.</p>\n</section>\n");
    Ok(())
}

const SCOPES: &str = "<p>A key holds scopes: <code>send</code> (events, purchases, identify), <code>write</code> \
(<code>send</code>, and messages), <code>contacts</code>, <code>read</code> (events, reports, the live stream), \
<code>admin</code> (all of them). Give each program what it needs: <code>misar keys create --scope send,read</code>.</p>\n";

fn write_operation(
    html: &mut String,
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
) -> std::fmt::Result {
    let id = escaped(text(&operation["operationId"]));
    writeln!(
        html,
        "<article class=\"card operation\" aria-labelledby=\"{id}\">"
    )?;
    writeln!(
        html,
        "<h3 id=\"{id}\"><a href=\"#{id}\">{} <code>{}</code></a></h3>\n<p class=\"summary\">{}</p>",
        method_chip(method),
        in_pieces(path),
        escaped(text(&operation["summary"]))
    )?;
    prose(html, text(&operation["description"]))?;
    writeln!(html, "<p class=\"small\">{}</p>", who(operation))?;
    match examples::of(document, path, method, operation) {
        Ok(command) => code(html, &command)?,
        Err(without) => writeln!(
            html,
            "<p class=\"small\">{}</p>",
            escaped(without.sentence())
        )?,
    }
    let parameters: Vec<_> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    if !parameters.is_empty() {
        html.push_str("<h4>Parameters</h4>\n<dl class=\"fields\">\n");
        for parameter in parameters {
            let place = text(&parameter["in"]);
            let described = parameter
                .get("description")
                .unwrap_or(&parameter["schema"]["description"]);
            write_field(
                html,
                text(&parameter["name"]),
                &parameter["schema"],
                parameter["required"] == true,
                Some(place),
                text(described),
            )?;
        }
        html.push_str("</dl>\n");
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if let Some(name) = target(body) {
        html.push_str("<details><summary><h4>Body</h4></summary>\n");
        write_fields(html, &document["components"]["schemas"][name])?;
        html.push_str("</details>\n");
    }
    html.push_str("<h4>Answers</h4>\n<dl class=\"fields answers\">\n");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        write!(html, "<dt><code>{}</code>", escaped(status))?;
        for (media, content) in response["content"].as_object().into_iter().flatten() {
            let kind = if media == "application/json" {
                String::new()
            } else {
                format!(" {}", escaped(media))
            };
            write!(
                html,
                " <span class=\"type\">{}{kind}</span>",
                type_of(&content["schema"])
            )?;
        }
        html.push_str("</dt>\n<dd>");
        inline(html, text(&response["description"]))?;
        html.push_str("</dd>\n");
    }
    html.push_str("</dl>\n</article>\n");
    Ok(())
}

/// Who may ask.
fn who(operation: &Value) -> String {
    let schemes = operation["security"].as_array().into_iter().flatten();
    let names: Vec<_> = schemes
        .flat_map(|scheme| {
            scheme
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
        })
        .collect();
    let words: Vec<_> = names
        .iter()
        .map(|name| match *name {
            "secret_key" => "a secret key",
            "public_key" => "a public key",
            "session" => "a session of misar's own pages",
            other => other,
        })
        .collect();
    if words.is_empty() {
        "Open to everybody.".into()
    } else {
        format!("With {}.", words.join(" or "))
    }
}

fn write_codes(html: &mut String) -> std::fmt::Result {
    html.push_str("<section class=\"card\" aria-labelledby=\"codes\">\n<h2 id=\"codes\">Codes</h2>\n<p><code>error.code</code> is for programs and never renamed; new ones may come. <code>error.message</code> says what to do.</p>\n<dl class=\"fields\">\n");
    for (status, codes) in codes::by_status() {
        let codes: Vec<_> = codes
            .iter()
            .map(|code| format!("<code>{code}</code>"))
            .collect();
        writeln!(
            html,
            "<dt><code>{status}</code></dt>\n<dd>{}</dd>",
            codes.join(" ")
        )?;
    }
    html.push_str("</dl>\n</section>\n");
    Ok(())
}

fn write_objects(html: &mut String, document: &Value) -> std::fmt::Result {
    html.push_str("<section aria-labelledby=\"objects\">\n<h2 id=\"objects\">Objects</h2>\n");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let name = escaped(name);
        writeln!(
            html,
            "<article class=\"card operation\" aria-labelledby=\"object-{name}\">\n<h3 id=\"object-{name}\"><code>{name}</code></h3>"
        )?;
        prose(html, text(&schema["description"]))?;
        let variants: Vec<_> = schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .map(type_of)
            .collect();
        if !variants.is_empty() {
            let tag = escaped(text(&schema["discriminator"]["propertyName"]));
            writeln!(
                html,
                "<p>One of {}, as <code>{tag}</code> says.</p>",
                variants.join(", ")
            )?;
        } else if schema.get("properties").is_some() {
            write_fields(html, schema)?;
        } else {
            writeln!(
                html,
                "<p><span class=\"type\">{}</span></p>",
                type_of(schema)
            )?;
        }
        html.push_str("</article>\n");
    }
    html.push_str("</section>\n");
    Ok(())
}

fn write_fields(html: &mut String, schema: &Value) -> std::fmt::Result {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let mut fields: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    fields.sort_by_key(|(name, _)| !is_required(name));
    html.push_str("<dl class=\"fields\">\n");
    for (name, field) in fields {
        write_field(
            html,
            name,
            field,
            is_required(name),
            None,
            text(&field["description"]),
        )?;
    }
    html.push_str("</dl>\n");
    Ok(())
}

fn write_field(
    html: &mut String,
    name: &str,
    schema: &Value,
    required: bool,
    place: Option<&str>,
    described: &str,
) -> std::fmt::Result {
    write!(
        html,
        "<dt><code>{}</code> <span class=\"type\">{}</span>",
        escaped(name),
        type_of(schema)
    )?;
    if let Some(place) = place {
        write!(html, " <span class=\"type\">{}</span>", escaped(place))?;
    }
    if required {
        html.push_str(" <span class=\"chip\">required</span>");
    }
    html.push_str("</dt>\n<dd>");
    inline(html, described)?;
    let limits = limits(schema);
    if !limits.is_empty() {
        write!(html, " <span class=\"type\">· {}</span>", escaped(&limits))?;
    }
    html.push_str("</dd>\n");
    Ok(())
}

/// A type in words, with links to objects.
fn type_of(schema: &Value) -> String {
    if let Some(name) = target(schema) {
        return format!("<a href=\"#object-{0}\">{0}</a>", escaped(name));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(&plain(value))))
            .collect();
        return values.join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&plain(value)));
    }
    let names: Vec<_> = match &schema["type"] {
        Value::Array(names) => names
            .iter()
            .map(text)
            .filter(|name| *name != "null")
            .collect(),
        only => vec![text(only)],
    };
    if names == ["array"] {
        return format!("list of {}", type_of(&schema["items"]));
    }
    let format = text(&schema["format"]);
    let is_telling = !matches!(format, "" | "double" | "int32" | "int64" | "float");
    let name = if names == [""] {
        "any".to_owned()
    } else {
        names.join(" or ")
    };
    if is_telling {
        format!("{}, {}", escaped(&name), escaped(format))
    } else {
        escaped(&name).into_owned()
    }
}

fn limits(schema: &Value) -> String {
    let mut parts = Vec::new();
    for (word, before, behind) in [
        ("minimum", "at least ", ""),
        ("exclusiveMinimum", "above ", ""),
        ("maximum", "at most ", ""),
        ("maxLength", "at most ", " characters"),
        ("maxItems", "at most ", " entries"),
        ("default", "", " without it"),
    ] {
        if let Some(value) = schema.get(word) {
            parts.push(format!("{before}{}{behind}", plain(value)));
        }
    }
    parts.join(", ")
}

/// A command or an answer, to the letter. The server's address stands apart, so that the page's script can put
/// the one in its place at which the reader is.
fn code(html: &mut String, command: &str) -> std::fmt::Result {
    let command = escaped(command).replace(BASE, &format!("<span class=\"base\">{BASE}</span>"));
    writeln!(
        html,
        "<pre class=\"code\" tabindex=\"0\" aria-label=\"Request\">{command}</pre>"
    )
}

/// Paragraphs and lists, with code between backticks: as much of Markdown as the annotations use.
fn prose(html: &mut String, markdown: &str) -> std::fmt::Result {
    for paragraph in markdown
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
    {
        if paragraph.starts_with("- ") {
            html.push_str("<ul>\n");
            for item in paragraph.split("\n- ") {
                html.push_str("<li>");
                inline(html, item.trim_start_matches("- "))?;
                html.push_str("</li>\n");
            }
            html.push_str("</ul>\n");
        } else {
            html.push_str("<p>");
            inline(html, paragraph)?;
            html.push_str("</p>\n");
        }
    }
    Ok(())
}

fn inline(html: &mut String, markdown: &str) -> std::fmt::Result {
    for (index, piece) in markdown.split('`').enumerate() {
        if index % 2 == 1 {
            write!(html, "<code>{}</code>", escaped(piece))?;
        } else {
            html.push_str(&escaped(piece));
        }
    }
    Ok(())
}

fn method_chip(method: &str) -> String {
    format!(
        "<span class=\"method {method}\">{}</span>",
        method.to_uppercase()
    )
}

/// A path that may be broken behind its slashes, for narrow screens.
fn in_pieces(path: &str) -> String {
    escaped(path).replace('/', "/<wbr>")
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    escaped(&first.chain(letters).collect::<String>()).into_owned()
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    htmlize::escape_attribute(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_object_and_code_has_a_place_and_no_link_leads_nowhere() {
        let document = super::super::document();
        let page = scraper::Html::parse_document(&of(&document));
        let select = |text: &str| scraper::Selector::parse(text).unwrap();
        let ids: Vec<_> = page
            .select(&select("[id]"))
            .filter_map(|found| found.attr("id"))
            .collect();
        for (_, _, operation) in operations(&document) {
            assert!(
                ids.contains(&text(&operation["operationId"])),
                "{operation}"
            );
        }
        for link in page.select(&select("a[href^='#']")) {
            let to = link.attr("href").unwrap().trim_start_matches('#');
            assert_eq!(ids.iter().filter(|id| **id == to).count(), 1, "#{to}");
        }
        let words: String = page.root_element().text().collect();
        for code in codes::all() {
            assert!(words.contains(code), "{code}");
        }
    }

    #[test]
    fn what_the_annotations_say_is_text_and_no_markup() {
        let mut html = String::new();
        prose(&mut html, "A `<b>` & \"b\".\n\n- one\n- `two`").unwrap();
        assert_eq!(
            html,
            "<p>A <code>&lt;b&gt;</code> &amp; &quot;b&quot;.</p>\n<ul>\n<li>one</li>\n<li><code>two</code></li>\n</ul>\n"
        );
    }
}
