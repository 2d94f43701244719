//! Where a failure comes from and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Class, Location, RepoPath};

/// The values a crash message tells.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FaultFacts {
    /// `index out of range [5]`: 5. May be negative.
    pub index: Option<i64>,
    /// `with length 3`, `with capacity 3`: 3.
    pub length: Option<i64>,
    /// `slice bounds out of range [7:3]`: (7, 3); parts that are not printed are none.
    pub bounds: (Option<i64>, Option<i64>),
    /// `interface conversion: X is Y, not Z`: Z, the wanted type; as printed.
    pub wanted_type: Option<String>,
    /// `interface conversion: X is Y, not Z`: Y, the type that came; `nil` when it was nil.
    pub actual_type: Option<String>,
    /// Offset of the field accessed through a nil pointer, in bytes.
    pub nil_offset: Option<u64>,
    /// `goroutine 1 [chan receive]:` of a deadlock: what the first goroutine waits for, as printed.
    #[serde(default)]
    pub wait: Option<String>,
    /// How many goroutines of a deadlock wait for locks.
    #[serde(default)]
    pub lock_waiters: usize,
    /// Whether it was raised in code that is not in the repository, called by what is: then no expression there has
    /// these values.
    #[serde(default)]
    pub raised_elsewhere: bool,
}

/// What failed, as the log tells it and the repository places it: the input of reproduction and repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of failure it is.
    pub class: Class,
    /// The message of the crash or log record.
    pub message: String,
    /// The values it tells.
    pub facts: FaultFacts,
    /// The statements of the repository on the stack, from the failing one outwards. Never empty for
    /// a crash whose stack touches the repository.
    pub stack: Vec<Location>,
    /// The same of other goroutines that the log shows, where several are at fault together: of a race first the
    /// other access.
    #[serde(default)]
    pub others: Vec<Vec<Location>>,
}

impl Fault {
    /// Whether the log tells of another access that was in none of the functions of the one that is told first.
    #[must_use]
    pub fn met_elsewhere(&self) -> bool {
        let came_by = |place: &Location| {
            self.stack.iter().any(|known| known.file == place.file && known.function == place.function)
        };
        self.class == Class::DataRace && self.others.first().is_some_and(|other| !other.iter().any(came_by))
    }
}

/// Why a group failed, in words and places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What happened, where, with which value, how it came about, and what a fix must do.
    pub summary: String,
    /// Where a fix may belong, best first.
    pub locations: Vec<Location>,
    /// The fault, placed in the repository.
    pub fault: Fault,
}

/// How a reproducer reached the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Unexported state was set by force: says little about the real program.
    ForcedState,
    /// An inner function was called directly.
    InternalCall,
    /// The outermost callable entry of the stack was used as a caller would use it. Only this can
    /// make a fix proven.
    EntryPoint,
}

impl Reach {
    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EntryPoint => "entry_point",
            Self::InternalCall => "internal_call",
            Self::ForcedState => "forced_state",
        }
    }
}

/// A test that fails with the crash of the log, and passes once the defect is mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reproducer {
    /// The test file to write, beside the package's own tests.
    pub file: RepoPath,
    /// The name of the test function.
    pub test: String,
    /// The whole text of the file.
    pub source: String,
    /// How the crash was reached.
    pub reach: Reach,
    /// Whether it fails under the race detector only, and is to be run with `go test -race`.
    #[serde(default)]
    pub race: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_met_whom_is_told_by_a_race_alone() {
        let place = |function: &str| Location {
            file: RepoPath::new("a.go").unwrap(),
            line: 3,
            function: function.to_owned(),
        };
        let fault = |class, others: &[&str]| Fault {
            class,
            message: String::new(),
            facts: FaultFacts::default(),
            stack: vec![place("(*Cache).Set")],
            others: others.iter().map(|function| vec![place(function)]).collect(),
        };
        assert!(fault(Class::DataRace, &["dump"]).met_elsewhere());
        assert!(!fault(Class::DataRace, &["(*Cache).Set"]).met_elsewhere());
        assert!(!fault(Class::DataRace, &[]).met_elsewhere());
        // Whom of all the goroutines of a dump it met nobody knows.
        assert!(!fault(Class::ConcurrentMapAccess, &["dump"]).met_elsewhere());
    }
}
