//! What was tried at a group, and when the next attempt comes: shared by `groups` and `explain`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::review::{Review, Workforce};
use crate::config::Config;
use crate::domain::{GroupRecord, GroupStatus};

/// What holds for attempts at all groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts {
    /// How many a group gets.
    most: u32,
    /// How long it rests between two.
    pause: Duration,
    workforce: Workforce,
}

impl Attempts {
    pub(super) async fn of(config: &Config, review: &Review) -> anyhow::Result<Self> {
        let fixer = &config.fixer;
        let workforce = review.workforce().await?;
        Ok(Self { most: fixer.max_attempts, pause: fixer.retry_after.get(), workforce })
    }

    pub(super) const fn workforce(&self) -> Workforce {
        self.workforce
    }

    /// How far a group has come. Nobody is working where nobody runs.
    pub(super) fn status(&self, status: GroupStatus) -> &'static str {
        match (status, self.workforce) {
            (GroupStatus::Working, Workforce::WithoutRepository | Workforce::Nobody) => "broken off",
            _ => status.as_str(),
        }
    }

    /// The same with the attempts that were made.
    pub(super) fn made(&self, record: &GroupRecord) -> String {
        let (status, count, most) = (self.status(record.status), record.attempts, self.most);
        let attempts = match (record.status, count) {
            (GroupStatus::Working, _) => format!("attempt {count} of {most}"),
            (_, 0) => "no attempt yet".to_owned(),
            (GroupStatus::New, _) if record.undecided.is_some() => {
                format!("attempt {count} of {most} was not decided")
            }
            (_, 1) => "1 attempt".to_owned(),
            _ => format!("{count} attempts"),
        };
        let ended = record.attempted_at.filter(|_| record.status != GroupStatus::Working);
        let last = ended.map(|at| format!(", the last ended {at:.0}")).unwrap_or_default();
        format!("{status}, {attempts}{last}")
    }

    /// When the next attempt comes, or what it waits for; nothing where none does.
    pub(super) fn next(&self, record: &GroupRecord) -> Option<String> {
        match record.status {
            GroupStatus::New if record.attempts >= self.most => {
                Some("No attempt is left: it gets no more than fixer.max_attempts.".to_owned())
            }
            GroupStatus::New => Some(match record.attempted_at.filter(|_| record.attempts > 0) {
                Some(ended) => self.repeated(record.attempts + 1, ended),
                None => self.first(),
            }),
            GroupStatus::Working => Some(self.going_on(record.attempts)),
            _ => None,
        }
    }

    fn first(&self) -> String {
        match self.workforce {
            Workforce::AtWork => {
                "Wait: no attempt was made yet; groups are worked on worst first.".to_owned()
            }
            Workforce::WithoutRepository => {
                "It waits for an instance with --repo: no attempt was made yet, and the one that runs has no \
                 repository."
                    .to_owned()
            }
            Workforce::Nobody => {
                "It waits for an instance with --repo: no attempt was made yet, and none runs. \
                 `hephaestus run --repo DIR` works on groups, worst first."
                    .to_owned()
            }
        }
    }

    fn repeated(&self, number: u32, ended: Timestamp) -> String {
        let attempt = format!("Attempt {number} of {}", self.most);
        let pause = SignedDuration::try_from(self.pause).ok();
        let due = pause.and_then(|pause| ended.checked_add(pause).ok()).unwrap_or(Timestamp::MAX);
        let is_due = due <= Timestamp::now();
        match self.workforce {
            Workforce::AtWork if is_due => format!("{attempt} is due now."),
            Workforce::AtWork => {
                format!("{attempt} comes {due:.0} (fixer.retry_after), or as soon as the code changes.")
            }
            idle => {
                let who = match idle {
                    Workforce::Nobody => "none runs",
                    _ => "the one that runs has no repository",
                };
                let when = if is_due { "at once" } else { "once the code has changed, else" };
                let at = if is_due { String::new() } else { format!(" {due:.0}") };
                format!(
                    "{attempt} waits for an instance with --repo: {who}. `hephaestus run --repo DIR` makes it \
                     {when}{at}."
                )
            }
        }
    }

    fn going_on(&self, number: u32) -> String {
        let most = self.most;
        match self.workforce {
            Workforce::AtWork => format!(
                "Wait: attempt {number} of {most} is going on, or is taken up again soon, where its process died."
            ),
            idle => {
                let who = match idle {
                    Workforce::Nobody => "at the next start of",
                    _ => "by an instance with a repository, which the one that runs has not:",
                };
                format!(
                    "It was being worked on when the last instance ended; attempt {number} of {most} is taken up \
                     again {who} `hephaestus run --repo DIR`."
                )
            }
        }
    }
}
