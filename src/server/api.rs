//! Groups and suggestions as JSON, and the two decisions.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use jiff::Timestamp;

use super::Shared;
use super::access::Peer;
use super::problem::Problem;
use super::records::{Records, RecordsError};
use super::view::{GroupList, GroupQuery, Ruling, SuggestionList, SuggestionQuery, Word};
use crate::domain::{Fingerprint, GroupRecord, SuggestionId, SuggestionRecord};

/// `GET /api/v1/groups`
pub(super) async fn groups(
    State(shared): State<Shared>,
    query: Result<Query<GroupQuery>, QueryRejection>,
) -> Result<Json<GroupList>, Problem> {
    let query = checked(query)?;
    let groups = shared.read(move |records| records.groups(&query)).await?;
    Ok(Json(GroupList { groups: groups.into_iter().map(Into::into).collect() }))
}

/// `GET /api/v1/groups/{fingerprint}`
pub(super) async fn group(
    State(shared): State<Shared>,
    Path(fingerprint): Path<String>,
) -> Result<Json<GroupRecord>, Problem> {
    let fingerprint: Fingerprint =
        fingerprint.parse().map_err(|error| Problem::bad_request(format!("{error}")))?;
    let found = shared.read(move |records| records.group(fingerprint)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("there is no group {fingerprint}")))
}

/// `GET /api/v1/suggestions`
pub(super) async fn suggestions(
    State(shared): State<Shared>,
    query: Result<Query<SuggestionQuery>, QueryRejection>,
) -> Result<Json<SuggestionList>, Problem> {
    let query = checked(query)?;
    let suggestions = shared.read(move |records| records.suggestions(&query)).await?;
    Ok(Json(SuggestionList { suggestions: suggestions.into_iter().map(Into::into).collect() }))
}

/// `GET /api/v1/suggestions/{id}`
pub(super) async fn suggestion(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<SuggestionRecord>, Problem> {
    let id = suggestion_id(&id)?;
    let found = shared.read(move |records| records.suggestion(id)).await?;
    found.map(Json).ok_or_else(|| no_suggestion(id))
}

/// `POST /api/v1/suggestions/{id}/approve`
pub(super) async fn approve(
    state: State<Shared>,
    peer: Extension<Peer>,
    id: Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
) -> Result<Json<SuggestionRecord>, Problem> {
    decide(state, peer, id, word, Ruling::Approve).await
}

/// `POST /api/v1/suggestions/{id}/reject`
pub(super) async fn reject(
    state: State<Shared>,
    peer: Extension<Peer>,
    id: Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
) -> Result<Json<SuggestionRecord>, Problem> {
    decide(state, peer, id, word, Ruling::Reject).await
}

async fn decide(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
    word: Result<Option<Json<Word>>, JsonRejection>,
    ruling: Ruling,
) -> Result<Json<SuggestionRecord>, Problem> {
    let id = suggestion_id(&id)?;
    let word = word.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let word = word.map(|Json(word)| word).unwrap_or_default();
    word.check().map_err(Problem::bad_request)?;
    let decision = word.into_decision(&known(peer), Timestamp::now());
    tracing::info!(%id, by = decision.by, "a person decided: {}", ruling.as_str());
    let decided = shared.read(move |records| records.decide(id, ruling, decision)).await?;
    decided.map(Json).ok_or_else(|| no_suggestion(id))
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
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Records) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, Problem> {
        let records = self.records.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&*records)).await;
        answer.map_err(|error| Problem::internal(&error))?.map_err(|error| Problem::internal(&error))
    }
}
