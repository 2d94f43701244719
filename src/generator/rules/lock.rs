//! A field that is used without the mutex that guards it, or a mutex that is unlocked too often.
//!
//! Evidence: a field on the failing line, and a mutex in the same struct; of several the one that most uses of the
//! field are under. Edit: the methods that do not hold it take it for their whole length; those that write
//! the field while they hold an RWMutex as one of several (`RLock`) hold it alone. What is written by who takes the
//! lock now is guarded by it as well, unless another mutex guards it: whoever uses that takes the lock too. Where that
//! cannot be, the fix says so, and is not proven.
//! A mutex that is unlocked too often stands in a file of its own.
//!
//! Risk: a method that is called with the lock held deadlocks: what only callers with the lock use is left alone, and
//! nothing is proposed where others use it too, where one that is to take the lock calls another, waits for
//! others, or uses the field in a goroutine that it starts.

use std::sync::Arc;

use tree_sitter::Node;

use super::unlocked_twice;
use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::guarded::{Guarded, is_used_elsewhere, quoted};
use crate::generator::repair::guarding::{calls_back, escapes, runs_beside, waits};
use crate::generator::repair::locked::{Held, held_at, locking};
use crate::generator::repair::methods::{Method, Mutex, is_called_held, methods_of, own_call};
use crate::generator::repair::written::{is_written, may_be_written};
use crate::repository::go::{Field, File, Function, TypeDecl};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    if case.fault.class == Class::MutexMisuse {
        return unlocked_twice::drafts(case);
    }
    (0..case.frames.len()).flat_map(|depth| unguarded(case, depth)).collect()
}

/// The methods of the struct that use the field of the failing line without its mutex take it.
fn unguarded(case: &Case<'_>, depth: usize) -> Vec<Draft> {
    let Some(file) = case.file(depth) else { return Vec::new() };
    let fields = case.raisers(depth, |file, node| {
        node.kind() == "selector_expression"
            && node.child_by_field_name("operand").is_some_and(|operand| operand.kind() == "identifier")
            && case.resolver.type_of(file, node).is_some()
    });
    fields.into_iter().filter_map(|field| hold(case, depth, file, field)).collect()
}

fn hold(case: &Case<'_>, depth: usize, file: &Arc<File>, field: Node<'_>) -> Option<Draft> {
    let operand = field.child_by_field_name("operand")?;
    let owner_type = case.resolver.type_of(file, operand)?;
    let name = file.text_of(field.child_by_field_name("field")?);
    let (owner, _) = case.resolver.field(&owner_type, name)?;
    let methods = methods_of(case, &owner);
    let fields = case.resolver.fields(&owner_type);
    let mutexes = Mutex::among(&fields);
    let mutex = guard_of(name, mutexes.clone(), &methods)?;
    let taking = Taking { case, owner, fields, methods: &methods, mutexes, mutex };
    let guarded = taking.guarded(name)?;
    let Holders { bare, writers } = taking.holders(&guarded.names)?;
    let mutex = &taking.mutex;
    let open = guarded.open().or_else(|| taking.left_open(&guarded.names, &bare));
    let mut edits = Edits::default();
    for method in &bare {
        let file = &method.file;
        let mut uses = guarded.names.iter().flat_map(|name| method.uses(name));
        let shared = mutex.shared && !uses.any(|node| may_be_written(file, node));
        let (lock, kind) = (mutex.of(&method.receiver), if shared { "R" } else { "" });
        let lines = [format!("{lock}.{kind}Lock()"), format!("defer {lock}.{kind}Unlock()")];
        edits.insert_first(file, method.body()?, &lines)?;
    }
    for method in &writers {
        hold_alone(&mut edits, method, mutex);
    }
    let told =
        [(bare, "without", "the lock is taken there"), (writers, "with a shared", "it is held alone there")];
    let told = told.iter().filter(|(methods, ..)| !methods.is_empty()).map(|(methods, how, what)| {
        let names: Vec<&str> = methods.iter().map(|method| method.function.identifier.as_str()).collect();
        let verb = if guarded.names.len() > 1 { "are" } else { "is" };
        let fields = quoted(&guarded.names);
        format!("{fields} {verb} used {how} `{}` in {}: {what}.", mutex.name, names.join(", "))
    });
    let told: Vec<String> = told.collect();
    let explanation = told.join(" ");
    let draft = || Draft { open, ..Draft::cause(depth, explanation, edits) };
    (!told.is_empty()).then(draft)
}

