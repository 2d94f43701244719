//! Progress of long work on standard error: spinners on a terminal, a line a step elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::render::{self, Detail, counted, plain};
use crate::app::fix::{Listener, Stage};
use crate::domain::Suggestion;

/// Shows how `hephaestus fix` goes on.
pub(super) struct FixProgress {
    shown: Arc<Shown>,
}

enum Shown {
    Terminal { all: MultiProgress, bars: Mutex<BTreeMap<usize, ProgressBar>> },
    Lines,
    Nothing,
}

impl FixProgress {
    pub(super) fn new(detail: Detail) -> Self {
        let shown = if detail == Detail::Little {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
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

    /// Writes something while no picture is in the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &*self.shown {
            Shown::Terminal { all, .. } => all.suspend(write),
            Shown::Lines | Shown::Nothing => write(),
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
    fn hear(&self, stage: &Stage) {
        match (self, stage) {
            (Self::Nothing, _) | (Self::Lines, Stage::Working { .. }) => {}
            (Self::Lines, stage) => {
                // Whoever closed standard error does not want to hear it.
                writeln!(std::io::stderr().lock(), "{}", describe(stage)).ok();
            }
            (Self::Terminal { all, bars }, stage) => {
                let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
                match stage {
                    Stage::Read { .. } | Stage::Preparing => {
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
