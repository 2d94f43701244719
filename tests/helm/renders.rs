//! What helm makes of the chart: content with it, as it was before, and valid.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::{Value, json};

use super::chart::{Set, documents, example, our_chart, sets, stem, title, yaml_files};
use super::tools::{crd_check, helm, kubernetes_validate};
use crate::harness::{errors_of, project, run};

#[test]
fn helm_finds_nothing_to_complain_about() {
    let sets = sets();
    assert!(sets.len() >= 6);
    sets.iter().for_each(Set::lint);
}

/// `HEPHAESTUS_BLESS=1 make helm-test` writes the files anew.
#[test]
fn the_renders_are_those_that_were_looked_at() {
    let golden = project().join("tests/helm/golden");
    let sets = sets();
    for set in &sets {
        let path = golden.join(format!("{}.yaml", set.name));
        let [old, new] = set.versions.map(|version| set.render(version));
        assert_eq!(old, new, "{}: the version of Kubernetes changes nothing", set.name);
        if std::env::var_os("HEPHAESTUS_BLESS").is_some() {
            std::fs::write(&path, &new).unwrap();
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let diff = similar::TextDiff::from_lines(&before, &new).unified_diff().to_string();
        assert!(diff.is_empty(), "{}: HEPHAESTUS_BLESS=1 make helm-test renews it\n{diff}", path.display());
    }
    let names = |names: Vec<String>| BTreeSet::from_iter(names);
    let files = yaml_files("golden").iter().map(|path| stem(path)).collect();
    assert_eq!(
        names(files),
        names(sets.into_iter().map(|set| set.name).collect()),
        "a file without its values"
    );
}

#[test]
fn the_manifests_are_valid_for_the_oldest_and_the_newest_kubernetes() {
    for set in sets() {
        for version in set.versions {
            let wrong = mistakes(&set.manifests(), version);
            assert!(wrong.is_empty(), "{} on {version}:\n{wrong}", set.name);
        }
    }
}

/// What is wrong with manifests for a version of Kubernetes; a kind that nobody knows is wrong.
fn mistakes(manifests: &[Value], version: &str) -> String {
    let (operators, natives): (Vec<&Value>, Vec<&Value>) = manifests.iter().partition(|manifest| {
        manifest["apiVersion"].as_str().is_some_and(|api| api.starts_with("monitoring."))
    });
    let stream =
        |manifests: &[&Value]| manifests.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
    let mut wrong = String::new();
    if !operators.is_empty() {
        wrong += &errors_of(&crd_check(&stream(&operators)));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifests.yaml");
    std::fs::write(&file, stream(&natives)).unwrap();
    let output = run(kubernetes_validate().args(["--strict", "-k", version]).arg(file));
    let said = text_of(&output);
    let passed = said.lines().filter(|line| line.starts_with("INFO") && line.contains(" passed ")).count();
    if !output.status.success() || passed != natives.len() {
        wrong += &said;
    }
    wrong
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors_of(output)
}

#[test]
fn invalid_manifests_are_found() {
    let valid =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}});
    assert_eq!(mistakes(std::slice::from_ref(&valid), "1.25"), "");
    let unknown_field =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "daat": {"a": "b"}});
    let unknown_kind = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}});
    let operators = json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "a"},
        "spec": {"selector": {}, "podMetricsEndpoints": [{"prot": "http"}]},
    });
    for (manifest, word) in [(unknown_field, "daat"), (unknown_kind, "Thing"), (operators, "prot")] {
        let wrong = mistakes(&[valid.clone(), manifest], "1.37");
        assert!(wrong.contains(word), "{word}: {wrong}");
    }
}

/// What helm says to values that are set on the command line.
fn refusal(chart: &std::path::Path, values: &[&str]) -> String {
    let set = values.iter().flat_map(|value| ["--set", value]);
    let output = run(helm().args(["template", "heph"]).arg(chart).args(set));
    assert!(!output.status.success(), "{values:?} is accepted");
    errors_of(&output)
}

#[test]
fn mistakes_in_values_are_told_with_their_place() {
    let brokers = "kafka.brokers={kafka:9092}";
    for (values, words) in [
        (
            vec![brokers, "fixer.repositry.url=x"],
            "at '/fixer': additional properties 'repositry' not allowed",
        ),
        (vec![brokers, "agents.enabled=true"], "additional properties 'agents' not allowed"),
        (vec!["kafka.brokers={kafka}"], "at '/kafka/brokers/0'"),
        (vec![brokers, "server.port=http"], "at '/server/port'"),
        (vec![brokers, "fixer.role=all"], "at '/fixer/role'"),
        (vec![], "set fixer.role to run, which needs no Kafka"),
        (vec!["fixer.role=run", "fixer.replicas=2"], "fixer.replicas: all in one is one process"),
        (vec![brokers, "kafka.sasl.mechanism=PLAIN"], "kafka.sasl.existingSecret: name the secret"),
        (vec![brokers, "fixer.repository.url=x", "fixer.repository.existingClaim=y"], "not both"),
    ] {
        let said = refusal(&our_chart(), &values);
        assert!(said.contains(words), "{values:?}: {said}");
    }
    let said = refusal(&example(), &["hephaestus.sidecar.enabld=true"]);
    assert!(said.contains("at '/sidecar': additional properties 'enabld' not allowed"), "{said}");
    let said = refusal(&example(), &["hephaestus.sidecar.enabled=false"]);
    assert!(said.contains("set sidecar.enabled"), "{said}");
}

/// As a dependency the chart is handed what its parent shares, and whether it is wanted at all.
#[test]
fn a_parent_chart_may_share_values_and_do_without() {
    let render = |set: &str| {
        let output = run(helm().args(["template", "heph"]).arg(example()).args(["--set", set]));
        assert!(output.status.success(), "{}", errors_of(&output));
        documents(&String::from_utf8(output.stdout).unwrap())
    };
    let shared = render("global.imageRegistry=mirror.example,global.other=1");
    let image =
        shared.iter().find_map(|manifest| manifest.pointer("/spec/template/spec/initContainers/0/image"));
    assert_eq!(image, Some(&json!("mirror.example/hephaestus-agent:0.1.0")));
    let without = render("hephaestus.enabled=false");
    assert_eq!(without.iter().map(title).collect::<Vec<_>>(), ["Deployment heph-shop"]);
    assert_eq!(without[0].pointer("/spec/template/spec/initContainers"), None);
}
