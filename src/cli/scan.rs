//! `hephaestus scan`: one pass over existing logs.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::Exit;
use super::output::Output;
use super::render::{self, Detail, counted};
use super::tame::{json_line, plain_line};
use crate::app::{Scan, ScanStats, Scanned, Step};
use crate::config::Config;
use crate::domain::{ErrorEvent, ErrorGroup, Frame, Severity, Span, Trace};
use crate::telemetry;

/// Inputs from this size on get a progress bar on a terminal.
const LARGE_BYTES: u64 = 64 << 20;
/// Frames and lines of text shown of one group.
const SHOWN_FRAMES: usize = 4;
/// Characters shown of a message.
const SHOWN_CHARS: usize = 600;

/// Find the errors in existing logs and group them
///
/// Reads every log once. Crashes, recovered panics and logged errors become events; events with the
/// same cause become one group with an exact count, worst first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    hephaestus scan /var/log/shop/*.log\n  \
    kubectl logs deploy/shop | hephaestus scan -\n  \
    hephaestus scan --format json app.log | jq '.groups[] | {count, title}'\n  \
    hephaestus scan --events app.log | jq -r .message\n  \
    hephaestus scan --events --format text app.log\n  \
    hephaestus scan app.log app.log.1.gz         gzip is read as the text it holds\n  \
    hephaestus scan --fail-on high test.log      exits 1 if there was a panic\n\n\
    Severities:\n  \
    critical  the process died: a panic, a fatal error\n  \
    high      a recovered panic, a data race\n  \
    medium    a logged error\n  \
    low       a warning; an event only with analyzer.severity_threshold: low\n\n\
    Exit codes:\n  \
    0  the logs were read\n  \
    1  an event reached the severity of --fail-on\n  \
    2  wrong usage, or a log could not be read to its end")]
pub(super) struct ScanArgs {
    /// The logs to read; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the groups, or the events [default: text for groups, ndjson for events]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<ScanFormat>,
    /// Print events instead of groups, as they are found, one a line; with json and ndjson alike one
    /// JSON object a line
    #[arg(long)]
    events: bool,
    /// Exit with 1 if an event is as bad as this or worse
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    fail_on: Option<Severity>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ScanFormat {
    /// For people
    #[default]
    Text,
    /// One object: {"groups": […], "stats": {…}}
    Json,
    /// One group a line
    Ndjson,
}

/// The closed set of severities, so that `--help` and errors list it.
fn severities() -> impl clap::builder::TypedValueParser<Value = Severity> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|name| name.parse::<Severity>())
}

impl ScanArgs {
    pub(super) fn run(self, config: &Config, detail: Detail) -> anyhow::Result<Exit> {
        // With --fail-on the exit code is an answer too, for which all must be read.
        let out = if self.fail_on.is_some() { Output::new() } else { Output::ending_with_its_reader() };
        let mut out = std::io::BufWriter::new(out);
        let exit = self.scan(config, detail, &mut out)?;
        out.flush()?;
        Ok(exit)
    }

    fn scan(&self, config: &Config, detail: Detail, out: &mut impl Write) -> anyhow::Result<Exit> {
        let started = Instant::now();
        let scan = Scan::new(config, &self.files)?;
        let progress = progress(scan.size_bytes(), detail);
        let mut worst = None;
        let mut written = Ok(());
        let scanned = scan.run(&mut |step| {
            match step {
                Step::Read { bytes, .. } => {
                    progress.inc(bytes.len() as u64);
                    // Whoever follows the output sees what was found so far.
                    written = out.flush();
                }
                Step::Unreadable(error) => progress.suspend(|| {
                    // Standard error is the last place to complain to: a failure here has nowhere to go.
                    drop(telemetry::write_error(&mut anstream::stderr().lock(), &error));
                }),
                Step::Doubtful { source, doubt } => {
                    progress.suspend(|| tracing::warn!("{} {doubt}", plain_line(source)));
                }
                Step::Event { source, event, .. } => {
                    worst = worst.max(Some(event.severity));
                    if self.events {
                        written = self.write_event(out, source, event);
                    }
                }
            }
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        progress.finish_and_clear();
        written?;
        let ScanStats { unreadable, bytes, .. } = scanned.stats;
        let nothing_was_read = bytes == 0 && unreadable == scan.sources() as u64;
        if !self.events && !nothing_was_read {
            self.write_groups(out, &scanned, started.elapsed())?;
        }
        if unreadable > 0 {
            return Ok(Exit::Refused);
        }
        let reached = self.fail_on.is_some_and(|limit| worst.is_some_and(|worst| worst >= limit));
        Ok(if reached { Exit::No } else { Exit::Yes })
    }

    fn write_event(&self, out: &mut impl Write, source: &str, event: &ErrorEvent) -> std::io::Result<()> {
        match self.format {
            Some(ScanFormat::Text) => write_event_text(out, source, event),
            Some(ScanFormat::Json | ScanFormat::Ndjson) | None => write_line(out, &event_json(source, event)),
        }
    }

    fn write_groups(&self, out: &mut impl Write, scanned: &Scanned, elapsed: Duration) -> anyhow::Result<()> {
        match self.format.unwrap_or_default() {
            ScanFormat::Text => write_text(out, scanned, elapsed)?,
            ScanFormat::Json => {
                let groups: Vec<_> = scanned.groups.iter().map(group_json).collect();
                let stats = stats_json(&scanned.stats, groups.len(), elapsed);
                render::json(out, &json!({"groups": groups, "stats": stats}))?;
            }
            ScanFormat::Ndjson => {
                for group in &scanned.groups {
                    write_line(out, &group_json(group))?;
                }
            }
        }
        Ok(())
    }
}

fn write_line(out: &mut impl Write, value: &Value) -> std::io::Result<()> {
    json_line(out, value)?;
    writeln!(out)
}

fn progress(size: Option<u64>, detail: Detail) -> ProgressBar {
    let large = size.is_none_or(|bytes| bytes >= LARGE_BYTES);
    if !large || detail == Detail::Little || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(10));
    let template = match size {
        Some(_) => "{bar:40} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
        None => "{spinner} {bytes}  {bytes_per_sec}",
    };
    // The template is a constant; if it were wrong the default would do.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn frames_json(trace: Option<&Trace>) -> Value {
    let frame = |frame: &Frame| json!({"function": frame.function, "file": frame.file, "line": frame.line, "in_app": frame.in_app});
    trace.map_or(&[][..], |trace| &trace.frames).iter().map(frame).collect()
}

fn event_json(source: &str, event: &ErrorEvent) -> Value {
    json!({
        "fingerprint": event.keys.site,
        "class": event.class,
        "severity": event.severity,
        "language": event.language,
        "message": event.message,
        "title": event.title,
        "time": event.time,
        "frames": frames_json(event.trace.as_ref()),
        "file": source,
        "span": {"start": event.span.start, "end": event.span.end},
    })
}

fn group_json(group: &ErrorGroup) -> Value {
    json!({
        "fingerprint": group.fingerprint,
        "class": group.first.class,
        "severity": group.severity,
        "language": group.first.language,
        "title": group.first.title,
        "message": group.first.message,
        "count": group.count,
        "first_seen": group.first_seen,
        "last_seen": group.last_seen,
        "frames": frames_json(group.first.trace.as_ref()),
        "sample": group.first.sample,
    })
}

fn stats_json(stats: &ScanStats, groups: usize, elapsed: Duration) -> Value {
    json!({
        "bytes": stats.bytes,
        "lines": stats.lines,
        "truncated_lines": stats.truncated_lines,
        "events": stats.events,
        "groups": groups,
        "events_without_group": stats.overflowed,
        "unreadable": stats.unreadable,
        "seconds": (elapsed.as_secs_f64() * 1e3).round() / 1e3,
    })
}

pub(super) fn style_of(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Blue.on_default(),
    }
}

