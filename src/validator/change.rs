//! A candidate, what it touches, and how that stands before the change is made.

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{Broken, Confirmed, Dependents};
use super::suite::Tests;
use super::{Baseline, Error, Subject, Validator};
use crate::domain::FixCandidate;

/// A candidate and what it touches.
pub(super) struct Change<'a> {
    pub(super) candidate: &'a FixCandidate,
    pub(super) confirmed: Option<&'a Confirmed>,
    /// The folders of the packages it changes.
    pub(super) folders: BTreeSet<String>,
    /// Those and the folder of the package at fault.
    pub(super) tested: BTreeSet<String>,
    /// The packages that import those, the nearest; the error says why nobody knows.
    pub(super) dependents: Result<Dependents, String>,
    /// How many more there are, beyond the limit.
    pub(super) left_out: usize,
    pub(super) targets: Targets,
    /// What go vet says of `folders` before the change; the error says why nobody knows.
    pub(super) vet: BTreeMap<String, Result<BTreeSet<String>, String>>,
    /// The tests of `tested` and of the dependents before the change.
    pub(super) tests: BTreeMap<String, Tests>,
    /// The dependents that do not build here, alone or with their tests, so that there is nothing to hold against.
    pub(super) lacking: Vec<String>,
}

/// What must build with the change in place: it did before.
#[derive(Default)]
pub(super) struct Targets {
    /// The module of the change, where all of it built.
    pub(super) module: Option<String>,
    /// The folders of packages that are not built with that.
    pub(super) folders: Vec<String>,
    /// How many of them import the changed ones.
    importers: usize,
    /// How many of the packages that import the changed ones do not build before any change.
    broken: usize,
    /// Why nobody knows whether one of them does.
    pub(super) unknown: Option<Broken>,
    /// How many more packages that import the changed ones are not built.
    left_out: usize,
}

impl Change<'_> {
    /// Puts the reproducer into the scratch copy, beside the change.
    pub(super) fn add_reproducer(&self, subject: Subject<'_>) -> Result<(), Error> {
        if let Some(Confirmed { reproducer, .. }) = self.confirmed {
            subject.workspace.write(&reproducer.file, &reproducer.source)?;
        }
        Ok(())
    }

    pub(super) fn take_back(&self, subject: Subject<'_>) -> Result<(), Error> {
        subject.workspace.restore(&self.candidate.changes)?;
        if let Some(Confirmed { reproducer, .. }) = self.confirmed {
            subject.workspace.remove(&reproducer.file)?;
        }
        Ok(())
    }

    /// Whether the tests of a folder were compiled when the reproducer was tried, and as they are to be run: the race
    /// detector finds more in them than they were held against.
    pub(super) fn is_compiled(&self, folder: &str) -> bool {
        let reproducer = self.confirmed.map(|confirmed| &confirmed.reproducer);
        reproducer.is_some_and(|reproducer| !reproducer.race && reproducer.file.folder() == folder)
    }
}

impl Targets {
    /// What was built, in words.
    pub(super) fn told(&self) -> String {
        let mut told = match &self.module {
            Some(_) => "the whole module builds".to_owned(),
            None => "the changed packages build".to_owned(),
        };
        if self.importers > 0 {
            told.push_str(&format!(", and {} more that import the changed ones", self.importers));
        }
        if self.broken > 0 {
            told.push_str(&format!("; {} that import them do not build here before any change", self.broken));
        }
        if self.left_out > 0 {
            told.push_str(&format!("; {} more that import them were left out", self.left_out));
        }
        told
    }
}

impl Validator<'_> {
    /// What a candidate touches, and how that stands before it is made.
    pub(super) async fn survey_change<'c>(
        &self,
        subject: Subject<'_>,
        baseline: &Baseline,
        confirmed: Option<&'c Confirmed>,
        candidate: &'c FixCandidate,
    ) -> Result<Change<'c>, Error> {
        let folders = touched(candidate);
        let at_fault = subject.fault.stack.first().map(|place| place.file.folder().to_owned());
        let module = subject.module_of(at_fault.as_deref().unwrap_or_default());
        let tested: BTreeSet<String> = folders.iter().cloned().chain(at_fault).collect();
        let mut dependents = self.dependents(subject, baseline, &module, &tested).await?;
        let left_out = dependents.as_mut().map_or_else(
            |_| Vec::new(),
            |all| all.folders.split_off(all.folders.len().min(self.config.max_dependents)),
        );
        let near = dependents.as_ref().map(|all| all.folders.clone()).unwrap_or_default();
        let (mut vet, mut tests) = (BTreeMap::new(), BTreeMap::new());
        for folder in &folders {
            vet.insert(folder.clone(), self.vet_before(subject, baseline, folder).await?);
        }
        let mut targets = Targets::default();
        if self.whole_before(subject, baseline, &module).await? {
            targets.module = Some(module);
        }
        let covered = targets.module.clone();
        let apart =
            |folder: &&String| covered.as_ref().is_none_or(|module| subject.module_of(folder) != *module);
        targets.folders = tested.iter().filter(apart).cloned().collect();
        targets.left_out = left_out.iter().filter(apart).count();
        let mut broken = BTreeSet::new();
        for folder in near.iter().filter(apart) {
            let state = self.build_before(subject, baseline, folder).await?;
            if state.is_some() {
                broken.insert(folder);
            }
            match state {
                None => {
                    targets.folders.push(folder.clone());
                    targets.importers += 1;
                }
                Some(Broken::DoesNotBuild { .. } | Broken::Lacking { .. }) => targets.broken += 1,
                Some(unknown) => targets.unknown = Some(unknown),
            }
        }
        let mut lacking: Vec<String> = broken.iter().map(|folder| (*folder).clone()).collect();
        for folder in tested.iter().chain(near.iter().filter(|folder| !broken.contains(folder))) {
            let before = self.tests_before(subject, baseline, folder).await?;
            if matches!(before, Tests::DoNotCompile(_)) && !tested.contains(folder) {
                lacking.push(folder.clone());
            } else {
                tests.insert(folder.clone(), before);
            }
        }
        let left_out = left_out.len();
        Ok(Change {
            candidate,
            confirmed,
            folders,
            tested,
            dependents,
            left_out,
            targets,
            vet,
            tests,
            lacking,
        })
    }
}

fn touched(candidate: &FixCandidate) -> BTreeSet<String> {
    candidate.changes.iter().map(|change| change.path.folder().to_owned()).collect()
}
