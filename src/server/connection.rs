//! Connections: how many, how long, and how they end.
//!
//! Limits lie below the routes, where hostile clients are: a head must arrive whole within a time, also
//! on a connection that is kept alive, and within a size; what is written must be taken within a time.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::access::Peer;
use super::socket::ControlSocket;

/// The longest wait for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
const MAX_HEADERS: usize = 64;
/// The most that is buffered of one connection in each direction, and so the largest head.
const BUFFER_BYTES: usize = 32 << 10;
/// How long to wait after an accept that failed for want of descriptors or memory.
const BREATH: Duration = Duration::from_millis(100);

/// How connections from one side are served.
pub(super) struct Listener {
    pub(super) name: &'static str,
    pub(super) router: Router,
    pub(super) max_connections: usize,
    /// How long a peer may be slow.
    pub(super) patience: Duration,
    pub(super) stop: CancellationToken,
}

/// Where connections come in.
pub(super) trait Door: Send + Sync {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        Ok((stream, Peer::Network(address)))
    }
}

impl Door for ControlSocket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener().accept().await?;
        let uid = stream.peer_cred()?.uid();
        Ok((stream, Peer::Control { uid }))
    }
}

impl Listener {
    /// Serves what comes in until it is told to stop, and then until the last connection has ended.
    pub(super) async fn serve(self, door: impl Door) {
        let slots = Arc::new(Semaphore::new(self.max_connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = next(&slots, &door) => accepted,
            };
            match accepted {
                Ok((slot, stream, peer)) => {
                    let served =
                        serve_one(stream, peer, self.router.clone(), self.patience, self.stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(slot);
                    });
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!("{}: a connection could not be accepted: {error}", self.name);
                    tokio::time::sleep(BREATH).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        // New ones are refused from here on, while those that are open come to their end.
        drop(door);
        while connections.join_next().await.is_some() {}
    }
}

/// The next connection, once there is room for it. Until then it waits in the kernel's queue.
async fn next<D: Door>(
    slots: &Arc<Semaphore>,
    door: &D,
) -> io::Result<(OwnedSemaphorePermit, D::Stream, Peer)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = door.accept().await?;
    Ok((slot, stream, peer))
}

/// Whether the peer went away before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected)
}

async fn serve_one<S>(stream: S, peer: Peer, router: Router, patience: Duration, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience));
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD.min(patience))
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(patience, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!(?peer, "cut off at shutdown"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, "a connection broke: {error}");
    }
}
