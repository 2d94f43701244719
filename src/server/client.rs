//! The API as a command of the same program uses it: over the control socket of a running instance.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::problem::Problem;
use super::socket::{Reachable, SOCKET_NAME};
use super::view::{
    GroupList, GroupQuery, GroupSummary, InstanceSummary, Limit, SuggestionList, SuggestionQuery,
    SuggestionSummary, Word, verb,
};
use crate::domain::{
    Fingerprint, GroupRecord, LetterList, ReplayOrder, ReplayReport, SuggestionId, SuggestionRecord,
};
use crate::knowledge::Choice;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer.
const ANSWER_BYTES: usize = 64 << 20;

/// A running instance, reached over its control socket.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// Why a running instance gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket is there and cannot be used.
    #[error("{}: the running instance cannot be reached", .path.display())]
    Reach {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The exchange broke.
    #[error("the running instance gave no answer")]
    Exchange(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("the running instance gave no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// The instance refused.
    #[error("the running instance refused: {detail}")]
    Refused {
        /// Its own words.
        detail: String,
    },
}

impl Client {
    /// Reaches the instance that runs in a state directory; none if none does.
    ///
    /// # Errors
    /// When there may be one, but it cannot be reached.
    pub async fn reach(state_dir: &Path) -> Result<Option<Self>, ClientError> {
        let client = Self { path: state_dir.join(SOCKET_NAME) };
        match client.connect().await {
            Ok(_) => Ok(Some(client)),
            // No socket, or one that a dead instance has left.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(source) => Err(ClientError::Reach { path: client.path, source }),
        }
    }

    /// What it is; none where it is of a version that does not tell.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn instance(&self) -> Result<Option<InstanceSummary>, ClientError> {
        self.get("instance").await
    }

    /// The groups that a query selects.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn groups(&self, query: &GroupQuery) -> Result<Vec<GroupSummary>, ClientError> {
        let list: Option<GroupList> = self.get(&format!("groups?{}", query.in_url())).await?;
        Ok(list.map_or_else(Vec::new, |list| list.groups))
    }

    /// One group.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn group(&self, fingerprint: Fingerprint) -> Result<Option<GroupRecord>, ClientError> {
        self.get(&format!("groups/{fingerprint}")).await
    }

    /// The suggestions that a query selects.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn suggestions(&self, query: &SuggestionQuery) -> Result<Vec<SuggestionSummary>, ClientError> {
        let list: Option<SuggestionList> = self.get(&format!("suggestions?{}", query.in_url())).await?;
        Ok(list.map_or_else(Vec::new, |list| list.suggestions))
    }

    /// One suggestion.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn suggestion(&self, id: SuggestionId) -> Result<Option<SuggestionRecord>, ClientError> {
        self.get(&format!("suggestions/{id}")).await
    }

    /// Approves or rejects a suggestion; none where there is no such suggestion.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn decide(
        &self,
        id: SuggestionId,
        choice: Choice,
        word: &Word,
    ) -> Result<Option<SuggestionRecord>, ClientError> {
        let body = serde_json::to_vec(word).map_err(|error| ClientError::Exchange(error.into()))?;
        self.ask(Method::POST, &format!("suggestions/{id}/{}", verb(choice)), body).await
    }

    /// The latest dead letters; none where the instance tells of none.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn dead_letters(&self, limit: Limit) -> Result<Option<LetterList>, ClientError> {
        self.get(&format!("dead-letters?limit={}", limit.get())).await
    }

    /// Puts dead letters back; none where the instance tells of none.
    ///
    /// # Errors
    /// When the instance does not answer, or refuses.
    pub async fn replay(&self, order: &ReplayOrder) -> Result<Option<ReplayReport>, ClientError> {
        let body = serde_json::to_vec(order).map_err(|error| ClientError::Exchange(error.into()))?;
        self.ask(Method::POST, "dead-letters/replay", body).await
    }

    async fn get<T: DeserializeOwned>(&self, route: &str) -> Result<Option<T>, ClientError> {
        self.ask(Method::GET, route, Vec::new()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        route: &str,
        body: Vec<u8>,
    ) -> Result<Option<T>, ClientError> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(method, route, body));
        let (status, body) = exchange.await.map_err(|_| ClientError::TimedOut)??;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map(Some).map_err(|error| ClientError::Exchange(error.into()))
            }
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                let problem = serde_json::from_slice(&body).map(|problem: Problem| problem.detail);
                Err(ClientError::Refused { detail: problem.unwrap_or_else(|_| status.to_string()) })
            }
        }
    }

    async fn exchange(
        &self,
        method: Method,
        route: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let broken = |error: hyper::Error| ClientError::Exchange(error.into());
        let connected = self.connect().await;
        let stream = connected.map_err(|source| ClientError::Reach { path: self.path.clone(), source })?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{route}"))
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientError::Exchange(error.into()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async move {
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let body = Limited::new(Body::new(body), ANSWER_BYTES).collect().await;
            Ok((head.status, body.map_err(ClientError::Exchange)?.to_bytes()))
        };
        // The connection ends once the answer is there and its sender is gone; how, matters no more.
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        let reachable = Reachable::new(&self.path)?;
        UnixStream::connect(reachable.path()).await
    }
}
