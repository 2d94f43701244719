//! A lock that somebody waits for and nobody gives back.
//!
//! Evidence: the failing line takes a lock, and
//! - a function further out on the same stack holds it already, and calls a method which has a twin that does the
//!   same without the lock (`sumLocked` for `Sum`, where `Sum` calls it): the twin is called;
//! - or a function of the package takes the same lock and leaves on some way without giving it back, though it does
//!   on others: `defer` right behind the lock, where nothing but a return follows each unlock; else an unlock before
//!   the statement that leaves.
//!
//! Where the failing line waits for something else (a WaitGroup, a channel), the only function of the stack's
//! packages that leaves so is the one.
//!
//! Nothing is proposed where another function gives back what one takes and keeps, where it is a lock that the failing
//! line waits for and nobody can tell which, where the ways cannot be told apart, where the way that leaves gives back something else, or
//! where what it returns is read under the lock.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::locked::{Held, held_at, locking};
use crate::generator::repair::methods::{Method, Mutex, methods_of};
use crate::generator::repair::paths::{Owed, owed};
use crate::generator::repair::syntax::{lines, method_call, nodes_in, nodes_of, root_of, statements_in};
use crate::repository::go::{File, TypeDecl, earlier, later};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(frame) = case.frames.first() else { return Vec::new() };
    let file = &frame.file;
    let waited =
        nodes_in(file, &frame.range, |node| taken(file, node).is_some() && lines(node).contains(&frame.line));
    let key = waited.first().and_then(|call| Key::of(case, file, taken(file, *call)?));
    if !waited.is_empty() && key.is_none() {
        // A lock that nobody can tell from others.
        return Vec::new();
    }
    if let Some(key) = &key {
        let again = taken_again(case, key);
        if !again.is_empty() {
            return again;
        }
    }
    let forgotten = forgotten(case, key.as_ref());
    match key {
        Some(_) => Draft::joined(forgotten).into_iter().collect(),
        // Which one it is, only the lock that is waited for tells.
        None if forgotten.len() > 1 => Vec::new(),
        None => forgotten,
    }
}

/// A mutex: a field of a type, or a variable of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    folder: String,
    /// The type; empty for a variable.
    owner: String,
    mutex: Mutex,
}

impl Key {
    /// The mutex that an expression names.
    fn of(case: &Case<'_>, file: &Arc<File>, mutex: Node<'_>) -> Option<Self> {
        if mutex.kind() == "selector_expression" {
            let (owner, field) = case.field_at(file, mutex)?;
            return Some(Self::in_type(&owner, Mutex::of_field(&field)?));
        }
        let ty = case.resolver.type_of(file, mutex)?;
        let name = file.text_of(mutex);
        if let Some(shared) = Mutex::is_shared(&ty).filter(|_| file.binding(mutex, name).is_none()) {
            let mutex = Mutex { name: name.to_owned(), embedded: false, shared };
            return Some(Self { folder: file.path.folder().to_owned(), owner: String::new(), mutex });
        }
        // `s.Lock()` of a struct with the mutex embedded in it.
        let owner = case.resolver.type_decl(&ty)?;
        let embedded = Mutex::among(&case.resolver.fields(&ty)).into_iter().find(|mutex| mutex.embedded)?;
        Some(Self::in_type(&owner, embedded))
    }

    fn in_type(owner: &TypeDecl, mutex: Mutex) -> Self {
        Self { folder: owner.file.path.folder().to_owned(), owner: owner.name.clone(), mutex }
    }
}

/// The mutex that a call takes.
fn taken<'t>(file: &File, call: Node<'t>) -> Option<Node<'t>> {
    locking(file, call).filter(|(_, held)| *held != Held::No).map(|(mutex, _)| mutex)
}

