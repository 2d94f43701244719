//! Dead letters, which whoever runs the server keeps: listed, and put back.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::api::checked;
use super::problem::Problem;
use super::view::Limit;
use crate::domain::{LetterList, ReplayOrder, ReplayReport};

/// What comes of a question to whoever keeps dead letters; the error says what to do.
pub type Answer<T> = BoxFuture<'static, Result<T, Box<dyn std::error::Error + Send + Sync>>>;

/// Whoever keeps dead letters.
pub trait Letters: Send + Sync {
    /// The latest, and how many there are.
    fn list(&self, limit: Limit) -> Answer<LetterList>;

    /// Puts some back.
    fn replay(&self, order: ReplayOrder) -> Answer<ReplayReport>;
}

/// How many dead letters to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LetterQuery {
    #[serde(default)]
    limit: Limit,
}

/// `GET /api/v1/dead-letters`
pub(super) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<LetterQuery>, QueryRejection>,
) -> Result<Json<LetterList>, Problem> {
    let LetterQuery { limit } = checked(query)?;
    answered(kept(&shared)?.list(limit)).await
}

/// `POST /api/v1/dead-letters/replay`
pub(super) async fn replay(
    State(shared): State<Shared>,
    order: Result<Json<ReplayOrder>, JsonRejection>,
) -> Result<Json<ReplayReport>, Problem> {
    let Json(order) = order.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    answered(kept(&shared)?.replay(order)).await
}

fn kept(shared: &Shared) -> Result<&Arc<dyn Letters>, Problem> {
    shared.letters.as_ref().ok_or_else(|| Problem::not_found("no dead letters are kept here"))
}

async fn answered<T>(answer: Answer<T>) -> Result<Json<T>, Problem> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| {
        tracing::warn!("dead letters: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    };
    answer.await.map(Json).map_err(refused)
}
