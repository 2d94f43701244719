//! A value that is parsed in another form than it has.
//!
//! Evidence: the message of the logged error shows the value and what it was taken for: `parsing time
//! "2024-01-02" as "02/01/2006"`, `strconv.Atoi: parsing "1.5": invalid syntax`, `strconv.ParseInt: parsing
//! "3000000000": value out of range`. Edits, in the functions of the stack and those of their packages
//! and of those they import that make such a call: the layout that fits the value; white space trimmed; another base; 64 bits.
//!
//! Risk: one value is evidence for one input only, so a layout is changed only where the message names it.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::scope::fresh;
use crate::generator::repair::syntax::{nodes_of, statement_of};
use crate::repository::go::{File, imported_name, package_binding};

/// How many files are searched for the call.
const MAX_FILES: usize = 200;

/// Layouts in the order they are tried, with the constant that has the name, where there is one.
const LAYOUTS: &[(&str, &str)] = &[
    ("2006-01-02", "time.DateOnly"),
    ("2006-01-02 15:04:05", "time.DateTime"),
    ("2006-01-02T15:04:05", ""),
    ("2006-01-02 15:04", ""),
    ("02/01/2006", ""),
    ("02.01.2006", ""),
    ("2006/01/02", ""),
    ("20060102", ""),
    ("15:04", ""),
    ("15:04:05", "time.TimeOnly"),
];

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let message = &case.fault.message;
    let mut drafts = Vec::new();
    for (depth, file) in packages(case).iter().enumerate() {
        for call in nodes_of(file.tree.root_node(), |node| node.kind() == "call_expression") {
            let Some((path, name)) =
                call.child_by_field_name("function").and_then(|function| imported_name(file, function))
            else {
                continue;
            };
            let found = match (path, name) {
                ("time", "Parse" | "ParseInLocation") => time(file, call, message),
                ("strconv", "Atoi") => {
                    decimal(file, call, message).or_else(|| number(file, call, name, message))
                }
                ("strconv", _) => number(file, call, name, message),
                _ => None,
            };
            drafts.extend(found.map(|(edits, masks, explanation)| Draft {
                tier: Tier::Cause,
                depth,
                explanation,
                masks,
                open: None,
                edits,
            }));
        }
    }
    drafts
}

/// The files in which the call may stand, nearest first: those of the stack, of their packages, and of
/// the packages of the repository that these import.
fn packages(case: &Case<'_>) -> Vec<Arc<File>> {
    let mut files: Vec<Arc<File>> = Vec::new();
    let add = |files: &mut Vec<Arc<File>>, found: Vec<Arc<File>>| {
        for file in found {
            if files.len() < MAX_FILES
                && is_repairable(&file)
                && !files.iter().any(|known| known.path == file.path)
            {
                files.push(file);
            }
        }
    };
    for frame in &case.frames {
        add(&mut files, vec![Arc::clone(&frame.file)]);
        add(&mut files, case.resolver.package_of(&frame.file));
    }
    if files.is_empty() {
        // A log line alone may not say where it was written.
        add(&mut files, case.resolver.sources(MAX_FILES));
    }
    let mut at = 0;
    while let Some(file) = files.get(at).cloned() {
        for import in &file.imports {
            add(&mut files, case.resolver.imported(&file, import.identifier()));
        }
        at += 1;
    }
    files
}

