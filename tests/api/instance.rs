//! A server that really listens, and the plainest of clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hephaestus::server::{Config, Handles, NotReady, SOCKET_NAME, Server, Token};
use hephaestus::telemetry::metrics::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::shelf::{REPOSITORY, Shelf};

/// How long a test waits for what must happen.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// How long the servers of the tests are patient.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);
pub(super) const TOKEN: &str = "s3cret";
pub(super) const MAX_CONNECTIONS: usize = 8;

pub(super) struct Instance {
    pub(super) address: SocketAddr,
    pub(super) shelf: Shelf,
    pub(super) metrics: Metrics,
    pub(super) readiness: watch::Sender<Vec<NotReady>>,
    state_dir: TempDir,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    runtime: Runtime,
}

impl Instance {
    pub(super) fn start() -> Self {
        Self::launch("127.0.0.1:0", None)
    }

    /// One that mends nothing.
    pub(super) fn without_repository() -> Self {
        Self::serve("127.0.0.1:0", None, None, tempfile::tempdir().unwrap())
    }

    pub(super) fn with_token() -> Self {
        Self::launch("127.0.0.1:0", Some(Token::new(TOKEN)))
    }

    pub(super) fn launch(listen: &str, token: Option<Token>) -> Self {
        Self::serve(listen, token, Some(REPOSITORY), tempfile::tempdir().unwrap())
    }

    /// Starts on what another instance has left.
    pub(super) fn restart(listen: &str, state_dir: TempDir) -> Self {
        Self::serve(listen, None, Some(REPOSITORY), state_dir)
    }

    fn serve(listen: &str, token: Option<Token>, repository: Option<&str>, state_dir: TempDir) -> Self {
        let runtime = Runtime::new().unwrap();
        let metrics = Metrics::new().unwrap();
        let shelf = Shelf::open(&state_dir.path().join("knowledge"), &metrics);
        let readiness = watch::Sender::new(Vec::new());
        let config = Config {
            listen: listen.parse().unwrap(),
            state_dir: state_dir.path().to_owned(),
            token,
            max_connections: MAX_CONNECTIONS,
            request_timeout: PATIENCE,
        };
        let knowledge = shelf.knowledge.clone();
        let handles = Handles {
            knowledge: Some(knowledge),
            letters: None,
            readiness: readiness.subscribe(),
            metrics: metrics.clone(),
            repository: repository.map(PathBuf::from),
        };
        let server = runtime.block_on(Server::bind(config, handles)).unwrap();
        let (address, stop) = (server.address().unwrap(), CancellationToken::new());
        let serving = runtime.spawn(server.run(stop.clone()));
        Self { address, shelf, metrics, readiness, state_dir, stop, serving, runtime }
    }

    pub(super) fn state_dir(&self) -> &Path {
        self.state_dir.path()
    }

    /// Asks the server to stop, and does not wait for it.
    pub(super) fn begin_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the instance as it stops itself, and leaves its state directory.
    pub(super) fn join(self) -> TempDir {
        self.stop.cancel();
        let ended = self.runtime.block_on(async { tokio::time::timeout(SOON, self.serving).await });
        ended.unwrap().unwrap();
        self.shelf.knowledge.close();
        self.state_dir
    }

    pub(super) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    pub(super) fn control(&self) -> UnixStream {
        let stream = UnixStream::connect(self.state_dir().join(SOCKET_NAME)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.get_with(path, "Host: localhost\r\n")
    }

    pub(super) fn get_with(&self, path: &str, headers: &str) -> Answer {
        ask(self.tcp(), &format!("GET {path} HTTP/1.0\r\n{headers}\r\n"))
    }

    pub(super) fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        ask(self.tcp(), &post(path, headers, body))
    }
}

pub(super) fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Sends a request and reads until the server closes. HTTP/1.0 answers come in one piece.
pub(super) fn ask(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    Answer::read(stream)
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn read(mut stream: impl Read) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The detail of an answer that must be a problem with this status.
    #[track_caller]
    pub(super) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].is_string(), "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}
