//! Files that the binary holds and browsers get: the snippet and our own pages. Each once, with its
//! compressed forms and its tag; which path has which is `routes/assets`'s.
//!
//! - `negotiate`: what a request's headers ask for
//! - `versions`: the snippets that pages may have pinned

mod negotiate;
pub(crate) mod versions;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384};
use tokio::sync::OnceCell;
use utoipa::ToSchema;

use crate::document::Documents;
use crate::hex::hex;
use crate::public_url::PublicUrl;

use negotiate::{Coding, accepted, is_known};
use versions::{Version, Versions};

/// What stands in the built snippet for the public URL.
const BASE: &str = "__MISAR_BASE__";
const SCRIPT: &str = include_str!("../../dist/track.js");

const JAVASCRIPT: &str = "application/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const WASM: &str = "application/wasm";

/// May be kept, and is asked for each time: it changes with the binary, its name does not.
const REVALIDATED: &str = "no-cache";
const FOR_AN_HOUR: &str = "public, max-age=3600";
/// Its name changes with it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Our pages load nothing from elsewhere and run no code but ours; even our own code can put no HTML
/// into them.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'";

/// How hard brotli works, of 11. The snippet is fetched by every visitor.
const SNIPPET_QUALITY: i32 = 11;
const QUALITY: i32 = 9;
/// The largest window that every browser takes.
const BROTLI_WINDOW: i32 = 22;

/// A file.
pub(crate) struct Asset {
    bytes: Bytes,
    /// SHA-256 of the bytes, in hexadecimal: its beginning names the file.
    digest: String,
    quality: i32,
    /// Made when first asked for.
    encoded: OnceCell<Encoded>,
    headers: HeaderMap,
}

struct Encoded {
    brotli: Bytes,
    gzip: Bytes,
}

impl Asset {
    /// A file of one of our pages.
    pub(crate) fn new(media: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let headers = [
            (CONTENT_TYPE, media),
            (CACHE_CONTROL, REVALIDATED),
            (VARY, "Accept-Encoding"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Self {
            digest: hex(&Sha256::digest(&bytes)),
            bytes,
            quality: QUALITY,
            encoded: OnceCell::new(),
            headers: headers.into_iter().collect(),
        }
    }

    /// A page, with what its content may do.
    pub(crate) fn page(bytes: impl Into<Bytes>, policy: HeaderValue) -> Self {
        let mut page = Self::new(HTML, bytes);
        page.headers.insert(CONTENT_SECURITY_POLICY, policy);
        page
    }

    pub(crate) fn style(bytes: &'static [u8]) -> Self {
        Self::new(CSS, bytes)
    }

    pub(crate) fn script(bytes: &'static [u8]) -> Self {
        Self::new(JAVASCRIPT, bytes)
    }

    pub(crate) fn json(bytes: &'static [u8]) -> Self {
        Self::new(JSON, bytes)
    }

    /// The answer to a request with these headers: the best form that it takes, or 304 where it has
    /// that already.
    pub(crate) async fn respond(&self, asked: &HeaderMap) -> Response {
        let mut headers = self.headers.clone();
        let (coding, bytes) = match (accepted(asked), self.encoded().await) {
            (Coding::Brotli, Some(encoded)) => (Coding::Brotli, encoded.brotli.clone()),
            (Coding::Gzip, Some(encoded)) => (Coding::Gzip, encoded.gzip.clone()),
            _ => (Coding::Identity, self.bytes.clone()),
        };
        let tag = self.tag(coding);
        // Hexadecimal and a coding's name: a header may hold that.
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        let mut response = Response::default();
        if is_known(asked, &tag) {
            headers.remove(CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            if let Some(name) = coding.name() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            }
            *response.body_mut() = Body::from(bytes);
        }
        *response.headers_mut() = headers;
        response
    }

    /// A strong one: the forms differ in their bytes, so their tags differ.
    fn tag(&self, coding: Coding) -> String {
        let start = &self.digest[..32];
        match coding.name() {
            Some(name) => format!("\"{start}-{name}\""),
            None => format!("\"{start}\""),
        }
    }

    /// `None` only where the process is ending.
    async fn encoded(&self) -> Option<&Encoded> {
        let encoded = self.encoded.get_or_try_init(|| async {
            let (bytes, quality) = (self.bytes.clone(), self.quality);
            tokio::task::spawn_blocking(move || Encoded::of(&bytes, quality)).await?
        });
        let encoded: Result<&Encoded, io::Error> = encoded.await;
        encoded.ok()
    }
}

impl Encoded {
    fn of(mut bytes: &[u8], quality: i32) -> io::Result<Self> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes)?;
        let parameters = BrotliEncoderParams {
            quality,
            lgwin: BROTLI_WINDOW,
            size_hint: bytes.len(),
            ..BrotliEncoderParams::default()
        };
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut bytes, &mut brotli, &parameters)?;
        Ok(Self {
            brotli: brotli.into(),
            gzip: gzip.finish()?.into(),
        })
    }
}

/// The snippet as this server gives it out.
pub(crate) struct Snippet {
    script: Asset,
    version: Version,
    public_url: PublicUrl,
    /// Those that earlier servers of the same store have served.
    earlier: Option<Versions>,
}

/// What there is to know about the snippet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AboutSnippet {
    /// The copy that never changes, for pages that pin it with `integrity`.
    #[schema(example = "https://track.example/mail/track.0123456789abcdef.js")]
    pub url: String,
    /// The value of the attribute `integrity` for that copy.
    #[schema(example = "sha384-…")]
    pub integrity: String,
    pub bytes: SnippetBytes,
}

