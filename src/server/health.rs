//! Whether the instance lives, whether it is ready, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::Shared;
use super::problem::Problem;
use crate::telemetry::metrics;

/// Why an instance is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// The part that is not: `collector`, `bus`, `knowledge`…
    pub part: &'static str,
    /// Why, and what to do.
    pub reason: String,
}

/// Alive is whoever answers.
pub(super) async fn live() -> impl IntoResponse {
    Json(json!({"alive": true}))
}

/// Ready is an instance none of whose parts says otherwise. One that is going down is not.
pub(super) async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let mut reasons = shared.readiness.borrow().clone();
    if shared.stop.is_cancelled() {
        reasons.push(NotReady { part: "server", reason: "shutting down".to_owned() });
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": reasons.is_empty(), "reasons": reasons})))
}

/// Every metric, as Prometheus reads them.
pub(super) async fn metrics(State(shared): State<Shared>) -> Result<Response, Problem> {
    let text = shared.metrics.encode().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
