//! What travels on the bus, as others read it: the bodies and headers of messages.
//!
//! A message is a CloudEvent 1.0 in binary mode: what it is stands in `ce_*` headers, what it says in a JSON
//! body. The bus writes the headers that every message has (`ce_id`, `ce_source`, `ce_time`, `ce_specversion`); what
//! depends on the kind of message is written here. Bodies are flat and bear the names of OpenTelemetry's semantic conventions
//! where these have one; what is our own stands below `hephaestus`.
//!
//! - <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>
//! - <https://opentelemetry.io/docs/specs/otel/logs/data-model/>
//! - <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>
//!
//! The schemas in `docs/schemas` are made from these types.

pub mod error;
pub mod fix;
pub mod knowledge;

use schemars::{Schema, schema_for};

use crate::bus::Topic;
use crate::knowledge::record_schema;

/// The media type of a body.
const CONTENT_TYPE: &str = "application/json";

/// The headers of a message of this type.
fn headers(kind: &str) -> Vec<(String, String)> {
    [("content-type", CONTENT_TYPE), ("ce_type", kind)]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

/// The key of what concerns one group of one service: all of it keeps its order.
fn group_key(service: &str, fingerprint: crate::domain::Fingerprint) -> String {
    format!("{service}/{fingerprint}")
}

/// The JSON Schema of a topic's bodies; none where they are others': a dead letter's is what it was.
#[must_use]
pub fn schema(topic: Topic) -> Option<Schema> {
    let schema = match topic {
        Topic::Errors => Some(schema_for!(error::Body<'static>)),
        Topic::Fixes => Some(schema_for!(fix::Body<'static>)),
        Topic::FixStatus => Some(schema_for!(fix::Status<'static>)),
        Topic::Knowledge => Some(record_schema()),
        Topic::DeadLetters => None,
    };
    schema.map(|mut schema| {
        schema.insert("title".to_owned(), topic.name().into());
        schema
    })
}
