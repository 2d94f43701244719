//! An instance in a mount namespace of its own, where file systems can be full or read-only.

use std::process::{Command, Stdio};

use super::instance::{Instance, Place};
use crate::harness::small_disk::assert_namespaces_are_allowed;
use crate::harness::succeed;

/// A command that first does something to its own mounts, in which `$state` is the state directory.
pub(super) fn within(place: &Place, command: &Command, mounts: &str) -> Command {
    assert_namespaces_are_allowed();
    std::fs::create_dir_all(place.state()).unwrap();
    let mut inner = Command::new("unshare");
    // One process throughout: signals and exit codes are the instance's own.
    inner.args(["--map-root-user", "--mount", "--propagation", "private", "sh", "-ec"]);
    inner.arg(format!("state=$1; shift; {mounts}; exec \"$@\"")).arg("sh").arg(place.state());
    inner.arg(command.get_program()).args(command.get_args());
    inner.stdout(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        inner.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inner.env(name, value),
            None => inner.env_remove(name),
        };
    }
    inner
}

/// Changes the mounts of a running instance.
pub(super) fn enter(instance: &Instance, place: &Place, script: &str) {
    let mut command = Command::new("nsenter");
    command.args(["--target", &instance.id().to_string(), "--user", "--preserve-credentials", "--mount"]);
    succeed(command.args(["sh", "-ec", &format!("state=$1; {script}"), "sh"]).arg(place.state()));
}
