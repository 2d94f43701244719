//! What is known of a defect already, from the group of another service's log: its answer is given at once.

use super::Finding;
use crate::domain::{
    Decision, ErrorGroup, GroupRecord, Stamp, Suggestion, SuggestionId, SuggestionRecord, SuggestionStatus,
    VerdictKind,
};
use crate::generator::localize::localize;
use crate::repository::Repository;

/// An answer that is known, and whose.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The answer.
    pub finding: Finding,
    /// The suggestion that it repeats.
    pub of: SuggestionId,
}

/// The code as it stands.
#[derive(Debug, Clone, Copy)]
pub struct CodeNow<'r> {
    /// The repository.
    pub repository: &'r Repository,
    /// Its folder.
    pub folder: Option<&'r str>,
    /// What its code looks like.
    pub code: Option<Stamp>,
}

/// The answer that is known for a group: a fix that was proven, or a person's rejection of one. `known` are
/// suggestions for failures with the same functions on their stacks, those that a person has decided on first, each
/// with its group. Only those count that were made for the very code that stands there now, and for the same statement.
#[must_use]
pub fn known_answer(
    group: &ErrorGroup,
    known: Vec<(SuggestionRecord, GroupRecord)>,
    now: CodeNow<'_>,
) -> Option<Known> {
    let place = |group: &ErrorGroup| localize(&group.first, now.repository).into_iter().next();
    let here = place(group)?;
    known.into_iter().find_map(|(record, other)| {
        let is_same_code = record.code.is_some() && record.code == now.code;
        let is_same_place =
            record.repository.as_deref() == now.folder && place(&other.group).as_ref() == Some(&here);
        if !is_same_code || !is_same_place {
            return None;
        }
        let of = record.id;
        Some(Known { finding: answer(group, record)?, of })
    })
}

