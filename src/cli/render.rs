//! Suggestions as a person reads them in a terminal.

use std::io::{self, Write};
use std::sync::LazyLock;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;

use super::tame::{indented_json, plain};
use crate::app::apply::{Application, WorkTree};
use crate::app::fix::{Report, Unfinished};
use crate::app::git::APPLY_HERE;
use crate::domain::{OperationalFinding, RepoPath, Step, StepResult, Suggestion, VerdictKind};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// Running text is no wider than this, indentation included, and no narrower than that, wherever it is shown.
const WIDEST: usize = 100;
const NARROWEST: usize = 40;
/// Where running text goes on that began in the first column.
const HANGING: usize = 2;
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
    let heading = format!("{number}. {}", suggestion.title);
    running(out, HANGING, (&heading, BOLD), &heading)?;
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
    let title = &finding.title;
    running(out, HANGING, (title, BOLD), &format!("{title} (operational: no patch)"))?;
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
    let Application { title, fingerprint, .. } = application;
    match &application.error {
        Some(error) => {
            running(out, HANGING, ("not applied:", RED), &format!("not applied: {title}: {error}"))
        }
        None => {
            let files = listed(&application.files);
            let said = format!("applied: {title}, to {files} ({fingerprint})");
            running(out, HANGING, ("applied:", GREEN), &said)?;
            if application.shared.is_empty() {
                return Ok(());
            }
            let shared = listed(&application.shared);
            write!(out, "{:HANGING$}", "")?;
            prose(
                out,
                &format!("together with an earlier fix in {shared}; each was proven alone: run your tests"),
            )
        }
    }
}

/// Writes how what was applied is taken back.
pub(super) fn way_back(out: &mut impl Write, report: &Report) -> io::Result<()> {
    match &report.work_tree {
        Some(WorkTree::Unknown { reason }) => prose(
            out,
            &format!("whether there were changes that are not committed could not be told: {reason}"),
        )?,
        Some(WorkTree::Git { uncommitted }) if report.applied.iter().any(|one| one.error.is_none()) => {
            for path in uncommitted {
                let said = "had changes that are not committed: git will not tell them from the fix";
                running(out, HANGING, ("warning:", YELLOW), &format!("warning: {path} {said}"))?;
            }
        }
        Some(WorkTree::Git { .. } | WorkTree::NotGit) | None => {}
    }
    match &report.undo {
        // What is to be pasted into a shell is one line, however long.
        Some(command) => writeln!(out, "to undo:\n  {}", plain(command)),
        None if report.applied.iter().any(|one| one.error.is_none()) => prose(
            out,
            &format!(
                "to undo a fix, give its patch as printed above (or `patch` of --format json) to `{APPLY_HERE} -R`, \
                 in the folder of the repository"
            ),
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
        Some(doing) => format!("broken off while {doing}"),
        None => "not begun".to_owned(),
    };
    prose(out, &format!("not worked out: {number}. {title}, seen {}: {how}", times(*count)))
}

/// Writes one line that counts the defects and the verdicts on them.
pub(super) fn totals(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Report { suggestions, unfinished, operational, .. } = report;
    let of = |kind| suggestions.iter().filter(move |suggestion| suggestion.verdict == kind);
    let all = suggestions.len() + unfinished.len();
    let mut counts = vec![(format!("{}:", counted(all as u64, "code defect")), BOLD)];
    for kind in
        [VerdictKind::Proven, VerdictKind::Plausible, VerdictKind::Rejected, VerdictKind::Inconclusive]
    {
        counts.push((format!("{} {}", of(kind).count(), kind.as_str()), verdict_style(kind)));
        let masking = of(kind).filter(|suggestion| suggestion.may_mask()).count();
        if masking > 0 {
            counts.push((format!("({masking} may mask)"), Style::new()));
        }
        end_last(&mut counts, ',');
    }
    if !unfinished.is_empty() {
        counts.push((format!("{} not worked out,", unfinished.len()), RED));
    }
    end_last(&mut counts, ';');
    counts.push((format!("{} operational", operational.len()), Style::new()));
    let mut column = 0;
    for (text, style) in counts {
        let columns = text.chars().count();
        let gap = match column {
            0 => "",
            column if column + 1 + columns > width() => "\n  ",
            _ => " ",
        };
        column = if gap.starts_with('\n') { HANGING } else { column + gap.len() } + columns;
        write!(out, "{gap}{style}{text}{style:#}")?;
    }
    writeln!(out)
}

/// Puts a mark behind the last of several words, instead of a comma that stands there.
fn end_last(words: &mut [(String, Style)], mark: char) {
    if let Some((last, _)) = words.last_mut() {
        last.truncate(last.trim_end_matches(',').len());
        last.push(mark);
    }
}

/// Writes a value as indented JSON and ends the line.
///
/// # Errors
/// Those of writing, as they are: wrapped into one of JSON, a reader who left would not be known for one.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    indented_json(out, value)?;
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

/// Writes running text from the first column on.
pub(super) fn prose(out: &mut impl Write, text: &str) -> io::Result<()> {
    running(out, HANGING, ("", Style::new()), text)
}

/// Writes running text that goes on from column `indent`, the words it begins with in a style of their own.
pub(super) fn running(
    out: &mut impl Write,
    indent: usize,
    (first, style): (&str, Style),
    text: &str,
) -> io::Result<()> {
    if text.is_empty() {
        return writeln!(out);
    }
    let first = plain(first);
    let mut styled = first.as_str();
    for (index, line) in wrap(&plain(text), width().saturating_sub(indent)).enumerate() {
        let line = line.trim_end();
        let begun = if line.len() < styled.len() { line } else { styled };
        let (begun, rest) = match (styled.strip_prefix(begun), line.strip_prefix(begun)) {
            (Some(left), Some(rest)) => {
                styled = left.trim_start();
                (begun, rest)
            }
            _ => ("", line),
        };
        let indent = if index == 0 { 0 } else { indent };
        writeln!(out, "{:indent$}{style}{begun}{style:#}{rest}", "")?;
    }
    Ok(())
}

/// Running text broken into lines, for what is not written to standard output.
pub(super) fn wrapped(text: &str) -> String {
    let lines: Vec<_> =
        wrap(&plain(text), width() - HANGING).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n  ")
}

/// How wide running text is: as COLUMNS says, else as wide as the terminal that standard output is.
fn width() -> usize {
    static WIDTH: LazyLock<usize> = LazyLock::new(|| {
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let columns =
            told.or_else(|| rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col));
        let columns = columns.filter(|columns| *columns > 0).map(usize::from);
        columns.map_or(WIDEST, |columns| columns.clamp(NARROWEST, WIDEST))
    });
    *WIDTH
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
    use super::wrap;

    #[test]
    fn text_is_wrapped_at_spaces() {
        assert_eq!(wrap("aa bb cc", 5).map(|l| l.trim_end().to_owned()).collect::<Vec<_>>(), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaaa b", 3).count(), 2);
    }
}
