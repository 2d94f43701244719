//! The nouns of Hephaestus: plain values, no IO, no async, no clock.
//!
//! One line's way through them: [`Line`] → [`Record`] → [`ErrorEvent`] (with its [`Trace`], [`Class`]
//! and [`Fingerprint`]) → [`Occurrences`] → [`ErrorGroup`] → [`Diagnosis`] → [`FixCandidate`] → a verdict
//! (minted by `validator`, recorded here as [`VerdictRecord`]) → [`Suggestion`].

mod class;
mod diagnosis;
mod event;
mod fingerprint;
mod fix;
mod group;
mod hex;
mod letter;
mod line;
mod occurrence;
mod outcome;
mod pending;
mod place;
mod pod;
mod record;
mod review;
mod suggestion;
mod trace;
mod verdict;

pub use class::{Class, Nature};
pub use diagnosis::{Diagnosis, Fault, FaultFacts, Reach, Reproducer};
pub use event::ErrorEvent;
pub use fingerprint::{Fingerprint, FingerprintKeys, UNKNOWN_SERVICE};
pub use fix::{FileChange, FixCandidate, Provenance};
pub use group::ErrorGroup;
pub use hex::ParseIdError;
pub use letter::{
    ChosenLetter, LetterChoice, LetterFate, LetterList, LetterName, LetterPlace, LetterStatus, LetterStretch,
    LetterSummary, MOST_NAMED, ReplayOrder, ReplayReport,
};
pub use line::{Line, Span};
pub use occurrence::{Claim, EventId, FileId, Occurrences, ParseEventIdError, ProducerId};
pub use outcome::Outcomes;
pub use pending::{Pending, Settlement};
pub use place::{Location, RepoPath, RepoPathError};
pub use pod::PodContainer;
pub use record::{Record, Severity};
pub use review::{
    Decision, GroupRecord, GroupStatus, ParseSuggestionIdError, Stamp, SuggestionId, SuggestionRecord,
    SuggestionStatus,
};
pub use suggestion::{OperationalFinding, Suggestion};
pub use trace::{Frame, Language, Trace, TraceKind};
pub use verdict::{Evidence, Step, StepName, StepResult, VerdictKind, VerdictRecord};
