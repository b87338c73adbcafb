//! Definitions of segments over made-up events: thirty that look at one name, of the kinds that people ask; and many
//! that look at one name and one path each.

/// Definitions that look at one name.
pub const PER_NAME: usize = 30;
/// Different paths of pages.
pub const PATHS: u64 = 10_000;

/// The names that events have most often.
pub(super) const NAMES: [&str; 6] = [
    "page_viewed",
    "product_viewed",
    "search_made",
    "cart_changed",
    "trial_started",
    "form_sent",
];

/// The name with this number, from 0 on.
pub(super) fn name(number: usize) -> String {
    match NAMES.get(number) {
        Some(name) => (*name).to_owned(),
        None => format!("feature_{number}_used"),
    }
}

/// So many definitions, each with a name: thirty of the first name, then of the next.
#[must_use]
pub fn of_names(count: usize) -> Vec<(String, String)> {
    let numbers = 0..count;
    let made = numbers.map(|at| {
        let (number, turn) = (at / PER_NAME, at % PER_NAME);
        let name = name(number);
        (format!("{name}, {}", turn + 1), one(number, turn))
    });
    made.collect()
}

/// So many definitions of who viewed one page in a month.
#[must_use]
pub fn of_paths(count: usize) -> Vec<(String, String)> {
    let made = (0..count).map(|at| {
        let path = format!("/articles/{at}");
        let json = format!(
            r#"{{"event":"page_viewed","where":[{{"property":"path","eq":"{path}"}}],"within":"30d"}}"#
        );
        (format!("Read {path}"), json)
    });
    made.collect()
}

/// The definition of a name with this number.
fn one(number: usize, turn: usize) -> String {
    let (event, next) = (name(number), name(number + 1));
    let of = |rest: &str| format!(r#"{{"event":"{event}",{rest}}}"#);
    let pro = r#""where":[{"property":"plan","eq":"pro"}]"#;
    match turn {
        0 => of(r#""within":"1d""#),
        1 => of(r#""within":"7d""#),
        2 => of(r#""count":{"gte":2},"within":"7d""#),
        3 => of(r#""count":{"gte":3},"within":"30d""#),
        4 => of(r#""count":{"gte":5},"within":"30d""#),
        5 => of(r#""count":{"gte":10},"within":"90d""#),
        6 => of(r#""count":{"gte":20}"#),
        7 => of(r#""count":{"eq":1},"within":"30d""#),
        8 => format!(r#"{{"not":{}}}"#, of(r#""within":"30d","includeNew":true"#)),
        9 => format!(
            r#"{{"not":{}}}"#,
            of(r#""within":"90d","includeNew":false"#)
        ),
        10 => of(r#""count":{"lte":1},"within":"14d","includeNew":false"#),
        11 => of(&format!(r#"{pro},"within":"30d""#)),
        12 => of(&format!(r#"{pro},"count":{{"gte":3}}"#)),
        13 => of(r#""where":[{"property":"value","gt":40}],"count":{"gte":2},"within":"90d""#),
        14 => of(r#""where":[{"property":"plan","in":["free","team"]}],"within":"7d""#),
        15 => of(r#""where":[{"property":"plan","ne":"pro"},{"property":"value","lt":20}]"#),
        16 => of(r#""sum":"value","gte":500,"within":"90d""#),
        17 => of(r#""avg":"value","lt":30,"within":"60d""#),
        18 => of(r#""max":"value","gte":55"#),
        19 => of(r#""last":{"property":"plan","eq":"free"}"#),
        20 => of(r#""first":{"property":"plan","eq":"pro"},"within":"60d""#),
        21 => of(r#""ago":{"from":"30d","to":"7d"}"#),
        22 => of(r#""between":{"from":"2026-06-01T00:00:00Z","to":"2026-09-01T00:00:00Z"}"#),
        23 => format!(
            r#"{{"all":[{},{{"not":{{"purchase":{{}}}}}}]}}"#,
            of(r#""within":"7d""#)
        ),
        24 => format!(
            r#"{{"all":[{},{{"purchase":{{"sum":{{"gte":100}},"currency":"EUR"}},"within":"90d"}}]}}"#,
            of(r#""within":"30d""#)
        ),
        25 => format!(
            r#"{{"all":[{},{{"trait":"plan","eq":"pro"}}]}}"#,
            of(r#""within":"30d""#)
        ),
        26 => format!(
            r#"{{"all":[{},{{"message":"opened","within":"30d"}}]}}"#,
            of(r#""within":"7d""#)
        ),
        27 => format!(
            r#"{{"any":[{},{{"event":"{next}","count":{{"gte":3}},"within":"7d"}}]}}"#,
            of(r#""count":{"gte":3},"within":"7d""#)
        ),
        28 => format!(
            r#"{{"all":[{},{{"not":{{"event":"{next}","within":"30d","includeNew":true}}}}]}}"#,
            of(r#""within":"30d""#)
        ),
        _ => {
            format!(r#"{{"sequence":[{{"event":"{event}"}},{{"event":"{next}"}}],"within":"1h"}}"#)
        }
    }
}
