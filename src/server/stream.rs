//! Suggestions as server-sent events: first what came before, from where the client stopped, then each new
//! one as it comes.
//!
//! Nothing is buffered for a client: its stream is a place in the order of suggestions, and a page is
//! read only once the page before was taken. So a slow client costs no memory, and a client that takes
//! nothing at all is cut off by the connection's write limit. Whoever comes back resumes at the place
//! that `Last-Event-ID` tells.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Shared;
use super::api::checked;
use super::problem::Problem;
use crate::domain::SuggestionRecord;
use crate::knowledge::{Knowledge, Revision};

/// How many suggestions are read at once for one client.
const PAGE: usize = 16;

/// How long a client should wait before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// From where a client wants to read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// The sequence number of the last suggestion it has seen.
    after: Option<u64>,
}

/// `GET /api/v1/suggestions/stream`
pub(super) async fn suggestions(
    State(shared): State<Shared>,
    query: Result<Query<From>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let after = checked(query)?.after;
    // A client that comes back repeats its first URL; the header tells how far it has come since.
    let after = last_event_id(&headers)?.or(after).unwrap_or(0);
    let changes = shared.knowledge.view().subscribe();
    // Whoever has seen more than there is knew a state that is gone: for them everything is new.
    let after = if after > changes.borrow().last_sequence { 0 } else { after };
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        let detail = "as many streams are open as the instance allows; come back later";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
    };
    let heartbeat = KeepAlive::new().interval(shared.heartbeat);
    let reader = Reader { shared, after, page: VecDeque::new(), changes, greeted: false, _permit: permit };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(heartbeat).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let sequence = value.to_str().ok().and_then(|value| value.trim().parse().ok());
    sequence.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID is not a sequence number"))
}

/// One client's place in the order of suggestions.
struct Reader {
    shared: Shared,
    after: u64,
    page: VecDeque<SuggestionRecord>,
    changes: watch::Receiver<Revision>,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; none ends the stream, after which the client comes back by itself.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            return Some(Event::default().retry(RETRY));
        }
        let stop = self.shared.stop.clone();
        loop {
            if stop.is_cancelled() {
                return None;
            }
            if let Some(record) = self.page.pop_front() {
                self.after = record.sequence;
                return as_event(&record);
            }
            // Marked as seen before reading: what comes while we read wakes us again. Most changes are
            // counts, which are none of our business.
            let latest = self.changes.borrow_and_update().last_sequence;
            let after = self.after;
            let page = if latest > after {
                let question = move |knowledge: &Knowledge| knowledge.view().suggestions_after(after, PAGE);
                self.shared.ask(question).await.ok()?
            } else {
                Vec::new()
            };
            if page.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    changed = self.changes.changed() => changed.ok()?,
                }
            }
            self.page.extend(page);
        }
    }
}

fn as_event(record: &SuggestionRecord) -> Option<Event> {
    let event = Event::default().id(record.sequence.to_string()).event("suggestion");
    event.json_data(record).inspect_err(|error| tracing::error!("suggestion {}: {error}", record.id)).ok()
}
