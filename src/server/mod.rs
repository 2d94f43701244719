//! HTTP: health, metrics, and the API of groups and suggestions.
//!
//! The same routes are served twice: over TCP, for probes, scrapers and readers, and over a Unix socket
//! in the state directory, for the person who owns the instance. `access` says who may do what. What
//! came from knowledge is read when it is asked for; the server keeps no state of its own.
//!
//! | route | |
//! |---|---|
//! | `GET /livez`, `GET /readyz` | whether it lives, whether it is ready and why not |
//! | `GET /metrics` | every metric in Prometheus' text format |
//! | `GET /api/v1/instance` | what runs here |
//! | `GET /api/v1/groups?status=&class=&severity=&prefix=&limit=` | groups, worst and most frequent first |
//! | `GET /api/v1/groups/{fingerprint}` | one group in full |
//! | `GET /api/v1/suggestions?status=&class=&verdict=&prefix=&limit=` | suggestions, latest first |
//! | `GET /api/v1/suggestions/{id}` | one suggestion in full |
//! | `GET /api/v1/suggestions/stream?after=` | suggestions as they come, as server-sent events |
//! | `GET /api/v1/dead-letters?limit=` | messages that could not be read, latest first |
//! | `POST /api/v1/dead-letters/replay` | puts some back: `{"choice", "dry_run"}` |
//! | `POST /api/v1/suggestions/{id}/approve`, `…/reject` | a person's word: `{"by", "note"}` |
//!
//! Failures are `application/problem+json`. Everything is bounded: connections, streams, headers, bodies, the
//! time of each.

mod access;
mod api;
pub mod catalog;
mod client;
mod connection;
mod health;
mod letters;
mod problem;
mod socket;
mod stream;
mod view;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use access::Token;
pub use client::{Client, ClientError};
pub use health::NotReady;
pub use letters::{Answer, Letters};
pub use socket::SOCKET_NAME;
pub use view::{
    GroupList, GroupQuery, GroupSummary, IdPrefix, InstanceSummary, Limit, MOST_RECORDS, SuggestionList,
    SuggestionQuery, SuggestionSummary, Word,
};

use connection::Listener;
use health::Vitals;
use problem::Problem;
use socket::ControlSocket;

use crate::knowledge::Knowledge;
use crate::telemetry::metrics::Metrics;

/// The most that a request's body may have.
const BODY_BYTES: usize = 64 << 10;

/// How many questions knowledge is asked at once. One whose client gives up goes on until it is answered.
const MOST_QUESTIONS: usize = 8;

/// How long a stream may be silent before a comment shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How the server works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The folder in which the control socket lies.
    pub state_dir: PathBuf,
    /// What a client must send over TCP to decide, or to read from elsewhere.
    pub token: Option<Token>,
    /// How many connections may be open at once; half of them may be streams.
    pub max_connections: usize,
    /// How long one request may take, and how long a client may leave written bytes untaken.
    pub request_timeout: Duration,
}

