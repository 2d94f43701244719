//! Failures of the surroundings: what to do about them. They get no patch.

use crate::domain::Class;

/// What a person can do about an operational failure.
#[must_use]
pub const fn remedy(class: Class) -> &'static str {
    match class {
        Class::FailedRequest => {
            "An access log does not tell why: look for a panic or an error of that time; if there is none, let the handler of this route log the error that it answers with."
        }
        Class::ConnectionRefused => {
            "Nothing listens at that address: check that the service it names is running and ready, and that host and port are configured right; retry with backoff if it may start later."
        }
        Class::ConnectionReset => {
            "The peer or something between closed the connection: look at its logs and restarts, at idle timeouts of load balancers, and retry requests that are safe to repeat."
        }
        Class::NameResolution => {
            "The host name does not resolve: check its spelling, the DNS search domain, and that the service exists in that namespace."
        }
        Class::Timeout => {
            "The peer did not answer in time: look at its load and latency and at the network between; raise the deadline only if the work truly takes longer."
        }
        Class::TlsFailure => {
            "The TLS handshake failed: check the certificate's expiry, names and chain, the trust store, and both clocks."
        }
        Class::DiskFull => "The disk or quota is full: free space, rotate what grows, or enlarge the volume.",
        Class::PermissionDenied => {
            "The system denied access: check the owner and mode of the path, the user the process runs as, and its security context."
        }
        Class::FileMissing => {
            "A file that must be there is missing: check the path, the working directory, and that the volume or config map is mounted."
        }
        Class::AddressInUse => "Another process listens there: stop it or configure another address.",
        Class::TooManyOpenFiles => {
            "The limit of open files is reached: raise it (ulimit -n, LimitNOFILE), and look for responses and files that are never closed."
        }
        Class::OutOfMemory => {
            "Memory is used up: compare the limit with the real need, and take a heap profile before raising it."
        }
        _ => "Look at the surroundings of the process: the message names what it could not reach or use.",
    }
}
