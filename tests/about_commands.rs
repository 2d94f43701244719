//! `version`, `completions` and `man`: what a binary tells of itself.

use std::process::Command;

use serde_json::Value;

use crate::harness::{hephaestus, run, succeed};

#[track_caller]
fn text(arguments: &[&str]) -> String {
    String::from_utf8(succeed(hephaestus().args(arguments)).stdout).unwrap()
}

#[test]
fn the_version_is_told_in_words_and_as_json() {
    let told: Value = serde_json::from_str(&text(&["version", "--format", "json"])).unwrap();
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert!(told["rustc"].as_str().is_some_and(|rustc| rustc.starts_with("rustc 1.")), "{told}");
    assert!(told["target"].as_str().is_some_and(|target| target.contains("-linux-")), "{told}");
    assert!(told["built_in_patterns"].as_u64().is_some_and(|count| count > 10), "{told}");
    assert!(told["features"].is_array() && told.get("commit").is_some(), "{told}");
    let words = text(&["version"]);
    for key in ["rustc", "target"] {
        assert!(words.contains(told[key].as_str().unwrap()), "{words}");
    }
    assert_eq!(text(&["--version"]), format!("hephaestus {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_what_the_shell_understands() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("hephaestus.bash");
    std::fs::write(&script, text(&["completions", "bash"])).unwrap();
    let complete = "source \"$1\"; COMP_WORDS=(hephaestus sugg); COMP_CWORD=1; \
                    _hephaestus hephaestus sugg hephaestus; echo \"${COMPREPLY[@]}\"";
    let completed = succeed(Command::new("bash").args(["-euc", complete, "bash"]).arg(&script));
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "suggestions");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(text(&["completions", shell]).contains("suggestions"), "{shell}");
    }
    assert_eq!(run(hephaestus().args(["completions", "nosh"])).status.code(), Some(2));
}

#[test]
fn there_is_a_page_for_every_command() {
    let page = text(&["man"]);
    assert!(page.contains(".TH hephaestus 1") && page.contains("NO_COLOR"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    succeed(hephaestus().args(["man", "--out"]).arg(&out));
    for name in ["hephaestus", "hephaestus-scan", "hephaestus-groups-list", "hephaestus-suggestions-approve"]
    {
        let page = std::fs::read_to_string(out.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    std::fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(
        run(hephaestus().args(["man", "--out"]).arg(folder.path().join("file/x"))).status.code(),
        Some(2)
    );
}

#[test]
fn they_work_whatever_the_configuration_is() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.yaml");
    std::fs::write(&broken, "nonsense: [").unwrap();
    for arguments in [&["version"][..], &["completions", "bash"], &["man"]] {
        succeed(hephaestus().env("HEPHAESTUS_CONFIG", &broken).args(arguments));
    }
}
