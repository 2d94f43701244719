//! Occurrences of failures: the bodies of `hephaestus.errors.v1`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{group_key, headers};
use crate::bus::{Message, Topic};
use crate::domain::{
    Class, ErrorEvent, EventId, Fingerprint, FingerprintKeys, Language, Occurrences, PodContainer, Severity,
    Span, Trace,
};

/// What a message is about.
const EVENT_TYPE: &str = "hephaestus.error.v1";

/// One or more occurrences of one failure of one service. The first of them is told in full.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Body<'a> {
    /// When the first of them happened.
    timestamp: Timestamp,
    /// How bad it is, by OpenTelemetry's numbers: 13 low, 17 medium, 18 high, 21 critical.
    severity_number: u8,
    /// How bad it is.
    severity_text: Severity,
    /// One short line for people.
    body: Cow<'a, str>,
    /// The service that wrote the log.
    #[serde(rename = "service.name")]
    service: Cow<'a, str>,
    /// The namespace of the pod that wrote the log, where it is a pod's.
    #[serde(rename = "k8s.namespace.name", skip_serializing_if = "Option::is_none", default)]
    namespace: Option<Cow<'a, str>>,
    /// The name of the pod.
    #[serde(rename = "k8s.pod.name", skip_serializing_if = "Option::is_none", default)]
    pod: Option<Cow<'a, str>>,
    /// The identity of the pod.
    #[serde(rename = "k8s.pod.uid", skip_serializing_if = "Option::is_none", default)]
    pod_uid: Option<Cow<'a, str>>,
    /// The container in the pod.
    #[serde(rename = "k8s.container.name", skip_serializing_if = "Option::is_none", default)]
    container: Option<Cow<'a, str>>,
    /// The identity of the first occurrence: reader, file, and the offset at which it begins. The same
    /// occurrence, published again, bears the same. Also in `ce_id`.
    #[serde(rename = "log.record.uid")]
    id: EventId,
    /// The text of the log that it was read from, shortened where it is long, with whatever stands in it.
    #[serde(rename = "log.record.original")]
    original: Cow<'a, str>,
    /// What kind of failure it is.
    #[serde(rename = "exception.type")]
    class: Class,
    /// The message in full.
    #[serde(rename = "exception.message")]
    message: Cow<'a, str>,
    /// The failing function, where there is a stack: the first that is the program's own, else the first.
    #[serde(rename = "code.function.name", skip_serializing_if = "Option::is_none", default)]
    function: Option<Cow<'a, str>>,
    /// Its file, as the stack has it.
    #[serde(rename = "code.file.path", skip_serializing_if = "Option::is_none", default)]
    file: Option<Cow<'a, str>>,
    /// The line in it, from 1.
    #[serde(rename = "code.line.number", skip_serializing_if = "Option::is_none", default)]
    line: Option<u32>,
    /// Structured attributes of the log record that carried it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    attributes: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// What OpenTelemetry has no name for.
    hephaestus: Detail<'a>,
}

/// What OpenTelemetry has no name for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Detail<'a> {
    /// The group it belongs to: one defect of one service.
    fingerprint: Fingerprint,
    /// The failure with its callers, whatever the service.
    fingerprint_path: Fingerprint,
    /// The failure with its whole stack, whatever the service.
    fingerprint_exact: Fingerprint,
    /// How many occurrences this message counts. Their sum is the number of occurrences.
    count: NonZeroU64,
    /// When the last of them happened.
    last_seen: Timestamp,
    /// The language of the program, as far as the text tells.
    language: Language,
    /// When the first happened, where the log itself tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    log_time: Option<Timestamp>,
    /// The parsed stack, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    trace: Option<Cow<'a, Trace>>,
    /// The place of the first in its file, in bytes.
    span: Span,
    /// From the start of the first to the end of the last.
    covers: Span,
    /// Where within `covers` occurrences start that other messages count.
    #[serde(skip_serializing_if = "<[u64]>::is_empty", default)]
    except: Cow<'a, [u64]>,
    /// Lines of the log from before the first: hints to how it came about.
    #[serde(skip_serializing_if = "<[String]>::is_empty", default)]
    context: Cow<'a, [String]>,
}

impl<'a> Body<'a> {
    fn of(occurrences: &'a Occurrences) -> Self {
        let Occurrences { id, service, pod, count, span, except, first_seen, last_seen, event, context } =
            occurrences;
        let pod = pod.as_ref();
        let frames = event.trace.as_ref().map_or([].as_slice(), |trace| &trace.frames);
        let failing = frames.iter().find(|frame| frame.in_app).or(frames.first());
        Self {
            timestamp: *first_seen,
            severity_number: event.severity.otel_number(),
            severity_text: event.severity,
            body: text(&event.title),
            service: text(service),
            namespace: pod.map(|pod| text(&pod.namespace)),
            pod: pod.map(|pod| text(&pod.pod)),
            pod_uid: pod.map(|pod| text(&pod.uid)),
            container: pod.map(|pod| text(&pod.container)),
            id: *id,
            original: text(&event.sample),
            class: event.class,
            message: text(&event.message),
            function: failing.map(|frame| text(&frame.function)),
            file: failing.filter(|frame| !frame.file.is_empty()).map(|frame| text(&frame.file)),
            line: failing.map(|frame| frame.line).filter(|line| *line > 0),
            attributes: event.attributes.iter().map(|(key, value)| (text(key), text(value))).collect(),
            hephaestus: Detail {
                fingerprint: event.keys.site,
                fingerprint_path: event.keys.path,
                fingerprint_exact: event.keys.exact,
                count: *count,
                last_seen: *last_seen,
                language: event.language,
                log_time: event.time,
                trace: event.trace.as_ref().map(Cow::Borrowed),
                span: event.span,
                covers: *span,
                except: Cow::Borrowed(except),
                context: Cow::Borrowed(context),
            },
        }
    }

