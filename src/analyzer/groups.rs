//! Events → groups with exact counts, in bounded memory.

use std::collections::HashMap;

use crate::domain::{Class, ErrorEvent, ErrorGroup, Fingerprint};

/// How finely events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grain {
    /// By fingerprint: the group of an event stays the same while its code moves.
    #[default]
    Site,
    /// By fingerprint and failing statement: two faults of one function are two groups. Lines drift, so
    /// this holds within the logs of one version of the code only.
    Statement,
}

/// What makes an event one of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    site: Fingerprint,
    /// The failing statement: the name of its file, which does not depend on where it was built, and the
    /// line. None where the grain is coarser, or where the stack does not tell it.
    statement: Option<(String, u32)>,
}

impl Key {
    fn of(event: &ErrorEvent, grain: Grain) -> Self {
        let statement = match grain {
            Grain::Site => None,
            Grain::Statement => statement(event),
        };
        Self { site: event.keys.site, statement }
    }
}

/// The statement that failed, where the class is one that a single statement raises: in a race or a
/// deadlock it is chance which goroutine's stack comes first, in endless recursion which line is on top.
fn statement(event: &ErrorEvent) -> Option<(String, u32)> {
    if matches!(
        event.class,
        Class::DataRace
            | Class::ConcurrentMapAccess
            | Class::Deadlock
            | Class::StackOverflow
            | Class::RuntimeFatal
            | Class::OutOfMemory
            | Class::LoggedError
    ) {
        return None;
    }
    let frame = event.trace.as_ref()?.frames.iter().find(|frame| frame.in_app)?;
    let file = frame.file.rsplit(['/', '\\']).next().unwrap_or_default();
    (frame.line > 0).then(|| (file.to_owned(), frame.line))
}

/// Groups of events by their site, or finer.
///
/// At most `limit` groups are kept. At the limit an event of a new group is not stored, but counted as
/// [`overflowed`](Self::overflowed), so that the counts of all groups and the overflow together are the
/// exact number of events; groups that are known go on counting exactly.
#[derive(Debug, Clone)]
pub struct Groups {
    groups: HashMap<Key, ErrorGroup>,
    grain: Grain,
    limit: usize,
    events: u64,
    overflowed: u64,
}

impl Groups {
    /// An empty collection of at most `limit` groups.
    #[must_use]
    pub fn new(limit: usize, grain: Grain) -> Self {
        Self { groups: HashMap::new(), grain, limit, events: 0, overflowed: 0 }
    }

    /// Counts an event.
    pub fn add(&mut self, event: ErrorEvent) {
        self.events += 1;
        let room = self.groups.len() < self.limit;
        let key = Key::of(&event, self.grain);
        match self.groups.get_mut(&key) {
            Some(group) => group.add(event),
            None if room => {
                self.groups.insert(key, ErrorGroup::new(event));
            }
            None => self.overflowed += 1,
        }
    }

    /// Whether an event would be the first of a group that finds room.
    #[must_use]
    pub fn would_add_group(&self, event: &ErrorEvent) -> bool {
        self.groups.len() < self.limit && !self.groups.contains_key(&Key::of(event, self.grain))
    }

    /// Number of events added.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Number of events whose group found no room.
    #[must_use]
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups: worst severity first, then the most frequent, then by place in the log.
    #[must_use]
    pub fn into_sorted(self) -> Vec<ErrorGroup> {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by(|a, b| {
            b.severity
                .cmp(&a.severity)
                .then(b.count.cmp(&a.count))
                .then(a.first.span.start.cmp(&b.first.span.start))
                .then(a.fingerprint.cmp(&b.fingerprint))
        });
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{Analyzer, Config};

    /// Counts and lines of the groups of a log, in order.
    fn groups(log: &str, grain: Grain) -> Vec<(u64, u32)> {
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        let mut groups = analyzer.groups(grain);
        let mut stream = analyzer.stream();
        stream.push(log.as_bytes(), &mut |event| groups.add(event));
        stream.finish(&mut |event| groups.add(event));
        let line = |group: &ErrorGroup| group.first.trace.as_ref().map_or(0, |trace| trace.frames[0].line);
        groups.into_sorted().iter().map(|group| (group.count, line(group))).collect()
    }

    fn panic(function: &str, file: &str, line: u32) -> String {
        format!(
            "panic: runtime error: index out of range [1] with length 1\n\ngoroutine 1 [running]:\nshop/lib.{function}(0x1)\n\t{file}:{line} +0x12\nmain.main()\n\t/app/main.go:9 +0x1d\nexit status 2\n"
        )
    }

    #[test]
    fn two_statements_of_one_function_are_two_groups_where_asked_for() {
        let log = [
            panic("Parse", "/app/lib/l.go", 14),
            panic("Parse", "/app/lib/l.go", 19),
            // Built elsewhere, the same statement.
            panic("Parse", "shop/lib/l.go", 14),
            // Two closures of one function are two functions, also where the compiler puts them on one line.
            panic("Parse.func1", "/app/lib/l.go", 25),
            panic("Parse.func2", "/app/lib/l.go", 25),
        ]
        .concat();
        let whole = groups(&log, Grain::Site);
        assert_eq!(whole.iter().map(|(count, _)| count).sum::<u64>(), 5);
        let parts = groups(&log, Grain::Statement);
        assert_eq!(parts, [(2, 14), (1, 19), (1, 25), (1, 25)]);
    }

    #[test]
    fn what_no_single_statement_raises_stays_one_group() {
        let fatal = |line: u32| {
            panic("Parse", "/app/lib/l.go", line).replace(
                "panic: runtime error: index out of range [1] with length 1",
                "fatal error: concurrent map writes",
            )
        };
        let log = fatal(14) + &fatal(19);
        assert_eq!(groups(&log, Grain::Statement), [(2, 14)]);
    }
}
