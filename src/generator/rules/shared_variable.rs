//! A variable of a package that several goroutines use, where the package has no lock for it.
//!
//! The same as for a field of a struct: the package gets a mutex beside the variable, and every function that uses it
//! holds that from its first use to the end. Nothing is proposed where the variable is exported, where a function that uses it
//! calls another one that does, uses it in a function literal, gives it back, or waits for others.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::Class;
use crate::generator::repair::calls::led_to;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::guarding::{calls_parameter, escapes, waits};
use crate::generator::repair::syntax::{nodes_in, nodes_of, outermost};
use crate::repository::go::{Binding, File, Function, Shape, package_binding};

/// More functions than that are changed by a person.
const MOST_USERS: usize = 12;

pub(super) fn drafts(case: &Case<'_>, depth: usize) -> Vec<Draft> {
    let Some(file) = case.file(depth) else { return Vec::new() };
    let variables = case.raisers(depth, |file, node| {
        node.kind() == "identifier"
            && file.binding(node, file.text_of(node)).is_none()
            && is_shared(case, file, node)
    });
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
    let name = file.text_of(node);
    let declared = case.resolver.package_of(file).iter().any(|other| {
        matches!(package_binding(other, name), Some(Binding::Var { spec, .. }) if spec.kind() == "var_spec")
    });
    let Some(ty) = case.resolver.type_of(file, node).filter(|_| declared) else { return false };
    match case.fault.class {
        Class::ConcurrentMapAccess => matches!(case.resolver.underlying(&ty).shape(), Shape::Map(..)),
        _ => !ty.text.contains("sync.") && !ty.text.contains("atomic."),
    }
}

/// A function that uses the variable.
struct User {
    file: Arc<File>,
    function: Function,
}

fn add(case: &Case<'_>, depth: usize, file: &Arc<File>, name: &str) -> Option<Draft> {
    let files = case.resolver.package_of(file);
    let mutex = format!("{name}Mu");
    let guarded = files.iter().any(|other| other.text.contains(&mutex) || has_mutex(other));
    let home = files.iter().find(|other| package_binding(other, name).is_some())?;
    if guarded || name.starts_with(char::is_uppercase) || !is_repairable(home) {
        return None;
    }
    let users = users(&files, name);
    let is_safe = |user: &User| is_repairable(&user.file) && can_lock(case, user, name, &users);
    if users.len() > MOST_USERS || users.is_empty() || !users.iter().all(is_safe) {
        return None;
    }
    let Some(Binding::Var { spec, .. }) = package_binding(home, name) else { return None };
    let declaration =
        std::iter::successors(Some(spec), Node::parent).find(|node| node.kind() == "var_declaration")?;
    let mut edits = Edits::default();
    let sync = edits.import(home, "sync");
    let lines = [String::new(), format!("// {mutex} guards {name}."), format!("var {mutex} {sync}.Mutex")];
    edits.insert_after(home, declaration, &lines)?;
    for user in &users {
        let body = user.file.node_at(user.function.body.clone())?;
        let first = uses(&user.file, &user.function.body, name).into_iter().min_by_key(Node::start_byte)?;
        let lines = [format!("{mutex}.Lock()"), format!("defer {mutex}.Unlock()")];
        edits.insert_before(&user.file, outermost(body, first)?, &lines)?;
    }
    let names: Vec<&str> = users.iter().map(|user| user.function.identifier.as_str()).collect();
    let explanation = format!(
        "`{name}` is used by several goroutines, and has no lock: it gets one, which {} hold. A stress test under the race detector must tell whether that is all.",
        names.join(", ")
    );
    Some(Draft::cause(depth, explanation, edits))
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

/// The uses of a variable of the package in a range.
fn uses<'f>(file: &'f File, range: &std::ops::Range<usize>, name: &str) -> Vec<Node<'f>> {
    nodes_in(file, range, |node| {
        node.kind() == "identifier" && file.text_of(node) == name && file.binding(node, name).is_none()
    })
}

fn users(files: &[Arc<File>], name: &str) -> Vec<User> {
    let of = |file: &Arc<File>| -> Vec<User> {
        let functions = file
            .functions
            .iter()
            .filter(|function| function.identifier != "init" && !uses(file, &function.body, name).is_empty());
        functions.map(|function| User { file: Arc::clone(file), function: function.clone() }).collect()
    };
    files.iter().flat_map(of).collect()
}

/// Whether a function can hold a lock for its whole length.
fn can_lock(case: &Case<'_>, user: &User, name: &str, users: &[User]) -> bool {
    let User { file, function } = user;
    let Some(body) = file.node_at(function.body.clone()) else { return false };
    let escape = uses(file, &function.body, name).into_iter().any(|node| escapes(case, file, node));
    let waiting = nodes_of(body, |node| {
        node.kind() == "go_statement"
            || waits(case, file, node)
            || calls_parameter(case, file, function, node)
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
