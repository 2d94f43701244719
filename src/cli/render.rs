//! Suggestions as a person reads them in a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;

use crate::app::apply::{Application, WorkTree};
use crate::app::fix::{Report, Unfinished};
use crate::domain::{OperationalFinding, RepoPath, Step, StepResult, Suggestion, VerdictKind};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// How wide running text is wrapped, indentation included.
const WIDTH: usize = 100;
const LABEL: usize = 13;
/// Columns of the mark of a step of the evidence.
const MARK: usize = 8;

/// What a patch that may mask means for whoever reads it.
const MAY_MASK: &str = "With this patch the crash goes, but its cause may stay, and a wrong value may go on unseen: \
                        find out first why it got there.";

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// The answer alone.
    Little,
    /// The answer, and on the way how it goes on.
    Usual,
    /// Also what the answer rests on.
    Much,
}

/// Writes one suggestion: what, where, why, how it was reproduced, the patch and the evidence.
pub(super) fn suggestion(out: &mut impl Write, number: usize, suggestion: &Suggestion) -> io::Result<()> {
    writeln!(out, "{BOLD}{number}. {}{BOLD:#}", plain(&suggestion.title))?;
    body(out, suggestion)
}

/// Writes a suggestion under a heading that is already there.
pub(super) fn body(out: &mut impl Write, suggestion: &Suggestion) -> io::Result<()> {
    let s = suggestion;
    field(out, "class", &format!("{}, seen {}", s.class, times(s.count)))?;
    field(out, "fingerprint", &s.fingerprint.to_string())?;
    if let Some(place) = s.locations.first() {
        field(out, "place", &format!("{}:{} in {}", place.file, place.line, place.function))?;
    }
    field(out, "diagnosis", &plain(&s.diagnosis))?;
    let reproduced = match &s.reproducer {
        Some(test) => {
            let reach = test.reach.as_str().replace('_', " ");
            let not_written = "this test is not written; -v or --format json shows it";
            format!("by {} in {} ({not_written}), through: {reach}; {}", test.test, test.file, s.search)
        }
        None if s.search.is_empty() => "no".to_owned(),
        None => format!("no: {}", s.search),
    };
    field(out, "reproduced", &reproduced)?;
    if let Some(explanation) = &s.explanation {
        let by = s.rule.as_ref().map(|rule| format!(" [rule {rule}]")).unwrap_or_default();
        let (name, remark) = match s.verdict {
            VerdictKind::Rejected => ("tried", " It fell: see the verdict."),
            VerdictKind::Inconclusive => {
                ("tried", " It could not be judged to the end: look at it before you use it.")
            }
            VerdictKind::Plausible | VerdictKind::Proven => ("fix", ""),
        };
        field(out, name, &format!("{explanation}{by}{remark}"))?;
    }
    if let Some(patch) = &s.patch {
        if s.masks {
            field(out, "may mask", MAY_MASK)?;
        }
        writeln!(out)?;
        diff(out, patch)?;
        writeln!(out)?;
    }
    for (index, step) in s.evidence.steps.iter().enumerate() {
        evidence(out, if index == 0 { "evidence" } else { "" }, step)?;
    }
    if !s.evidence.sandbox.is_empty() {
        field(out, "sandbox", &s.evidence.sandbox)?;
    }
    let verdict = verdict(s.verdict, s.may_mask());
    label(out, "verdict")?;
    let said = format!("{verdict} in {:.1} s: {}", s.seconds, s.reason);
    running(out, LABEL + 2, (&verdict, verdict_style(s.verdict)), &said)?;
    writeln!(out)
}

/// Writes the test that reproduces a suggestion's crash.
pub(super) fn reproducer(out: &mut impl Write, suggestion: &Suggestion) -> io::Result<()> {
    let Some(test) = &suggestion.reproducer else { return Ok(()) };
    field(out, "the test", &format!("{} in {}; it is not written", test.test, test.file))?;
    writeln!(out)?;
    for line in plain(&test.source).lines() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out)
}

