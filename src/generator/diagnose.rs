//! The cause of a failure, in words an engineer can act on.

use super::localize::localize;
use super::repair::exit::is_raiser;
use crate::analyzer::go::{Extent, OutOfBounds, out_of_bounds, panic_chain, race_sites, short_function};
use crate::domain::{Class, Diagnosis, ErrorEvent, Fault, FaultFacts, Frame, Location, TraceKind};
use crate::repository::Repository;
use crate::repository::go::Symbol;

/// The most earlier panics that are told.
const MAX_EARLIER: usize = 4;

/// Places a failure in the repository and says what happened, where, with which value, how it came
/// about, and what a fix must do.
#[must_use]
pub fn diagnose(event: &ErrorEvent, repository: &Repository) -> Diagnosis {
    let locations = localize(event, repository);
    let address = event.trace.as_ref().and_then(|trace| trace.fault_address);
    let facts = crate::analyzer::go::fault_facts(&event.message, address);
    let mut summary = vec![what_happened(event.class, &facts, &event.message)];
    summary.extend(raised_while_handling(event));
    summary.extend(both_sites(event, repository));
    let has_stack = event.trace.as_ref().is_some_and(|trace| !trace.frames.is_empty());
    match locations.split_first() {
        Some((place, others)) if has_stack => {
            match raised_elsewhere(event, repository) {
                Some(elsewhere) => {
                    let own = where_it_was(place, repository);
                    summary.push(format!("{elsewhere} {}", own.replacen("It was in", "This code called it in", 1)));
                }
                None => summary.push(where_it_was(place, repository)),
            }
            summary.extend(how_it_came(others));
            summary.extend(drift(event, place));
        }
        Some((place, others)) => summary.push(where_it_may_come_from(place, others, repository)),
        None => summary.push(
            "Nothing on its stack or in its text is found in this repository: is it the right one, at the version that was running?"
                .to_owned(),
        ),
    }
    summary.push(what_a_fix_must_do(event.class).to_owned());
    let fault = Fault { class: event.class, message: event.message.clone(), facts, stack: locations.clone() };
    // Where the goroutine was started may be where a fix belongs, but it is not on the stack.
    let started = event.trace.as_ref().and_then(|trace| repository.locate(trace.created_by.as_ref()?));
    let mut locations: Vec<Location> =
        locations.iter().cloned().chain(started.filter(|place| !locations.contains(place))).collect();
    if event.class == Class::ExplicitPanic && locations.len() > 1 && only_panics(&locations[0], repository) {
        locations.swap(0, 1);
    }
    Diagnosis { summary: summary.join(" "), locations, fault }
}

/// Whether a place is in a function that does nothing but panic: then the fault is with whoever called it.
fn only_panics(place: &Location, repository: &Repository) -> bool {
    repository.go_file(&place.file).is_ok_and(|file| {
        file.function(Symbol::declared(&place.function)).is_some_and(|function| is_raiser(&file, function))
    })
}

fn what_happened(class: Class, facts: &FaultFacts, message: &str) -> String {
    match class {
        Class::NilMapWrite => "An entry was written to a map that was never made.".to_owned(),
        Class::NilDereference => match facts.nil_offset {
            Some(offset) if offset > 0 => {
                format!(
                    "A nil pointer was used: the field at offset {offset} of what it should point to was accessed."
                )
            }
            _ => "A nil pointer, interface or function was used.".to_owned(),
        },
        Class::IndexOutOfRange | Class::SliceBounds => match out_of_bounds(message) {
            Some((out, told)) => format!("{} (the runtime: {told}).", beyond(out)),
            None => format!("{} The message: {}", class.explanation(), ended(message)),
        },
        Class::DivideByZero => "An integer was divided by zero.".to_owned(),
        Class::TypeAssertion => match (&facts.actual_type, &facts.wanted_type) {
            (Some(actual), Some(wanted)) => format!("A value was taken to be {wanted}, but it was {actual}."),
            _ => "A value was taken to be of a type that it is not.".to_owned(),
        },
        Class::LoggedError => format!("An error was logged: {}", ended(message)),
        Class::DataRace => class.explanation().to_owned(),
        class => format!("{} The message: {}", class.explanation(), ended(message)),
    }
}