/// A function holds the lock and calls a method that takes it again: it calls the twin which does not.
fn taken_again(case: &Case<'_>, key: &Key) -> Vec<Draft> {
    for depth in 0..case.frames.len() {
        let Some((outer, call, function)) = case.call_into(depth) else { break };
        let Some(file) = case.file(outer).filter(|file| is_repairable(file)) else { break };
        let Some((operand, name)) = method_call(call) else { continue };
        if !holds_at(case, file, call, operand, key) {
            continue;
        }
        let Some(ty) = case.resolver.type_of(file, operand) else { continue };
        let Some(owner) = case.resolver.type_decl(&ty) else { continue };
        let methods = methods_of(case, &owner);
        let Some(inner) = methods.iter().find(|method| method.function.name == function.name) else {
            continue;
        };
        let Some(twin) = methods.iter().find(|twin| is_twin(inner, twin, &key.mutex, &methods)) else {
            continue;
        };
        let mut edits = Edits::default();
        for name in alike(case, file, (call, operand, name), key) {
            edits.replace(file, name.byte_range(), twin.function.identifier.clone());
        }
        let explanation = format!(
            "`{}` was called with `{}` held, and takes it again: `{}` does the same without.",
            inner.function.identifier, key.mutex.name, twin.function.identifier
        );
        let open = does_more(inner, twin).then(|| {
            let (it, other) = (&inner.function.identifier, &twin.function.identifier);
            format!("`{it}` does more than `{other}`, which may be missed here")
        });
        return vec![Draft { open, ..Draft::cause(outer, explanation, edits) }];
    }
    Vec::new()
}

/// Whether a method has statements that neither take or give back a lock, nor call its twin or give back what that gave.
fn does_more(inner: &Method, twin: &Method) -> bool {
    let (file, call) = (&inner.file, format!("{}(", twin.function.identifier));
    let Some(body) = inner.body() else { return true };
    statements_in(body).into_iter().filter(|node| node.kind() != "comment").any(|statement| {
        let locks = nodes_of(statement, |node| locking(file, node).is_some());
        let gives = statement.kind() == "return_statement"
            && nodes_of(statement, |node| node.kind().ends_with("_expression")).is_empty();
        locks.is_empty() && !gives && !file.text_of(statement).contains(&call)
    })
}

/// The names in the calls of one method of one value, with the lock held, in the function around one of them: each of
/// them waits.
fn alike<'t>(
    case: &Case<'_>,
    file: &'t Arc<File>,
    (call, operand, name): (Node<'t>, Node<'t>, Node<'t>),
    key: &Key,
) -> Vec<Node<'t>> {
    let Some(around) = file.enclosing_function(call) else { return vec![name] };
    // A name that is declared anew is another value's.
    let declared = |value: Node<'t>| {
        let root = root_of(value)?;
        file.binding(root, file.text_of(root)).map(|binding| binding.start_byte())
    };
    let same = |(other, method): &(Node<'t>, Node<'t>)| {
        file.text_of(*other) == file.text_of(operand)
            && file.text_of(*method) == file.text_of(name)
            && declared(*other) == declared(operand)
    };
    nodes_of(around, |node| {
        file.enclosing_function(node) == Some(around)
            && method_call(node).filter(same).is_some_and(|_| holds_at(case, file, node, operand, key))
    })
    .into_iter()
    .filter_map(|node| method_call(node).map(|(_, name)| name))
    .collect()
}

/// Whether the function around a call holds the mutex of the value that it is of. Of another value of the type the
/// lock is not held.
fn holds_at(case: &Case<'_>, file: &Arc<File>, call: Node<'_>, value: Node<'_>, key: &Key) -> bool {
    let Some(around) = file.enclosing_function(call) else { return false };
    let value = file.text_of(value);
    locks(case, file, around).into_iter().filter(|lock| lock.key == *key).any(|lock| {
        let of_it =
            lock.mutex.strip_prefix(value).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        of_it && held_at(file, call, lock.mutex) != Held::No
    })
}