/// Methods that are to take a mutex of their type.
struct Taking<'c, 'm> {
    case: &'c Case<'c>,
    owner: TypeDecl,
    fields: Vec<Field>,
    methods: &'m [Method],
    mutexes: Vec<Mutex>,
    mutex: Mutex,
}

/// Those of them that have to hold it in another way than they do.
struct Holders<'m> {
    /// They do not hold it.
    bare: Vec<&'m Method>,
    /// They write while others hold it too.
    writers: Vec<&'m Method>,
}

impl<'m> Taking<'_, 'm> {
    /// What the mutex guards: a field, and all that is written by who takes it now.
    fn guarded(&self, field: &str) -> Option<Guarded> {
        let written = |names: &[String]| -> Vec<String> {
            let bare = self.holders(names).map(|holders| holders.bare).unwrap_or_default();
            let writes = bare.iter().flat_map(|method| {
                let own = method.writes(self.case).into_iter();
                own.filter(|(name, node)| !self.is_anothers(method, name, *node))
            });
            writes.map(|(name, _)| name.to_owned()).collect()
        };
        let can_guard = |names: &[String]| {
            let mut others = names.iter().filter(|name| *name != field);
            others.all(|name| self.can_be_guarded(name)) && self.holders(names).is_some()
        };
        Guarded::beginning_with(field, written, can_guard)
    }

    /// What stays open though those who used the field without the mutex take it, in words that go on after "but".
    fn left_open(&self, names: &[String], bare: &[&Method]) -> Option<String> {
        let field = names.first()?;
        if !self.can_be_guarded(field) {
            return Some(format!("`{field}` is used without the lock elsewhere, too: it may race still"));
        }
        let outlasts = bare.iter().any(|method| {
            let mut uses = names.iter().flat_map(|name| method.uses(name));
            uses.any(|node| escapes(self.case, &method.file, node))
        });
        outlasts.then(|| "what is given away under the lock is used without it: it may race still".to_owned())
    }

    /// Whether a field that is written in a method belongs to another mutex.
    fn is_anothers(&self, method: &Method, field: &str, node: Node<'_>) -> bool {
        let mut others = self.mutexes.iter().filter(|other| **other != self.mutex);
        let guard = guard_of(field, self.mutexes.clone(), self.methods);
        others.any(|other| method.held_at(node, other) != Held::No || guard.as_ref() == Some(other))
    }

    /// Whether a field is used by the type's methods alone, or under the mutex; and of the methods that name it nowhere
    /// without it.
    fn can_be_guarded(&self, field: &str) -> bool {
        let naming = |method: &&Method| method.names(&self.mutex) && !expects_lock(&method.function);
        let mut naming = self.methods.iter().filter(naming);
        self.fields.iter().any(|its| its.name == field && !its.embedded)
            && naming.all(|method| {
                method.uses(field).into_iter().all(|node| method.held_at(node, &self.mutex) != Held::No)
            })
            && !is_used_elsewhere(self.case, &self.owner, field, |file, node| {
                let value = node.child_by_field_name("operand").map(|value| file.text_of(value));
                value.is_some_and(|value| held_at(file, node, &self.mutex.of(value)) != Held::No)
            })
    }

    /// Who has to hold the mutex in another way where it guards such fields; none where that would be in vain, or keep
    /// somebody waiting.
    fn holders(&self, names: &[String]) -> Option<Holders<'m>> {
        let Self { case, methods, mutex, .. } = self;
        let mut bare: Vec<&Method> = Vec::new();
        for method in methods.iter().filter(|method| needs_lock(method, names, mutex)) {
            match called_locked(case, method, mutex, methods, &mut Vec::new()) {
                Some(true) => {}
                Some(false) => bare.push(method),
                // It would lock twice, on one way or another.
                None => return None,
            }
        }
        let calls_bare = |method: &&Method| {
            method.calls().iter().any(|called| bare.iter().any(|other| other.function.identifier == *called))
        };
        if bare.iter().any(|method| calls_bare(method) || method.takes(mutex, methods)) {
            return None;
        }
        if !bare.iter().all(|method| is_covered(case, method, names)) {
            return None;
        }
        let writers: Vec<&Method> =
            methods.iter().filter(|method| writes_shared(method, names, mutex)).collect();
        writers
            .iter()
            .all(|method| is_outermost(case, method, mutex, methods))
            .then_some(Holders { bare, writers })
    }
}

