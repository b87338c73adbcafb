//! `misar settings`: how long opens and clicks are credited with orders, what events weigh in scores, as whom a
//! workspace shows itself, and its days.

use clap::{ArgGroup, Args, Subcommand};
use jiff::{Span, SpanRelativeTo};

use super::output::Output;
use super::progress::{Elsewhere, Shown};
use super::{Failure, Folder};
use crate::control::calls;
use crate::routes::settings::scores::{ScoreBody, WeightsBody, WeightsView};
use crate::routes::settings::{AttributionBody, LONGEST_WINDOW_MS, SettingsBody};
use store::ledger::decide::Scoring;
use store::meta::DEFAULT_WORKSPACE;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Settings {
    Show(Show),
    Set(Set),
    IdentifySecret(IdentifySecret),
}

/// Prints the secret under which your server signs whom a page may name
///
/// See docs/identify.md and `misar serve --require-signed-identify`. Keep it on your server: it belongs into no page.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar settings identify-secret --workspace shop")]
pub(super) struct IdentifySecret {
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
}

/// Shows the settings of a workspace
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  misar settings show")]
pub(super) struct Show {
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

/// Changes settings of a workspace; where windows change, its orders are credited anew, where weights do, its scores
///
/// An order is credited to the message that it names, else to the last click of a person within the
/// click window, else to the last open of a person within the open window. Both windows start at the
/// open or click. A score is the sum of what a contact's events weigh, each halved with every half-life; another
/// half-life takes as long as `misar rebuild`. The sender's name stands on the page that the unsubscribe links of its mails lead to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  misar settings set --click-window 7d --open-window 24h
  misar settings set --open-window 0    # opens earn nothing
  misar settings set --weights open=0,purchase=25 --half-life 14d
  misar settings set --sender-name 'Acme Newsletters' --workspace shop
  misar settings set --time-zone Europe/Berlin")]
#[command(group = ArgGroup::new("windows").required(true).multiple(true))]
pub(super) struct Set {
    /// How long a click is credited, such as 5d or 36h; 0 = never
    #[arg(long, value_name = "TIME", value_parser = parse_window, group = "windows")]
    click_window: Option<i64>,
    /// How long an open is credited, such as 5d or 36h; 0 = never
    #[arg(long, value_name = "TIME", value_parser = parse_window, group = "windows")]
    open_window: Option<i64>,
    /// What events weigh in scores, each from 0 to 1000: open, click, page-view, event (any other), purchase
    #[arg(long, value_name = "KIND=WEIGHT,...", value_parser = parse_weights, group = "windows")]
    weights: Option<WeightsBody>,
    /// After how many days an event counts half in scores, such as 30d
    #[arg(long, value_name = "TIME", value_parser = parse_half_life, group = "windows")]
    half_life: Option<u32>,
    /// As whom the workspace shows itself on the page that unsubscribes; '' = as nobody
    #[arg(long, value_name = "NAME", group = "windows")]
    sender_name: Option<String>,
    /// By which days segments go, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", group = "windows")]
    time_zone: Option<String>,
    /// The workspace
    #[arg(long, value_name = "NAME", default_value = DEFAULT_WORKSPACE)]
    workspace: String,
    /// Prints one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: Settings, folder: &Folder, output: &mut Output) -> Result<(), Failure> {
    let (json, settings) = match command {
        Settings::IdentifySecret(IdentifySecret { workspace }) => {
            let told = folder.ask(&calls::identify_secret(&workspace))?;
            return Ok(output.line(&told.secret)?);
        }
        Settings::Show(Show { workspace, json }) => {
            (json, folder.ask(&calls::show_settings(&workspace))?)
        }
        Settings::Set(set) => {
            let windows = AttributionBody {
                click_window_ms: set.click_window,
                open_window_ms: set.open_window,
            };
            let has_windows = windows != AttributionBody::default();
            let score = ScoreBody {
                half_life_days: set.half_life,
                weights: set.weights,
            };
            let change = SettingsBody {
                attribution: has_windows.then_some(windows),
                score: (score != ScoreBody::default()).then_some(score),
                sender_name: set.sender_name.map(Some),
                time_zone: set.time_zone,
            };
            let call = calls::change_settings(&set.workspace, &change);
            let mut shown = Shown::new("applying the settings", Elsewhere::Lines);
            let settings = folder.ask_long(&call, &mut |progress| shown.tell(progress))?;
            drop(shown);
            (set.json, settings)
        }
    };
    if json {
        return Ok(output.json(&settings)?);
    }
    let windows = settings.attribution;
    let rows = [
        ["click-window".to_owned(), window(windows.click_window_ms)],
        ["open-window".to_owned(), window(windows.open_window_ms)],
        ["weights".to_owned(), weights(&settings.score.weights)],
        [
            "half-life".to_owned(),
            format!("{}d", settings.score.half_life_days),
        ],
        [
            "sender-name".to_owned(),
            settings.sender_name.unwrap_or_else(|| "-".to_owned()),
        ],
        ["time-zone".to_owned(), settings.time_zone.clone()],
    ];
    Ok(output.table(["SETTING", "VALUE"], &rows)?)
}

/// `5d`, `1d 12h`, `90min`, `0`: milliseconds.
fn parse_window(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    let window = text.parse::<Span>().ok().and_then(|span| {
        let window = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let millis = i64::try_from(window.as_millis()).ok()?;
        (0..=LONGEST_WINDOW_MS).contains(&millis).then_some(millis)
    });
    window.ok_or_else(|| "it is a time of at most 365 days, such as 5d, 36h or 0".to_owned())
}

/// `open=1,page-view=0.5`; what the server refuses is left to it.
fn parse_weights(text: &str) -> Result<WeightsBody, String> {
    let mut weights = WeightsBody::default();
    for one in text.split(',') {
        let wanted = "it is KIND=WEIGHT with commas between them, such as open=1,page-view=0.5";
        let (kind, weight) = one.split_once('=').ok_or(wanted)?;
        let weight: f64 = weight.trim().parse().map_err(|_| wanted)?;
        let place = match kind.trim() {
            "open" => &mut weights.open,
            "click" => &mut weights.click,
            "page-view" => &mut weights.page_view,
            "event" => &mut weights.event,
            "purchase" => &mut weights.purchase,
            _ => return Err("the kinds are open, click, page-view, event and purchase".into()),
        };
        if place.replace(weight).is_some() {
            return Err("each kind is named once at the most".into());
        }
    }
    Ok(weights)
}

/// As [`parse_weights`] reads them.
fn weights(view: &WeightsView) -> String {
    let WeightsView {
        open,
        click,
        page_view,
        event,
        purchase,
    } = view;
    format!("open={open},click={click},page-view={page_view},event={event},purchase={purchase}")
}

/// Whole days: `30d`, `2w`.
fn parse_half_life(text: &str) -> Result<u32, String> {
    let span = text.parse::<Span>().ok();
    let days = span.and_then(|span| {
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let millis = i64::try_from(span.as_millis()).ok()?;
        let days = u32::try_from(millis / DAY_MS).ok()?;
        let is_whole = millis % DAY_MS == 0 && (1..=Scoring::MOST_DAYS).contains(&days);
        is_whole.then_some(days)
    });
    days.ok_or_else(|| {
        let most = Scoring::MOST_DAYS;
        format!("it is a whole number of days from 1d to {most}d, such as 30d")
    })
}

/// As [`parse_window`] reads it.
fn window(millis: i64) -> String {
    let units = [
        (DAY_MS, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
        (1, "ms"),
    ];
    if millis == 0 {
        return "0 (never)".to_owned();
    }
    let fits = |(unit, _): &&(i64, &str)| millis % unit == 0;
    units
        .iter()
        .find(fits)
        .map_or_else(String::new, |(unit, name)| {
            format!("{}{name}", millis / unit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_read_as_they_are_written() {
        let all = "open=1,click=3,page-view=0.5,event=2,purchase=10";
        let read = parse_weights(all).unwrap();
        let shown = WeightsView {
            open: read.open.unwrap(),
            click: read.click.unwrap(),
            page_view: read.page_view.unwrap(),
            event: read.event.unwrap(),
            purchase: read.purchase.unwrap(),
        };
        assert_eq!(weights(&shown), all);
        let one = parse_weights("purchase = 2.5").unwrap();
        assert_eq!((one.open, one.purchase), (None, Some(2.5)));
        for text in [
            "",
            "open",
            "open=",
            "open=x",
            "opens=1",
            "open=1,open=2",
            "open=1,",
        ] {
            assert!(parse_weights(text).is_err(), "{text}");
        }
        for (text, days) in [
            ("30d", Some(30)),
            ("2w", Some(14)),
            ("48h", Some(2)),
            ("36h", None),
        ] {
            assert_eq!(parse_half_life(text).ok(), days, "{text}");
        }
        for text in ["", "0d", "3651d", "30"] {
            assert!(parse_half_life(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_are_read_as_they_are_written() {
        for (text, millis) in [
            ("5d", 5 * DAY_MS),
            ("36h", 36 * 3_600_000),
            ("90min", 90 * 60_000),
            ("1500ms", 1_500),
        ] {
            assert_eq!(parse_window(text), Ok(millis));
            assert_eq!(window(millis), text);
        }
        assert_eq!(parse_window("0"), Ok(0));
        assert_eq!(parse_window("1w"), Ok(7 * DAY_MS));
        for text in ["", "5", "-1d", "366d", "soon", "1mo"] {
            assert!(parse_window(text).is_err(), "{text}");
        }
    }
}
