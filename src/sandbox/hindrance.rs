//! What the Go tool prints when not the code but its surroundings stop it: a full disk, a limit of the
//! sandbox, a module that was never downloaded. Such an output says nothing about the code.

/// How much of a line is shown.
const MAX_LINE: usize = 200;
/// What the tools' words mean, and what to do. The first that is found decides.
const SIGNS: &[(&str, &str)] = &[
    (
        "no space left on device",
        "the disk is full: free some space where temporary files (TMPDIR) and the build cache (repository.go_cache) lie, or set these to another disk",
    ),
    (
        "disk quota exceeded",
        "the disk quota is used up: free some space where temporary files (TMPDIR) and the build cache (repository.go_cache) lie, or set these to another disk",
    ),
    ("file too large", "a file grew beyond the sandbox's limit: raise sandbox.file_size"),
    (
        "resource temporarily unavailable",
        "no more processes or threads could be started: raise sandbox.processes, or run less beside it",
    ),
    ("cannot allocate memory", "memory was used up: raise sandbox.memory, or run less beside it"),
    (": signal: killed", "a process was killed from outside, as for want of memory: raise sandbox.memory"),
];
/// The words of those that lack a module.
const LACKING: &[(&str, &str)] = &[
    (
        "module lookup disabled by GOPROXY=off",
        "a module that the repository needs is not in the module cache: run `go mod download` in the repository",
    ),
    ("could not create module cache", "the module cache is empty: run `go mod download` in the repository"),
];

/// What stopped the Go toolchain besides the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What it was, and what to do.
    pub remedy: &'static str,
    /// The line of the output that told.
    pub line: String,
    /// Whether it is a module that is not on this machine.
    pub lacks_module: bool,
}

impl std::fmt::Display for Hindrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (the Go tool said: {})", self.remedy, self.line)
    }
}

/// Why a failed command of the Go toolchain tells nothing about the code; none when its output
/// is about the code.
#[must_use]
pub fn hindrance(output: &str) -> Option<Hindrance> {
    let line_of = |sign: &str| output.lines().find(|line| line.contains(sign)).map(str::trim);
    let signs = SIGNS.iter().map(|sign| (sign, false)).chain(LACKING.iter().map(|sign| (sign, true)));
    let told =
        |((sign, remedy), lacks): (&(&str, &'static str), bool)| Some((line_of(sign)?, *remedy, lacks));
    let (line, remedy, lacks_module) = signs.into_iter().find_map(told)?;
    Some(Hindrance {
        remedy,
        lacks_module,
        line: line.chars().filter(|c| !c.is_control()).take(MAX_LINE).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::hindrance;

    #[test]
    fn what_is_not_about_the_code_is_known() {
        for (output, remedy) in [
            ("go: creating work dir: mkdir /t/go-build1: no space left on device", "TMPDIR"),
            ("# m/lib\nopen /c/ab-d: no space left on device\n", "repository.go_cache"),
            (
                "runtime: failed to create new OS thread: resource temporarily unavailable",
                "sandbox.processes",
            ),
            ("# m\n/go/pkg/tool/link: signal: killed", "sandbox.memory"),
            ("go: could not create module cache: mkdir /home/x: read-only file system", "go mod download"),
            ("go: ex.com/x@v1: module lookup disabled by GOPROXY=off", "go mod download"),
        ] {
            let told = hindrance(output).map(|told| told.to_string()).unwrap_or_default();
            assert!(told.contains(remedy), "{output}: {told}");
        }
        for output in [
            "./a.go:3:2: undefined: x",
            "",
            "no required module provides package ex.com/m/lib",
            "--- FAIL: TestSave\n    save_test.go:9: mkdir /data: permission denied",
        ] {
            assert_eq!(hindrance(output), None);
        }
        let long = hindrance(&format!("{}no space left on device", "x".repeat(9_000))).unwrap();
        assert_eq!(long.line.len(), super::MAX_LINE);
    }
}
