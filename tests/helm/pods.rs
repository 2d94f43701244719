//! Whether pods pass the restricted profile of Pod Security, and what this chart promises beyond it.
//!
//! The checks are functions of a pod's specification; a test at the end shows that each can fail.

use serde_json::{Value, json};

use super::chart::{sets, title};

/// The kinds of volumes that the profile allows.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Where a manifest has the specification of its pods.
fn pod_of(manifest: &Value) -> Option<&Value> {
    match manifest["kind"].as_str()? {
        "Pod" => manifest.get("spec"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => manifest.pointer("/spec/template/spec"),
        "CronJob" => manifest.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|key| list(pod, key))
}

/// What the restricted profile has against a pod.
fn violations(pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[key] == true {
            wrong.push(key.to_owned());
        }
    }
    for volume in list(pod, "volumes") {
        let kinds = volume.as_object().unwrap().keys().filter(|key| *key != "name");
        wrong.extend(
            kinds.filter(|kind| !VOLUMES.contains(&kind.as_str())).map(|kind| format!("volume {kind}")),
        );
    }
    let of_pod = &pod["securityContext"];
    if list(of_pod, "sysctls").next().is_some() {
        wrong.push("sysctls".to_owned());
    }
    for container in containers(pod) {
        let of_container = violations_of(container, of_pod);
        wrong.extend(of_container.iter().map(|words| format!("{}: {words}", container["name"])));
    }
    wrong
}

/// What the profile has against a container; what it does not say itself its pod says for it.
fn violations_of(container: &Value, of_pod: &Value) -> Vec<&'static str> {
    let own = &container["securityContext"];
    let effective = |key: &str| if own[key].is_null() { &of_pod[key] } else { &own[key] };
    let capabilities = &own["capabilities"];
    let profile = &effective("seccompProfile")["type"];
    let is_named = |profile: &Value| profile == "RuntimeDefault" || profile == "Localhost";
    let app_armor = &effective("appArmorProfile")["type"];
    [
        (own["privileged"] == true, "privileged"),
        (own["allowPrivilegeEscalation"] != false, "allowPrivilegeEscalation is not false"),
        (!list(capabilities, "drop").any(|name| name == "ALL"), "does not drop ALL"),
        (list(capabilities, "add").any(|name| name != "NET_BIND_SERVICE"), "adds capabilities"),
        (effective("runAsNonRoot") != true, "runAsNonRoot is not true"),
        (*effective("runAsUser") == 0, "runAsUser is root"),
        (!is_named(profile), "no seccomp profile"),
        (!app_armor.is_null() && !is_named(app_armor), "no AppArmor profile"),
        (!effective("seLinuxOptions").is_null(), "SELinux options"),
        (!own["procMount"].is_null() && own["procMount"] != "Default", "procMount"),
        (list(container, "ports").any(|port| !port["hostPort"].is_null()), "hostPort"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, words)| is_wrong.then_some(words))
    .collect()
}

/// What we promise beyond the profile.
fn broken_promises(pod: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if pod["automountServiceAccountToken"] != false {
        wrong.push("gets credentials for the API server".to_owned());
    }
    // Files of a secret belong to root, and to the pod's group where it has one. On OpenShift the namespace gives it
    // to pods that say only how it is given.
    let security = &pod["securityContext"];
    let is_shared = !security["fsGroup"].is_null() || !security["fsGroupChangePolicy"].is_null();
    for secret in list(pod, "volumes").filter(|volume| !volume["secret"].is_null()) {
        let needed = if is_shared { 0o040 } else { 0o004 };
        if secret["secret"]["defaultMode"].as_u64().unwrap_or(0o644) & needed == 0 {
            wrong.push(format!("secret {}: its files cannot be read", secret["name"]));
        }
    }
    for container in containers(pod) {
        let name = &container["name"];
        if container.pointer("/securityContext/readOnlyRootFilesystem") != Some(&Value::Bool(true)) {
            wrong.push(format!("{name}: its root is not read-only"));
        }
        if container.pointer("/resources/limits/memory").is_none() {
            wrong.push(format!("{name}: no limit of memory"));
        }
    }
    wrong
}

