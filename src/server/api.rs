//! Groups and suggestions as JSON, and the two decisions.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;

use super::access::Peer;
use super::problem::Problem;
use super::view::{GroupList, GroupQuery, InstanceSummary, SuggestionList, SuggestionQuery, Word, verb};
use super::{Shared, catalog};
use crate::domain::{Fingerprint, GroupRecord, SuggestionId, SuggestionRecord};
use crate::knowledge::{Choice, Error, Knowledge};

/// `GET /api/v1/instance`
pub(super) async fn instance(State(shared): State<Shared>) -> Json<InstanceSummary> {
    Json(InstanceSummary {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        repository: shared.repository.map(|path| path.display().to_string()),
    })
}

/// `GET /api/v1/groups`
pub(super) async fn groups(
    State(shared): State<Shared>,
    query: Result<Query<GroupQuery>, QueryRejection>,
) -> Result<Json<GroupList>, Problem> {
    let query = checked(query)?;
    let groups = shared.ask(move |knowledge| catalog::groups(knowledge.view(), &query)).await?;
    Ok(Json(GroupList { groups }))
}

/// `GET /api/v1/groups/{fingerprint}`
pub(super) async fn group(
    State(shared): State<Shared>,
    Path(fingerprint): Path<String>,
) -> Result<Json<GroupRecord>, Problem> {
    let fingerprint: Fingerprint =
        fingerprint.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let found = shared.ask(move |knowledge| knowledge.view().group(fingerprint)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no group {fingerprint}")))
}

/// `GET /api/v1/suggestions`
pub(super) async fn suggestions(
    State(shared): State<Shared>,
    query: Result<Query<SuggestionQuery>, QueryRejection>,
) -> Result<Json<SuggestionList>, Problem> {
    let query = checked(query)?;
    let suggestions = shared.ask(move |knowledge| catalog::suggestions(knowledge.view(), &query)).await?;
    Ok(Json(SuggestionList { suggestions }))
}

/// `GET /api/v1/suggestions/{id}`
pub(super) async fn suggestion(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<SuggestionRecord>, Problem> {
    let id = suggestion_id(&id)?;
    let found = shared.ask(move |knowledge| knowledge.view().suggestion(id)).await?;
    found.map(Json).ok_or_else(|| no_suggestion(id))
}

/// `POST /api/v1/suggestions/{id}/approve`
pub(super) async fn approve(
    state: State<Shared>,
    peer: Extension<Peer>,
    id: Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
) -> Result<Json<SuggestionRecord>, Problem> {
    decide(state, peer, id, word, Choice::Approve).await
}

/// `POST /api/v1/suggestions/{id}/reject`
pub(super) async fn reject(
    state: State<Shared>,
    peer: Extension<Peer>,
    id: Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
) -> Result<Json<SuggestionRecord>, Problem> {
    decide(state, peer, id, word, Choice::Reject).await
}

async fn decide(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
    choice: Choice,
) -> Result<Json<SuggestionRecord>, Problem> {
    let id = suggestion_id(&id)?;
    let word = word.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let word = word.map(|Json(word)| word).unwrap_or_default();
    word.check().map_err(Problem::bad_request)?;
    let decision = word.into_decision(&known(peer), Timestamp::now());
    tracing::info!(%id, by = decision.by, "a person decided: {}", verb(choice));
    shared.ask(move |knowledge| knowledge.decide(id, choice, decision)).await.map(Json)
}

/// What we know of somebody ourselves.
fn known(peer: Peer) -> String {
    match peer {
        Peer::Control { uid } => format!("uid {uid}"),
        Peer::Network(address) => format!("token, from {}", address.ip()),
    }
}

fn suggestion_id(text: &str) -> Result<SuggestionId, Problem> {
    text.parse().map_err(|error| Problem::bad_request(format!("{error}")))
}

fn no_suggestion(id: SuggestionId) -> Problem {
    Problem::not_found(format!("there is no suggestion {id}"))
}

pub(super) fn checked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

impl Shared {
    /// Asks knowledge, on a thread where it may block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Knowledge) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let knowledge = self.knowledge.clone();
        let turn = Arc::clone(&self.questions).acquire_owned().await;
        let turn = turn.map_err(|error| Problem::internal(&error))?;
        let asking = move || {
            let answer = question(&knowledge);
            drop(turn);
            answer
        };
        let answer = tokio::task::spawn_blocking(asking).await;
        answer.map_err(|error| Problem::internal(&error))?.map_err(|error| refusal(&error))
    }
}

/// What knowledge refuses is told as it says it; that it fails is ours to look into.
fn refusal(error: &Error) -> Problem {
    match error {
        Error::UnknownGroup(_) | Error::UnknownSuggestion(_) => Problem::not_found(error.to_string()),
        Error::NoPatch(_) | Error::Decided { .. } | Error::Elsewhere(_) => {
            Problem::new(StatusCode::CONFLICT, error.to_string())
        }
        error if error.is_retryable() => Problem::unavailable(error),
        error => Problem::internal(error),
    }
}
