//! Git as a job that only looks. It runs isolated, since a repository's settings may name programs to run.

use std::path::Path;
use std::time::Duration;

use super::Job;

/// How long git may take to look at a few files.
const TIME: Duration = Duration::from_secs(20);

/// A command of git that reads, in a folder of the work tree at `top`, whose `.git` is a folder.
#[must_use]
pub fn look(top: &Path, folder: &Path, command: &[&str]) -> Job {
    let mut job = Job::new("git", folder);
    job.write.clear();
    job.read.push(top.to_owned());
    job.wall = TIME;
    job.env = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        // The index is not refreshed, nothing is written, and nothing is fetched.
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("LC_ALL", "C"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    // The isolation guards against whoever owns it.
    let fixed = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"];
    job.args = fixed.iter().chain(command).map(Into::into).collect();
    job
}
