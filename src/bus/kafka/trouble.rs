//! What goes wrong with Kafka: told once a kind, with what to do about it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::bus::Error;

/// The least time between two lines about the same.
const REMINDER_INTERVAL: Duration = Duration::from_secs(300);
/// As many kinds of librdkafka's log lines are told apart.
const MAX_FACILITIES: usize = 64;

/// What keeps us from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// What there is to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Unreachable,
    Other,
    Replicas,
    TooLarge,
    Clock,
    Instance,
    Version,
    Stranger,
    Topic,
    Permission,
    Encryption,
    Credentials,
}

impl Kind {
    fn of(code: RDKafkaErrorCode) -> Option<Self> {
        use RDKafkaErrorCode as Code;
        Some(match code {
            Code::NoError | Code::PartitionEOF | Code::AutoOffsetReset | Code::Noop => return None,
            code if says_nothing(code) => return None,
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::MessageTimedOut
            | Code::BrokerNotAvailable
            | Code::LeaderNotAvailable
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator => Self::Unreachable,
            Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
                Self::Credentials
            }
            Code::SSL => Self::Encryption,
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => Self::Topic,
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed => Self::Permission,
            Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend | Code::ISRInsufficient => {
                Self::Replicas
            }
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
                Self::TooLarge
            }
            // All that brokers could find wrong with our records is when they were sent.
            Code::InvalidTimestamp | Code::InvalidRecord => Self::Clock,
            Code::FencedInstanceId | Code::UnreleasedInstanceId => Self::Instance,
            Code::UnsupportedFeature | Code::UnsupportedVersion | Code::UnsupportedForMessageFormat => {
                Self::Version
            }
            Code::BadMessage => Self::Stranger,
            _ => Self::Other,
        })
    }

    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Unreachable => {
                "check that the brokers run and that bus.kafka.brokers names them; it is tried again"
            }
            Self::Credentials => "check bus.kafka.sasl: mechanism, username and password",
            Self::Encryption => "check bus.kafka.tls: whether the brokers expect it, and its files",
            Self::Topic => "run `hephaestus topics create`, or have its topics made for you",
            Self::Permission => {
                "allow this user what `hephaestus topics check` lists: to read and write its topics, to read its \
                 group, and to write its transactional ids"
            }
            Self::Replicas => "check that enough brokers run for the topic's min.insync.replicas",
            Self::TooLarge => "raise the topic's max.message.bytes, or lower analyzer.max_event_bytes",
            Self::Clock => {
                "set the clocks of this machine and of the brokers right; how far they may be apart is the topic's \
                 message.timestamp.after.max.ms and message.timestamp.before.max.ms"
            }
            Self::Instance => "give each instance a group.instance.id of its own, or none",
            Self::Stranger => {
                "check that bus.kafka.brokers names brokers of Kafka, and bus.kafka.tls: whether they expect it"
            }
            Self::Version => {
                "use brokers of Apache Kafka 2.5 or later, or of a service that does all they do"
            }
            Self::Other => "see the brokers' log; it is tried again",
        }
    }
}

/// Whether a code tells only that something else went wrong, which is told by itself: what a client reports of its
/// other messages once one was refused, or once it has failed.
pub(super) fn says_nothing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::Fatal | Code::GaplessGuarantee | Code::PurgeQueue | Code::PurgeInflight)
}

impl Trouble {
    /// What a code means; none where it means nothing bad, or nothing by itself.
    pub(super) fn of(code: RDKafkaErrorCode, detail: &str) -> Option<Self> {
        let kind = Kind::of(code)?;
        let message = if detail.is_empty() { code.to_string() } else { detail.to_owned() };
        Some(Self { kind, message })
    }

    /// Brokers that do not do something, and do not say why.
    pub(super) fn silence(message: &str) -> Self {
        Self { kind: Kind::Unreachable, message: message.to_owned() }
    }

    /// What an error means.
    pub(super) fn of_error(error: &KafkaError, doing: &str) -> Self {
        let detail = match error {
            KafkaError::Transaction(inner) => inner.string(),
            other => other.to_string(),
        };
        let kind = error.rdkafka_error_code().and_then(Kind::of).unwrap_or(Kind::Other);
        Self { kind, message: format!("{doing}: {detail}") }
    }

    /// Why a client has failed for good, where it has and that is not told otherwise.
    pub(super) fn of_fatal<C: ClientContext>(client: &Client<C>) -> Option<Self> {
        let (code, detail) = client.fatal_error()?;
        Self::of(code, &detail)
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message, self.kind.remedy())
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        Self::Kafka { message: trouble.message, remedy: trouble.kind.remedy().to_owned() }
    }
}

/// Where every client of a bus tells how it fares.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Whether there is anything to settle: asked with every message.
    is_troubled: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    now: Option<Trouble>,
    told: BTreeMap<Kind, Instant>,
    /// Whether something was told that has not been called off.
    is_told: bool,
    facilities: BTreeMap<String, Instant>,
}

impl Seen {
    /// Something does not work. Whether that is to be told. What says more about why is kept.
    fn met(&mut self, trouble: Trouble, now: Instant) -> bool {
        if self.now.as_ref().is_some_and(|known| known.kind > trouble.kind) {
            return false;
        }
        let due = |told: &Instant| now.saturating_duration_since(*told) >= REMINDER_INTERVAL;
        let is_due = self.told.get(&trouble.kind).is_none_or(due);
        if is_due {
            self.told.insert(trouble.kind, now);
            self.is_told = true;
        }
        self.now = Some(trouble);
        is_due
    }

