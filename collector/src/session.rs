//! Sessions of our own pages: one-time codes, the token in the cookie, the token against forged
//! changes, and whether a request comes from a page of ours. What is kept of a session stands in
//! `meta`, who may do what in `auth`.

use std::collections::VecDeque;
use std::sync::Mutex;

use cookie::{Cookie, SameSite};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::{COOKIE, HOST, HeaderValue, InvalidHeaderValue, ORIGIN};
use sha2::{Digest as _, Sha256};
use shared::time::Timestamp;

use crate::error::ApiError;
use crate::hex::hex;
use crate::public_url::PublicUrl;
use store::locks::lock;
use store::meta::{MetaError, Origin, TokenDigest, random};
use store::record::WorkspaceId;

/// The cookie that holds the token, where the server is known by http.
pub(crate) const COOKIE_NAME: &str = "misar_session";
/// The same where it is known by https: browsers take this name only from the very host, over TLS, so
/// that no neighbour can set it.
pub(crate) const HOST_COOKIE_NAME: &str = "__Host-misar_session";
/// The header that a change by cookie must have.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// How long a session lasts: 7 days.
pub(crate) const LIFETIME_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How long a one-time code waits for its use.
const CODE_LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;
/// Codes of one workspace that wait; its oldest make room.
const MAX_CODES: usize = 16;
/// Cookies of our name that are tried. One of another path or a parent domain comes along with ours.
const MAX_TRIED: usize = 8;
/// Random bytes of a code. 128 bits need no limit on guesses: at a million a second, one hits within
/// 10^25 years.
const CODE_BYTES: usize = 16;
const TOKEN_BYTES: usize = 32;

/// What the cookie holds. No `Debug`: it opens everything that its session may see.
pub(crate) struct SessionToken(String);

impl SessionToken {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn generate() -> Result<Self, MetaError> {
        random::<TOKEN_BYTES>().map(|bytes| Self(hex(&bytes)))
    }

    /// Those in the request's cookies, in their order: several of one name may come, and which of them
    /// is ours only a look-up tells.
    pub(crate) fn in_cookies<'a>(
        headers: &'a HeaderMap,
        public_url: &PublicUrl,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let ours = cookie_name(public_url);
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .filter(move |cookie| cookie.name() == ours)
            .map(|cookie| Self(cookie.value().to_owned()))
            .take(MAX_TRIED)
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What a page shows with each change, to prove that it could read our answers. Derived from the
    /// cookie, so that nothing more need be kept.
    pub(crate) fn csrf(&self) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(b"misar csrf");
        hex(&mac.finalize().into_bytes())
    }

    /// Refuses a change that does not show [`Self::csrf`].
    ///
    /// # Errors
    /// 403.
    pub(crate) fn require_csrf(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let shown = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes);
        // Digests are compared, so that the time tells nothing about the token.
        let is_right = shown
            .is_some_and(|shown| Sha256::digest(shown) == Sha256::digest(self.csrf().as_bytes()));
        if is_right {
            Ok(())
        } else {
            Err(ApiError::InvalidCsrfToken)
        }
    }

    /// The header that hands the cookie out.
    ///
    /// # Errors
    /// Never: a token is hexadecimal.
    pub(crate) fn set_cookie(
        &self,
        public_url: &PublicUrl,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        set_cookie(&self.0, LIFETIME_MS, public_url)
    }
}

/// The header that takes the cookie away.
///
/// # Errors
/// Never: it is ASCII.
pub(crate) fn clear_cookie(public_url: &PublicUrl) -> Result<HeaderValue, InvalidHeaderValue> {
    set_cookie("", 0, public_url)
}

fn cookie_name(public_url: &PublicUrl) -> &'static str {
    if public_url.is_https() {
        HOST_COOKIE_NAME
    } else {
        COOKIE_NAME
    }
}

fn set_cookie(
    value: &str,
    lifetime_ms: i64,
    public_url: &PublicUrl,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let cookie = Cookie::build((cookie_name(public_url), value))
        .path("/")
        .max_age(cookie::time::Duration::milliseconds(lifetime_ms))
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(public_url.is_https());
    HeaderValue::from_str(&cookie.to_string())
}

/// One-time codes, in memory: a restart makes them useless, and prints another.
#[derive(Default)]
pub(crate) struct Codes(Mutex<VecDeque<Code>>);

/// What is known of a code: not the code.
struct Code {
    digest: TokenDigest,
    workspace: WorkspaceId,
    expires_at: Timestamp,
}

impl Codes {
    /// Makes one that opens a session of this workspace.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn make(&self, workspace: WorkspaceId, now: Timestamp) -> Result<String, MetaError> {
        let text = hex(&random::<CODE_BYTES>()?);
        let mut codes = lock(&self.0);
        codes.retain(|code| now < code.expires_at);
        let of_workspace = |code: &Code| code.workspace == workspace;
        if codes.iter().filter(|code| of_workspace(code)).count() >= MAX_CODES
            && let Some(oldest) = codes.iter().position(of_workspace)
        {
            codes.remove(oldest);
        }
        codes.push_back(Code {
            digest: Sha256::digest(text.as_bytes()).into(),
            workspace,
            expires_at: Timestamp::from_millis(now.as_millis() + CODE_LIFETIME_MS),
        });
        Ok(text)
    }

    /// Takes the code, if it is one, and tells its workspace: it opens nothing a second time.
    pub(crate) fn take(&self, text: &str, now: Timestamp) -> Option<WorkspaceId> {
        let digest: TokenDigest = Sha256::digest(text.as_bytes()).into();
        let mut codes = lock(&self.0);
        codes.retain(|code| now < code.expires_at);
        let place = codes.iter().position(|code| code.digest == digest)?;
        codes.remove(place).map(|code| code.workspace)
    }
}

