//! The two forms in which metrics are told: `OpenMetrics` to whoever asks for it, and to everybody else
//! Prometheus's older text, which every program that reads metrics knows.
//!
//! They differ in a few lines: there, a counter's lines about it name it as its samples do, and there
//! are neither units nor an end.

use std::fmt::Write as _;

use http::HeaderMap;
use http::header::ACCEPT;

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsForm {
    Text,
    OpenMetrics,
}

impl MetricsForm {
    /// What the header `Accept` asks for.
    #[must_use]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        let accepted = headers.get_all(ACCEPT).iter();
        let accepted = accepted.filter_map(|value| value.to_str().ok());
        for one in accepted.flat_map(|value| value.split(',')) {
            let mut parts = one.split(';').map(str::trim);
            let wanted = match parts.next() {
                Some("application/openmetrics-text") => &mut open,
                Some("text/plain") => &mut text,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            *wanted = f64::max(*wanted, weight.unwrap_or(1.0));
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    #[must_use]
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A page that was written as `OpenMetrics`, in this form.
    #[must_use]
    pub(crate) fn write(self, page: String) -> String {
        match self {
            Self::Text => to_text(&page),
            Self::OpenMetrics => page,
        }
    }
}

fn to_text(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ');
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap_or((told, "unknown"));
            let (end, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take().filter(|(named, _)| *named == name) {
                // Writing to a text never fails.
                writeln!(text, "# HELP {name}{end} {help}").ok();
            }
            writeln!(text, "# TYPE {name}{end} {kind}").ok();
        } else if !line.starts_with("# UNIT ") && line != "# EOF" {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn open_metrics_is_for_whoever_asks_for_it() {
        for (accept, form) in [
            (None, MetricsForm::Text),
            (Some("*/*"), MetricsForm::Text),
            (Some("text/plain;version=0.0.4"), MetricsForm::Text),
            (Some("text/html,application/xhtml+xml"), MetricsForm::Text),
            (
                Some("application/openmetrics-text"),
                MetricsForm::OpenMetrics,
            ),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                ),
                MetricsForm::OpenMetrics,
            ),
            (
                Some(
                    "text/plain;version=0.0.4;q=0.6, application/openmetrics-text;version=1.0.0;q=0.5",
                ),
                MetricsForm::Text,
            ),
            (Some("application/openmetrics-text;q=0"), MetricsForm::Text),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(MetricsForm::of(&headers), form, "{accept:?}");
        }
    }

    #[test]
    fn counters_are_named_as_their_samples_are() {
        let page = "# HELP a_seconds Time.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1\n\
            # HELP b How many.\n# TYPE b gauge\nb{x=\"# EOF\"} 2\n# EOF\n";
        let text = "# HELP a_seconds_total Time.\n# TYPE a_seconds_total counter\na_seconds_total 1\n\
            # HELP b How many.\n# TYPE b gauge\nb{x=\"# EOF\"} 2\n";
        assert_eq!(MetricsForm::Text.write(page.to_owned()), text);
        assert_eq!(MetricsForm::OpenMetrics.write(page.to_owned()), page);
    }
}
