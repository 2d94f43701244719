//! The regression test as a person would have written it.

use std::collections::BTreeSet;

use super::exchange::{Drill, Found, Import};
use super::surface::Surface;
use crate::domain::{Class, Fault, Location, Reach, RepoPath, Reproducer};
use crate::repository::go::Symbol;

/// Writes the test of a call that was found.
pub(super) fn reproducer(
    fault: &Fault,
    package: &Surface,
    found: &Found,
    reach: Reach,
) -> Option<Reproducer> {
    let failing = fault.stack.first()?;
    let hangs = fault.class == Class::Deadlock;
    let (told, ended) = if hangs { ("DoesNotHang", "never came back") } else { ("DoesNotPanic", "crashed") };
    let (file, test) = place(failing, package, told)?;
    let mut imports = found.imports.clone().unwrap_or_default();
    let wait = if hangs { watchdog(package, found, &mut imports) } else { wait(found) };
    imports.push(Import { name: "testing".to_owned(), path: "testing".to_owned() });
    if wait.contains("time.") {
        imports.push(Import { name: "time".to_owned(), path: "time".to_owned() });
    }
    let setup = if found.setup.is_empty() { String::new() } else { format!("{}\n", found.setup) };
    let source = format!(
        "package {}\n\n{}\n// {test} repeats a call that {ended} in {} ({}:{}):\n// {}\nfunc {test}(t *testing.T) {{\n{setup}{wait}}}\n",
        package.name,
        import_block(imports),
        failing.function,
        failing.file.file_name(),
        failing.line,
        one_line(&fault.message),
    );
    Some(Reproducer { file, test, source, reach, race: false })
}

/// The file for a test of a function, and what it is called: names that the package does not have yet.
fn place(failing: &Location, package: &Surface, told: &str) -> Option<(RepoPath, String)> {
    let words = words(Symbol::declared(&failing.function));
    let taken = package.top_level();
    let base = format!("Test{}{told}", words.iter().map(|word| capitalised(word)).collect::<String>());
    let test = unused(&base, |name| taken.contains(name));
    let files: BTreeSet<&str> =
        package.sources.iter().chain(&package.tests).map(|file| file.path.file_name()).collect();
    let stem = words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>().join("_");
    let file = unused(&stem, |name| files.contains(format!("{name}_regression_test.go").as_str()));
    let file = format!("{file}_regression_test.go");
    let path = if package.folder.is_empty() { file } else { format!("{}/{file}", package.folder) };
    Some((RepoPath::new(&path).ok()?, test))
}

/// Writes a stress test: calls that several goroutines make at once, for a while. `number` tells those apart that
/// are compiled together; the first bears the name that it keeps. `watched`: it needs the race detector.
pub(super) fn stress(
    fault: &Fault,
    package: &Surface,
    drill: &Drill,
    number: usize,
    watched: bool,
) -> Option<Reproducer> {
    let failing = fault.stack.first()?;
    let (file, test) = place(failing, package, "DoesNotRace")?;
    let (file, test) = match number {
        0 => (file, test),
        _ => (
            RepoPath::new(file.as_str().replace("_test.go", &format!("{number}_test.go"))).ok()?,
            format!("{test}{number}"),
        ),
    };
    let mut imports = drill.imports.clone().unwrap_or_default();
    imports.extend(STRESS_IMPORTS.map(|path| Import { name: path.to_owned(), path: path.to_owned() }));
    let setup = if drill.setup.is_empty() { String::new() } else { format!("{}\n", drill.setup) };
    let (watch, times) = match watched {
        true => (format!("// The race detector has to watch: go test -race -run {test}\n"), TIMES),
        false => (String::new(), UNWATCHED_TIMES),
    };
    let mut calls: Vec<&String> = drill.calls.iter().collect();
    calls.dedup();
    let calls: String = calls.into_iter().map(|call| format!("func() {{\n{call}\n}},\n")).collect();
    let source = format!(
        "package {package}\n\n{imports}\n\
         // {test} makes calls from several goroutines at once, which met in {function} ({name}:{line}):\n\
         // {message}\n\
         {watch}\
         func {test}(t *testing.T) {{\n\
         end := time.Now().Add({SECONDS} * time.Second)\n\
         for round := 0; round < {ROUNDS} && time.Now().Before(end); round++ {{\n\
         {setup}\
         calls := []func(){{\n{calls}}}\n\
         var wg sync.WaitGroup\n\
         for worker := 0; worker < {WORKERS}; worker++ {{\n\
         call := calls[worker%len(calls)]\n\
         wg.Add(1)\n\
         go func() {{\n\
         defer wg.Done()\n\
         for times := 0; times < {times} && time.Now().Before(end); times++ {{\n\
         call()\n\
         }}\n}}()\n}}\nwg.Wait()\n}}\n}}\n",
        package = package.name,
        imports = import_block(imports),
        function = failing.function,
        name = failing.file.file_name(),
        line = failing.line,
        message = one_line(&fault.message),
    );
    Some(Reproducer { file, test, source, reach: Reach::InternalCall, race: watched })
}