/// How large it is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SnippetBytes {
    pub raw: usize,
    pub gzip: usize,
    pub brotli: usize,
}

impl Snippet {
    /// The snippet with its endpoint in it.
    fn new(public_url: &PublicUrl) -> Self {
        // Without one, a page sends to where it has the snippet from.
        let base = if public_url.is_said() {
            public_url.as_str()
        } else {
            ""
        };
        let script = script_asset(SCRIPT.replace(BASE, base));
        Self {
            version: Version::of(&script.digest),
            script,
            public_url: public_url.clone(),
            earlier: None,
        }
    }

    /// Keeps this version in a data folder for later servers, and serves those that earlier ones have
    /// kept there. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written; all versions that are there are served then.
    fn keep_in(&mut self, data: &Path) -> io::Result<()> {
        let kept = self.earlier.insert(Versions::of(data));
        kept.keep(&self.version, &self.script.bytes)
    }

    /// The snippet that the embed code names.
    pub(crate) async fn respond(&self, asked: &HeaderMap) -> Response {
        self.script.respond(asked).await
    }

    /// The snippet under the name that no other version has; `None` under any other name.
    pub(crate) async fn respond_as(&self, file: &str, asked: &HeaderMap) -> Option<Response> {
        let version = Version::in_name(file)?;
        let mut response = if version == self.version {
            self.script.respond(asked).await
        } else {
            let bytes = self.earlier.as_ref()?.read(version).await?;
            script_asset(bytes).respond(asked).await
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
        Some(response)
    }

    /// `None` only where the process is ending.
    pub(crate) async fn about(&self) -> Option<AboutSnippet> {
        let encoded = self.script.encoded().await?;
        let digest = STANDARD.encode(Sha384::digest(&self.script.bytes));
        Some(AboutSnippet {
            url: format!("{}/mail/{}", self.public_url, self.versioned_name()),
            integrity: format!("sha384-{digest}"),
            bytes: SnippetBytes {
                raw: self.script.bytes.len(),
                gzip: encoded.gzip.len(),
                brotli: encoded.brotli.len(),
            },
        })
    }

    fn versioned_name(&self) -> String {
        self.version.file_name()
    }
}

/// A snippet with the headers that let every site load it, also those that want to be told so.
fn script_asset(bytes: impl Into<Bytes>) -> Asset {
    let mut script = Asset::new(JAVASCRIPT, bytes);
    script.quality = SNIPPET_QUALITY;
    let every_site = HeaderValue::from_static("*");
    let headers = &mut script.headers;
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, every_site);
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_AN_HOUR));
    script
}

/// One of the pages that our program for browsers runs in: its own part in what all of them share.
fn own_page(title: &str, main: &str) -> Asset {
    let shell = include_str!("../../www/shell.html");
    let page = shell.replace("__TITLE__", title).replace("__MAIN__", main);
    Asset::page(page, HeaderValue::from_static(PAGE_POLICY))
}

/// Everything that browsers get from this server.
pub(crate) struct Assets {
    pub snippet: Snippet,
    pub live: Asset,
    pub contacts: Asset,
    pub segments: Asset,
    /// `/docs`, and what it is made of: OpenAPI 3.1 and 3.0.
    pub docs: Asset,
    pub document: Asset,
    pub older_document: Asset,
    /// By their name under `/assets/`.
    files: Vec<(&'static str, Asset)>,
}

impl Assets {
    /// Everything, with the versions of the snippet that the data folder keeps. Where this one cannot be
    /// kept there, the log says so: pages that pin it would lose it with the next version.
    pub(crate) fn new(public_url: &PublicUrl, data: &Path, collected: &Value) -> Arc<Self> {
        let wasm: &'static [u8] = include_bytes!("../../dist/www_bg.wasm");
        let files = vec![
            (
                "style.css",
                Asset::style(include_bytes!("../../www/style.css")),
            ),
            (
                "builder.css",
                Asset::style(include_bytes!("../../www/builder.css")),
            ),
            (
                "start.js",
                Asset::script(include_bytes!("../../www/start.js")),
            ),
            (
                "docs.css",
                Asset::style(include_bytes!("../../www/docs.css")),
            ),
            (
                "docs.js",
                Asset::script(include_bytes!("../../www/docs.js")),
            ),
            ("www.js", Asset::script(include_bytes!("../../dist/www.js"))),
            ("www_bg.wasm", Asset::new(WASM, wasm)),
        ];
        let mut snippet = Snippet::new(public_url);
        if let Err(error) = snippet.keep_in(data) {
            tracing::warn!(%error, "this version of track.js could not be kept for pages that pin it");
        }
        let documents = Documents::of(public_url, collected);
        Arc::new(Self {
            snippet,
            live: own_page("Live events", include_str!("../../www/live.html")),
            contacts: own_page("Contacts", include_str!("../../www/contacts.html")),
            segments: own_page("Segments", include_str!("../../www/segments.html")),
            docs: Asset::page(documents.page, HeaderValue::from_static(PAGE_POLICY)),
            document: Asset::new(JSON, documents.current),
            older_document: Asset::new(JSON, documents.older),
            files,
        })
    }

    /// The file of this name under `/assets/`.
    pub(crate) fn file(&self, name: &str) -> Option<&Asset> {
        let mut files = self.files.iter();
        files.find_map(|(known, asset)| (*known == name).then_some(asset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_snippet_has_a_place_for_the_public_url() {
        assert!(SCRIPT.contains(BASE));
    }
}