    fn into_occurrences(self) -> Occurrences {
        let detail = self.hephaestus;
        let pod = match (self.namespace, self.pod, self.pod_uid, self.container) {
            (Some(namespace), Some(pod), Some(uid), Some(container)) => Some(PodContainer {
                namespace: namespace.into_owned(),
                pod: pod.into_owned(),
                uid: uid.into_owned(),
                container: container.into_owned(),
            }),
            _ => None,
        };
        let attributes = self.attributes.into_iter();
        let event = ErrorEvent {
            keys: FingerprintKeys {
                site: detail.fingerprint,
                path: detail.fingerprint_path,
                exact: detail.fingerprint_exact,
            },
            class: self.class,
            severity: self.severity_text,
            language: detail.language,
            message: self.message.into_owned(),
            title: self.body.into_owned(),
            trace: detail.trace.map(Cow::into_owned),
            time: detail.log_time,
            attributes: attributes.map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
            sample: self.original.into_owned(),
            span: detail.span,
        };
        Occurrences {
            id: self.id,
            service: self.service.into_owned(),
            pod,
            count: detail.count,
            span: detail.covers,
            except: detail.except.into_owned(),
            first_seen: self.timestamp,
            last_seen: detail.last_seen,
            event,
            context: detail.context.into_owned(),
        }
    }
}

fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// The message that carries occurrences. Those of one group of one service keep their order.
///
/// # Errors
/// Never, for occurrences that were made here.
pub fn encode(occurrences: &Occurrences) -> serde_json::Result<Message> {
    Ok(Message {
        topic: Topic::Errors,
        id: occurrences.id.to_string(),
        key: group_key(&occurrences.service, occurrences.fingerprint()),
        headers: headers(EVENT_TYPE),
        body: serde_json::to_vec(&Body::of(occurrences))?,
        time: occurrences.first_seen,
    })
}

/// What a message carries.
///
/// # Errors
/// When it was not written by us, or is damaged.
pub fn decode(message: &Message) -> serde_json::Result<Occurrences> {
    serde_json::from_slice::<Body<'_>>(&message.body).map(Body::into_occurrences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FileId, Frame, ProducerId, TraceKind};

    fn occurrences() -> Occurrences {
        let span = Span { start: 10, end: 90 };
        let frame = |function: &str, line, in_app| Frame {
            function: function.into(),
            file: "/src/stock/ledger.go".into(),
            line,
            in_app,
        };
        Occurrences {
            id: EventId {
                producer: ProducerId::from_bytes([1; 16]),
                file: FileId::from_bytes([2; 16]),
                start: 10,
            },
            service: "shop".into(),
            pod: Some(PodContainer {
                namespace: "default".into(),
                pod: "shop-0".into(),
                uid: "0d1b".into(),
                container: "app".into(),
            }),
            count: NonZeroU64::MIN.saturating_add(2),
            span: Span { start: 10, end: 400 },
            except: vec![120],
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::MAX,
            event: ErrorEvent {
                keys: FingerprintKeys {
                    site: Fingerprint::from_bytes([3; 16]),
                    path: Fingerprint::from_bytes([4; 16]),
                    exact: Fingerprint::from_bytes([5; 16]),
                },
                class: Class::NilMapWrite,
                severity: Severity::Critical,
                language: Language::Go,
                message: "assignment to entry in nil map \u{1f525}\n".into(),
                title: "nil map write in stock.(*Ledger).Hold".into(),
                trace: Some(Trace {
                    kind: TraceKind::Panic,
                    frames: vec![
                        frame("maps.Insert", 5, false),
                        frame("shop/stock.(*Ledger).Hold", 50, true),
                    ],
                    created_by: Some(frame("main.main", 7, true)),
                    fault_address: Some(0x18),
                }),
                time: Some(Timestamp::UNIX_EPOCH),
                attributes: vec![("order".into(), "7".into()), ("user".into(), "\"u\"".into())],
                sample: "panic: …".into(),
                span,
            },
            context: vec!["before".into()],
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let whole = occurrences();
        let mut bare = whole.clone();
        (bare.event.trace, bare.event.time, bare.event.attributes) = (None, None, Vec::new());
        (bare.except, bare.context, bare.pod) = (Vec::new(), Vec::new(), None);
        for occurrences in [whole, bare] {
            assert_eq!(decode(&encode(&occurrences).unwrap()).unwrap(), occurrences);
        }
    }

    #[test]
    fn others_find_the_names_they_know() {
        let message = encode(&occurrences()).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        for (name, value) in [
            ("service.name", serde_json::json!("shop")),
            ("k8s.namespace.name", "default".into()),
            ("k8s.pod.name", "shop-0".into()),
            ("k8s.container.name", "app".into()),
            ("severity_number", 21.into()),
            ("exception.type", "nil_map_write".into()),
            ("code.function.name", "shop/stock.(*Ledger).Hold".into()),
            ("code.line.number", 50.into()),
            ("log.record.uid", message.id.into()),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        assert_eq!(message.key, format!("shop/{}", Fingerprint::from_bytes([3; 16])));
    }
}
