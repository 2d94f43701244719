//! A variable of a package that several goroutines use, where the package has no lock for it.
//!
//! The same as for a field of a struct: the package gets a mutex beside the variable, and every function that uses it
//! holds that from its first use to the end; what such a function writes is guarded as well. Nothing is proposed where the variable is exported, where a function that uses it
//! calls another one that does, uses it in a function literal, gives it back, or waits for others.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::Class;
use crate::generator::repair::calls::led_to;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::guarded::Guarded;
use crate::generator::repair::guarding::{calls_back, escapes, waits};
use crate::generator::repair::syntax::{nodes_in, nodes_of, outermost};
use crate::generator::repair::written::{guards_itself, is_changed};
use crate::repository::go::{Binding, File, Function, Shape, package_binding};

/// More functions than that are changed by a person.
const MOST_USERS: usize = 12;

pub(super) fn drafts(case: &Case<'_>, depth: usize) -> Vec<Draft> {
    let Some(file) = case.file(depth) else { return Vec::new() };
    let variables =
        case.raisers(depth, |file, node| node.kind() == "identifier" && is_shared(case, file, node));
    let mut known: Vec<&str> = Vec::new();
    let mut drafts = Vec::new();
    for node in variables {
        let name = file.text_of(node);
        if !known.contains(&name) {
            known.push(name);
            drafts.extend(add(case, depth, file, name));
        }
    }
    drafts
}

/// Whether an identifier is a variable of the package that the failure can be about.
fn is_shared(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    let Some(ty) = case.resolver.type_of(file, node).filter(|_| is_variable(case, file, node)) else {
        return false;
    };
    match case.fault.class {
        Class::ConcurrentMapAccess => matches!(case.resolver.underlying(&ty).shape(), Shape::Map(..)),
        _ => !guards_itself(case, &ty),
    }
}

/// Whether an identifier is a variable of the package.
fn is_variable(case: &Case<'_>, file: &Arc<File>, node: Node<'_>) -> bool {
    let name = file.text_of(node);
    file.binding(node, name).is_none()
        && case.resolver.package_of(file).iter().any(|other| {
            matches!(package_binding(other, name), Some(Binding::Var { spec, .. }) if spec.kind() == "var_spec")
        })
}

/// A function that uses the variable.
struct User {
    file: Arc<File>,
    function: Function,
}

impl User {
    /// The places where it names one of the variables.
    fn uses(&self, names: &[String]) -> Vec<Node<'_>> {
        self.nodes(|node| {
            let name = self.file.text_of(node);
            names.iter().any(|known| known == name) && self.file.binding(node, name).is_none()
        })
    }

    /// The variables of the package that it writes and that have no lock of their own.
    fn writes(&self, case: &Case<'_>) -> Vec<String> {
        let is_open = |node| {
            case.resolver.type_of(&self.file, node).is_none_or(|ty| !guards_itself(case, &ty))
                && is_variable(case, &self.file, node)
        };
        let written = self.nodes(|node| is_changed(case, &self.file, node) && is_open(node));
        written.into_iter().map(|node| self.file.text_of(node).to_owned()).collect()
    }

    /// The identifiers of its body that satisfy a condition.
    fn nodes<'u>(&'u self, wanted: impl Fn(Node<'u>) -> bool) -> Vec<Node<'u>> {
        nodes_in(&self.file, &self.function.body, |node| node.kind() == "identifier" && wanted(node))
    }
}

