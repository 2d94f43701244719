//! Lines of an access log whose status tells that the server failed: gin's.

use std::borrow::Cow;

use super::time::Stamp;
use super::{Form, Parsed};
use crate::analyzer::clipped;
use crate::analyzer::level::Level;

/// Longest path kept of a request.
const MAX_PATH_BYTES: usize = 256;
/// Longest part of a path that is a name.
const MAX_NAME_BYTES: usize = 24;

/// `[GIN] 2009/11/10 - 23:00:00 | 500 |  1.2ms |  10.0.0.7 | GET  "/orders/17"`
pub(super) fn parse(line: &str) -> Option<Parsed<'_>> {
    let mut parts = line.strip_prefix("[GIN] ")?.split('|').map(str::trim);
    let (_time, status, _, _, request) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (method, path) = request.split_once(' ')?;
    let path = clipped(path.trim().trim_matches('"'), MAX_PATH_BYTES);
    let status: u16 = status.parse().ok().filter(|status| (100..600).contains(status))?;
    let level = match status {
        // The server passes on that another one failed, or that it has no room.
        502..=504 => Level::Warn,
        500.. => Level::Error,
        _ => Level::Info,
    };
    let time = None::<Stamp<'_>>;
    Some(Parsed {
        form: Form::Access,
        time,
        level: Some(level),
        body: Cow::Owned(format!("HTTP {status}: {method} {path}")),
        fields: Vec::new(),
        go: true,
        masked: Some(format!("HTTP {status}: {method} {}", route(path))),
    })
}

/// The path with its ids replaced: `/v1/orders/<id>`.
fn route(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let is_version = |part: &str| part.len() <= 3 && part.starts_with('v');
    let name = |part: &str| {
        let digits = part.bytes().any(|byte| byte.is_ascii_digit());
        part.len() <= MAX_NAME_BYTES && (!digits || is_version(part))
    };
    let parts: Vec<_> = path.split('/').map(|part| if name(part) { part } else { "<id>" }).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_level_and_the_route_the_message() {
        for (line, level, masked) in [
            (
                r#"[GIN] 2009/11/10 - 23:00:00 | 500 |     1.2ms |   10.0.0.7 | GET      "/v1/orders/17?x=1""#,
                Level::Error,
                "HTTP 500: GET /v1/orders/<id>",
            ),
            (r#"[GIN] 2009/11/10 - 23:00:00 | 503 | 1s | ::1 | POST "/""#, Level::Warn, "HTTP 503: POST /"),
            (
                r#"[GIN] 2009/11/10 - 23:00:00 | 200 | 1s | ::1 | GET "/error""#,
                Level::Info,
                "HTTP 200: GET /error",
            ),
        ] {
            let parsed = parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((parsed.level, parsed.masked.as_deref()), (Some(level), Some(masked)), "{line}");
        }
        for line in ["[GIN] 500", "[GIN-debug] GET /x", "[GIN] a | b | c | d | e f"] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
