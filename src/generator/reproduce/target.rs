//! Where to call: the outermost function of the stack that can be called, then inward.

use std::sync::Arc;

use crate::domain::{Fault, Location};
use crate::generator::repair::exit::is_raiser;
use crate::repository::Repository;
use crate::repository::go::{File, Function, Symbol};

/// The most packages for which a harness is built.
const MAX_PACKAGES: usize = 3;

/// One way to call into a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// What is called.
    pub(super) call: Call,
    /// Whether it is used as the real program's callers use it.
    pub(super) entry: bool,
}

impl Target {
    /// Whether it is the function of this name.
    pub(super) fn names(&self, function: &str) -> bool {
        matches!(&self.call, Call::Function(name) if name == function)
    }
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A function or method, as a trace names it.
    Function(String),
    /// A request to the HTTP handler that the package makes.
    Http,
}

/// The targets within one package, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) folder: String,
    pub(super) targets: Vec<Target>,
}

/// A frame with its declaration.
struct Frame<'f> {
    location: &'f Location,
    file: Arc<File>,
    function: Function,
}

impl Frame<'_> {
    fn folder(&self) -> &str {
        self.file.path.folder()
    }

    fn body(&self) -> &str {
        self.file.text.get(self.function.body.clone()).unwrap_or_default()
    }

    fn is_closure(&self) -> bool {
        self.location.function != self.function.name
    }

    /// `func(w http.ResponseWriter, r *http.Request)`.
    fn is_handler(&self) -> bool {
        let types: Vec<_> = self.function.params.iter().map(|param| param.ty.as_str()).collect();
        types == ["http.ResponseWriter", "*http.Request"]
    }

    /// A closure that a function hands out as a handler.
    fn makes_handler(&self) -> bool {
        self.is_closure() && self.function.results.iter().any(|result| result.ty.starts_with("http.Handler"))
    }

    /// A closure around another handler: what stands inside it is the real entry.
    fn is_middleware(&self) -> bool {
        self.makes_handler() && self.function.params.iter().any(|param| param.ty.starts_with("http.Handler"))
    }

    /// Whether callers of a function further out may as well call this one. What another type's method is called on
    /// was made on the way there, and callers would make it in another way.
    fn may_stand_for(&self, outermost: &Self) -> bool {
        let receiver = |frame: &Self| frame.function.receiver.as_ref().map(|it| it.type_name.clone());
        let owner = receiver(self);
        self.function.is_exported()
            && self.folder() == outermost.folder()
            && (owner.is_none() || owner == receiver(outermost))
    }

    fn is_start(&self) -> bool {
        self.function.receiver.is_none()
            && (self.function.identifier == "init"
                || self.function.identifier == "main" && self.file.package == "main")
    }

    fn only_raises(&self) -> bool {
        !self.function.is_exported() && is_raiser(&self.file, &self.function)
    }

    /// Whether a panic ends here: it is recovered, and not raised again.
    fn recovers(&self) -> bool {
        self.body().split_once("recover()").is_some_and(|(_, after)| !after.contains("panic("))
    }
}

fn frames<'f>(fault: &'f Fault, repository: &Repository) -> Vec<Frame<'f>> {
    let frame = |location: &'f Location| {
        let file = repository.go_file(&location.file).ok()?;
        let function = file.function(Symbol::declared(&location.function))?.clone();
        (!file.is_test()).then_some(Frame { location, file, function })
    };
    fault.stack.iter().filter_map(frame).collect()
}

/// What to call, package by package.
pub(super) fn choose(fault: &Fault, repository: &Repository) -> Vec<Package> {
    let frames = frames(fault, repository);
    // A panic does not leave a function that recovers it: what stands outside cannot show it.
    let seen = frames.iter().skip(1).position(|frame| frame.recovers()).map_or(frames.len(), |at| at + 1);
    let mut packages: Vec<Package> = Vec::new();
    // Of a helper that only panics everybody knows what it does: what shows something is who calls it.
    let first = frames[..seen].iter().position(|frame| !frame.only_raises()).unwrap_or(0);
    let usable = |from: usize| {
        let inner = frames[from..seen].iter().rev();
        inner.filter(|frame| !frame.is_start() && !frame.is_middleware()).collect::<Vec<_>>()
    };
    let mut callable = usable(first);
    if callable.is_empty() {
        callable = usable(0);
    }
    // What a command's own package does before it calls into the rest (arguments, files) is part of the
    // start: the entry is what it calls. A program that is all one package has its entry there.
    let outside = callable.iter().position(|frame| frame.file.package != "main" || frame.is_handler());
    callable.drain(..outside.unwrap_or(0));
    let outermost = callable.first().copied();
    if seen == frames.len() {
        let web = callable.iter().filter(|frame| frame.is_handler() || frame.makes_handler());
        let around = frames.iter().filter(|frame| frame.is_middleware());
        for frame in web.copied().chain(around) {
            add(&mut packages, frame.folder(), Target { call: Call::Http, entry: true });
        }
    }
    for (at, frame) in callable.iter().enumerate() {
        let entry = at == 0 || outermost.is_some_and(|outermost| frame.may_stand_for(outermost));
        add(
            &mut packages,
            frame.folder(),
            Target { call: Call::Function(frame.function.name.clone()), entry },
        );
    }
    packages.truncate(MAX_PACKAGES);
    packages
}

