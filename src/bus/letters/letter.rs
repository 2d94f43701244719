//! One dead letter: what it was, and how it is shown.

use jiff::Timestamp;

use crate::bus::{Delivery, Message, Topic};
use crate::domain::{LetterPlace, LetterStatus, LetterSummary};

/// What the names of the headers begin with that tell of a dead letter's origin.
const ORIGIN_PREFIX: &str = "dlq_";
/// The longest text that is shown of a letter, in characters.
const SHOWN_CHARS: usize = 200;

/// A dead letter.
pub(super) struct Letter {
    pub(super) place: LetterPlace,
    message: Message,
    /// The topic it was meant for and what that is called, where it is one of ours.
    topic: Option<(Topic, String)>,
}

impl Letter {
    /// What stands in the topic of dead letters; `topic_of` knows topics by their names.
    pub(super) fn new(delivery: Delivery, topic_of: impl Fn(&str) -> Option<(Topic, String)>) -> Self {
        let Delivery { partition, offset, message } = delivery;
        let mut letter = Self { place: LetterPlace { partition, offset }, message, topic: None };
        let topic = letter.note("topic").and_then(topic_of);
        letter.topic = topic.filter(|(topic, _)| *topic != Topic::DeadLetters);
        letter
    }

    /// What a header tells of the origin.
    fn note(&self, name: &str) -> Option<&str> {
        let is_it = |header: &str| header.strip_prefix(ORIGIN_PREFIX) == Some(name);
        // The last counts: who sets aside writes behind what is there.
        let found = self.message.headers.iter().rev().find(|(header, _)| is_it(header));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn status(&self, was_replayed: bool) -> LetterStatus {
        match &self.topic {
            None => LetterStatus::Foreign,
            // Only of what was cut it is told how large it was.
            Some(_) if self.note("bytes").is_some() => LetterStatus::Cut,
            Some(_) if was_replayed => LetterStatus::Replayed,
            Some(_) => LetterStatus::Open,
        }
    }

    /// What the topic is called that it was meant for; of a foreign one what it says itself.
    pub(super) fn topic_name(&self) -> Option<String> {
        let ours = self.topic.as_ref().map(|(_, name)| name.clone());
        ours.or_else(|| self.note("topic").map(tame))
    }

    pub(super) fn event_id(&self) -> &str {
        &self.message.id
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let headers: usize = self.message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.message.body.len() + self.message.key.len() + self.message.id.len() + headers
    }

    pub(super) fn time(&self) -> Timestamp {
        self.message.time
    }

    pub(super) fn summary(&self, status: LetterStatus) -> LetterSummary {
        let cut = self.note("bytes").and_then(|bytes| bytes.parse().ok());
        LetterSummary {
            id: self.place,
            event_id: tame(&self.message.id),
            status,
            reason: self.note("reason").map(tame).unwrap_or_default(),
            time: self.time(),
            topic: self.topic_name(),
            partition: self.note("partition").and_then(|partition| partition.parse().ok()),
            offset: self.note("offset").and_then(|offset| offset.parse().ok()),
            key: tame(&self.message.key),
            bytes: cut.unwrap_or(self.message.body.len() as u64),
            preview: preview(&self.message.body),
        }
    }

    /// The message as it was before it was set aside, to be put back; none where it is not known what it was for.
    pub(super) fn into_original(self) -> Option<Message> {
        let time = self.note("time").and_then(|time| time.parse().ok()).unwrap_or(self.message.time);
        let (topic, _) = self.topic?;
        let mut message = self.message;
        message.headers.retain(|(name, _)| !name.starts_with(ORIGIN_PREFIX));
        Some(Message { topic, time, ..message })
    }
}

/// How a body begins. What is no text is replaced.
fn preview(body: &[u8]) -> String {
    let head = &body[..body.len().min(SHOWN_CHARS * 4)];
    let text = String::from_utf8_lossy(head);
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut shown = tame(&words.join(" "));
    if head.len() < body.len() && !shown.ends_with('…') {
        shown.push('…');
    }
    shown
}

/// A text as it may reach a terminal: neither long, nor with what drives one or turns its lines around.
fn tame(text: &str) -> String {
    let is_wild = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut chars = text.chars().map(|c| if is_wild(c) { '\u{fffd}' } else { c });
    let mut shown: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            topic: Topic::Errors,
            id: "id-1".into(),
            key: "shop/1".into(),
            headers: vec![("ce_type".into(), "hephaestus.error.v1".into())],
            body: b"{\"a\":\n  \"\x1b[31m\xff\"}".to_vec(),
            time: Timestamp::from_second(1_700_000_000).unwrap(),
        }
    }

    fn topic_of(name: &str) -> Option<(Topic, String)> {
        let topic = Topic::named(name)?;
        Some((topic, format!("our.{}", topic.kind())))
    }

    fn set_aside(message: Message) -> Delivery {
        let letter =
            Delivery { partition: 2, offset: 9, message }.into_dead_letter("not JSON", Timestamp::UNIX_EPOCH);
        Delivery { partition: 0, offset: 4, message: letter }
    }

    #[test]
    fn what_was_set_aside_comes_back_as_it_was() {
        let letter = Letter::new(set_aside(message()), topic_of);
        let summary = letter.summary(letter.status(false));
        assert_eq!((summary.id.to_string().as_str(), summary.status), ("0/4", LetterStatus::Open));
        assert_eq!((summary.partition, summary.offset), (Some(2), Some(9)));
        assert_eq!(summary.topic.as_deref(), Some("our.errors.v1"));
        assert_eq!(summary.preview, "{\"a\": \"\u{fffd}[31m\u{fffd}\"}");
        assert_eq!(letter.status(true), LetterStatus::Replayed);
        assert_eq!(letter.into_original(), Some(message()));
        // One that comes back again tells of the last time alone.
        let again = Letter::new(set_aside(message()), topic_of).into_original().unwrap();
        assert_eq!(Letter::new(set_aside(again), topic_of).into_original(), Some(message()));
    }

    #[test]
    fn what_cannot_be_put_back_is_told_apart() {
        let mut cut = set_aside(message());
        cut.message.headers.push(("dlq_bytes".into(), "5000000".into()));
        let letter = Letter::new(cut, topic_of);
        assert_eq!(
            (letter.status(true), letter.summary(LetterStatus::Cut).bytes),
            (LetterStatus::Cut, 5_000_000)
        );
        for topic in ["orders", "hephaestus.dlq.v1"] {
            let mut foreign = set_aside(message());
            foreign.message.headers.push(("dlq_topic".into(), topic.into()));
            assert_eq!(Letter::new(foreign, topic_of).status(false), LetterStatus::Foreign, "{topic}");
        }
        let bare = Letter::new(Delivery { partition: 0, offset: 0, message: message() }, topic_of);
        assert_eq!(bare.status(false), LetterStatus::Foreign);
        assert_eq!(bare.into_original(), None);
    }

    #[test]
    fn long_texts_are_shortened() {
        let long = Message { body: vec![b'x'; 5_000], key: "k".repeat(5_000), ..message() };
        let letter = Letter::new(set_aside(long), topic_of);
        let summary = letter.summary(LetterStatus::Open);
        assert_eq!(summary.preview.chars().count(), SHOWN_CHARS + 1);
        assert_eq!((summary.key.chars().count(), summary.bytes), (SHOWN_CHARS + 1, 5_000));
    }
}
