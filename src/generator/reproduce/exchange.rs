//! What is exchanged with the harness, as JSON: `harness/config.go` has the other side.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::seeds::Seeds;
use crate::domain::{Location, RepoPath};

/// One import of a test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: String,
}

/// Where an execution stands; with the seed it decides what is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Position {
    pub(super) phase: usize,
    pub(super) index: u64,
    #[serde(default)]
    pub(super) splice: Option<Splice>,
}

/// A text that takes the place of one of those which a call is made with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Splice {
    pub(super) number: usize,
    #[serde(default, deserialize_with = "or_none")]
    pub(super) data: Vec<u8>,
}

/// Go writes an empty list as null.
fn or_none<'de, D: serde::Deserializer<'de>>(data: D) -> Result<Vec<u8>, D::Error> {
    Option::deserialize(data).map(Option::unwrap_or_default)
}

/// A call that ends in the crash.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Found {
    pub(super) at: Position,
    pub(super) forced: bool,
    pub(super) entry: bool,
    /// What is called, for people.
    pub(super) call: String,
    /// How many calls the test makes in all.
    pub(super) steps: u32,
    #[serde(default)]
    pub(super) imports: Option<Vec<Import>>,
    pub(super) setup: String,
    pub(super) r#final: String,
    pub(super) blocks: bool,
    /// The steps that made it smaller.
    #[serde(default)]
    pub(super) path: Option<Vec<usize>>,
    /// Why it cannot be written down; empty when it can.
    pub(super) problem: String,
    /// Whether the crash ends the process: another goroutine's panic, a fatal error.
    #[serde(skip)]
    pub(super) ends_process: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Report {
    pub(super) token: u64,
    pub(super) tried: u64,
    pub(super) ended: bool,
    pub(super) hung: bool,
    pub(super) stuck: u64,
    pub(super) next: Position,
    pub(super) found: Option<Vec<Found>>,
    pub(super) elsewhere: Option<Vec<Statement>>,
    pub(super) aftermath: Option<Calls>,
    pub(super) hang: Option<Hang>,
    pub(super) texts: Option<Vec<Position>>,
    pub(super) drills: Option<Vec<Drill>>,
    pub(super) given_up: Option<Vec<String>>,
    /// Who wakes a call that hangs; empty where nobody is known.
    pub(super) woken: String,
    /// Whether it hangs, and nobody wakes it.
    pub(super) asleep: bool,
}

/// What a stress test does: it makes an object, and then calls that come back by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Drill {
    pub(super) entry: bool,
    /// The function of the log, and what is called beside it; one and the same where nobody else is known.
    pub(super) call: String,
    pub(super) with: String,
    /// Whether that is what the log tells.
    pub(super) told: bool,
    #[serde(default)]
    pub(super) imports: Option<Vec<Import>>,
    pub(super) setup: String,
    /// The statements of each call.
    pub(super) calls: Vec<String>,
}

/// A statement that crashes, as the harness tells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) function: String,
}

impl Statement {
    pub(super) fn location(self) -> Option<Location> {
        Some(Location { file: RepoPath::new(&self.file).ok()?, line: self.line, function: self.function })
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Phase {
    pub(super) target: String,
    pub(super) entry: bool,
    pub(super) forced: bool,
    pub(super) millis: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Search,
    Texts,
    Fuzz,
    Again,
    Shrink,
    Render,
    Replay,
    Before,
    After,
    Stress,
    Alone,
    Beside,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) function: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config<'a> {
    pub(super) mode: Mode,
    pub(super) token: u64,
    pub(super) seed: u64,
    pub(super) class: &'a str,
    pub(super) message: &'a str,
    pub(super) wait: &'a str,
    pub(super) actual: &'a str,
    pub(super) stack: &'a [Place<'a>],
    pub(super) tree: &'a Path,
    pub(super) drifted: bool,
    pub(super) phases: &'a [Phase],
    pub(super) start: &'a Position,
    #[serde(flatten)]
    pub(super) seeds: &'a Seeds,
    pub(super) any: &'a str,
    pub(super) taken: &'a [String],
    pub(super) path: &'a [usize],
    pub(super) from: usize,
    pub(super) millis: u128,
    pub(super) without: &'a [String],
    pub(super) others: &'a [String],
    pub(super) elsewhere: bool,
    pub(super) aftermath: &'a Calls,
    pub(super) texts: &'a [Position],
}

/// What calls on the code as it stands tell, and which they were.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Calls {
    pub(super) looked: u64,
    pub(super) stuck: u64,
    pub(super) consumes: bool,
    pub(super) controls: Option<Vec<u64>>,
    pub(super) times: u64,
    /// What was left out of them, beside what the search left out.
    pub(super) without: Option<Vec<String>>,
    pub(super) further: Option<Vec<u64>>,
}

/// A call that does not come back with a change in place.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Hang {
    /// The call before it; empty where there was none.
    pub(super) first: String,
    pub(super) times: u64,
    pub(super) call: String,
    /// What it waits for, as the runtime tells it.
    pub(super) state: String,
    pub(super) at: Statement,
    /// Whether these very calls came back before the change.
    pub(super) control: bool,
}