/// What was accessed that is not there.
fn beyond(out: OutOfBounds) -> String {
    const NO_POSITION: &str = ", which is never a position";
    let of = |extent: Option<Extent>| match extent {
        Some(Extent::Length(length)) => format!(" of something of length {length}"),
        Some(Extent::Capacity(capacity)) => format!(" of something of capacity {capacity}"),
        None => NO_POSITION.to_owned(),
    };
    match out {
        OutOfBounds::Index(index, Some(0)) => format!("Element {index} of an empty sequence was used"),
        OutOfBounds::Index(index, Some(length)) => {
            format!("Element {index} of a sequence of length {length} was used")
        }
        OutOfBounds::Index(index, None) => format!("Element {index} was used, an index that is never valid"),
        OutOfBounds::Start(start, Some(end)) => {
            format!("A part was cut out from {start} to {end}, which is backwards")
        }
        OutOfBounds::Start(start, None) => format!("A part was cut out from {start}{NO_POSITION}"),
        OutOfBounds::End(end, extent) => format!("A part was cut out up to {end}{}", of(extent)),
        OutOfBounds::Capacity(max, extent) => {
            format!("A part was cut out with room up to {max}{}", of(extent))
        }
        OutOfBounds::EndOfThree(end, Some(max)) => {
            format!("A part was cut out up to {end} with room only up to {max}")
        }
        OutOfBounds::EndOfThree(end, None) => format!("A part was cut out up to {end}{NO_POSITION}"),
        OutOfBounds::Array(wanted, length) => {
            format!("A slice of length {length} was converted to an array of length {wanted}")
        }
    }
}

/// A message as the end of a sentence.
fn ended(message: &str) -> String {
    let message = message.trim_end();
    let stop = if message.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{message}{stop}")
}

/// The panics before the one that ended the process.
fn raised_while_handling(event: &ErrorEvent) -> Option<String> {
    event.trace.as_ref().filter(|trace| trace.kind == TraceKind::Panic)?;
    let chain = panic_chain(&event.sample);
    let earlier: Vec<String> = chain
        .iter()
        .take_while(|value| **value != event.message)
        .take(MAX_EARLIER)
        .map(|value| format!("`{value}`"))
        .collect();
    let told = chain.contains(&event.message.as_str()) && !earlier.is_empty();
    told.then(|| {
        format!(
            "It was raised while an earlier panic was handled, which is another fault: {}.",
            earlier.join(", then ")
        )
    })
}

/// Both accesses of a race.
fn both_sites(event: &ErrorEvent, repository: &Repository) -> Option<String> {
    if event.class != Class::DataRace {
        return None;
    }
    let sites: Vec<String> = race_sites(&event.sample)
        .iter()
        .map(|(access, frame)| {
            let place = match repository.locate(frame) {
                Some(place) => format!("{} ({}:{})", place.function, place.file, place.line),
                None => in_words(frame),
            };
            format!("a {access} in {place}")
        })
        .collect();
    (sites.len() == 2).then(|| format!("The two accesses: {}.", sites.join(", and ")))
}

/// A crash inside a dependency or a library: what failed there.
fn raised_elsewhere(event: &ErrorEvent, repository: &Repository) -> Option<String> {
    let trace = event.trace.as_ref()?;
    if !matches!(trace.kind, TraceKind::Panic | TraceKind::Recovered) {
        return None;
    }
    let frame = trace.frames.first().filter(|frame| !frame.in_app)?;
    repository
        .locate(frame)
        .is_none()
        .then(|| format!("It was raised in {}, which is a dependency's code.", in_words(frame)))
}

/// A frame outside of the repository: its function, and its file without the machine's own folders.
fn in_words(frame: &Frame) -> String {
    let file = ["/vendor/", "/pkg/mod/", "/src/"]
        .iter()
        .find_map(|mark| {
            let at = frame.file.find(mark)?;
            let from = if *mark == "/vendor/" { at + 1 } else { at + mark.len() };
            frame.file.get(from..)
        })
        .unwrap_or(&frame.file);
    format!("{} ({file}:{})", short_function(&frame.function), frame.line)
}

/// A text has no stack: the literals it was put together from are where it may come from.
fn where_it_may_come_from(place: &Location, others: &[Location], repository: &Repository) -> String {
    let first = where_it_was(place, repository).replacen("It was in", "The text may come from", 1);
    let others: Vec<String> = others
        .iter()
        .take(4)
        .map(|other| format!("{} ({}:{})", other.function, other.file, other.line))
        .collect();
    match others.is_empty() {
        true => first,
        false => format!("{first} Parts of it also stand in {}.", others.join(", ")),
    }
}