/// Writes one operational failure: what, where it is reported, what to do.
pub(super) fn operational(out: &mut impl Write, finding: &OperationalFinding) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{BOLD:#} {DIM}(operational: no patch){DIM:#}", plain(&finding.title))?;
    field(out, "class", &format!("{}, seen {}", finding.class, times(finding.count)))?;
    field(out, "diagnosis", &plain(&finding.diagnosis))?;
    if let Some(place) = finding.locations.first() {
        field(out, "reported by", &format!("{}:{} in {}", place.file, place.line, place.function))?;
    }
    field(out, "remedy", &finding.remedy)?;
    writeln!(out)
}

/// Writes what became of one fix that was to be applied.
pub(super) fn application(out: &mut impl Write, application: &Application) -> io::Result<()> {
    let title = plain(&application.title);
    match &application.error {
        Some(error) => writeln!(out, "{RED}not applied:{RED:#} {title}: {error}"),
        None => {
            let files = listed(&application.files);
            writeln!(out, "{GREEN}applied:{GREEN:#} {title}, to {files} ({})", application.fingerprint)?;
            if application.shared.is_empty() {
                return Ok(());
            }
            let shared = listed(&application.shared);
            writeln!(out, "  together with an earlier fix in {shared}; each was proven alone: run your tests")
        }
    }
}

/// Writes how what was applied is taken back.
pub(super) fn way_back(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if let Some(WorkTree::Unknown { reason }) = &report.work_tree {
        let reason = plain(reason);
        writeln!(out, "whether there were changes that are not committed could not be told: {reason}")?;
    }
    match &report.undo {
        // What is to be pasted into a shell is one line, however long.
        Some(command) => writeln!(out, "to undo:\n  {}", plain(command)),
        None if report.applied.iter().any(|one| one.error.is_none()) => writeln!(
            out,
            "to undo a fix, give its patch as printed above (or `patch` of --format json) to `git apply -R`"
        ),
        None => Ok(()),
    }
}

fn listed(files: &[RepoPath]) -> String {
    files.iter().map(RepoPath::as_str).collect::<Vec<_>>().join(", ")
}

/// Writes a defect that was not worked out because it was broken off.
pub(super) fn unfinished(out: &mut impl Write, unfinished: &Unfinished) -> io::Result<()> {
    let Unfinished { number, title, count, doing, .. } = unfinished;
    let how = match doing {
        Some(doing) => format!("broken off while {}", plain(doing)),
        None => "not begun".to_owned(),
    };
    writeln!(out, "not worked out: {number}. {}, seen {}: {how}", plain(title), times(*count))
}

/// Writes one line that counts the defects and the verdicts on them.
pub(super) fn totals(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Report { suggestions, unfinished, operational, .. } = report;
    let of = |kind| suggestions.iter().filter(move |suggestion| suggestion.verdict == kind);
    let all = suggestions.len() + unfinished.len();
    write!(out, "{BOLD}{}:{BOLD:#}", counted(all as u64, "code defect"))?;
    for kind in
        [VerdictKind::Proven, VerdictKind::Plausible, VerdictKind::Rejected, VerdictKind::Inconclusive]
    {
        let style = verdict_style(kind);
        write!(out, " {style}{} {}{style:#}", of(kind).count(), kind.as_str())?;
        let masking = of(kind).filter(|suggestion| suggestion.may_mask()).count();
        if masking > 0 {
            write!(out, " ({masking} may mask)")?;
        }
    }
    if !unfinished.is_empty() {
        write!(out, " {RED}{} not worked out{RED:#}", unfinished.len())?;
    }
    writeln!(out, "; {} operational", operational.len())
}

/// Writes a value as indented JSON and ends the line.
///
/// # Errors
/// Those of writing, as they are: wrapped into one of JSON, a reader who left would not be known for one.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Writes a labelled text, wrapped.
pub(super) fn field(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    label(out, name)?;
    running(out, LABEL + 2, ("", Style::new()), text)
}

/// Writes what a command does, and the command on a line of its own.
pub(super) fn command(out: &mut impl Write, what: &str, command: &str) -> io::Result<()> {
    field(out, "", what)?;
    writeln!(out, "{:LABEL$}    {}", "", plain(command))
}

