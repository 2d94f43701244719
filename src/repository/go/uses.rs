//! Who calls whom: the function that a call reaches, and the uses of a function.
//!
//! Of files that the type checker told about ([`Functions`](super::Functions)) this is known, whatever the names: the
//! methods that types embed and interfaces stand for, functions that are values, imports by `.`. Of other files, such
//! as tests, it is what syntax tells: what has the function's name and is nobody else's known.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::checked::Declared;
use super::nodes::nodes_of;
use super::resolver::{Callee, Resolver};
use super::types::Shape;
use super::{File, Function};

/// A place that uses a function.
#[derive(Debug, Clone)]
pub struct Use {
    /// The file.
    pub file: Arc<File>,
    /// The call, or the name where it is not called, in bytes.
    pub range: Range<usize>,
    /// How it is used.
    pub how: How,
}

/// How a function is used at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is called by its name.
    Called,
    /// An interface is called that it may stand behind.
    Through,
    /// It is taken as a value.
    Taken,
    /// Something has its name, and nobody knows who that is.
    Unknown,
}

impl Use {
    /// The call's node, or the name's.
    #[must_use]
    pub fn node(&self) -> Option<Node<'_>> {
        self.file.node_at(self.range.clone())
    }
}

/// The most uses of a function that are told: whoever asks for all of them has other ways with so many.
const MAX_USES: usize = 200;