fn answer(group: &ErrorGroup, record: SuggestionRecord) -> Option<Finding> {
    let SuggestionRecord { id, status, decision, suggestion, changes, .. } = record;
    let said = |word: &str| match &decision {
        Some(Decision { by, note: Some(note), .. }) => format!("{word} by {by}: {note}"),
        Some(Decision { by, .. }) => format!("{word} by {by}"),
        None => word.to_owned(),
    };
    let suggestion = Suggestion {
        fingerprint: group.fingerprint,
        count: group.count,
        title: group.first.title.clone(),
        seconds: 0.0,
        ..suggestion
    };
    let is_proven = suggestion.verdict == VerdictKind::Proven;
    let how = match status {
        SuggestionStatus::Rejected => {
            let reason = format!("the fix for the same failure, {id}, was {}", said("rejected"));
            let (verdict, patch) = (VerdictKind::Rejected, None);
            return Some(Finding {
                suggestion: Suggestion { verdict, reason, patch, ..suggestion },
                changes: Vec::new(),
            });
        }
        SuggestionStatus::Approved => said("approved"),
        SuggestionStatus::Open => "open".to_owned(),
    };
    let reason = format!("proven as {id} for the same failure, which is {how}; the code is the same");
    is_proven.then_some(Finding { suggestion: Suggestion { reason, ..suggestion }, changes })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        Class, ErrorEvent, Evidence, FileChange, Fingerprint, FingerprintKeys, Frame, GroupStatus, Language,
        RepoPath, Severity, Span, Trace, TraceKind,
    };

    const CODE: &str = "package main\n\nfunc main() {\n\tf(nil, nil)\n}\n\nfunc f(a, b []int) {\n\tprint(a[0])\n\tprint(b[0])\n}\n";

    /// The group of a crash on a line of `f`.
    fn group(line: u32) -> ErrorGroup {
        let print = Fingerprint::from_bytes([7; 16]);
        let frame = Frame { function: "main.f".into(), file: "/d/main.go".into(), line, in_app: true };
        let trace =
            Trace { kind: TraceKind::Panic, frames: vec![frame], created_by: None, fault_address: None };
        let first = ErrorEvent {
            keys: FingerprintKeys { site: print, path: print, exact: print },
            class: Class::IndexOutOfRange,
            severity: Severity::Critical,
            language: Language::Go,
            message: String::new(),
            title: String::new(),
            trace: Some(trace),
            time: None,
            attributes: Vec::new(),
            sample: String::new(),
            span: Span { start: 0, end: 0 },
        };
        let severity = first.severity;
        ErrorGroup { fingerprint: print, severity, count: 1, first_seen: None, last_seen: None, first }
    }

    fn stamp(byte: u8) -> Option<Stamp> {
        Some(Stamp::from_bytes([byte; 16]))
    }

    fn known(status: SuggestionStatus, verdict: VerdictKind) -> (SuggestionRecord, GroupRecord) {
        let group = group(8);
        let id = SuggestionId { fingerprint: group.fingerprint, attempt: 1 };
        let by = Decision { by: "ann".to_owned(), at: Timestamp::UNIX_EPOCH, note: None };
        let path = RepoPath::new("main.go").unwrap();
        let suggestion = Suggestion {
            fingerprint: group.fingerprint,
            class: group.first.class,
            title: String::new(),
            count: 7,
            diagnosis: String::new(),
            locations: Vec::new(),
            reproduced: true,
            reproducer: None,
            search: String::new(),
            verdict,
            reason: String::new(),
            provenance: Some("rule".to_owned()),
            rule: Some("check_length".to_owned()),
            explanation: None,
            masks: false,
            patch: Some("diff".to_owned()),
            evidence: Evidence { steps: Vec::new(), sandbox: String::new() },
            seconds: 3.0,
        };
        let record = SuggestionRecord {
            id,
            sequence: 1,
            created_at: Timestamp::UNIX_EPOCH,
            status,
            decision: (status != SuggestionStatus::Open).then_some(by),
            suggestion,
            changes: vec![FileChange { path, before: CODE.to_owned(), after: String::new() }],
            repository: Some("/r".to_owned()),
            code: stamp(1),
            copy_of: None,
        };
        let group = GroupRecord {
            group,
            service: "till".to_owned(),
            status: GroupStatus::Suggested,
            attempts: 1,
            attempted_at: None,
            undecided: None,
            context: Vec::new(),
            remedy: None,
        };
        (record, group)
    }

    #[test]
    fn only_what_was_made_for_this_code_and_statement_answers() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        std::fs::write(folder.path().join("main.go"), CODE).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let now = CodeNow { repository: &repository, folder: Some("/r"), code: stamp(1) };
        let proven = || vec![known(SuggestionStatus::Open, VerdictKind::Proven)];
        let answer = known_answer(&group(8), proven(), now).unwrap();
        assert_eq!(answer.finding.suggestion.rule.as_deref(), Some("check_length"));
        assert!(answer.finding.suggestion.reason.contains("which is open"), "{answer:?}");
        assert_eq!((answer.finding.changes.len(), answer.finding.suggestion.count), (1, 1));
        // Another statement, other code, another repository; and what nobody knows.
        assert_eq!(known_answer(&group(9), proven(), now), None);
        assert_eq!(known_answer(&group(8), proven(), CodeNow { code: stamp(2), ..now }), None);
        assert_eq!(known_answer(&group(8), proven(), CodeNow { folder: Some("/other"), ..now }), None);
        assert_eq!(known_answer(&group(8), proven(), CodeNow { code: None, ..now }), None);
        assert_eq!(known_answer(&group(8), Vec::new(), now), None);
        // What was not proven is tried again, whoever approved of it; what was rejected is not.
        let plausible = known(SuggestionStatus::Approved, VerdictKind::Plausible);
        assert_eq!(known_answer(&group(8), vec![plausible], now), None);
        let rejected = known(SuggestionStatus::Rejected, VerdictKind::Proven);
        let answer = known_answer(&group(8), vec![rejected], now).unwrap().finding;
        assert!(answer.suggestion.patch.is_none() && answer.changes.is_empty());
        assert!(answer.suggestion.reason.ends_with("was rejected by ann"), "{answer:?}");
    }
}