    /// Something works again. Whether that is to be told.
    fn over(&mut self) -> bool {
        self.now.take().is_some() && std::mem::take(&mut self.is_told)
    }
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something does not work.
    pub(super) fn raise(&self, trouble: Trouble) {
        let mut seen = self.seen();
        if seen.met(trouble.clone(), Instant::now()) {
            tracing::error!(
                reason = trouble.message,
                remedy = trouble.kind.remedy(),
                "Kafka cannot be used as configured; what is published waits, and it is tried again"
            );
        }
        self.is_troubled.store(true, Ordering::Relaxed);
    }

    /// Something works again.
    pub(super) fn settle(&self) {
        if self.is_troubled.swap(false, Ordering::Relaxed) && self.seen().over() {
            tracing::warn!("Kafka can be used again; nothing was lost");
        }
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.seen().now.clone()
    }

    /// Whether a line of librdkafka's log is the first of its kind for a while.
    fn is_news(&self, facility: &str) -> bool {
        let mut seen = self.seen();
        let is_old = |told: &Instant| told.elapsed() < REMINDER_INTERVAL;
        let known = seen.facilities.get(facility).is_some_and(is_old);
        if !known && (seen.facilities.len() < MAX_FACILITIES || seen.facilities.contains_key(facility)) {
            seen.facilities.insert(facility.to_owned(), Instant::now());
        }
        !known
    }
}

/// Passes on what librdkafka reports of itself.
pub(super) fn hear(watch: &Watch, error: &KafkaError, reason: &str) {
    if let Some(trouble) = error.rdkafka_error_code().and_then(|code| Trouble::of(code, reason)) {
        watch.raise(trouble);
    }
}

/// Passes on a line of librdkafka's log: once a kind, and what its errors are told of anyway only to who debugs.
pub(super) fn note(watch: &Watch, level: RDKafkaLogLevel, facility: &str, line: &str) {
    // Of somebody who closes the connection instead of saying what it can there is no other report.
    if facility == "FAIL"
        && ["in state APIVERSION_QUERY", "security.protocol"].iter().any(|it| line.contains(it))
    {
        watch.raise(Trouble { kind: Kind::Stranger, message: line.to_owned() });
    }
    let told_otherwise = ["FAIL", "ERROR", "FATAL", "CONFWARN", "CLOSE"].contains(&facility);
    let is_loud = level as i32 <= RDKafkaLogLevel::Warning as i32;
    if is_loud && !told_otherwise && watch.is_news(facility) {
        tracing::warn!(facility, "librdkafka: {line}");
    } else {
        tracing::debug!(facility, "librdkafka: {line}");
    }
}

/// A client that has nothing to tell but how it fares.
#[derive(Debug, Clone)]
pub(super) struct Quiet(pub(super) std::sync::Arc<Watch>);

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        note(&self.0, level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        hear(&self.0, &error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: Kind) -> Trouble {
        Trouble { kind, message: "as in a test".to_owned() }
    }

    /// How often something was told that was met every second of a quarter of an hour, and that it was over.
    fn lines(comes_and_goes: bool) -> (u32, u32) {
        let (start, mut seen) = (Instant::now(), Seen::default());
        let (mut begun, mut ended) = (0, 0);
        for second in 0..=900 {
            begun += u32::from(seen.met(trouble(Kind::Topic), start + Duration::from_secs(second)));
            ended += u32::from(comes_and_goes && seen.over());
        }
        (begun, ended)
    }

    #[test]
    fn what_comes_and_goes_is_told_no_more_often_than_what_lasts() {
        assert_eq!(lines(false), (4, 0));
        assert_eq!(lines(true), (4, 4));
    }

    #[test]
    fn what_says_more_is_kept_until_it_is_over() {
        let (now, mut seen) = (Instant::now(), Seen::default());
        assert!(seen.met(trouble(Kind::Unreachable), now) && seen.met(trouble(Kind::Credentials), now));
        assert!(!seen.met(trouble(Kind::Unreachable), now));
        assert_eq!(seen.now.as_ref().map(|it| it.kind), Some(Kind::Credentials));
        assert!(seen.over() && !seen.over());
        assert!(!seen.met(trouble(Kind::Unreachable), now), "it was told just now");
        assert!(!seen.over(), "so nobody needs to hear that it is over");
    }

    #[test]
    fn what_only_follows_from_something_else_is_not_told() {
        use RDKafkaErrorCode as Code;
        let watch = Watch::default();
        for code in [Code::Fatal, Code::GaplessGuarantee, Code::PurgeQueue, Code::PurgeInflight] {
            hear(
                &watch,
                &KafkaError::Global(code),
                "Fatal error: Local: Gap-less ordering guarantee violated",
            );
        }
        assert_eq!(watch.trouble(), None);
        hear(&watch, &KafkaError::Global(Code::TopicAuthorizationFailed), "not for you");
        assert_eq!(watch.trouble().map(|it| it.kind), Some(Kind::Permission));
    }
}