#[test]
fn every_pod_passes_the_restricted_profile() {
    let mut seen = 0;
    for set in sets() {
        for manifest in set.manifests() {
            let Some(pod) = pod_of(&manifest) else { continue };
            let mut wrong = violations(pod);
            // Logs of other pods are on the node, and nowhere else.
            if manifest["kind"] == "DaemonSet" || set.name == "all-in-one-node" {
                assert!(wrong.contains(&"volume hostPath".to_owned()), "{wrong:?}");
                wrong.retain(|words| words != "volume hostPath");
            }
            wrong.extend(broken_promises(pod));
            assert!(wrong.is_empty(), "{}, {}: {wrong:?}", set.name, title(&manifest));
            seen += 1;
        }
    }
    assert!(seen >= sets().len(), "{seen} pods");
}

/// Only `startupProbe` holds up the application, and that asks for nothing but life.
#[test]
fn nothing_but_life_decides_whether_a_pod_starts_or_is_restarted() {
    let mut seen = 0;
    for manifest in sets().iter().flat_map(|set| set.manifests()) {
        let Some(pod) = pod_of(&manifest).filter(|_| manifest["kind"] != "Job") else { continue };
        for container in containers(pod).filter(|container| container["name"] == "hephaestus") {
            for probe in ["startupProbe", "livenessProbe"] {
                let path = container[probe].pointer("/httpGet/path");
                assert_eq!(path, Some(&json!("/livez")), "{}: {probe}", title(&manifest));
            }
            if container["restartPolicy"] == "Always" {
                assert!(
                    container["readinessProbe"].is_null(),
                    "the application's readiness is its own affair"
                );
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2, "the sidecar, as it is and with secrets");
}

/// A pod whose account nobody makes is never admitted.
#[test]
fn every_account_of_ours_is_made() {
    let mut seen = 0;
    for set in sets() {
        let manifests = set.manifests();
        let made: Vec<&str> = manifests
            .iter()
            .filter(|manifest| manifest["kind"] == "ServiceAccount")
            .map(|manifest| manifest["metadata"]["name"].as_str().unwrap())
            .collect();
        for manifest in &manifests {
            let Some(account) = pod_of(manifest).and_then(|pod| pod["serviceAccountName"].as_str()) else {
                continue;
            };
            assert!(made.contains(&account), "{}, {}: {account} is not made", set.name, title(manifest));
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn nobody_is_given_rights() {
    for manifest in sets().iter().flat_map(|set| set.manifests()) {
        let api = manifest["apiVersion"].as_str().unwrap();
        assert!(!api.starts_with("rbac."), "{}", title(&manifest));
    }
}

#[test]
fn what_the_profile_forbids_is_found() {
    let good = json!({
        "automountServiceAccountToken": false,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "a", "emptyDir": {}}],
        "containers": [{
            "name": "a",
            "resources": {"limits": {"memory": "1Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
            },
        }],
    });
    let all = |pod: &Value| [violations(pod), broken_promises(pod)].concat();
    assert_eq!(all(&good), Vec::<String>::new());
    for (place, value) in [
        ("/hostNetwork", json!(true)),
        ("/volumes", json!([{"name": "a", "hostPath": {"path": "/"}}])),
        ("/volumes", json!([{"name": "a", "secret": {"secretName": "a", "defaultMode": 0o440}}])),
        ("/automountServiceAccountToken", json!(null)),
        ("/securityContext", json!({"seccompProfile": {"type": "RuntimeDefault"}})),
        ("/securityContext", json!({"runAsNonRoot": true})),
        ("/securityContext/sysctls", json!([{"name": "a", "value": "b"}])),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/seLinuxOptions", json!({"type": "spc_t"})),
        ("/containers/0/ports", json!([{"hostPort": 1}])),
        ("/containers/0/resources", json!({})),
        ("/containers/0/securityContext/privileged", json!(true)),
        ("/containers/0/securityContext/runAsNonRoot", json!(false)),
        ("/containers/0/securityContext/allowPrivilegeEscalation", json!(null)),
        ("/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        ("/containers/0/securityContext/capabilities", json!({"drop": ["KILL"]})),
        ("/containers/0/securityContext/capabilities", json!({"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
        ("/containers/0/securityContext/procMount", json!("Unmasked")),
        ("/containers/0/securityContext/appArmorProfile", json!({"type": "Unconfined"})),
    ] {
        let mut pod = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        pod.pointer_mut(parent).unwrap()[key] = value;
        assert_eq!(all(&pod).len(), 1, "{place}: {:?}", all(&pod));
    }
}