fn write_text(out: &mut impl Write, scanned: &Scanned, elapsed: Duration) -> std::io::Result<()> {
    for group in &scanned.groups {
        write_group(out, group)?;
    }
    let ScanStats { bytes, lines, events, truncated_lines, overflowed, unreadable } = scanned.stats;
    if events == 0 {
        write!(out, "No errors")?;
    } else {
        let groups = counted(scanned.groups.len() as u64, "group");
        write!(out, "{} in {groups}", counted(events, "event"))?;
    }
    if unreadable > 0 {
        write!(out, " in what could be read ({} could not)", counted(unreadable, "log"))?;
    }
    let (lines, bytes) = (counted(lines, "line"), indicatif::HumanBytes(bytes));
    writeln!(out, "; {lines}, {bytes} read in {:.2} s", elapsed.as_secs_f64())?;
    if truncated_lines > 0 {
        let lines = counted(truncated_lines, "line");
        writeln!(out, "{lines} longer than analyzer.max_line_bytes, cut there")?;
    }
    if overflowed > 0 {
        let events = counted(overflowed, "event");
        writeln!(out, "{events} of groups beyond analyzer.max_groups, counted but not shown")?;
    }
    Ok(())
}

/// One event a line: how bad, what, where, and where in which log.
fn write_event_text(out: &mut impl Write, source: &str, event: &ErrorEvent) -> std::io::Result<()> {
    let (style, dim) = (style_of(event.severity), Style::new().dimmed());
    let time = event.time.map(|time| format!("{time:.0}  ")).unwrap_or_default();
    let (severity, title) = (event.severity, plain_line(&event.title));
    write!(out, "{style}{severity:<8}{style:#}  {time}{title}")?;
    let frames = event.trace.as_ref().map_or(&[][..], |trace| &trace.frames);
    if let Some(frame) = frames.iter().find(|frame| frame.in_app) {
        write!(out, "  at {}:{}", plain_line(&frame.file), frame.line)?;
    }
    let Span { start, end } = event.span;
    writeln!(out, "  {dim}{}  {} {start}..{end}{dim:#}", event.keys.site, plain_line(source))
}

pub(super) fn write_group(out: &mut impl Write, group: &ErrorGroup) -> std::io::Result<()> {
    let style = style_of(group.severity);
    let dim = Style::new().dimmed();
    let bold = Style::new().bold();
    let (severity, title) = (group.severity, plain_line(&group.first.title));
    writeln!(out, "{style}{severity:<8}{style:#} {:>7}×  {bold}{title}{bold:#}", group.count)?;
    let message = beginning(&plain_line(group.first.message.lines().next().unwrap_or_default()));
    if message != title {
        writeln!(out, "                   {message}")?;
    }
    let frames = group.first.trace.as_ref().map_or(&[][..], |trace| &trace.frames);
    for frame in frames.iter().filter(|frame| frame.in_app).take(SHOWN_FRAMES) {
        let (function, file) = (plain_line(&frame.function), plain_line(&frame.file));
        writeln!(out, "                   at {function}  {dim}{file}:{}{dim:#}", frame.line)?;
    }
    let seen = render::seen(group.first_seen, group.last_seen);
    writeln!(out, "                   {dim}{}  {}{seen}{dim:#}\n", group.first.class, group.fingerprint)
}

/// A text as far as a person reads it on a terminal; the JSON forms have all of it.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
