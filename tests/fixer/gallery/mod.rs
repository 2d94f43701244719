//! The gallery: small services as teams write them, each with one true defect, the log of a real crash, the fix
//! that a person would make, and a regression test that the fixer never sees. It measures; the figures stand in
//! `docs/fix-quality.md`.

mod case;
mod figures;

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::harness::{errors_of, hephaestus, run};
use case::{Case, Layer};
use figures::{Figures, Outcome};

/// Runs the fixer as a user would, and holds what it says against the hidden test.
fn outcome(case: &Case) -> Outcome {
    let service = case.lay(&[Layer::Repo]);
    let begun = Instant::now();
    let mut command = hephaestus();
    command.args(["fix", "--format", "json", "--repo"]).arg(service.root());
    let output = run(command.arg("--log").arg(service.log()));
    let seconds = begun.elapsed().as_secs_f64();
    // 1: something is not proven.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {}", case.name, errors_of(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let suggestions = report["suggestions"].as_array().unwrap();
    let of_class = |suggestion: &&Value| suggestion["class"] == case.class.as_str();
    // Where none is wanted, any that is called proven counts.
    let is_proven = |suggestion: &&Value| suggestion["verdict"] == "proven";
    let suggestion = match case.wants_fix {
        true => suggestions.iter().find(of_class),
        false => suggestions.iter().find(is_proven).or(suggestions.first()),
    };
    let (name, class, wants_fix) = (case.name.clone(), case.class.clone(), case.wants_fix);
    let untold = Outcome { name, class, wants_fix, seconds, ..Outcome::default() };
    let Some(suggestion) = suggestion else { return untold };
    let text = |key: &str| suggestion[key].as_str().unwrap_or_default().to_owned();
    let places = suggestion["locations"].as_array().into_iter().flatten();
    let is_touched = |place: &Value| {
        let name = |key: &str| place[key].as_str().unwrap_or_default();
        case.is_touched(name("file"), name("function"))
    };
    let place = places.into_iter().position(is_touched);
    let reproducer = suggestion.get("reproducer").filter(|reproducer| !reproducer.is_null());
    let verdict = text("verdict");
    let patch = suggestion["patch"].as_str().filter(|_| verdict == "proven" || verdict == "plausible");
    Outcome {
        place,
        reach: reproducer.map(|reproducer| reproducer["reach"].as_str().unwrap().to_owned()),
        is_real: case.wants_fix && reproducer.is_some_and(|reproducer| passes_on_the_fix(case, reproducer)),
        masks: suggestion["masks"].as_bool().unwrap_or_default(),
        rule: text("rule"),
        judged: patch.map(|patch| judge(case, patch)),
        verdict,
        reason: text("reason"),
        ..untold
    }
}

/// Whether a reproducer shows the real defect: it passes on what a person made of it.
fn passes_on_the_fix(case: &Case, reproducer: &Value) -> bool {
    let text = |key: &str| reproducer[key].as_str().unwrap();
    let fixed = case.lay(&[Layer::Repo, Layer::Fixed]);
    fixed.write(text("file"), text("source"));
    let package = Path::new(text("file")).parent().unwrap();
    fixed.passes(&format!("./{}", package.display()), text("test"), reproducer["race"] == true)
}

/// What the hidden test and the service's own say of a patch.
fn judge(case: &Case, patch: &str) -> Result<(), String> {
    let patched = case.lay(&[Layer::Repo, Layer::Hidden]);
    patched.apply(patch);
    patched.test("./...", ".")
}

/// What a case must be to measure anything.
fn check(case: &Case) {
    let test = |layers: &[Layer]| case.lay(layers).test("./...", ".");
    let name = &case.name;
    assert_eq!(test(&[Layer::Repo]), Ok(()), "{name}: the service's own tests pass");
    let hidden = test(&[Layer::Repo, Layer::Hidden]);
    if case.wants_fix {
        assert!(hidden.is_err(), "{name}: the hidden test fails on the defect");
        assert!(!hidden.unwrap_err().contains("[build failed]"), "{name}: the hidden test compiles");
        assert_eq!(
            test(&[Layer::Repo, Layer::Fixed, Layer::Hidden]),
            Ok(()),
            "{name}: a person's fix is right"
        );
    } else {
        assert_eq!(hidden, Ok(()), "{name}: what stays as it is passes");
    }
}

#[test]
fn a_part_of_the_gallery() {
    let mut cases = Case::all();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let part = ["divide_", "index_", "map_", "slice_"].map(|class| {
        cases
            .iter()
            .position(|case| case.name.starts_with(class) && case.wants_fix)
            .map(|at| cases.remove(at))
            .unwrap()
    });
    part.iter().for_each(check);
    let figures = Figures::of(part.iter().map(outcome).collect());
    println!("{figures}");
    let (right, wrong) = (figures.right(), figures.wrong());
    assert!(right >= 3 && wrong == 0 && figures.first() >= 3 && figures.reproduced() >= 3, "{figures}");
}

#[test]
fn the_document_tells_of_every_case() {
    let told = Figures::documented();
    let mut names: Vec<_> = Case::all().into_iter().map(|case| case.name).collect();
    names.retain(|name| !told.contains(name));
    assert!(
        names.is_empty(),
        "docs/fix-quality.md lacks {names:?}: run the whole gallery with HEPHAESTUS_BLESS=1"
    );
}

#[test]
#[ignore = "long: every case is tested three times"]
fn every_case_of_the_gallery_measures_something() {
    Case::all().iter().for_each(check);
}

#[test]
#[ignore = "long: an attempt for every case"]
fn the_whole_gallery() {
    let outcomes = Case::all().into_iter().map(|case| {
        let outcome = outcome(&case);
        println!("{}", outcome.line());
        outcome
    });
    let figures = Figures::of(outcomes.collect());
    println!("{figures}");
    figures.hold();
}