fn where_it_was(place: &Location, repository: &Repository) -> String {
    let statement = repository.read(&place.file).ok().and_then(|text| {
        let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
        Some(text.lines().nth(line)?.trim().to_owned())
    });
    let at = format!("in {} ({}:{})", place.function, place.file, place.line);
    match statement.filter(|statement| !statement.is_empty()) {
        Some(statement) => format!("It was {at}, at `{statement}`."),
        None => format!("It was {at}."),
    }
}

fn how_it_came(callers: &[Location]) -> Option<String> {
    if callers.is_empty() {
        return None;
    }
    let way: Vec<String> = callers
        .iter()
        .take(4)
        .map(|caller| format!("{} ({}:{})", caller.function, caller.file, caller.line))
        .collect();
    Some(format!("It was called from {}.", way.join(", called from ")))
}

/// The log's line lies outside the function it names: the repository is at another version.
fn drift(event: &ErrorEvent, place: &Location) -> Option<String> {
    let frames = &event.trace.as_ref()?.frames;
    let frame = frames.iter().find(|frame| {
        frame.file.ends_with(place.file.file_name()) && frame.function.ends_with(&place.function)
    })?;
    (frame.line != place.line).then(|| {
        format!(
            "The log says line {}, which is not in that function here: it is from another version of the code; check out the version that was running for a sure result.",
            frame.line
        )
    })
}