/// Whether a method does what another one does, with the lock left to who calls it.
fn is_twin(inner: &Method, twin: &Method, mutex: &Mutex, all: &[Method]) -> bool {
    let (a, b) = (&inner.function, &twin.function);
    let types =
        |list: &[crate::repository::go::Param]| list.iter().map(|part| part.ty.clone()).collect::<Vec<_>>();
    a.name != b.name
        && types(&a.params) == types(&b.params)
        && types(&a.results) == types(&b.results)
        && inner.calls().contains(&b.identifier.as_str())
        && b.identifier.to_lowercase().contains(&a.identifier.to_lowercase())
        && !twin.takes(mutex, all)
}

/// A statement that takes a lock.
struct Lock<'t> {
    key: Key,
    /// The mutex as it is written.
    mutex: &'t str,
    statement: Node<'t>,
    /// The statement that gives it back.
    unlock: String,
}

/// The locks that the statements of a function's own body take.
fn locks<'t>(case: &Case<'_>, file: &'t Arc<File>, function: Node<'t>) -> Vec<Lock<'t>> {
    nodes_of(function, |node| node.kind() == "expression_statement")
        .into_iter()
        .filter(|statement| file.enclosing_function(*statement) == Some(function))
        .filter_map(|statement| {
            let call = statement.named_child(0)?;
            let node = taken(file, call)?;
            let (key, mutex) = (Key::of(case, file, node)?, file.text_of(node));
            let shared = file.text_of(call).ends_with("RLock()");
            let unlock = format!("{mutex}.{}", if shared { "RUnlock()" } else { "Unlock()" });
            Some(Lock { key, mutex, statement, unlock })
        })
        .collect()
}

/// The functions that leave with a lock, of the packages of the stack.
fn forgotten(case: &Case<'_>, key: Option<&Key>) -> Vec<Draft> {
    let mut folders: Vec<&str> = Vec::new();
    let mut drafts = Vec::new();
    for frame in &case.frames {
        if folders.contains(&frame.file.path.folder()) {
            continue;
        }
        folders.push(frame.file.path.folder());
        let package = case.resolver.package_of(&frame.file);
        let given = given_back_by_others(case, &package);
        for file in package.iter().filter(|file| is_repairable(file)) {
            for function in functions(file) {
                let locks = locks(case, file, function);
                let wanted = locks
                    .iter()
                    .filter(|lock| key.is_none_or(|key| lock.key == *key) && !given.contains(&lock.key));
                let drafted = wanted.filter_map(|lock| {
                    let draft = give_back(file, function, lock)?;
                    // Whoever can name a mutex may give it back, in packages that are not looked at as well.
                    let open = lock.key.mutex.name.starts_with(char::is_uppercase).then(|| {
                        format!("other packages may be meant to give `{}` back", lock.key.mutex.name)
                    });
                    Some(Draft { open, ..draft })
                });
                drafts.extend(drafted);
            }
        }
    }
    drafts
}

fn functions(file: &File) -> Vec<Node<'_>> {
    nodes_of(file.tree.root_node(), |node| {
        matches!(node.kind(), "func_literal" | "function_declaration" | "method_declaration")
    })
}

/// The mutexes that some function gives back without having taken them: who takes them keeps them for it.
fn given_back_by_others(case: &Case<'_>, package: &[Arc<File>]) -> Vec<Key> {
    let mut given = Vec::new();
    for file in package {
        for function in functions(file).into_iter().filter(|function| function.kind() != "func_literal") {
            let calls = nodes_of(function, |node| locking(file, node).is_some());
            let (gives, takes): (Vec<_>, Vec<_>) = calls
                .into_iter()
                .filter_map(|call| locking(file, call))
                .partition(|(_, held)| *held == Held::No);
            let is_taken =
                |mutex: Node<'_>| takes.iter().any(|(own, _)| file.text_of(*own) == file.text_of(mutex));
            let kept = gives.into_iter().map(|(mutex, _)| mutex).filter(|mutex| !is_taken(*mutex));
            given.extend(kept.filter_map(|mutex| Key::of(case, file, mutex)));
        }
    }
    given
}

