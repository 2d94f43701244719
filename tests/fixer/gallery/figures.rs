//! What the gallery measures, and the document that tells it.

use std::collections::BTreeMap;
use std::fmt;

use crate::harness::project;

/// The document, and the lines between which the figures stand in it.
const DOCUMENT: &str = "docs/fix-quality.md";
const BEGIN: &str = "<!-- gallery: written by the whole gallery with HEPHAESTUS_BLESS=1 -->\n";
const END: &str = "<!-- end of the gallery -->\n";

/// How many cases a run may fall behind the documented figures: searches are bounded by time.
const SLACK: usize = 3;

/// What became of a case.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) wants_fix: bool,
    pub(super) seconds: f64,
    /// Where a function that a right fix changes stands among the places told.
    pub(super) place: Option<usize>,
    pub(super) reach: Option<String>,
    /// Whether the reproducer passes on a person's fix.
    pub(super) is_real: bool,
    pub(super) verdict: String,
    pub(super) masks: bool,
    pub(super) rule: String,
    pub(super) reason: String,
    /// What the hidden test says of a patch that is proven or plausible.
    pub(super) judged: Option<Result<(), String>>,
}

impl Outcome {
    /// Whether the first place is one that a right fix changes.
    fn is_first(&self) -> bool {
        self.wants_fix && self.place == Some(0)
    }

    /// Whether the hidden test and the service's own pass with the patch; where none is wanted, whether none is
    /// offered as a mend of the cause.
    fn is_right(&self) -> bool {
        match &self.judged {
            Some(judged) if self.wants_fix => judged.is_ok(),
            Some(_) => self.masks,
            None => !self.wants_fix,
        }
    }

    /// Whether it is called proven and is not right.
    fn is_wrong(&self) -> bool {
        self.verdict == "proven" && !self.is_right()
    }

    /// A line of the run.
    pub(super) fn line(&self) -> String {
        let why = self.judged.as_ref().and_then(|judged| judged.as_ref().err()).map(|printed| {
            let lines = printed.lines().filter(|line| line.starts_with("    ") || line.starts_with("panic"));
            lines.take(4).collect::<Vec<_>>().join(" | ")
        });
        format!("{}; {}; {}", self.row(), self.reason, why.unwrap_or_default())
    }

    /// A row of the table.
    fn row(&self) -> String {
        let place = self.place.map_or("-".to_owned(), |place| (place + 1).to_string());
        let reach = self.reach.as_deref().unwrap_or("-");
        let real = match (&self.reach, self.is_real) {
            (Some(_), true) => ", real",
            (Some(_), false) if self.wants_fix => ", another defect",
            _ => "",
        };
        let masks = if self.masks { ", may mask" } else { "" };
        let verdict = if self.verdict.is_empty() { "no suggestion" } else { &self.verdict };
        let right = match (self.is_right(), self.wants_fix) {
            (true, true) => "right",
            (true, false) => "declined, as is right",
            (false, _) if self.is_wrong() => "**wrong**",
            (false, false) => "a patch where none is wanted",
            (false, true) if self.judged.is_some() => "not right",
            (false, true) => "none",
        };
        let (name, rule) = (&self.name, if self.rule.is_empty() { "-" } else { &self.rule });
        format!("| {name} | {place} | {reach}{real} | {verdict}{masks} | {rule} | {right} |")
    }
}

/// The outcomes of a run.
pub(super) struct Figures {
    outcomes: Vec<Outcome>,
}

impl Figures {
    pub(super) const fn of(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes }
    }

    fn count(&self, is_it: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| is_it(outcome)).count()
    }

    /// Cases whose first place is one that a right fix changes.
    pub(super) fn first(&self) -> usize {
        self.count(Outcome::is_first)
    }

    /// Cases whose real defect was reproduced.
    pub(super) fn reproduced(&self) -> usize {
        self.count(|outcome| outcome.is_real)
    }

    /// Cases that ended as they should.
    pub(super) fn right(&self) -> usize {
        self.count(Outcome::is_right)
    }

    /// Cases whose patch is called proven and is not right.
    pub(super) fn wrong(&self) -> usize {
        self.count(Outcome::is_wrong)
    }

    /// The summary of these outcomes, a row.
    fn summary(name: &str, outcomes: &[&Outcome]) -> String {
        let count =
            |is_it: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is_it(outcome)).count();
        let wanted = count(&|outcome| outcome.wants_fix);
        let mut seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        format!(
            "| {name} | {} | {wanted} | {} | {} | {} | {} | {} | {} | {} | {:.0} |",
            outcomes.len(),
            count(&Outcome::is_first),
            count(&|outcome| outcome.wants_fix && outcome.place.is_some_and(|place| place < 5)),
            count(&|outcome| outcome.wants_fix && outcome.reach.is_some()),
            count(&|outcome| outcome.is_real),
            count(&|outcome| outcome.verdict == "proven"),
            count(&Outcome::is_right),
            count(&Outcome::is_wrong),
            seconds.get(seconds.len() / 2).copied().unwrap_or_default(),
        )
    }

    /// The document before its figures, the figures, and what follows.
    fn parts(text: &str) -> (&str, &str, &str) {
        let (head, rest) = text.split_once(BEGIN).expect("the document has its first mark");
        let (told, tail) = rest.split_once(END).expect("the document has its last mark");
        (head, told, tail)
    }

    fn document() -> String {
        std::fs::read_to_string(project().join(DOCUMENT)).unwrap()
    }

    /// The names of the cases that the document tells of.
    pub(super) fn documented() -> Vec<String> {
        let document = Self::document();
        let rows = Self::parts(&document).1.lines().filter_map(|line| line.strip_prefix("| "));
        rows.filter_map(|row| row.split(" |").next()).map(str::to_owned).collect()
    }

    /// Writes the document, or holds the run against it: it may not fall behind by much.
    pub(super) fn hold(&self) {
        let document = Self::document();
        let (head, told, tail) = Self::parts(&document);
        if std::env::var_os("HEPHAESTUS_BLESS").is_some() {
            let written = format!("{head}{BEGIN}{self}{END}{tail}");
            std::fs::write(project().join(DOCUMENT), written).unwrap();
            return;
        }
        let ends_with = |ending: &str| told.lines().filter(|line| line.ends_with(ending)).count();
        let (right, wrong) =
            (ends_with("| right |") + ends_with("as is right |"), ends_with("| **wrong** |"));
        assert!(self.right() + SLACK >= right, "{} right, the document says {right}", self.right());
        assert!(right > 0, "the document has no figures");
        assert!(self.wrong() <= wrong + 1, "{} wrong, the document says {wrong}", self.wrong());
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| class | cases | patch wanted | first place | of five | reproduced | real | proven | right | wrong | p50 s |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|---|")?;
        let mut classes: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for outcome in &self.outcomes {
            classes.entry(&outcome.class).or_default().push(outcome);
        }
        for (class, outcomes) in &classes {
            writeln!(f, "{}", Self::summary(class, outcomes))?;
        }
        writeln!(f, "{}", Self::summary("**all**", &self.outcomes.iter().collect::<Vec<_>>()))?;
        writeln!(
            f,
            "\n| case | place | reached through | verdict | rule | hidden test |\n|---|---|---|---|---|---|"
        )?;
        for outcome in &self.outcomes {
            writeln!(f, "{}", outcome.row())?;
        }
        writeln!(f)
    }
}
