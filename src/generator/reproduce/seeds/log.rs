//! What the log near a crash tells of its input. Hostile: every loop and text is bounded.

use serde_json::Value;

use super::{MAX_LOG_BYTES, MAX_TEXT_BYTES, MAX_TEXTS, METHODS, Route, Seeds, is_json};

impl Seeds {
    /// A text of the log: JSON, logfmt or plain; requests in it, and its values.
    pub(super) fn read_log(&mut self, text: &str) {
        let text = cap(text, MAX_LOG_BYTES);
        let mut lines = text.lines().take(MAX_TEXTS).peekable();
        while let Some(line) = lines.next() {
            // Lines of a stack hold places, not inputs.
            if line.starts_with('\t') || lines.peek().is_some_and(|next| next.starts_with('\t')) {
                continue;
            }
            match serde_json::from_str::<Value>(line) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => self.read_json(&value, 0),
                _ => self.read_plain(line),
            }
        }
    }

    fn read_json(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if depth < 8 => {
                let text = |keys: &[&str]| keys.iter().find_map(|key| members.get(*key)?.as_str());
                let path = text(&["path", "url", "uri", "request_uri", "http.target", "http.path", "target"]);
                if let Some(path) = path.and_then(path_of) {
                    let method =
                        text(&["method", "http.method", "request_method", "verb"]).unwrap_or_default();
                    let query = text(&["query", "raw_query", "http.query"]).unwrap_or_default();
                    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
                    self.requests.push(Route { method: method.to_owned(), path });
                }
                for (key, member) in members {
                    // The record's own fields say nothing of the input.
                    if !matches!(key.as_str(), "time" | "ts" | "timestamp" | "level" | "stack" | "stacktrace")
                    {
                        self.read_json(member, depth + 1);
                    }
                }
            }
            Value::Array(members) if depth < 8 => {
                members.iter().for_each(|member| self.read_json(member, depth + 1));
            }
            Value::String(text) => {
                if is_json(text) {
                    self.json.push(text.clone());
                }
                self.read_values(text);
            }
            Value::Number(number) => self.numbers.extend(number.as_i64()),
            _ => {}
        }
    }

    /// `GET /path`, `key=value`, quoted and plain words.
    fn read_plain(&mut self, line: &str) {
        let line = cap(line, MAX_TEXT_BYTES);
        let words: Vec<&str> = line.split_whitespace().map(trim).collect();
        for pair in words.windows(2) {
            if let [method, path] = pair
                && METHODS.contains(method)
                && let Some(path) = path_of(path)
            {
                self.requests.push(Route { method: (*method).to_owned(), path });
            }
        }
        let field = |keys: &[&str]| {
            let value = |word: &&str| {
                let (key, value) = word.split_once('=')?;
                keys.contains(&key).then(|| trim(value).to_owned())
            };
            words.iter().find_map(value)
        };
        if let Some(path) = field(&["path", "url", "uri", "target"]).as_deref().and_then(path_of) {
            self.requests.push(Route { method: field(&["method", "verb"]).unwrap_or_default(), path });
        }
        if !line.starts_with("goroutine ") {
            self.read_values(line);
        }
    }

    fn read_values(&mut self, text: &str) {
        let text = cap(text, MAX_TEXT_BYTES);
        if !text.contains(' ') && !text.is_empty() {
            self.log.push(text.to_owned());
        }
        let quoted = text.split('"').skip(1).step_by(2).filter(|part| !part.is_empty());
        self.log.extend(quoted.map(str::to_owned));
        for word in text.split_whitespace().map(trim).take(64) {
            let value = word.split_once('=').map_or(word, |(_, value)| trim(value));
            if let Ok(number) = value.parse::<i64>() {
                self.numbers.push(number);
            } else if value.contains(|c: char| c.is_ascii_digit() || "/@_-.:".contains(c)) && value.len() > 1
            {
                self.log.push(value.to_owned());
            }
        }
    }
}

pub(super) fn cap(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn trim(word: &str) -> &str {
    word.trim_matches(|c: char| "\"'`,;()[]<>".contains(c)).trim_end_matches(':')
}

/// The path and query of `/a?b` or `http://host/a?b`.
fn path_of(text: &str) -> Option<String> {
    let path = match text.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => text,
    };
    let sound = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    (sound && path.len() <= MAX_TEXT_BYTES).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_every_shape_tell_their_requests() {
        let mut seeds = Seeds::default();
        seeds.read_log(
            "{\"time\":\"x\",\"method\":\"POST\",\"path\":\"/orders\",\"query\":\"page=-1\",\"n\":7}\n127.0.0.1 - - \"GET /items/7?x=1 HTTP/1.1\" 200\nlevel=info method=PUT path=/a/b msg=\"no such sku\" sku=AB-1\npanic: x [recovered]\n\t/app/main.go:12 +0x1\n",
        );
        let requests: Vec<_> =
            seeds.requests.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(requests, ["POST /orders?page=-1", "GET /items/7?x=1", "PUT /a/b"]);
        assert!(seeds.log.contains(&"AB-1".to_owned()), "{:?}", seeds.log);
        assert!(seeds.numbers.contains(&7));
        assert!(!seeds.log.iter().any(|text| text.contains("main.go")));
    }

    #[test]
    fn hostile_logs_stay_within_bounds() {
        let mut seeds = Seeds::default();
        let long = "x=/".repeat(1_000_000);
        for text in [
            long.as_str(),
            "{\"a\":",
            "GET",
            "=",
            "\"",
            "http://",
            "[[[[[[[[[[[[[1]]]]]]]]]]]]]",
            "é\u{0}=\u{7f}",
        ] {
            seeds.read_log(text);
        }
        seeds.bound();
        assert!(seeds.log.len() <= MAX_TEXTS && seeds.log.iter().all(|text| text.len() <= MAX_TEXT_BYTES));
    }
}