/// Whether a page of ours asks. A page of another port of this host is another site's as well,
/// although its requests carry the cookie.
pub(crate) fn is_same_origin(headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    match headers.get("sec-fetch-site") {
        // No page can write this header.
        Some(site) => site == "same-origin",
        None => headers
            .get(ORIGIN)
            .is_none_or(|origin| is_own(origin, headers, public_url)),
    }
}

/// The same, for what only a page may do: it must say so.
pub(crate) fn is_from_own_page(headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    let says = headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN);
    says && is_same_origin(headers, public_url)
}

/// The origin that the request itself went to, or the one that the server is known by.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, public_url: &PublicUrl) -> bool {
    let Some(Ok(origin)) = origin.to_str().ok().map(Origin::parse) else {
        return false;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    // A proxy may have taken TLS off, so the scheme is not known here.
    let asked = |scheme: &str| {
        let asked = Origin::parse(&format!("{scheme}://{}", host?)).ok()?;
        Some(asked == origin)
    };
    origin.as_str() == public_url.as_str()
        || asked("http") == Some(true)
        || asked("https") == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: WorkspaceId = WorkspaceId(1);
    const THEIRS: WorkspaceId = WorkspaceId(2);

    #[test]
    fn a_code_opens_once_within_a_day_and_old_ones_of_its_workspace_make_room() {
        let codes = Codes::default();
        let at = Timestamp::from_millis;
        let first = codes.make(OURS, at(0)).unwrap();
        assert_eq!(codes.take("", at(0)), None);
        assert_eq!(codes.take(&first, at(0)), Some(OURS));
        assert_eq!(codes.take(&first, at(0)), None);
        let late = codes.make(OURS, at(0)).unwrap();
        assert_eq!(codes.take(&late, at(CODE_LIFETIME_MS)), None);
        let kept = codes.make(THEIRS, at(0)).unwrap();
        let many: Vec<String> = (0..=MAX_CODES)
            .map(|_| codes.make(OURS, at(0)).unwrap())
            .collect();
        assert_eq!(codes.take(&many[0], at(0)), None);
        for code in &many[1..] {
            assert_eq!(codes.take(code, at(0)), Some(OURS));
        }
        assert_eq!(codes.take(&kept, at(0)), Some(THEIRS));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_is_its_hosts_alone_where_the_server_speaks_https() {
        let token = SessionToken::generate().unwrap();
        let found = |header: &str, url: &PublicUrl| -> Vec<TokenDigest> {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, header.parse().unwrap());
            let tokens = SessionToken::in_cookies(&headers, url);
            tokens.map(|token| token.digest()).collect()
        };
        let https = PublicUrl::parse("https://track.example").unwrap();
        let http = PublicUrl::parse("http://track.example").unwrap();
        let cookie = |url: &PublicUrl| token.set_cookie(url).unwrap().to_str().unwrap().to_owned();
        for part in [
            "; HttpOnly",
            "; SameSite=Strict",
            "; Secure",
            "; Max-Age=604800",
        ] {
            assert!(cookie(&https).contains(part), "{part}");
        }
        assert!(!cookie(&http).contains("Secure"));
        assert!(cookie(&https).starts_with("__Host-misar_session="));
        assert!(cookie(&https).contains("; Path=/") && !cookie(&https).contains("Domain"));
        assert!(cookie(&http).starts_with("misar_session="));
        for (url, other) in [(&https, &http), (&http, &https)] {
            let cookie = cookie(url);
            let pair = cookie.split(';').next().unwrap();
            let name = cookie_name(url);
            assert_eq!(found(&format!("a=b; {pair};c"), url), [token.digest()]);
            assert_eq!(found(pair, other), [] as [TokenDigest; 0]);
            // Whatever else is called so, before it or behind.
            let several = found(&format!("{name}=x; {pair}; {name}=y"), url);
            assert_eq!(several.len(), 3);
            assert!(several.contains(&token.digest()));
            let many = format!("{name}=x; ").repeat(MAX_TRIED + 1);
            assert_eq!(found(&many, url).len(), MAX_TRIED);
        }
        let others = "x_misar_session=1; misar_sessions=2";
        assert_eq!(found(others, &http), [] as [TokenDigest; 0]);
    }

    #[test]
    fn only_the_origin_that_was_asked_and_the_public_one_are_ours() {
        let public = PublicUrl::parse("https://track.example").unwrap();
        let ours = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            (
                is_same_origin(&headers, &public),
                is_from_own_page(&headers, &public),
            )
        };
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(ours(&[host]), (true, false));
        for good in [
            &[host, ("origin", "http://127.0.0.1:8080")][..],
            &[host, ("origin", "https://track.example")],
            &[host, ("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(ours(good), (true, true), "{good:?}");
        }
        for bad in [
            &[host, ("origin", "http://127.0.0.1:8081")][..],
            &[host, ("origin", "null")],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "cross-site")],
            &[
                host,
                ("origin", "http://127.0.0.1:8080"),
                ("sec-fetch-site", "same-site"),
            ],
        ] {
            assert_eq!(ours(bad), (false, false), "{bad:?}");
        }
    }
}