const fn what_a_fix_must_do(class: Class) -> &'static str {
    match class {
        Class::NilMapWrite => {
            "A fix must make the map before it is written to, best where its owner is built."
        }
        Class::NilDereference => {
            "A fix must make sure that the value is there, or handle its absence before the use: an ignored error or a missing result is the usual source."
        }
        Class::IndexOutOfRange => {
            "A fix must keep the index inside the bounds, or report input that has too few elements."
        }
        Class::SliceBounds => {
            "A fix must check the bounds before the cut, or report input that is too short."
        }
        Class::DivideByZero => "A fix must handle the zero before the division.",
        Class::TypeAssertion => "A fix must test the type and handle the other case.",
        Class::CloseOfChannel => "A fix must let one owner close the channel once, after it was made.",
        Class::SendOnClosedChannel => {
            "A fix must make sure that no sender is left when the channel is closed."
        }
        Class::ConcurrentMapAccess | Class::DataRace => "A fix must guard every use with one lock.",
        Class::WaitGroupMisuse => "A fix must add before the goroutine starts and call Done once for each.",
        Class::MutexMisuse => "A fix must pair each unlock with its lock.",
        Class::Deadlock => {
            "A fix must let somebody always be able to go on: an unlock, a Done or a close is missing."
        }
        Class::StackOverflow => "A fix must bound the recursion.",
        Class::LoggedError => {
            "If the input is legitimate, the code that refuses it must change; else it is the input."
        }
        _ => "A fix must prevent the condition or report it as an error.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::{Analyzer, Config};

    /// The diagnosis of the only failure of a log, in a repository of these files.
    fn summary(files: &[(&str, &str)], log: &str) -> String {
        diagnosis(files, log).summary
    }

    fn diagnosis(files: &[(&str, &str)], log: &str) -> Diagnosis {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("go.mod", "module ex.com/d\n")].iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut events = Vec::new();
        let mut stream = Analyzer::new(&Config::default()).unwrap().stream();
        stream.push(log.as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        let [event] = events.as_slice() else { panic!("{events:?}") };
        diagnose(event, &Repository::open(folder.path()).unwrap())
    }

    #[test]
    fn who_calls_what_only_panics_stands_first() {
        let code = "package main\n\nfunc bug(text string) {\n\tpanic(\"BUG: \" + text)\n}\n\nfunc main() {\n\tbug(\"no way\")\n}\n";
        let log = "panic: BUG: no way\n\ngoroutine 1 [running]:\nmain.bug({0x1, 0x6})\n\t/d/main.go:4 +0x31\nmain.main()\n\t/d/main.go:8 +0x31\nexit status 2\n";
        let told = diagnosis(&[("main.go", code)], log);
        let lines: Vec<_> = told.locations.iter().map(|place| place.line).collect();
        assert_eq!((lines, told.fault.stack[0].line), (vec![8, 4], 4));
    }

    const MAIN: &str = "package main\n\nfunc main() {\n\tdep.At(nil, 3)\n}\n\nfunc put() {\n\tn++\n}\n\nfunc show() {\n\tprint(n)\n}\n";

    #[test]
    fn a_crash_inside_a_dependency_names_it() {
        let log = "panic: runtime error: index out of range [3] with length 0\n\ngoroutine 1 [running]:\nex.com/dep.At(...)\n\t/d/vendor/ex.com/dep/d.go:4\nmain.main()\n\t/d/main.go:4 +0x31\nexit status 2\n";
        let told = summary(&[("main.go", MAIN)], log);
        assert!(told.contains("It was raised in dep.At (vendor/ex.com/dep/d.go:4)"), "{told}");
        assert!(told.contains("This code called it in main (main.go:4)"), "{told}");
    }

    /// The runtime's own words stand in each, so that they are found in the log.
    #[test]
    fn what_lies_beyond_the_bounds_is_told_in_every_form() {
        for (told, words) in [
            ("index out of range [5] with length 3", "Element 5 of a sequence of length 3 was used"),
            ("index out of range [5] with length 0", "Element 5 of an empty sequence was used"),
            ("index out of range [-1]", "Element -1 was used, an index that is never valid"),
            (
                "slice bounds out of range [:6] with length 3",
                "A part was cut out up to 6 of something of length 3",
            ),
            (
                "slice bounds out of range [:6] with capacity 3",
                "A part was cut out up to 6 of something of capacity 3",
            ),
            ("slice bounds out of range [7:6]", "A part was cut out from 7 to 6, which is backwards"),
            (
                "slice bounds out of range [::6] with length 3",
                "A part was cut out with room up to 6 of something of length 3",
            ),
            (
                "slice bounds out of range [::6] with capacity 3",
                "A part was cut out with room up to 6 of something of capacity 3",
            ),
            ("slice bounds out of range [:7:6]", "A part was cut out up to 7 with room only up to 6"),
            ("slice bounds out of range [7:6:]", "A part was cut out from 7 to 6, which is backwards"),
            ("slice bounds out of range [:-1]", "A part was cut out up to -1, which is never a position"),
            ("slice bounds out of range [-1:]", "A part was cut out from -1, which is never a position"),
            (
                "slice bounds out of range [::-1]",
                "A part was cut out with room up to -1, which is never a position",
            ),
            ("slice bounds out of range [:-1:]", "A part was cut out up to -1, which is never a position"),
            ("slice bounds out of range [-1::]", "A part was cut out from -1, which is never a position"),
            (
                "cannot convert slice with length 3 to array or pointer to array with length 4",
                "A slice of length 3 was converted to an array of length 4",
            ),
        ] {
            let log = format!(
                "panic: runtime error: {told}\n\ngoroutine 1 [running]:\nmain.main()\n\t/d/main.go:4 +0x31\nexit status 2\n"
            );
            let summary = summary(&[("main.go", MAIN)], &log);
            assert!(summary.starts_with(&format!("{words} (the runtime: {told}).")), "{summary}");
        }
    }

    #[test]
    fn earlier_panics_are_told() {
        let log = "panic: first trouble [recovered]\n\tpanic: runtime error: index out of range [3] with length 0\n\ngoroutine 1 [running]:\nmain.main()\n\t/d/main.go:4 +0x31\nexit status 2\n";
        let told = summary(&[("main.go", MAIN)], log);
        assert!(told.starts_with("Element 3 of an empty sequence was used (the runtime: index"), "{told}");
        assert!(told.contains("which is another fault: `first trouble`."), "{told}");
    }

    #[test]
    fn a_race_names_both_sites_and_a_text_only_where_it_may_come_from() {
        let log = "==================\nWARNING: DATA RACE\nWrite at 0x00c000014098 by goroutine 8:\n  main.put()\n      /d/main.go:8 +0x44\n\nPrevious read at 0x00c000014098 by main goroutine:\n  main.show()\n      /d/main.go:12 +0x64\n==================\n";
        let told = summary(&[("main.go", MAIN)], log);
        assert!(
            told.contains("a write in put (main.go:8), and a previous read in show (main.go:12)"),
            "{told}"
        );
        let pay = "package main\n\nfunc pay() {\n\tlog.Error(\"payment failed\")\n}\n";
        let log = r#"{"level":"error","msg":"payment failed"}"#.to_owned() + "\n";
        let told = summary(&[("pay.go", pay)], &log);
        assert!(told.contains("The text may come from pay (pay.go:4)"), "{told}");
        assert!(!told.contains("called from"), "{told}");
    }
}
