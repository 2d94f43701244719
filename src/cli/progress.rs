//! Progress of long work on standard error: spinners on a terminal, a line a step elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::render::plain;
use crate::app::one_shot::{Listener, Stage};

/// Shows how `hephaestus fix` goes on.
pub(super) struct FixProgress {
    shown: Arc<Shown>,
}

enum Shown {
    Terminal { all: MultiProgress, bars: Mutex<BTreeMap<usize, ProgressBar>> },
    Lines,
}

impl FixProgress {
    pub(super) fn new() -> Self {
        let shown = if std::io::stderr().is_terminal() {
            Shown::Terminal { all: MultiProgress::new(), bars: Mutex::default() }
        } else {
            Shown::Lines
        };
        Self { shown: Arc::new(shown) }
    }

    pub(super) fn listener(&self) -> Listener {
        let shown = Arc::clone(&self.shown);
        Arc::new(move |stage| shown.hear(&stage))
    }

    pub(super) fn finish(&self) {
        if let Shown::Terminal { all, .. } = &*self.shown {
            // Only the picture is lost if the terminal is gone.
            all.clear().ok();
        }
    }
}

impl Shown {
    fn hear(&self, stage: &Stage) {
        match (self, stage) {
            (Self::Lines, Stage::Working { .. }) => {}
            (Self::Lines, stage) => {
                // Whoever closed standard error does not want to hear it.
                writeln!(std::io::stderr().lock(), "{}", describe(stage)).ok();
            }
            (Self::Terminal { all, bars }, stage) => {
                let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
                match stage {
                    Stage::Read { .. } => {
                        all.println(describe(stage)).ok();
                    }
                    Stage::Working { number, .. } => {
                        let bar = bars.entry(*number).or_insert_with(|| spinner(all));
                        bar.set_message(describe(stage));
                    }
                    Stage::Done { number, .. } => {
                        if let Some(bar) = bars.remove(number) {
                            bar.finish_and_clear();
                        }
                        all.println(describe(stage)).ok();
                    }
                }
            }
        }
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
        Stage::Read { events, groups } => format!("read {events} error event(s) of {groups} kind(s)"),
        Stage::Working { number, total, title, doing } => {
            format!("[{number}/{total}] {}: {doing}", plain(title))
        }
        Stage::Done { number, total, title, outcome, seconds } => {
            format!("[{number}/{total}] {}: {outcome} ({seconds:.1} s)", plain(title))
        }
    }
}