/// The quoted text after a word of the message, escaped quotes undone.
fn quoted_after(message: &str, word: &str) -> Option<String> {
    let message = message.replace("\\\"", "\"");
    let rest = message.split_once(word)?.1.trim_start().strip_prefix('"')?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn argument(call: Node<'_>, at: u32) -> Option<Node<'_>> {
    call.child_by_field_name("arguments")?.named_child(at)
}

/// `time.Parse(layout, value)` with the layout of the message.
fn time(file: &Arc<File>, call: Node<'_>, message: &str) -> Option<(Edits, bool, String)> {
    let value = quoted_after(message, "parsing time")?;
    let named = quoted_after(message, " as ").unwrap_or_default();
    let mut edits = Edits::default();
    let layout = argument(call, 0)?;
    let (holder, literal) = literal_of(file, layout)?;
    let written = file.text_of(literal).trim_matches(['"', '`']).to_owned();
    let constant = LAYOUTS.iter().any(|(text, name)| *text == named && *name == written);
    let meant = standard(&written).unwrap_or(&written);
    // `month out of range` names no layout: then day and month of one of that shape are swapped.
    let swapped = named.is_empty() && message.contains("out of range") && same_shape(meant, &value);
    if meant != named && !constant && !swapped {
        return None;
    }
    let fitting = LAYOUTS.iter().map(|(text, _)| *text).chain(std::iter::once("2006-01-02T15:04:05Z07:00"));
    let fitting = fitting.into_iter().find(|layout| *layout != meant && fits(layout, &value))?;
    let text = if fitting.contains('T') && fitting.contains("Z07") {
        format!("{}.RFC3339", edits.import(file, "time"))
    } else {
        format!("\"{fitting}\"")
    };
    edits.replace(file, holder.byte_range(), text);
    Some((edits, false, format!("The value \"{value}\" has the layout {fitting}, not {meant}.")))
}

/// The expression to change for a layout: a literal, a constant of package time, or the literal that a
/// constant of this file is.
fn literal_of<'t>(file: &'t File, layout: Node<'t>) -> Option<(Node<'t>, Node<'t>)> {
    match layout.kind() {
        "identifier" => {
            let name = file.text_of(layout);
            let spec = match file.binding(layout, name).or_else(|| package_binding(file, name))? {
                crate::repository::go::Binding::Var { spec, .. } => spec.child_by_field_name("value")?,
                crate::repository::go::Binding::Short { statement, .. } => {
                    statement.child_by_field_name("right")?
                }
                _ => return None,
            };
            let value = if spec.kind() == "expression_list" { spec.named_child(0)? } else { spec };
            value.kind().ends_with("_literal").then_some((value, value))
        }
        _ => Some((layout, layout)),
    }
}

fn standard(name: &str) -> Option<&'static str> {
    Some(match name {
        "time.RFC3339" => "2006-01-02T15:04:05Z07:00",
        "time.RFC3339Nano" => "2006-01-02T15:04:05.999999999Z07:00",
        "time.RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "time.RFC822" => "02 Jan 06 15:04 MST",
        "time.Kitchen" => "3:04PM",
        _ => return None,
    })
}

/// Whether a value has the shape of a layout: digits where it has digits, the same signs between, and
/// months and days in range.
fn fits(layout: &str, value: &str) -> bool {
    if layout.contains("Z07") {
        let Some((date, time)) = value.split_once('T') else { return false };
        let zone = time.ends_with('Z') || time.get(8..).is_some_and(|zone| zone.contains(['+', '-']));
        return fits("2006-01-02", date) && time.get(..8).is_some_and(|time| fits("15:04:05", time)) && zone;
    }
    let same = same_shape(layout, value);
    let part = |text: &str, low: u32, high: u32| {
        layout.find(text).is_none_or(|at| {
            value
                .get(at..at + 2)
                .and_then(|part| part.parse::<u32>().ok())
                .is_some_and(|n| (low..=high).contains(&n))
        })
    };
    let (month, day) = if layout.starts_with("2006") { ("01", "02") } else { ("/01/", "02") };
    let month_fits = if month.len() == 2 {
        part(month, 1, 12)
    } else {
        value.get(3..5).and_then(|part| part.parse::<u32>().ok()).is_some_and(|n| (1..=12).contains(&n))
            || layout.contains(':')
    };
    same && month_fits && part(day, 1, 31)
}

