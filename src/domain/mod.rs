//! The nouns of Hephaestus: plain values, no IO, no async, no clock.
//!
//! One line's way through them: [`Line`] → [`Record`] → [`ErrorEvent`] (with its [`Trace`], [`Class`]
//! and [`Fingerprint`]) → [`ErrorGroup`] → [`Diagnosis`] → [`FixCandidate`] → a verdict (minted by
//! `validator`, recorded here as [`VerdictRecord`]) → [`Suggestion`].

mod class;
mod diagnosis;
mod event;
mod fingerprint;
mod fix;
mod group;
mod line;
mod pending;
mod place;
mod record;
mod suggestion;
mod trace;
mod verdict;

pub use class::{Class, Nature};
pub use diagnosis::{Diagnosis, Fault, FaultFacts, Reach, Reproducer};
pub use event::ErrorEvent;
pub use fingerprint::{Fingerprint, FingerprintKeys, ParseFingerprintError};
pub use fix::{FileChange, FixCandidate, Provenance};
pub use group::ErrorGroup;
pub use line::{Line, Span};
pub use pending::{Pending, Settlement};
pub use place::{Location, RepoPath, RepoPathError};
pub use record::{Record, Severity};
pub use suggestion::{OperationalFinding, Suggestion};
pub use trace::{Frame, Language, Trace, TraceKind};
pub use verdict::{Evidence, Step, StepName, StepResult, VerdictKind, VerdictRecord};
