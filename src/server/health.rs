//! Whether the instance lives, whether it is ready, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::telemetry::metrics::{self, Metrics};

/// Why an instance is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// The part that is not: `collector`, `bus`, `knowledge`…
    pub part: &'static str,
    /// Why, and what to do.
    pub reason: String,
}

/// What tells how an instance stands.
#[derive(Clone)]
pub(super) struct Vitals {
    pub(super) readiness: watch::Receiver<Vec<NotReady>>,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
}

/// Alive is whoever answers.
pub(super) async fn live() -> impl IntoResponse {
    Json(json!({"alive": true}))
}

/// Ready is an instance none of whose parts says otherwise. One that is going down is not.
pub(super) async fn ready(State(vitals): State<Vitals>) -> impl IntoResponse {
    let mut reasons = vitals.readiness.borrow().clone();
    if vitals.stop.is_cancelled() {
        reasons.push(NotReady { part: "server", reason: "shutting down".to_owned() });
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": reasons.is_empty(), "reasons": reasons})))
}

/// Every metric, as Prometheus reads them.
pub(super) async fn metrics(State(vitals): State<Vitals>) -> Result<Response, Problem> {
    let text = vitals.metrics.encode().map_err(|error| Problem::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}
