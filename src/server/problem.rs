//! What went wrong with a request, as RFC 9457 has it: `application/problem+json`.

use std::fmt::Display;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of an answer that tells of a failure. Its `type` is left out, which stands for `about:blank`:
/// the status says what kind it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Problem {
    /// The status code once more, for whoever has only the body.
    pub(super) status: u16,
    /// The status in words.
    pub(super) title: String,
    /// What was wrong with this request, and what to do.
    pub(super) detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Failure").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into() }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Something that passes: a full disk, or the end of the instance.
    pub(super) fn unavailable(error: &dyn Display) -> Self {
        tracing::warn!("a request could not be answered: {error}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "what is remembered cannot be reached just now; ask again later",
        )
    }

    /// A failure of ours. The log gets the cause; whoever asked learns only that there is one.
    pub(super) fn internal(error: &dyn Display) -> Self {
        tracing::error!("a request could not be answered: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the instance's log tells the cause")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