/// What the server shows and commands.
#[derive(Clone)]
pub struct Handles {
    /// Groups and suggestions; none where they are remembered elsewhere, as by an agent. Then there is no API.
    pub knowledge: Option<Knowledge>,
    /// Dead letters, where there are some to tell of.
    pub letters: Option<Arc<dyn Letters>>,
    /// Why the instance is not ready; empty when it is.
    pub readiness: watch::Receiver<Vec<NotReady>>,
    /// The metrics to show.
    pub metrics: Metrics,
    /// The repository in which defects are mended, where one is.
    pub repository: Option<PathBuf>,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error(
        "server.listen: cannot listen on {address}; set another address, as 127.0.0.1:0 for any free port"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("{}: the control socket cannot be made", .path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another instance lives in the state directory.
    #[error("{}: another instance is running there", .state_dir.display())]
    Occupied {
        /// The state directory.
        state_dir: PathBuf,
    },
}

/// What every request of the API may use.
#[derive(Clone)]
struct Shared {
    knowledge: Knowledge,
    letters: Option<Arc<dyn Letters>>,
    repository: Option<PathBuf>,
    token: Option<Token>,
    streams: Arc<Semaphore>,
    /// Questions that may be asked of knowledge at once.
    questions: Arc<Semaphore>,
    heartbeat: Duration,
    stop: CancellationToken,
}

/// A server that has its address and its socket, and does not answer yet.
pub struct Server {
    tcp: TcpListener,
    control: ControlSocket,
    config: Config,
    handles: Handles,
}

impl Server {
    /// Takes the address and the control socket.
    ///
    /// # Errors
    /// When one of them is taken, or cannot be made.
    pub async fn bind(config: Config, handles: Handles) -> Result<Self, Error> {
        let control = ControlSocket::bind(&config.state_dir)?;
        let listened = TcpListener::bind(config.listen).await;
        let tcp = listened.map_err(|source| Error::Listen { address: config.listen, source })?;
        Ok(Self { tcp, control, config, handles })
    }

    /// The address it listens on: the configured one, with the port that was found where that is 0.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers until `stop`. Then streams end, requests that are under way are finished, and whoever has
    /// not gone after the request time-out is cut off.
    pub async fn run(self, stop: CancellationToken) {
        let Self { tcp, control, config, handles } = self;
        let Handles { knowledge, letters, readiness, metrics, repository } = handles;
        let shared = knowledge.map(|knowledge| Shared {
            knowledge,
            letters,
            repository,
            token: config.token,
            questions: Arc::new(Semaphore::new(MOST_QUESTIONS)),
            streams: Arc::new(Semaphore::new((config.max_connections / 2).max(1))),
            heartbeat: HEARTBEAT.min(config.request_timeout),
            stop: stop.clone(),
        });
        let vitals = Vitals { readiness, metrics, stop: stop.clone() };
        let router = router(vitals, shared, config.request_timeout);
        let listener = |name| Listener {
            name,
            router: router.clone(),
            max_connections: config.max_connections,
            patience: config.request_timeout,
            stop: stop.clone(),
        };
        // Each has its own connections: the control socket answers also when TCP is crowded.
        tokio::join!(listener("tcp").serve(tcp), listener("control").serve(control));
    }
}

/// Every route, with what holds for all of them.
fn router(vitals: Vitals, shared: Option<Shared>, request_timeout: Duration) -> Router {
    let (api, missing) = match shared {
        Some(shared) => (api_routes(shared), "no such route; the API begins at /api/v1/"),
        None => (Router::new(), "no such route; what is remembered of errors and fixes, a fixer tells"),
    };
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .with_state(vitals)
        .merge(api)
        .fallback(move || async move { Problem::not_found(missing) })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the route exists, but not for this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(request_timeout, in_time))
        .layer(middleware::map_response(guard_headers))
}

fn api_routes(shared: Shared) -> Router {
    let decisions = Router::new()
        .route("/suggestions/{id}/approve", post(api::approve))
        .route("/suggestions/{id}/reject", post(api::reject))
        .route("/dead-letters/replay", post(letters::replay))
        .route_layer(middleware::from_fn_with_state(shared.clone(), access::may_decide));
    let api = Router::new()
        .route("/instance", get(api::instance))
        .route("/groups", get(api::groups))
        .route("/groups/{fingerprint}", get(api::group))
        .route("/suggestions", get(api::suggestions))
        .route("/suggestions/stream", get(stream::suggestions))
        .route("/suggestions/{id}", get(api::suggestion))
        .route("/dead-letters", get(letters::list))
        .merge(decisions)
        .route_layer(middleware::from_fn_with_state(shared.clone(), access::may_read));
    Router::new().nest("/api/v1", api).with_state(shared)
}

/// Ends a request that takes too long: its body may come too slowly, or knowledge may be stuck.
async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Result<Response, Problem> {
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long");
    tokio::time::timeout(limit, next.run(request)).await.map_err(late)
}

/// What a browser is told: take nothing for what it is not, keep nothing, hand nothing to other origins.
async fn guard_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
