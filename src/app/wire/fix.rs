//! Suggestions and how far they have come: the bodies of `hephaestus.fixes.v1` and `hephaestus.fix-status.v1`.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{group_key, headers};
use crate::bus::{Message, Topic};
use crate::domain::{Decision, Fingerprint, Suggestion, SuggestionId, SuggestionRecord, SuggestionStatus};

const FIX_TYPE: &str = "hephaestus.fix.v1";
const STATUS_TYPE: &str = "hephaestus.fix-status.v1";

/// One suggestion: a defect, its cause, the fix and its evidence.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Body<'a> {
    /// Its identity: the group's fingerprint and the number of the attempt. Also in `ce_id`.
    id: SuggestionId,
    /// The service whose log told of the defect first.
    #[serde(rename = "service.name")]
    service: Cow<'a, str>,
    /// When it was made.
    created_at: Timestamp,
    /// The suggestion, as `hephaestus fix` prints it.
    #[serde(flatten)]
    suggestion: Cow<'a, Suggestion>,
}

/// How far a suggestion has come. The topic keeps the last word on each.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status<'a> {
    /// The suggestion. Also the key of the message.
    id: SuggestionId,
    /// Its group.
    fingerprint: Fingerprint,
    /// The service whose log told of the defect first.
    #[serde(rename = "service.name")]
    service: Cow<'a, str>,
    /// How far it has come.
    status: SuggestionStatus,
    /// Who decided, when and why, once somebody has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    decision: Option<Cow<'a, Decision>>,
}

/// The message that carries a suggestion.
///
/// # Errors
/// Never, for suggestions that were made here.
pub fn encode(record: &SuggestionRecord, service: &str) -> serde_json::Result<Message> {
    let body = Body {
        id: record.id,
        service: service.into(),
        created_at: record.created_at,
        suggestion: Cow::Borrowed(&record.suggestion),
    };
    Ok(Message {
        topic: Topic::Fixes,
        id: record.id.to_string(),
        key: group_key(service, record.id.fingerprint),
        headers: headers(FIX_TYPE),
        body: serde_json::to_vec(&body)?,
        time: record.created_at,
    })
}

/// The message that tells that a suggestion is forgotten.
#[must_use]
pub fn encode_gone(id: SuggestionId, now: Timestamp) -> Message {
    Message {
        topic: Topic::FixStatus,
        id: format!("{id}-gone"),
        key: id.to_string(),
        headers: headers(STATUS_TYPE),
        body: Vec::new(),
        time: now,
    }
}

/// The message that tells how far a suggestion has come.
///
/// # Errors
/// Never, for suggestions that were made here.
pub fn encode_status(record: &SuggestionRecord, service: &str) -> serde_json::Result<Message> {
    let body = Status {
        id: record.id,
        fingerprint: record.id.fingerprint,
        service: service.into(),
        status: record.status,
        decision: record.decision.as_ref().map(Cow::Borrowed),
    };
    let time = record.decision.as_ref().map_or(record.created_at, |decision| decision.at);
    Ok(Message {
        topic: Topic::FixStatus,
        id: format!("{}-{}", record.id, record.status.as_str()),
        key: record.id.to_string(),
        headers: headers(STATUS_TYPE),
        body: serde_json::to_vec(&body)?,
        time,
    })
}
