//! Suggestions as a person reads them in a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{OperationalFinding, Step, StepResult, Suggestion, VerdictKind};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// How wide running text is wrapped, indentation included.
const WIDTH: usize = 110;
const LABEL: usize = 13;

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
            format!("by {} in {}, through: {reach}; {}", test.test, test.file, s.search)
        }
        None if s.search.is_empty() => "no".to_owned(),
        None => format!("no: {}", s.search),
    };
    field(out, "reproduced", &reproduced)?;
    if let (Some(rule), Some(explanation)) = (&s.rule, &s.explanation) {
        let masks = if s.masks { " (it may hide the defect rather than mend it)" } else { "" };
        field(out, "fix", &format!("{explanation} [rule {rule}]{masks}"))?;
    }
    if let Some(patch) = &s.patch {
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
    let style = verdict_style(s.verdict);
    label(out, "verdict")?;
    writeln!(out, "{style}{}{style:#} in {:.1} s: {}", s.verdict.as_str(), s.seconds, plain(&s.reason))?;
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

/// Writes one line that counts the verdicts.
pub(super) fn totals(out: &mut impl Write, suggestions: &[Suggestion], operational: usize) -> io::Result<()> {
    let count = |kind| suggestions.iter().filter(|suggestion| suggestion.verdict == kind).count();
    write!(out, "{BOLD}{} code defect(s):{BOLD:#}", suggestions.len())?;
    for kind in
        [VerdictKind::Proven, VerdictKind::Plausible, VerdictKind::Rejected, VerdictKind::Inconclusive]
    {
        let style = verdict_style(kind);
        write!(out, " {style}{} {}{style:#}", count(kind), kind.as_str())?;
    }
    writeln!(out, "; {operational} operational")
}

/// Writes a value as indented JSON and ends the line.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}

/// Writes a labelled text, wrapped.
pub(super) fn field(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    label(out, name)?;
    if text.is_empty() {
        return writeln!(out);
    }
    for (index, line) in wrap(&plain(text), WIDTH - LABEL - 2).enumerate() {
        if index > 0 {
            write!(out, "  {:LABEL$}", "")?;
        }
        writeln!(out, "{}", line.trim_end())?;
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
    let detail = plain(step.detail.lines().next().unwrap_or_default());
    label(out, name)?;
    writeln!(out, "{style}{mark:7}{style:#} {step_name}{runs} {DIM}({:.1} s){DIM:#}: {detail}", step.seconds)
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

pub(super) const fn verdict_style(kind: VerdictKind) -> Style {
    match kind {
        VerdictKind::Proven => GREEN.bold(),
        VerdictKind::Plausible => YELLOW.bold(),
        VerdictKind::Rejected | VerdictKind::Inconclusive => RED.bold(),
    }
}

pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// When something was first and last seen, to stand behind other text.
pub(super) fn seen(first: Option<Timestamp>, last: Option<Timestamp>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first != last => format!("  {first:.0} to {last:.0}"),
        (Some(first), _) => format!("  {first:.0}"),
        _ => String::new(),
    }
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
