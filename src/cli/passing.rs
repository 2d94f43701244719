//! The signals that a program gets that is run for somebody: all that a person or a manager may send it.

use std::io;

use rustix::process::{Pid, Signal as Number, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::iterator::{Handle, SignalsInfo};
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

/// Those that are passed on.
const PASSED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];
/// Those of them that mean that it should end.
const ENDING: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
/// How many may wait to be passed on. Further ones wait in the system, which keeps one of each kind.
const WAITING: usize = 16;

/// A signal that has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passing {
    number: i32,
    /// Whether the terminal sent it, and so to the program as well.
    has_arrived: bool,
}

impl Passing {
    /// Hands it on to the program.
    pub(super) fn pass_on(self, program: Option<u32>) {
        if self.has_arrived {
            return;
        }
        let pid = program.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let sent =
            pid.zip(Number::from_named_raw(self.number)).map(|(pid, number)| kill_process(pid, number));
        // A program that has just ended needs no signal.
        if let Some(Err(error)) = sent {
            tracing::debug!(%error, signal = self.number, "the program did not get the signal");
        }
    }

    fn asks_to_end(self) -> bool {
        ENDING.contains(&self.number)
    }
}

impl From<Origin> for Passing {
    fn from(origin: Origin) -> Self {
        Self { number: origin.signal, has_arrived: matches!(origin.cause, Cause::Kernel) }
    }
}

/// Hears them, instead of this process meeting with what they do by default.
pub(super) struct PassingSignals {
    heard: mpsc::Receiver<Passing>,
    hearing: Handle,
}

impl PassingSignals {
    pub(super) fn listen() -> io::Result<Self> {
        let mut signals = SignalsInfo::<WithOrigin>::new(PASSED)?;
        let hearing = signals.handle();
        let (tell, heard) = mpsc::channel(WAITING);
        let hear = move || {
            for origin in signals.forever() {
                if tell.blocking_send(origin.into()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(hear)?;
        Ok(Self { heard, hearing })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) -> Passing {
        match self.heard.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Waits for one that means that it should end.
    pub(super) async fn asked_to_end(&mut self) {
        while !self.next().await.asks_to_end() {}
    }
}

impl Drop for PassingSignals {
    fn drop(&mut self) {
        self.hearing.close();
    }
}
