//! A failure and what its lines told → the event.

use std::borrow::Cow;
use std::cell::LazyCell;

use jiff::Timestamp;

use crate::domain::{Class, ErrorEvent, Frame, Language, Severity, Span, Trace, TraceKind};

use super::go::failure::{Failure, Head};
use super::judge::{Judged, announced};
use super::{fingerprint, go, mask, operational};

/// Longest title, in characters.
const MAX_TITLE: usize = 120;

/// The parts of an event that is being put together.
pub(super) struct Parts {
    /// What the line machine read.
    pub(super) failure: Failure,
    /// The record it began with, if it began with one.
    pub(super) judged: Option<Judged>,
    /// The message of the line before a stack without a head.
    pub(super) before: Option<String>,
    /// The time of the first line that told one.
    pub(super) time: Option<Timestamp>,
    /// The event's own text.
    pub(super) sample: String,
    /// Its place.
    pub(super) span: Span,
}

/// The event of this service, if the parts make one.
pub(super) fn event(parts: Parts, service: &str, max_frames: usize) -> Option<ErrorEvent> {
    let Parts { failure, judged, before, time, sample, span } = parts;
    let mut event = match judged {
        Some(judged) => logged(judged, failure, time, sample, span),
        None => crash(failure, before, time, sample, span)?,
    };
    if let Some(trace) = &mut event.trace {
        trace.frames.truncate(max_frames);
    }
    event.keys = event.keys.of_service(service);
    Some(event)
}

fn trace(failure: Failure) -> Trace {
    Trace {
        kind: failure.kind(),
        frames: failure.frames,
        created_by: failure.created_by,
        fault_address: failure.fault_address,
    }
}

fn crash(
    failure: Failure,
    before: Option<String>,
    time: Option<Timestamp>,
    sample: String,
    span: Span,
) -> Option<ErrorEvent> {
    let (message, class, severity) = match failure.head {
        Head::Bare if !failure.panicking => return None,
        Head::Bare => {
            let message = before.as_deref().map_or("panic", announced).to_owned();
            let class = go::classify(&message);
            (message, class, Severity::High)
        }
        Head::Fatal => {
            let class = go::classify(&format!("fatal error: {}", failure.message));
            if class == Class::RuntimeFatal && failure.frames.is_empty() {
                // Other programs print these words too: without a stack it is an error like others.
                (failure.message.clone(), Class::LoggedError, Severity::Medium)
            } else {
                (failure.message.clone(), class, Severity::Critical)
            }
        }
        Head::Panic => (failure.message.clone(), go::classify(&failure.message), Severity::Critical),
        Head::Served => (failure.message.clone(), go::classify(&failure.message), Severity::High),
        Head::Race => (failure.message.clone(), Class::DataRace, Severity::High),
        Head::Record => return None,
    };
    let trace = Some(trace(failure));
    Some(build(Draft {
        class,
        severity,
        language: Language::Go,
        message,
        trace,
        place: None,
        masked: None,
        time,
        attributes: Vec::new(),
        sample,
        span,
    }))
}

fn logged(
    judged: Judged,
    failure: Failure,
    time: Option<Timestamp>,
    sample: String,
    span: Span,
) -> ErrorEvent {
    let mut judged = judged;
    let aside = failure.panicking || !failure.frames.is_empty();
    let told = if aside { "" } else { failure.message.as_str() };
    if !told.is_empty() {
        // What went wrong stands on the lines behind the record.
        judged.message = format!("{}: {told}", judged.message);
        judged.class = operational::classify(&judged.message).unwrap_or(judged.class);
    }
    if failure.exited {
        judged.severity = Severity::Critical;
    }
    if judged.trace.is_none() && !failure.frames.is_empty() {
        if failure.panicking && !judged.panic {
            // The continuation of a value that spans lines stands between the record and its stack.
            judged.message.push_str(&failure.message);
            let value = announced(&judged.message).to_owned();
            judged.class = go::classify(&value);
            judged.message = value;
        }
        if failure.panicking {
            judged.severity = judged.severity.max(Severity::High);
        }
        judged.trace = Some(trace(failure));
        judged.go = true;
    }
    build(Draft {
        class: judged.class,
        severity: judged.severity,
        language: if judged.go { Language::Go } else { Language::Unknown },
        message: judged.message,
        trace: judged.trace,
        place: judged.place,
        masked: judged.masked,
        time: judged.time.or(time),
        attributes: judged.attributes,
        sample,
        span,
    })
}

struct Draft {
    class: Class,
    severity: Severity,
    language: Language,
    message: String,
    trace: Option<Trace>,
    place: Option<String>,
    masked: Option<String>,
    time: Option<Timestamp>,
    attributes: Vec<(String, String)>,
    sample: String,
    span: Span,
}

fn build(mut draft: Draft) -> ErrorEvent {
    let told = draft.masked.take();
    let frames = draft.trace.as_ref().map_or(&[][..], |trace| &trace.frames);
    // Most events need the masked message twice, some never: it is made once, when it is asked for.
    let masked = LazyCell::new(|| told.unwrap_or_else(|| mask::mask(&draft.message)));
    let bare = fingerprint::bare(&draft.message);
    let keys = fingerprint::keys_with(draft.class, frames, draft.place.as_deref(), || {
        if bare == draft.message { Cow::Borrowed(&masked) } else { Cow::Owned(mask::mask(bare)) }
    });
    let title = title(draft.class, draft.trace.as_ref(), &masked);
    ErrorEvent {
        keys,
        class: draft.class,
        severity: draft.severity,
        language: draft.language,
        message: draft.message,
        title,
        trace: draft.trace,
        time: draft.time,
        attributes: draft.attributes,
        sample: draft.sample,
        span: draft.span,
    }
}

/// One short line: class and place, or the masked message where that says more.
fn title<M: FnOnce() -> String>(class: Class, trace: Option<&Trace>, masked: &LazyCell<String, M>) -> String {
    let own = |frame: &&Frame| frame.in_app && !fingerprint::is_wrapper(&frame.function);
    let place = trace.and_then(|trace| trace.frames.iter().find(own).or(trace.frames.first()));
    let logged = trace.is_none_or(|trace| trace.kind == TraceKind::Logged);
    let words = class.as_str().replace('_', " ");
    let title = match place {
        _ if logged => masked.to_string(),
        Some(frame) if class == Class::ExplicitPanic => {
            format!("panic in {}: {}", go::short_function(&frame.function), **masked)
        }
        Some(frame) => format!("{words} in {}", go::short_function(&frame.function)),
        None => format!("{words}: {}", **masked),
    };
    if title.is_empty() {
        return words;
    }
    match title.char_indices().nth(MAX_TITLE) {
        Some((at, _)) => format!("{}…", &title[..at]),
        None => title,
    }
}