impl Resolver<'_> {
    /// The function of the repository that a call reaches.
    #[must_use]
    pub fn callee(&self, file: &Arc<File>, call: Node<'_>) -> Option<Callee> {
        let checked = self.repository.checked_of(file);
        let Some(functions) = checked.as_ref().and_then(|checked| checked.functions()) else {
            return self.callee_by_syntax(file, call);
        };
        match functions.called(&call.byte_range()) {
            Some(name) => self.function_of(name),
            // Of what is no module worked on nothing is told.
            None => self.callee_by_syntax(file, call).filter(|callee| {
                let module = |file: &File| self.repository.module_of(&file.path);
                module(&callee.file) != module(file)
            }),
        }
    }

    fn callee_by_syntax(&self, file: &Arc<File>, call: Node<'_>) -> Option<Callee> {
        let function = call.child_by_field_name("function")?;
        let named = |files: Vec<Arc<File>>, name: &str| {
            files.into_iter().find_map(|file| {
                let function = file.function(name)?.clone();
                Some(Callee { file, function })
            })
        };
        match function.kind() {
            "identifier" => {
                let name = file.text_of(function);
                file.binding(function, name).is_none().then(|| named(self.package_of(file), name)).flatten()
            }
            "selector_expression" => {
                let operand = function.child_by_field_name("operand")?;
                let name = file.text_of(function.child_by_field_name("field")?);
                if self.is_package(file, operand) {
                    return named(self.imported(file, file.text_of(operand)), name);
                }
                self.method(&self.type_of(file, operand)?, name)
            }
            _ => None,
        }
    }

    /// The function of a name that the type checker tells; none for the method of an interface.
    fn function_of(&self, name: &str) -> Option<Callee> {
        let (package, local) = name.split_once(' ')?;
        let files = self.folder(&self.repository.folder_of_package(package)?);
        let declared = files.into_iter().filter_map(|file| {
            let function = file.function(local)?.clone();
            Some(Callee { file, function })
        });
        // One that only other systems build may have the same.
        declared.min_by_key(|callee| self.declared(&callee.file, &callee.function, |_| ()).is_none())
    }

    /// What the type checker told of a function.
    fn declared<T>(&self, file: &Arc<File>, function: &Function, read: impl Fn(&Declared) -> T) -> Option<T> {
        let checked = self.repository.checked_of(file)?;
        checked.functions()?.declared_at(function.range.start).map(read)
    }

    /// The functions that a call can reach: the one it names, or, through an interface, the methods of that name in
    /// the packages that are at hand, as far as their types are not known to be others than the interface asks for.
    #[must_use]
    pub fn callees(&self, file: &Arc<File>, call: Node<'_>) -> Vec<Callee> {
        if let Some(callee) = self.callee(file, call) {
            return vec![callee];
        }
        let Some(function) = call.child_by_field_name("function") else { return Vec::new() };
        let (Some(operand), Some(name)) =
            (function.child_by_field_name("operand"), function.child_by_field_name("field"))
        else {
            return Vec::new();
        };
        let name = file.text_of(name);
        let Some(ty) = self.type_of(file, operand) else { return Vec::new() };
        if self.underlying(&ty).shape() != Shape::Interface {
            return Vec::new();
        }
        let home = self.type_decl(&ty).map(|declaration| declaration.file);
        let mut folders = vec![file.path.folder().to_owned()];
        folders.extend(home.map(|home| home.path.folder().to_owned()));
        let imported =
            file.imports.iter().filter_map(|import| self.repository.folder_of_package(&import.path));
        folders.extend(imported);
        folders.sort();
        folders.dedup();
        let mut callees = Vec::new();
        for other in folders.iter().flat_map(|folder| self.folder(folder)) {
            for function in &other.functions {
                if function.identifier == name
                    && function.receiver.is_some()
                    && self.calls(file, call, &other, function) != Some(false)
                {
                    callees.push(Callee { file: Arc::clone(&other), function: function.clone() });
                }
            }
        }
        callees
    }

    /// Whether a call is of a function, by its name or through an interface; none where nobody knows.
    #[must_use]
    pub fn calls(
        &self,
        file: &Arc<File>,
        call: Node<'_>,
        home: &Arc<File>,
        function: &Function,
    ) -> Option<bool> {
        let is_it = |callee: &Callee| callee.file.path == home.path && callee.function == *function;
        if let Some(callee) = self.callee(file, call) {
            return Some(is_it(&callee));
        }
        let checked = self.repository.checked_of(file)?;
        let functions = checked.functions()?;
        match functions.called(&call.byte_range()) {
            Some(name) => self.declared(home, function, |known| known.interfaces.contains(name)),
            // A value that is called has a type; the name of a function that is not ours has none.
            None => {
                let called = call.child_by_field_name("function")?;
                checked.results(&called.byte_range()).is_none().then_some(false)
            }
        }
    }

    /// The uses of a function: in its package and the tests there, with `everywhere` also in the packages that can
    /// name it. None where there are too many files to look at, or more uses than are told (200).
    #[must_use]
    pub fn uses_of(&self, file: &Arc<File>, function: &Function, everywhere: bool) -> Option<Vec<Use>> {
        let known =
            self.declared(file, function, |known| (Arc::clone(&known.name), known.interfaces.clone()));
        let mut users = self.users_of(file, everywhere)?;
        if everywhere {
            // A method can be called where its package is not even imported.
            let others = self.repository.files_with_functions();
            users.extend(others);
            users.sort_by(|one, other| one.path.cmp(&other.path));
            users.dedup_by(|one, other| one.path == other.path);
        }
        let mut uses = Vec::new();
        for user in users {
            let checked = self.repository.checked_of(&user);
            let told = checked.as_ref().and_then(|checked| checked.functions());
            let Some(((name, interfaces), told)) = known.as_ref().zip(told) else {
                self.uses_by_syntax(&user, file, function, &mut uses);
                continue;
            };
            for mention in told.mentions() {
                let how = match &mention.call {
                    _ if interfaces.contains(&mention.function) => How::Through,
                    _ if mention.function != *name => continue,
                    Some(_) => How::Called,
                    None => How::Taken,
                };
                let range = mention.call.clone().unwrap_or_else(|| mention.range.clone());
                uses.push(Use { file: Arc::clone(&user), range, how });
            }
        }
        (uses.len() <= MAX_USES).then_some(uses)
    }

    /// What has a function's name in a file, and is nobody else's known.
    fn uses_by_syntax(&self, user: &Arc<File>, home: &File, function: &Function, uses: &mut Vec<Use>) {
        if !user.text.contains(&function.identifier) {
            return;
        }
        let names = nodes_of(user.tree.root_node(), |node| {
            matches!(node.kind(), "identifier" | "field_identifier")
                && user.text_of(node) == function.identifier
        });
        for name in names {
            let holder =
                name.parent().filter(|parent| parent.kind() == "selector_expression").unwrap_or(name);
            let Some(parent) = holder.parent() else { continue };
            let declares =
                matches!(parent.kind(), "function_declaration" | "method_declaration" | "field_declaration");
            let key = matches!(parent.kind(), "keyed_element" | "literal_element")
                && name.kind() == "field_identifier";
            if declares || key || name.parent().is_some_and(|parent| parent.kind() == "method_declaration") {
                continue;
            }
            let is_call =
                parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(holder);
            let (range, how) = match self.callee(user, parent).filter(|_| is_call) {
                Some(callee) if callee.function == *function && callee.file.path == home.path => {
                    (parent.byte_range(), How::Called)
                }
                // Another function of that name.
                Some(_) => continue,
                None => (name.byte_range(), How::Unknown),
            };
            uses.push(Use { file: Arc::clone(user), range, how });
        }
    }

    /// Whether an interface asks for a method: one that its type, or one which embeds it, can be taken for, and in
    /// packages of which that is not known, one that asks for something of its name.
    #[must_use]
    pub fn is_asked_for(&self, file: &Arc<File>, function: &Function) -> bool {
        if function.receiver.is_none() {
            return false;
        }
        let asked = self.declared(file, function, |known| !known.interfaces.is_empty());
        let is_known = |other: &Arc<File>| {
            asked.is_some() && self.repository.checked_of(other).is_some_and(|it| it.functions().is_some())
        };
        let names_it = |other: &Arc<File>| {
            nodes_of(other.tree.root_node(), |node| node.kind() == "method_elem")
                .into_iter()
                .filter_map(|method| method.child_by_field_name("name"))
                .any(|method| other.text_of(method) == function.identifier)
        };
        asked == Some(true) || self.package_of(file).iter().filter(|other| !is_known(other)).any(names_it)
    }
}