/// What a stress test itself uses. Its variables are known to the harness, so that none of a call hides one.
const STRESS_IMPORTS: [&str; 3] = ["sync", "testing", "time"];
/// A fresh object so often: what is only made by the first calls is raced for by them.
const ROUNDS: u32 = 50;
/// So many goroutines.
pub(super) const WORKERS: u32 = 8;
/// And so many calls each, in all for no longer than so many seconds.
const TIMES: u32 = 100;
/// More where nothing watches: then only calls that meet to the very moment show anything.
const UNWATCHED_TIMES: u32 = 5000;
const SECONDS: u32 = 1;

/// The call, and how the test waits for its end.
fn wait(found: &Found) -> String {
    let call = &found.r#final;
    if found.blocks {
        return format!(
            "done := make(chan struct{{}})\ngo func() {{\ndefer close(done)\n{call}\n}}()\nselect {{\ncase <-done:\ncase <-time.After(2 * time.Second):\n// It runs until the program ends.\n}}\n"
        );
    }
    if found.ends_process {
        return format!(
            "{call}\n// The crash comes from a goroutine that the call starts.\ntime.Sleep(300 * time.Millisecond)\n"
        );
    }
    format!("{call}\n")
}

/// A call that must come back, in a test that says where it waits if it does not.
fn watchdog(package: &Surface, found: &Found, imports: &mut Vec<Import>) -> String {
    let call = &found.r#final;
    let taken = package.top_level();
    let is_taken = |name: &str| {
        taken.contains(name) || imports.iter().any(|known| known.name == name && known.path != "runtime")
    };
    let runtime = if is_taken("runtime") { unused("goruntime", is_taken) } else { "runtime".to_owned() };
    imports.push(Import { name: runtime.clone(), path: "runtime".to_owned() });
    format!(
        "done := make(chan struct{{}})\n\
         go func() {{\ndefer close(done)\n{call}\n}}()\n\
         select {{\n\
         case <-done:\n\
         case <-time.After(3 * time.Second):\n\
         stacks := make([]byte, 1<<20)\n\
         t.Fatalf(\"the call does not come back:\\n\\n%s\", stacks[:{runtime}.Stack(stacks, true)])\n}}\n"
    )
}

fn import_block(mut imports: Vec<Import>) -> String {
    imports.sort_by(|a, b| a.path.cmp(&b.path));
    imports.dedup_by(|a, b| a.path == b.path);
    let line = |import: &Import| {
        let plain = import.path.rsplit('/').next() == Some(import.name.as_str());
        if plain {
            format!("\t{:?}\n", import.path)
        } else {
            format!("\t{} {:?}\n", import.name, import.path)
        }
    };
    let (own, standard): (Vec<_>, Vec<_>) = imports
        .iter()
        .partition(|import| import.path.split('/').next().is_some_and(|first| first.contains('.')));
    let block = |imports: Vec<&Import>| imports.into_iter().map(line).collect::<String>();
    let (standard, own) = (block(standard), block(own));
    if imports.len() == 1 {
        return format!("import {}", line(&imports[0]).trim_start());
    }
    let gap = if own.is_empty() || standard.is_empty() { "" } else { "\n" };
    format!("import (\n{standard}{gap}{own})\n")
}

/// The words of a function's name: `(*Store).Put` is Store, Put.
fn words(function: &str) -> Vec<String> {
    function
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn unused(base: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(base) {
        return base.to_owned();
    }
    (2_u32..).map(|number| format!("{base}{number}")).find(|name| !taken(name)).unwrap_or_default()
}

/// A message of the log, fit for a comment: one line, no control characters, not long.
fn one_line(message: &str) -> String {
    let clean: String =
        message.chars().map(|c| if c.is_control() || c == '\u{2028}' { ' ' } else { c }).take(200).collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_stand_in_two_blocks() {
        let import = |name: &str, path: &str| Import { name: name.to_owned(), path: path.to_owned() };
        assert_eq!(
            import_block(vec![
                import("yaml", "a.b/yaml.v3"),
                import("testing", "testing"),
                import("testing", "testing"),
                import("rand", "math/rand"),
            ]),
            "import (\n\t\"math/rand\"\n\t\"testing\"\n\n\tyaml \"a.b/yaml.v3\"\n)\n"
        );
    }

    #[test]
    fn names_are_free_and_messages_harmless() {
        assert_eq!(words("(*Store).put"), ["Store", "put"]);
        assert_eq!(capitalised("put"), "Put");
        assert_eq!(unused("a", |name| name == "a" || name == "a2"), "a3");
        assert_eq!(one_line("a\n*/ func init() {}\r\u{2028}x"), "a */ func init() {}  x");
    }
}
