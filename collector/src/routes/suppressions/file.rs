//! All of the list as a file, which POST takes back.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use shared::time::Timestamp;
use tokio::sync::mpsc;

use super::super::query::PageLimit;
use super::{Asked, page};
use crate::app::App;
use crate::channel::through;
use crate::csv_text;
use crate::export::ExportFormat;
use store::ledger::suppression::Cause;
use store::query::suppressions::HeldBack;
use store::record::WorkspaceId;

/// The answer; it is read a portion at a time.
pub(super) fn of(
    app: Arc<App>,
    workspace: WorkspaceId,
    format: ExportFormat,
    mut asked: Asked,
) -> Response {
    asked.limit = PageLimit::MOST;
    let (media, name) = match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "suppressions.csv"),
        ExportFormat::Ndjson => ("application/x-ndjson", "suppressions.ndjson"),
    };
    // One portion on its way is enough: the rest is still in the book.
    let (out, body) = mpsc::channel(1);
    tokio::spawn(async move {
        if format == ExportFormat::Csv {
            let header = Bytes::from_static(b"email,reason,timestamp\r\n");
            if out.send(Ok(header)).await.is_err() {
                return;
            }
        }
        loop {
            let (found, next) = match page(&app, workspace, &asked).await {
                Ok(page) => page,
                // A file that breaks off must not look whole.
                Err(error) => {
                    tracing::error!(code = error.code(), "an export broke off");
                    drop(
                        out.send(Err(std::io::Error::other("the export broke off")))
                            .await,
                    );
                    return;
                }
            };
            let rows = rows_of(&found, format, asked.cause);
            if !rows.is_empty() && out.send(Ok(rows.into())).await.is_err() {
                return;
            }
            match next {
                Some(_) => asked.after = next,
                None => return,
            }
        }
    });
    let headers = [
        (CONTENT_TYPE, media.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::from_stream(through(body))).into_response()
}

fn rows_of(found: &[HeldBack], format: ExportFormat, wanted: Option<Cause>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        email: &'a str,
        reason: &'static str,
        timestamp: String,
    }
    let mut rows = Vec::new();
    for one in found {
        // A row without an address could not be taken back.
        let Some(email) = &one.email else { continue };
        for (cause, at) in one.state.causes() {
            if wanted.is_some_and(|wanted| wanted != *cause) {
                continue;
            }
            let (reason, timestamp) = (cause.as_str(), Timestamp::from_millis(*at).to_string());
            match format {
                ExportFormat::Csv => {
                    csv_text::write(email, &mut rows);
                    rows.extend_from_slice(format!(",{reason},{timestamp}\r\n").as_bytes());
                }
                ExportFormat::Ndjson => {
                    let line = Line {
                        email,
                        reason,
                        timestamp,
                    };
                    // Texts alone: nothing of this can fail to serialise.
                    rows.extend(serde_json::to_vec(&line).unwrap_or_default());
                    rows.push(b'\n');
                }
            }
        }
    }
    rows
}
