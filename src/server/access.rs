//! Who may read, and who may decide.
//!
//! * Over the control socket: whoever the file system lets open it, which is its owner.
//! * Over TCP, reading: a program on this machine that asks for a loopback name. A web page that rebinds
//!   its own name to 127.0.0.1 arrives with that name as `Host`, and a page of another origin with
//!   that `Origin`: both are refused. Anybody else needs the token.
//! * Over TCP, deciding: the token, always.
//!
//! Health and metrics tell nothing of the logs; probes and scrapers reach them under any name.

use std::net::{IpAddr, SocketAddr};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Shared;
use super::problem::Problem;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The control socket, and whose process is at its other end.
    Control {
        /// The user id that the kernel tells.
        uid: u32,
    },
    /// The network.
    Network(SocketAddr),
}

/// What a client must send over TCP to decide. Only its hash is kept, and comparing takes the same time
/// whatever was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(blake3::Hash);

impl Token {
    /// The token that is written so.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }

    /// Whether a request carries it.
    fn is_carried_by(&self, headers: &HeaderMap) -> bool {
        let value = single(headers, &header::AUTHORIZATION);
        let sent = value.and_then(|value| value.split_once(' '));
        sent.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && Self::new(token.trim()) == *self
        })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// Lets a request pass that may read.
pub(super) async fn may_read(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Peer::Network(address) = peer
        && !shared.token.as_ref().is_some_and(|token| token.is_carried_by(request.headers()))
    {
        is_local(address.ip(), request.uri(), request.headers())?;
    }
    Ok(next.run(request).await)
}

/// Lets a request pass that may decide.
pub(super) async fn may_decide(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Peer::Network(_) = peer {
        match &shared.token {
            None => {
                return Err(Problem::forbidden(
                    "nobody may decide over TCP: use the control socket (`hephaestus suggestions approve ID`), \
                     or set server.token and send it as a Bearer token",
                ));
            }
            Some(token) if !token.is_carried_by(request.headers()) => {
                let detail = "send server.token: Authorization: Bearer TOKEN";
                return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
            }
            Some(_) => {}
        }
    }
    Ok(next.run(request).await)
}

/// Whether a request is one of this machine to this machine, and not one that a web page made.
fn is_local(peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if !peer.to_canonical().is_loopback() {
        return Err(Problem::forbidden(
            "from other machines the API needs server.token, sent as a Bearer token",
        ));
    }
    let host = single(headers, &header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host.filter(is_loopback_name).filter(|_| uri.authority().is_none_or(is_loopback_name))
    else {
        return Err(Problem::forbidden(
            "the Host header must name this machine: localhost, 127.0.0.1 or [::1]; other names need server.token",
        ));
    };
    if headers.contains_key(header::ORIGIN) {
        let origin = single(headers, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if !origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str())) {
            return Err(Problem::forbidden("web pages of other origins may not ask"));
        }
    }
    Ok(())
}

/// Whether a name can only mean this machine.
fn is_loopback_name(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !authority.as_str().contains('@') && (address || host.eq_ignore_ascii_case("localhost"))
}

/// The value of a header that stands there once.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(peer: &str, target: &str, headers: &[(HeaderName, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        is_local(peer.parse().unwrap(), &target.parse().unwrap(), &map).is_ok()
    }

    #[test]
    fn only_this_machine_under_its_own_name_reads_without_a_token() {
        for host in ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464"] {
            assert!(asks("127.0.0.1", "/x", &[(header::HOST, host)]), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "localhost@evil.example",
            "evil@localhost",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "",
            "localhost localhost",
        ] {
            assert!(!asks("127.0.0.1", "/x", &[(header::HOST, host)]), "{host}");
        }
        assert!(!asks("127.0.0.1", "/x", &[]));
        assert!(!asks("127.0.0.1", "/x", &[(header::HOST, "localhost"), (header::HOST, "localhost")]));
        assert!(!asks("127.0.0.1", "http://evil.example/x", &[(header::HOST, "localhost")]));
        assert!(!asks("10.1.2.3", "/x", &[(header::HOST, "localhost")]));
        assert!(asks("::ffff:127.0.0.1", "/x", &[(header::HOST, "localhost")]));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let from =
            |origin: &str| asks("::1", "/x", &[(header::HOST, "localhost:9464"), (header::ORIGIN, origin)]);
        assert!(from("http://localhost:9464"));
        for origin in ["http://localhost:3000", "https://localhost:9464", "http://evil.example", "null", ""] {
            assert!(!from(origin), "{origin}");
        }
    }

    #[test]
    fn a_token_is_compared_whole_and_never_shown() {
        let token = Token::new("s3cret");
        let carried = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            token.is_carried_by(&headers)
        };
        assert!(carried("Bearer s3cret") && carried("bearer  s3cret "));
        for value in ["Bearer s3cre", "Bearer s3crett", "Basic s3cret", "s3cret", "Bearer ", ""] {
            assert!(!carried(value), "{value}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