fn add(case: &Case<'_>, depth: usize, file: &Arc<File>, name: &str) -> Option<Draft> {
    let files = case.resolver.package_of(file);
    let mutex = format!("{name}Mu");
    let has_lock = files.iter().any(|other| other.text.contains(&mutex) || has_mutex(other));
    let home = files.iter().find(|other| package_binding(other, name).is_some())?;
    if has_lock || !is_repairable(home) {
        return None;
    }
    let guarded = guarded(case, &files, name)?;
    let Some(Binding::Var { spec, .. }) = package_binding(home, name) else { return None };
    let declaration =
        std::iter::successors(Some(spec), Node::parent).find(|node| node.kind() == "var_declaration")?;
    let mut edits = Edits::default();
    let sync = edits.import(home, "sync");
    let listed = guarded.names.join(", ");
    let lines = [String::new(), format!("// {mutex} guards {listed}."), format!("var {mutex} {sync}.Mutex")];
    edits.insert_after(home, declaration, &lines)?;
    let users = users(&files, &guarded.names);
    for user in &users {
        let body = user.file.node_at(user.function.body.clone())?;
        let first = user.uses(&guarded.names).into_iter().min_by_key(Node::start_byte)?;
        let lines = [format!("{mutex}.Lock()"), format!("defer {mutex}.Unlock()")];
        edits.insert_before(&user.file, outermost(body, first)?, &lines)?;
    }
    let holders: Vec<&str> = users.iter().map(|user| user.function.identifier.as_str()).collect();
    let explanation = format!(
        "`{name}` is used by several goroutines, and has no lock: it gets one, which {} hold.{} A stress test under the race detector must tell whether that is all.",
        holders.join(", "),
        guarded.others_told()
    );
    Some(Draft { open: guarded.open(), ..Draft::cause(depth, explanation, edits) })
}

/// What the lock guards: the variable, and all variables of the package that are written by who takes the lock.
fn guarded(case: &Case<'_>, files: &[Arc<File>], name: &str) -> Option<Guarded> {
    let written = |names: &[String]| -> Vec<String> {
        users(files, names).iter().flat_map(|user| user.writes(case)).collect()
    };
    let can_guard = |names: &[String]| {
        let users = users(files, names);
        let is_safe = |user: &User| is_repairable(&user.file) && can_lock(case, user, names, &users);
        (1..=MOST_USERS).contains(&users.len())
            && users.iter().all(is_safe)
            && !names.iter().any(|name| name.starts_with(char::is_uppercase))
    };
    Guarded::beginning_with(name, written, can_guard)
}

/// Whether a file declares a mutex outside functions.
fn has_mutex(file: &File) -> bool {
    let root = file.tree.root_node();
    let declarations = root
        .named_children(&mut root.walk())
        .filter(|node| node.kind() == "var_declaration")
        .collect::<Vec<_>>();
    declarations.into_iter().any(|node| file.text_of(node).contains("Mutex"))
}

fn users(files: &[Arc<File>], names: &[String]) -> Vec<User> {
    let of = |file: &Arc<File>| -> Vec<User> {
        let functions = file.functions.iter().filter(|function| function.identifier != "init");
        functions.map(|function| User { file: Arc::clone(file), function: function.clone() }).collect()
    };
    files.iter().flat_map(of).filter(|user| !user.uses(names).is_empty()).collect()
}

/// Whether a function can hold a lock for its whole length.
fn can_lock(case: &Case<'_>, user: &User, names: &[String], users: &[User]) -> bool {
    let User { file, function } = user;
    let Some(body) = file.node_at(function.body.clone()) else { return false };
    let escape = user.uses(names).into_iter().any(|node| escapes(case, file, node));
    let waiting = nodes_of(body, |node| {
        node.kind() == "go_statement" || waits(case, file, node) || calls_back(case, file, node)
    });
    !escape && waiting.is_empty() && !leads_to_another(case, file, body, users)
}

/// Whether a function calls one that uses the variable, directly or by others of the package; or by more of them than
/// are looked at.
fn leads_to_another(case: &Case<'_>, file: &Arc<File>, body: Node<'_>, users: &[User]) -> bool {
    led_to(case, file, body).is_none_or(|others| {
        others.iter().any(|other| {
            users.iter().any(|user| user.file.path == other.file.path && user.function.body == other.range)
        })
    })
}
