//! A customer's site: pages that a test writes, on an origin of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::{Response, StatusCode};

use crate::server::{serve, whole};

/// A slow script of the site's own, for pages that take their time.
pub const SLOW_SCRIPT: &str = "/slow.js";
const SLOW: Duration = Duration::from_millis(600);

/// A site. The port is answered under every name ending in `.localhost`, each an origin of its own.
pub struct Site {
    port: u16,
    pages: Arc<Mutex<HashMap<String, String>>>,
}

impl Site {
    /// An empty site.
    pub async fn open() -> Self {
        let pages: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let own = Arc::clone(&pages);
        let address = serve(move |request| {
            let path = request.uri().path().to_owned();
            let page = own
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&path)
                .cloned();
            async move {
                let mut answer = Response::builder();
                if path == SLOW_SCRIPT {
                    tokio::time::sleep(SLOW).await;
                    answer = answer.header("content-type", "text/javascript");
                    return Ok(answer.body(whole("// slow"))?);
                }
                Ok(match page {
                    Some(page) => answer
                        .header("content-type", "text/html; charset=utf-8")
                        .header("cache-control", "no-store")
                        .body(whole(page))?,
                    None => answer.status(StatusCode::NOT_FOUND).body(whole(""))?,
                })
            }
        })
        .await;
        Self {
            port: address.port(),
            pages,
        }
    }

    /// The origin that its pages have.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The same site under another name.
    #[must_use]
    pub fn origin_named(&self, name: &str) -> String {
        format!("http://{name}.localhost:{}", self.port)
    }

    /// Puts a page there and says where it is.
    pub fn put(&self, path: &str, body: &str) -> String {
        // The icon keeps the browser from asking for one, and from telling that there is none.
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{path}</title>\
             <link rel=\"icon\" href=\"data:,\"></head><body>\n{body}\n</body></html>"
        );
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), page);
        format!("{}{path}", self.origin())
    }
}

/// The form that the documentation has always shown, with or without `async`.
#[must_use]
pub fn published_embed(key: &str, collector: &str, is_async: bool) -> String {
    let is_async = if is_async { " async" } else { "" };
    format!(
        "<script>window.MisarMail = {{ key: '{key}' }};</script>\n\
         <script src=\"{collector}/mail/track.js\"{is_async}></script>"
    )
}