/// A lock is given back on the ways that left with it.
fn give_back(file: &Arc<File>, function: Node<'_>, lock: &Lock<'_>) -> Option<Draft> {
    let body = function.child_by_field_name("body")?;
    let gives = |node: Node<'_>| {
        node.kind() == "expression_statement"
            && file.text_of(node) == lock.unlock
            && file.enclosing_function(node) == Some(function)
    };
    // One that is deferred, or handed on, is given back elsewhere.
    let elsewhere = nodes_of(body, |node| {
        node.kind() == "call_expression"
            && file.text_of(node) == lock.unlock
            && !node.parent().is_some_and(gives)
    });
    let handed_on = file.text_of(body).contains(&format!("{},", lock.unlock.trim_end_matches("()")));
    let owed = owed(file, body, Some(lock.statement), &gives)?;
    if !elsewhere.is_empty() || handed_on || owed.done.is_empty() || owed.leaving.is_empty() && !owed.at_end {
        return None;
    }
    let edits = deferred(file, body, lock, &owed).or_else(|| before_leaving(file, lock, &owed))?;
    let name = function.child_by_field_name("name").map_or("a closure", |name| file.text_of(name));
    let explanation =
        format!("`{name}` left with the lock held on some way: `{}` runs on each of them.", lock.unlock);
    Some(Draft::cause(0, explanation, edits))
}

/// `defer` right behind the lock in the place of every unlock, where that holds it for no longer than before.
fn deferred(file: &Arc<File>, body: Node<'_>, lock: &Lock<'_>, owed: &Owed<'_>) -> Option<Edits> {
    let in_body = lock.statement.parent().and_then(|list| list.parent()) == Some(body);
    let ends = |unlock: &Node<'_>| match later(*unlock).next() {
        None => unlock.parent().and_then(|list| list.parent()) == Some(body),
        Some(next) => {
            let acts = nodes_of(next, |node| node.kind() == "call_expression" && !is_error(file, node));
            next.kind() == "return_statement" && acts.is_empty()
        }
    };
    let others = file.text_of(body).matches(&format!("{}.", lock.unlock.rsplit_once('.')?.0)).count();
    // The mutex is taken once, and nothing else is done with it.
    if !in_body || !owed.done.iter().all(ends) || others != owed.done.len() + 1 {
        return None;
    }
    let mut edits = Edits::default();
    edits.insert_after(file, lock.statement, &[format!("defer {}", lock.unlock)])?;
    for unlock in &owed.done {
        edits.remove_line(file, *unlock)?;
    }
    Some(edits)
}

/// Whether a call makes an error.
fn is_error(file: &File, call: Node<'_>) -> bool {
    ["errors.New(", "fmt.Errorf("].iter().any(|made| file.text_of(call).starts_with(made))
}

/// An unlock before every statement that leaves with the lock held.
fn before_leaving(file: &Arc<File>, lock: &Lock<'_>, owed: &Owed<'_>) -> Option<Edits> {
    let root = lock.unlock.split(['.', '(']).next().unwrap_or_default();
    let mut edits = Edits::default();
    for leaving in &owed.leaving {
        let other = earlier(*leaving).any(|above| file.text_of(above).contains("nlock("));
        // What is read of the owner is read before the lock is given back.
        let reads = nodes_of(*leaving, |node| match node.kind() {
            "selector_expression" => file.text_of(node).starts_with(&format!("{root}.")),
            "call_expression" => !is_error(file, node),
            "unary_expression" | "index_expression" => true,
            _ => false,
        });
        if other || !reads.is_empty() {
            return None;
        }
        edits.insert_before(file, *leaving, std::slice::from_ref(&lock.unlock))?;
    }
    // Its end without an unlock is none of its ways out: the lock is kept for somebody.
    (!owed.at_end).then_some(edits)
}
