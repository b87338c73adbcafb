//! Reads know their parameters: one that they do not know, that is empty, or that is there twice, is
//! refused rather than ignored, since an answer that was not filtered looks like one that was.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, Request};

use crate::app::App;
use crate::auth;
use crate::document::KnownRoutes;
use crate::error::ApiError;
use crate::nearest::nearest_name;

/// The layer around the reads. Who may not ask at all is told that first.
pub(super) async fn know(
    State((app, known)): State<(Arc<App>, KnownRoutes)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let refusal = path.and_then(|path| check(&known, path.as_str(), &request));
    let Some(refusal) = refusal else {
        return next.run(request).await;
    };
    match auth::any_reader(&app, request.headers(), request.uri()) {
        Ok(_) => refusal.into_response(),
        Err(error) => error.into_response(),
    }
}

fn check<B>(known: &KnownRoutes, path: &str, request: &Request<B>) -> Option<ApiError> {
    let takes_no_body = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::DELETE
    );
    if !path.starts_with("/v1/") || !takes_no_body {
        return None;
    }
    let names = known.parameters(path);
    let query = request.uri().query().unwrap_or_default();
    let mut sent = form_urlencoded::parse(query.as_bytes());
    // As many as there are names: what is no name, or is there twice, ends the search.
    let mut seen: Vec<Cow<'_, str>> = Vec::new();
    sent.find_map(|(name, value)| {
        if seen.contains(&name) {
            return Some(twice(&name));
        }
        seen.push(name.clone());
        match names.iter().find(|known| **known == name) {
            None => Some(unknown(&name, names)),
            Some(known) if value.trim().is_empty() => Some(ApiError::InvalidParameter {
                name: known.clone().into(),
                message: format!("`{known}` is empty: send a value, or leave it out"),
            }),
            Some(_) => None,
        }
    })
}

/// Of a known name, which the first of the two was found to be.
fn twice(name: &str) -> ApiError {
    ApiError::InvalidParameter {
        name: name.to_owned().into(),
        message: format!("`{name}` is there twice: send it once"),
    }
}

fn unknown(sent: &str, names: &[String]) -> ApiError {
    let nearest = nearest_name(sent, names.iter().map(String::as_str));
    // Anything could stand in a name; what looks like one is repeated.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    let is_shown = (1..=40).contains(&sent.len()) && sent.bytes().all(is_name);
    let what = if is_shown {
        format!("there is no parameter `{sent}` here")
    } else {
        "a parameter of this request is not known here".to_owned()
    };
    let meant = nearest.map_or(String::new(), |name| format!(": do you mean `{name}`?"));
    let listed = if names.is_empty() {
        "This read takes none".to_owned()
    } else {
        format!("The known ones are `{}`", names.join("`, `"))
    };
    let end = if meant.is_empty() { "." } else { "" };
    ApiError::UnknownParameter {
        name: is_shown.then(|| sent.to_owned()),
        message: format!("{what}{meant}{end} {listed}"),
    }
}
