//! Failures of the surroundings, by the words operating systems, resolvers and TLS stacks use.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::words;
use crate::domain::Class;

/// Words and their class, in lower case.
const SIGNS: &[(&str, Class)] = &[
    ("connection refused", Class::ConnectionRefused),
    ("no route to host", Class::ConnectionRefused),
    ("network is unreachable", Class::ConnectionRefused),
    ("connection reset by peer", Class::ConnectionReset),
    ("broken pipe", Class::ConnectionReset),
    ("no such host", Class::NameResolution),
    ("temporary failure in name resolution", Class::NameResolution),
    ("name or service not known", Class::NameResolution),
    ("server misbehaving", Class::NameResolution),
    ("i/o timeout", Class::Timeout),
    ("deadline exceeded", Class::Timeout),
    ("tls handshake timeout", Class::Timeout),
    ("client.timeout exceeded", Class::Timeout),
    ("connection timed out", Class::Timeout),
    ("operation timed out", Class::Timeout),
    ("x509: ", Class::TlsFailure),
    ("remote error: tls: ", Class::TlsFailure),
    ("tls: failed to verify certificate", Class::TlsFailure),
    ("tls: handshake failure", Class::TlsFailure),
    ("tls: first record does not look like a tls handshake", Class::TlsFailure),
    ("no space left on device", Class::DiskFull),
    ("disk quota exceeded", Class::DiskFull),
    ("permission denied", Class::PermissionDenied),
    ("operation not permitted", Class::PermissionDenied),
    ("too many open files", Class::TooManyOpenFiles),
    ("address already in use", Class::AddressInUse),
    ("cannot allocate memory", Class::OutOfMemory),
    ("no such file or directory", Class::FileMissing),
    ("executable file not found in $path", Class::FileMissing),
];

/// The class of an operational failure that a message reports. A chain of errors ends with its cause,
/// so of several signs the last one counts.
pub(crate) fn classify(message: &str) -> Option<Class> {
    last_sign(message).map(|(_, class)| class)
}

/// Whether a message ends, as a Go error chain does, with an operational failure: `…: SIGN`.
pub(crate) fn ends_chain(message: &str) -> bool {
    let message = message.trim_end().trim_end_matches(['.', ')', '"', '\'']);
    last_sign(message).is_some_and(|(at, _)| {
        let before = &message[..at];
        let words = message[at..].split_whitespace().count();
        words <= 8 && (before.ends_with(": ") || before.contains(": ")) && !before.trim().is_empty()
    })
}

/// The words.
#[cfg(test)]
pub(crate) fn signs() -> impl Iterator<Item = &'static str> {
    SIGNS.iter().map(|(sign, _)| *sign)
}

fn last_sign(message: &str) -> Option<(usize, Class)> {
    static AUTOMATON: LazyLock<AhoCorasick> =
        LazyLock::new(|| words::all_any_case(SIGNS.iter().map(|(sign, _)| *sign)));
    AUTOMATON
        .find_overlapping_iter(message)
        .max_by_key(aho_corasick::Match::start)
        .map(|found| (found.start(), SIGNS[found.pattern().as_usize()].1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_at_the_end_of_the_chain_decides() {
        for (message, class) in [
            ("ping: dial tcp 127.0.0.1:1: connect: connection refused", Some(Class::ConnectionRefused)),
            (
                "Post \"https://x\": tls: failed to verify certificate: x509: certificate has expired",
                Some(Class::TlsFailure),
            ),
            ("open /a/permission denied.txt: no such file or directory", Some(Class::FileMissing)),
            ("order total is negative", None),
        ] {
            assert_eq!(classify(message), class, "{message}");
        }
        assert!(ends_chain("ledger: dial tcp: lookup db: no such host"));
        assert!(!ends_chain(
            "retry policy: connection refused is retried three times before anything else happens"
        ));
    }
}