fn add(packages: &mut Vec<Package>, folder: &str, target: Target) {
    let at = packages.iter().position(|package| package.folder == folder).unwrap_or_else(|| {
        packages.push(Package { folder: folder.to_owned(), targets: Vec::new() });
        packages.len() - 1
    });
    let targets = &mut packages[at].targets;
    if !targets.iter().any(|known| known.call == target.call) {
        targets.push(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, FaultFacts, RepoPath};

    fn repository(files: &[(&str, &str)]) -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("go.mod", "module m\n")].iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        (folder, repository)
    }

    fn fault(stack: &[(&str, &str)]) -> Fault {
        let stack = stack
            .iter()
            .map(|(file, function)| Location {
                file: RepoPath::new(file).unwrap(),
                line: 3,
                function: (*function).to_owned(),
            })
            .collect();
        let (message, facts) = (String::new(), FaultFacts::default());
        Fault { class: Class::NilMapWrite, message, facts, stack, others: Vec::new() }
    }

    fn text(packages: &[Package]) -> Vec<String> {
        packages
            .iter()
            .flat_map(|package| {
                package.targets.iter().map(|target| {
                    let call = match &target.call {
                        Call::Function(name) => name.as_str(),
                        Call::Http => "http",
                    };
                    format!("{}:{call}{}", package.folder, if target.entry { "!" } else { "" })
                })
            })
            .collect()
    }

    const STORE: &str = "package store\n\nfunc (s *S) Put() {}\nfunc (s *S) put() {}\nfunc (s *S) All() {}\nfunc (p Part) Use() {}\n";
    const API: &str = "package api\n\nfunc (a *A) get(w http.ResponseWriter, r *http.Request) {}\nfunc logged(h http.Handler) http.Handler { return nil }\nfunc safe(h http.Handler) http.Handler { recover() }\nfunc Load() { safe() }\n";
    const PARSE: &str = "package parse\n\nfunc (p *P) bug(format string, v ...any) {\n\tlog.Panicf(format, v...)\n}\n\nfunc (p *P) value() {}\n";
    const MAIN: &str = "package main\n\nfunc main() {}\nfunc load() {}\n";

    #[test]
    fn the_outermost_callable_frame_comes_first() {
        let (_folder, repository) =
            repository(&[("store/s.go", STORE), ("api/a.go", API), ("main.go", MAIN)]);
        let choose = |stack| text(&choose(&fault(stack), &repository));
        assert_eq!(
            choose(&[("store/s.go", "(*S).put"), ("store/s.go", "(*S).Put"), ("main.go", "main")]),
            ["store:(*S).Put!", "store:(*S).put"]
        );
        assert_eq!(
            choose(&[("store/s.go", "(*S).Put"), ("store/s.go", "Part.Use"), ("store/s.go", "(*S).All")]),
            ["store:(*S).All!", "store:Part.Use", "store:(*S).Put!"],
            "what another type's method is called on was made on the way there"
        );
        assert_eq!(
            choose(&[("store/s.go", "(*S).Put"), ("main.go", "load"), ("main.go", "main")]),
            ["store:(*S).Put!"],
            "what a command does itself is its start"
        );
        assert_eq!(choose(&[("main.go", "load"), ("main.go", "main")]), [":load!"]);
        assert_eq!(choose(&[("store/s.go", "(*S).Put.func1")]), ["store:(*S).Put!"]);
    }

    #[test]
    fn a_helper_that_only_panics_is_not_called_itself() {
        let (_folder, repository) = repository(&[("parse/p.go", PARSE)]);
        let choose = |stack| text(&choose(&fault(stack), &repository));
        assert_eq!(
            choose(&[("parse/p.go", "(*P).bug"), ("parse/p.go", "(*P).value")]),
            ["parse:(*P).value!"]
        );
        assert_eq!(choose(&[("parse/p.go", "(*P).bug")]), ["parse:(*P).bug!"], "there is nothing else");
    }

    #[test]
    fn handlers_are_reached_by_requests() {
        let (_folder, repository) =
            repository(&[("store/s.go", STORE), ("api/a.go", API), ("main.go", MAIN)]);
        let choose = |stack| text(&choose(&fault(stack), &repository));
        assert_eq!(
            choose(&[("store/s.go", "(*S).Put"), ("api/a.go", "(*A).get"), ("api/a.go", "logged.func1")]),
            ["api:http!", "api:(*A).get!", "store:(*S).Put"]
        );
        // What recovers hides the panic from the caller: the handler itself is called.
        assert_eq!(choose(&[("api/a.go", "(*A).get"), ("api/a.go", "safe.func1")]), ["api:(*A).get!"]);
    }
}