/// `n, err := strconv.Atoi(s)` of a decimal number: it is parsed as one, and its fraction is dropped.
fn decimal(file: &Arc<File>, call: Node<'_>, message: &str) -> Option<(Edits, bool, String)> {
    let value = quoted_after(message, "strconv.Atoi: parsing")?;
    let number: f64 = value.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    let statement = statement_of(call).filter(|node| node.kind() == "short_var_declaration")?;
    let left = statement.child_by_field_name("left").filter(|left| left.named_child_count() == 2)?;
    let (target, error) = (left.named_child(0)?, left.named_child(1)?);
    let name = fresh(file, statement, &["number", "decimal", "parsed"])?;
    if !value.contains('.') || file.text_of(target) == "_" {
        return None;
    }
    let (target, error) = (file.text_of(target), file.text_of(error));
    let text = file.text_of(argument(call, 0)?);
    let mut edits = Edits::default();
    let strconv = edits.import(file, "strconv");
    edits.replace(
        file,
        statement.byte_range(),
        format!("{name}, {error} := {strconv}.ParseFloat({text}, 64)"),
    );
    edits.insert_after(file, statement, &[format!("{target} := int({name})")])?;
    // Dropping a fraction loses what the value says.
    let whole = number.fract().abs() < f64::EPSILON;
    Some((edits, !whole, format!("The value \"{value}\" is a decimal number: it is parsed as one.")))
}

/// Whether two texts have digits at the same places, and the same signs between.
fn same_shape(layout: &str, value: &str) -> bool {
    layout.len() == value.len()
        && layout
            .bytes()
            .zip(value.bytes())
            .all(|(a, b)| if a.is_ascii_digit() { b.is_ascii_digit() } else { a == b })
}

/// A conversion of package strconv that the message names.
fn number(file: &Arc<File>, call: Node<'_>, name: &str, message: &str) -> Option<(Edits, bool, String)> {
    let value = quoted_after(message, &format!("strconv.{name}: parsing"))?;
    let subject = argument(call, 0)?;
    let mut edits = Edits::default();
    if value.trim() != value && value.trim().parse::<f64>().is_ok() {
        let strings = edits.import(file, "strings");
        edits.replace(file, subject.byte_range(), format!("{strings}.TrimSpace({})", file.text_of(subject)));
        return Some((
            edits,
            false,
            format!("The value \"{value}\" has white space around it: it is trimmed."),
        ));
    }
    if !matches!(name, "ParseInt" | "ParseUint") {
        return None;
    }
    if message.contains("value out of range") && value.parse::<i64>().is_ok() {
        let bits = argument(call, 2).filter(|bits| !matches!(file.text_of(*bits), "64" | "0"))?;
        edits.replace(file, bits.byte_range(), "64");
        return Some((edits, false, format!("The value {value} needs 64 bits.")));
    }
    let base = argument(call, 1)?;
    let digits = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    let wanted = match (file.text_of(base), digits) {
        ("10" | "16" | "8" | "2", Some(_)) => "0",
        ("10" | "8" | "2", None) if !value.is_empty() && value.bytes().all(|b| b.is_ascii_hexdigit()) => {
            if value.bytes().all(|b| b.is_ascii_digit()) {
                "10"
            } else {
                "16"
            }
        }
        _ => return None,
    };
    edits.replace(file, base.byte_range(), wanted);
    Some((edits, false, format!("The value \"{value}\" is not of base {}.", file.text_of(base))))
}

#[cfg(test)]
mod tests {
    use super::{fits, quoted_after};

    #[test]
    fn a_layout_fits_by_shape_and_range() {
        assert!(fits("2006-01-02", "2024-12-31") && !fits("2006-01-02", "2024-31-12"));
        assert!(fits("02/01/2006", "31/12/2024") && !fits("02/01/2006", "12/31/2024"));
        assert!(fits("2006-01-02T15:04:05Z07:00", "2024-12-31T00:00:00+01:00"));
        assert!(!fits("2006-01-02T15:04:05Z07:00", "T") && !fits("15:04", "é"));
    }

    #[test]
    fn the_value_is_read_from_the_message() {
        let message = r#"bad row: parsing time \"2024-01-02\" as \"02/01/2006\": cannot parse"#;
        assert_eq!(quoted_after(message, "parsing time").as_deref(), Some("2024-01-02"));
        assert_eq!(quoted_after(message, " as ").as_deref(), Some("02/01/2006"));
        assert_eq!(quoted_after("", " as "), None);
    }
}