/// Writes running text from column `indent` on, its first words in a style of their own.
fn running(out: &mut impl Write, indent: usize, (first, style): (&str, Style), text: &str) -> io::Result<()> {
    if text.is_empty() {
        return writeln!(out);
    }
    for (index, line) in wrap(&plain(text), WIDTH - indent).enumerate() {
        let line = line.trim_end();
        match line.strip_prefix(first).filter(|_| index == 0) {
            Some(rest) => writeln!(out, "{style}{first}{style:#}{rest}")?,
            None => writeln!(out, "{:indent$}{line}", "")?,
        }
    }
    Ok(())
}

/// Writes the label of a text that follows; an empty one indents.
pub(super) fn label(out: &mut impl Write, name: &str) -> io::Result<()> {
    write!(out, "  {DIM}{name:LABEL$}{DIM:#}")
}

fn evidence(out: &mut impl Write, name: &str, step: &Step) -> io::Result<()> {
    let (mark, style) = match step.result {
        StepResult::Passed => ("ok", GREEN),
        StepResult::Failed => ("failed", RED),
        StepResult::Skipped => ("skipped", YELLOW),
        StepResult::Inconclusive => ("unsure", YELLOW),
    };
    let step_name = super::name_of(&step.name).replace('_', " ");
    let runs = if step.runs > 1 { format!(" {} times", step.runs) } else { String::new() };
    let detail = step.detail.lines().next().unwrap_or_default();
    label(out, name)?;
    write!(out, "{style}{mark:MARK$}{style:#}")?;
    let said = format!("{step_name}{runs} ({:.1} s): {detail}", step.seconds);
    running(out, LABEL + 2 + MARK, ("", Style::new()), &said)
}

fn diff(out: &mut impl Write, patch: &str) -> io::Result<()> {
    for line in patch.lines() {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("+++") || line.starts_with("---") || line.starts_with("diff ") => BOLD,
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => Style::new(),
        };
        writeln!(out, "    {style}{}{style:#}", plain(line))?;
    }
    Ok(())
}

/// A verdict in words; what is proven alone may be taken for a cure.
pub(super) fn verdict(kind: VerdictKind, may_mask: bool) -> String {
    let doubt = if may_mask { ", may mask" } else { "" };
    format!("{}{doubt}", kind.as_str())
}

pub(super) const fn verdict_style(kind: VerdictKind) -> Style {
    match kind {
        VerdictKind::Proven => GREEN.bold(),
        VerdictKind::Plausible => YELLOW.bold(),
        VerdictKind::Rejected | VerdictKind::Inconclusive => RED.bold(),
    }
}

pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// When something was first and last seen, to stand behind other text.
pub(super) fn seen(first: Option<Timestamp>, last: Option<Timestamp>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first != last => format!("  {first:.0} to {last:.0}"),
        (Some(first), _) => format!("  {first:.0}"),
        _ => String::new(),
    }
}

/// A number of things: `1 defect`, `2 defects`.
pub(super) fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Text of a log or repository as it may reach a terminal: control characters could drive it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Breaks running text at spaces; a longer word stands alone. Line breaks of the text are kept.
fn wrap(text: &str, width: usize) -> impl Iterator<Item = String> + '_ {
    text.lines().flat_map(move |line| {
        let mut lines = vec![String::new()];
        for word in line.split_inclusive(' ') {
            let current = lines.len() - 1;
            if !lines[current].is_empty()
                && lines[current].chars().count() + word.trim_end().chars().count() > width
            {
                lines.push(word.to_owned());
            } else {
                lines[current].push_str(word);
            }
        }
        lines
    })
}

#[cfg(test)]
mod tests {
    use super::{plain, wrap};

    #[test]
    fn text_is_wrapped_at_spaces_and_tamed() {
        assert_eq!(wrap("aa bb cc", 5).map(|l| l.trim_end().to_owned()).collect::<Vec<_>>(), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaa b", 3).count(), 2);
        assert_eq!(plain("a\u{1b}[31mb\r"), "a\u{fffd}[31mb\u{fffd}");
    }
}