/// Whether a lock that a method holds for its whole length covers its uses of the fields, and keeps nobody waiting.
fn is_covered(case: &Case<'_>, method: &Method, names: &[String]) -> bool {
    let Some(body) = method.body() else { return false };
    let waiting = method.nodes(|node| {
        (waits(case, &method.file, node) || calls_back(case, &method.file, node)) && !runs_beside(node, body)
    });
    let mut uses = names.iter().flat_map(|name| method.uses(name));
    waiting.is_empty() && !uses.any(|node| runs_beside(node, body))
}

/// The mutex that guards a field: the one there is, or the one that most uses of the field are under.
fn guard_of(field: &str, mutexes: Vec<Mutex>, methods: &[Method]) -> Option<Mutex> {
    if mutexes.len() < 2 {
        return mutexes.into_iter().next();
    }
    let under = |mutex: &Mutex| -> usize {
        let held = |method: &Method| {
            let uses = method.uses(field).into_iter();
            uses.filter(|node| method.held_at(*node, mutex) != Held::No).count()
        };
        methods.iter().map(held).sum()
    };
    let counted = mutexes.into_iter().map(|mutex| (under(&mutex), mutex)).filter(|(count, _)| *count > 0);
    // Of two that are always held together the first will do.
    counted.rev().max_by_key(|(count, _)| *count).map(|(_, mutex)| mutex)
}

/// Whether a method writes a field while it holds a mutex that others hold as well.
fn writes_shared(method: &Method, names: &[String], mutex: &Mutex) -> bool {
    let mut uses = names.iter().flat_map(|name| method.uses(name));
    uses.any(|node| is_written(&method.file, node) && method.held_at(node, mutex) == Held::Read)
}

/// Whether nobody who takes a mutex calls a method, nor the other way round.
fn is_outermost(case: &Case<'_>, method: &Method, mutex: &Mutex, all: &[Method]) -> bool {
    let takes = |name: &str| {
        all.iter().any(|other| {
            other.function.identifier == name
                && other.function.name != method.function.name
                && other.takes(mutex, all)
        })
    };
    let mut callers = all.iter().filter(|caller| caller.names(mutex));
    let called = callers.any(|caller| caller.calls().contains(&method.function.identifier.as_str()));
    !called && !is_called_held(case, method, mutex) && !method.calls().into_iter().any(takes)
}

/// A method holds a mutex alone that it held as one of several.
fn hold_alone(edits: &mut Edits, method: &Method, mutex: &Mutex) {
    let (file, lock) = (&method.file, mutex.of(&method.receiver));
    let shared = [("RLock", "Lock"), ("RUnlock", "Unlock")];
    for call in method.nodes(|node| locking(file, node).is_some()) {
        for (with_others, alone) in shared {
            if file.text_of(call) == format!("{lock}.{with_others}()") {
                edits.replace(file, call.byte_range(), format!("{lock}.{alone}()"));
            }
        }
    }
}

/// Whether a method uses a field and never names its mutex.
fn needs_lock(method: &Method, names: &[String], mutex: &Mutex) -> bool {
    !method.receiver.is_empty()
        && names.iter().any(|name| !method.uses(name).is_empty())
        && !method.names(mutex)
        && !expects_lock(&method.function)
}

/// Whether others call a method with the mutex held, and no others of the type do; none where some do and some do not.
/// `known` are the methods that are being looked at.
fn called_locked<'m>(
    case: &Case<'_>,
    method: &'m Method,
    mutex: &Mutex,
    all: &'m [Method],
    known: &mut Vec<&'m str>,
) -> Option<bool> {
    let name = method.function.identifier.as_str();
    known.push(name);
    let (mut with, mut without) = (is_called_held(case, method, mutex), false);
    for caller in all {
        if known.contains(&caller.function.identifier.as_str()) {
            continue;
        }
        let calls = caller.nodes(|node| own_call(&caller.file, node, &caller.receiver) == Some(name));
        if calls.is_empty() {
            continue;
        }
        let held = calls.iter().filter(|call| caller.held_at(**call, mutex) != Held::No).count();
        let handed_down = !caller.names(mutex)
            && (expects_lock(&caller.function) || called_locked(case, caller, mutex, all, known)?);
        with |= held > 0 || handed_down;
        without |= held < calls.len() && !handed_down;
    }
    if with && without { None } else { Some(with) }
}

/// Methods that say they are called with the lock held.
fn expects_lock(function: &Function) -> bool {
    let name = function.identifier.to_ascii_lowercase();
    name.ends_with("locked") || name.ends_with("unsafe")
}
