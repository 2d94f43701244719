//! A file system that can be full or read-only, for tests of this library and of its binary.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A file system of some mebibytes in the mount namespace of a process that holds it; gone with the value.
pub(crate) struct SmallDisk {
    holder: Child,
    said: BufReader<ChildStdout>,
    told: ChildStdin,
    path: PathBuf,
}

impl SmallDisk {
    pub(crate) fn new(mebibytes: u64) -> Self {
        assert_namespaces_are_allowed();
        let mut holder = Command::new("unshare");
        holder.args(["--map-root-user", "--mount", "--propagation", "private", "sh", "-ec"]);
        holder.arg(format!(
            "mount -t tmpfs -o size={mebibytes}m none /mnt; echo ready; \
             read -r _; mount -o remount,ro /mnt; echo ready; exec cat"
        ));
        let mut holder = holder.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (said, told) = (BufReader::new(holder.stdout.take().unwrap()), holder.stdin.take().unwrap());
        // Its owner reaches into the namespace by this path, and so do the processes under test.
        let path = Path::new("/proc").join(holder.id().to_string()).join("root").join("mnt");
        let mut disk = Self { holder, said, told, path };
        disk.await_ready();
        disk
    }

    fn await_ready(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all space that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let mut chunk = 1 << 20;
        while chunk > 0 {
            if ballast.write_all(&vec![0; chunk]).is_err() {
                chunk /= 2;
            }
        }
    }

    pub(crate) fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    pub(crate) fn make_read_only(&mut self) {
        self.told.write_all(b"\n").unwrap();
        self.await_ready();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// Fails where there can be no such file system: a test that did without would have tested nothing.
pub(crate) fn assert_namespaces_are_allowed() {
    let output = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output().unwrap();
    assert!(
        output.status.success(),
        "this test makes full and read-only file systems in a mount namespace of its own: allow user \
         namespaces (kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and in a container \
         a seccomp profile that lets unshare pass); unshare says: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
