//! Charts, the values they are rendered with, and what comes out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use super::tools::helm;
use crate::harness::{copy_folder, project, succeed};

/// The oldest and the newest Kubernetes whose schemas `kubernetes-validate` carries.
const OLDEST: &str = "1.25";
pub(super) const NEWEST: &str = "1.37";
/// The first Kubernetes that starts native sidecars.
const FIRST_WITH_SIDECARS: &str = "1.29";

/// A chart with a set of values.
pub(super) struct Set {
    /// What its golden file is called.
    pub(super) name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
    /// The oldest and the newest Kubernetes it is for.
    pub(super) versions: [&'static str; 2],
}

/// The folder of our chart.
pub(super) fn our_chart() -> PathBuf {
    project().join("helm/hephaestus")
}

/// Every set of values under `tests/helm/values`, and the example with the sidecar as it is and with those of
/// `tests/helm/values-example`.
pub(super) fn sets() -> Vec<Set> {
    let mut sets: Vec<Set> = yaml_files("values")
        .into_iter()
        .map(|values| Set {
            name: stem(&values),
            chart: our_chart(),
            values: Some(values),
            versions: [OLDEST, NEWEST],
        })
        .collect();
    let examples = yaml_files("values-example").into_iter().map(Some).chain([None]);
    sets.extend(examples.map(|values| Set {
        name: values.as_deref().map_or_else(|| "example-sidecar".to_owned(), stem),
        chart: example(),
        values,
        versions: [FIRST_WITH_SIDECARS, NEWEST],
    }));
    sets
}

/// The YAML files in a folder of these tests.
pub(super) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project().join("tests/helm").join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// A folder in which our chart and the example lie as in the project. Helm packs the one into the other there.
pub(super) fn stage() -> TempDir {
    let stage = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    copy_folder(&our_chart(), &stage.path().join("helm/hephaestus"));
    copy_folder(&project().join("examples/helm-sidecar"), &stage.path().join("examples/helm-sidecar"));
    stage
}

/// The example beside our chart, which is packed into it.
pub(super) fn example() -> PathBuf {
    static STAGE: OnceLock<TempDir> = OnceLock::new();
    let stage = STAGE.get_or_init(|| {
        let stage = stage();
        succeed(helm().args(["dependency", "build"]).arg(stage.path().join("examples/helm-sidecar")));
        stage
    });
    stage.path().join("examples/helm-sidecar")
}

impl Set {
    /// The manifests, as helm writes them for one version of Kubernetes.
    pub(super) fn render(&self, version: &str) -> String {
        let mut command = helm();
        command.args(["template", "heph", "--namespace", "shop", "--kube-version", version]).arg(&self.chart);
        let output = succeed(self.with_values(&mut command));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The manifests for the newest Kubernetes.
    pub(super) fn manifests(&self) -> Vec<Value> {
        documents(&self.render(NEWEST))
    }

    pub(super) fn lint(&self) {
        succeed(self.with_values(helm().args(["lint", "--strict"]).arg(&self.chart)));
    }

    fn with_values<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some(values) = &self.values {
            command.arg("--values").arg(values);
        }
        command
    }
}

/// The documents of a stream of YAML, without those that are empty.
pub(super) fn documents(yaml: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.retain(|document| !document.is_null());
    documents
}

/// A manifest's kind and name.
pub(super) fn title(manifest: &Value) -> String {
    let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    format!("{} {}", text("/kind"), text("/metadata/name"))
}
