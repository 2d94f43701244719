//! A pod of the chart comes up: the container of `all-in-one`, laid out by bubblewrap as a kubelet would, with its
//! user, its environment, its mounts, a read-only root, and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::chart::sets;
use super::metrics::{metrics_in, metrics_of_the_chart};
use crate::harness::{project, succeed};

/// A failure of the surroundings: it is counted, and no fix is worked out.
const REFUSED: &str =
    "2026-01-05T10:00:00Z ERROR cannot save order: dial tcp 10.0.0.7:5432: connect: connection refused\n";

/// A crash of the shop, in a log that is not followed.
const CRASH: &str = "panic: assignment to entry in nil map

goroutine 21 [running]:
example.com/shop/internal/stock.(*Ledger).Hold(0xc00011c000, {0xc000126010, 0x5}, 0x2)
\t/src/internal/stock/ledger.go:50 +0x9c
example.com/shop/internal/api.(*Server).handleHold(0xc000102000, {0x7a8f58, 0xc000150000}, 0xc000148000)
\t/src/internal/api/catalog.go:58 +0x185
exit status 2
";

/// What is asked of the pod from inside, as `kubectl exec` would.
const QUESTIONS: &str = r#"
"$@" >/tmp/out 2>/tmp/err &
service=$!
ask() { curl --silent --show-error --fail "http://localhost:9464$1"; }
for _ in $(seq 200); do ask /readyz >/dev/null 2>&1 && break; sleep 0.1; done
ask /livez || { cat /tmp/err >&2; exit 1; }
ask /readyz
for _ in $(seq 100); do /hephaestus groups list --format json | grep connection_refused >/dev/null && break; sleep 0.1; done
/hephaestus groups list --format json
ask /metrics
/hephaestus doctor
for folder in "" /usr /etc/hephaestus /repository /var/log/app; do
    if touch "$folder/written" 2>/dev/null; then echo "$folder can be written"; fi
done
kill -TERM $service
wait $service
"#;

/// What lies behind the mounts of a container: a folder each, kept in `root`.
fn source(mount: &Value, manifests: &[Value], root: &Path) -> PathBuf {
    let name = mount["name"].as_str().unwrap();
    let path = root.join(name);
    match name {
        "config" => {
            let config = manifests.iter().find_map(|manifest| manifest.pointer("/data/hephaestus.yaml"));
            std::fs::write(&path, config.and_then(Value::as_str).unwrap()).unwrap();
        }
        "repository" => return project().join("examples/shop"),
        _ => std::fs::create_dir(&path).unwrap(),
    }
    if name == "logs" {
        std::fs::write(path.join("shop.log"), REFUSED).unwrap();
        std::fs::write(path.join("crash.txt"), CRASH).unwrap();
    }
    path
}

/// The container of `all-in-one`, as a command that runs a script, whose arguments are the container's own command.
/// What it writes lies in `root`.
fn container(script: &str, root: &Path) -> Command {
    let set = sets().into_iter().find(|set| set.name == "all-in-one").unwrap();
    let manifests = set.manifests();
    let pod = manifests.iter().find_map(|manifest| manifest.pointer("/spec/template/spec")).unwrap();
    let container = &pod["containers"][0];
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--clearenv", "--proc", "/proc", "--dev", "/dev"]);
    for (flag, key) in [("--uid", "runAsUser"), ("--gid", "runAsGroup")] {
        command.arg(flag).arg(pod["securityContext"][key].to_string());
    }
    command.args(["--ro-bind", "/usr", "/usr"]);
    for folder in ["bin", "lib", "lib64", "sbin"] {
        command.args(["--symlink", &format!("usr/{folder}"), &format!("/{folder}")]);
    }
    command.args(["--ro-bind", env!("CARGO_BIN_EXE_hephaestus"), "/hephaestus"]);
    for mount in container["volumeMounts"].as_array().unwrap() {
        let flag = if mount["readOnly"] == true { "--ro-bind" } else { "--bind" };
        command.arg(flag).arg(source(mount, &manifests, root)).arg(mount["mountPath"].as_str().unwrap());
    }
    command.args(["--remount-ro", "/", "--setenv", "PATH", "/usr/local/go/bin:/usr/bin:/bin"]);
    for variable in container["env"].as_array().unwrap() {
        let [name, value] = ["name", "value"].map(|key| variable[key].as_str().expect("no secrets here"));
        command.args(["--setenv", name, value]);
    }
    command.args(["sh", "-ec", script, "sh", "/hephaestus"]);
    command.args(container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    command
}

#[test]
fn the_pod_of_all_in_one_comes_up_with_a_read_only_root() {
    let root = tempfile::tempdir().unwrap();
    let output = succeed(&mut container(QUESTIONS, root.path()));
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["\"alive\":true", "\"ready\":true", "connection_refused", "hephaestus_groups_active 1"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    assert!(!said.contains("can be written"), "{said}");
    assert!(root.path().join("state/state").is_dir(), "the state lies on its volume");

    // Alerts and dashboard name what this scrape shows, but for what appears only once it has happened.
    let later = ["hephaestus_bus_dead_letters_total", "hephaestus_fix_attempts_total"];
    let shown = metrics_in(&said);
    let missing: Vec<_> = metrics_of_the_chart().into_iter().filter(|name| !shown.contains(name)).collect();
    assert_eq!(missing, later, "{said}");
}

#[test]
#[ignore = "builds the standard library with an empty cache: a minute or two"]
fn a_fix_is_proven_in_the_pod_of_all_in_one() {
    let root = tempfile::tempdir().unwrap();
    let script = "/hephaestus fix --repo /repository --log /var/log/app/crash.txt";
    let output = succeed(&mut container(script, root.path()));
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["verdict      proven", "sandbox      landlock+seccomp+limits"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
}
