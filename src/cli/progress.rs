//! Progress of long work on standard error: spinners on a terminal; elsewhere a line as a finding is begun and
//! done, and one for each step that takes long.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::render::{self, Detail, counted, wrapped};
use super::tame::plain;
use crate::app::fix::{Listener, Stage};
use crate::domain::Suggestion;

/// Shows how `hephaestus fix` goes on.
pub(super) struct FixProgress {
    shown: Arc<Shown>,
}

enum Shown {
    Terminal { all: MultiProgress, bars: Mutex<BTreeMap<usize, ProgressBar>> },
    Lines(Mutex<Lines>),
    Nothing,
}

/// A step that takes longer is told, where nobody sees it turn.
const LONG: Duration = Duration::from_secs(10);
/// How often it is looked whether one does.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl FixProgress {
    pub(super) fn new(detail: Detail) -> Self {
        let shown = if detail == Detail::Little {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            Shown::Terminal { all: MultiProgress::new(), bars: Mutex::default() }
        } else {
            Shown::Lines(Mutex::default())
        };
        let shown = Arc::new(shown);
        if matches!(*shown, Shown::Lines(_)) {
            let watched = Arc::downgrade(&shown);
            std::thread::spawn(move || {
                while let Some(shown) = watched.upgrade() {
                    shown.tell_long_steps();
                    drop(shown);
                    std::thread::sleep(LOOK_INTERVAL);
                }
            });
        }
        Self { shown }
    }

    pub(super) fn listener(&self) -> Listener {
        let shown = Arc::clone(&self.shown);
        Arc::new(move |stage| shown.hear(&stage))
    }

    /// Writes something while no picture is in the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.shown {
            Shown::Terminal { all, .. } => all.suspend(write),
            Shown::Lines(_) | Shown::Nothing => write(),
        }
    }

    pub(super) fn finish(&self) {
        if let Shown::Terminal { all, .. } = &*self.shown {
            // Only the picture is lost if the terminal is gone.
            all.clear().ok();
        }
    }
}

impl Shown {
    fn tell_long_steps(&self) {
        if let Self::Lines(lines) = self {
            say(lines.lock().unwrap_or_else(PoisonError::into_inner).long_steps(Instant::now()));
        }
    }

    fn hear(&self, stage: &Stage) {
        match (self, stage) {
            (Self::Nothing, _) => {}
            (Self::Lines(lines), stage) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                say(lines.hear(stage, Instant::now()));
            }
            (Self::Terminal { all, bars }, stage) => {
                let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
                match stage {
                    Stage::Read { .. } | Stage::Preparing => {
                        all.println(wrapped(&describe(stage))).ok();
                    }
                    Stage::Working { number, .. } => {
                        let bar = bars.entry(*number).or_insert_with(|| spinner(all));
                        bar.set_message(describe(stage));
                    }
                    Stage::Done { number, .. } => {
                        if let Some(bar) = bars.remove(number) {
                            bar.finish_and_clear();
                        }
                        all.println(wrapped(&describe(stage))).ok();
                    }
                }
            }
        }
    }
}

/// Writes lines on standard error.
fn say(lines: impl IntoIterator<Item = String>) {
    for line in lines {
        // Whoever closed standard error does not want to hear it.
        writeln!(std::io::stderr().lock(), "{line}").ok();
    }
}

/// What is worked on, as it is told in lines.
#[derive(Default)]
struct Lines {
    /// The step that each finding is at, by its number.
    steps: BTreeMap<usize, Step>,
}

/// One step of work on a finding.
struct Step {
    told: String,
    begun: Instant,
    is_told: bool,
}

impl Lines {
    /// The line that a stage is worth, where it is.
    fn hear(&mut self, stage: &Stage, now: Instant) -> Option<String> {
        match stage {
            Stage::Read { .. } | Stage::Preparing => Some(describe(stage)),
            Stage::Working { number, total, title, .. } => {
                let step = Step { told: describe(stage), begun: now, is_told: false };
                let is_new = self.steps.insert(*number, step).is_none();
                is_new.then(|| format!("[{number}/{total}] {}: begun", plain(title)))
            }
            Stage::Done { number, .. } => {
                self.steps.remove(number);
                Some(describe(stage))
            }
        }
    }

    /// A line for each step that takes long and was not told yet.
    fn long_steps(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for step in self.steps.values_mut() {
            let spent = now.saturating_duration_since(step.begun);
            if !step.is_told && spent >= LONG {
                step.is_told = true;
                lines.push(format!("{} ({} s so far)", step.told, spent.as_secs()));
            }
        }
        lines
    }
}

fn spinner(all: &MultiProgress) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn describe(stage: &Stage) -> String {
    match stage {
        Stage::Read { events, groups } => {
            format!("read {} of {}", counted(*events, "error event"), counted(*groups as u64, "kind"))
        }
        Stage::Preparing => "preparing the Go build cache (a minute or two the first time)".to_owned(),
        Stage::Working { number, total, title, doing } => {
            format!("[{number}/{total}] {}: {doing}", plain(title))
        }
        Stage::Done { number, total, suggestion } => {
            let Suggestion { title, seconds, .. } = &**suggestion;
            let verdict = render::verdict(suggestion.verdict, suggestion.may_mask());
            format!("[{number}/{total}] {}: {verdict} ({seconds:.1} s)", plain(title))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A finding is told as it is begun, and of its steps those that take long, once each.
    #[test]
    fn lines_tell_what_is_begun_and_what_takes_long() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        let hear = |lines: &mut Lines, seconds: u64, doing: &str| {
            let working = Stage::Working { number: 2, total: 3, title: "x".into(), doing: doing.into() };
            lines.hear(&working, start + Duration::from_secs(seconds))
        };
        assert_eq!(hear(&mut lines, 0, "diagnosing").as_deref(), Some("[2/3] x: begun"));
        assert_eq!(hear(&mut lines, 1, "searching"), None);
        let mut long = |seconds| lines.long_steps(start + Duration::from_secs(seconds));
        assert_eq!(long(10), Vec::<String>::new());
        assert_eq!(long(12), ["[2/3] x: searching (11 s so far)"]);
        assert_eq!(long(60), Vec::<String>::new());
        assert_eq!(hear(&mut lines, 60, "judging"), None);
        assert_eq!(lines.long_steps(start + Duration::from_secs(75)), ["[2/3] x: judging (15 s so far)"]);
    }
}
