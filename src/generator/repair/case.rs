//! One fault in its surroundings: the frames of its stack with their files, and the expressions that
//! can raise it.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::syntax::{called_name, lines, nodes_in};
use crate::domain::{Fault, Location};
use crate::repository::Repository;
use crate::repository::go::{Callee, Field, File, Function, Resolver, Symbol, TypeDecl};

/// How many frames are looked at: causes further away than that are not found by syntax.
const MAX_FRAMES: usize = 6;
/// How many expressions of a function are tried when the line does not tell which one failed.
const MAX_RAISERS: usize = 6;

/// A frame of the stack, in the repository.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) file: Arc<File>,
    /// The line the trace tells.
    pub(crate) line: u32,
    /// The function's declaration, in bytes; the whole file for code outside functions.
    pub(crate) range: Range<usize>,
    /// The function, where the file declares it.
    pub(crate) function: Option<Function>,
}

/// A fault, its frames, and what is known about the code.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) fault: &'a Fault,
    pub(crate) resolver: Resolver<'a>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) signatures: Signatures,
    /// Whether a check was not proposed since the code has it.
    asked_already: Cell<bool>,
}

/// Whether a change may give a function an error result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// Functions keep their results.
    Stay,
    /// A function that has no way to report may get one.
    MayChange,
}

impl<'a> Case<'a> {
    pub(crate) fn new(fault: &'a Fault, repository: &'a Repository, signatures: Signatures) -> Self {
        let frames = fault.stack.iter().take(MAX_FRAMES).map_while(|location| frame(repository, location));
        let (resolver, frames) = (Resolver::new(repository), frames.collect());
        Self { fault, resolver, frames, signatures, asked_already: Cell::new(false) }
    }

    /// The same fault as it would be in another function of a frame's file, where nothing is known of who called.
    pub(crate) fn elsewhere(&self, file: &Arc<File>, node: Node<'_>) -> Self {
        let line = *lines(node).start();
        let function = file.function_at(line).cloned();
        let range = function.as_ref().map_or(0..file.text.len(), |function| function.range.clone());
        let frame = Frame { file: Arc::clone(file), line, range, function };
        Self { frames: vec![frame], asked_already: Cell::new(false), ..*self }
    }

    /// Notes that the code has a check already.
    pub(crate) fn note_asked_already(&self) {
        self.asked_already.set(true);
    }

    /// Whether the code has a check already which a rule would have proposed.
    pub(crate) fn is_asked_already(&self) -> bool {
        self.asked_already.get()
    }

    /// The expressions of a frame's function that satisfy a condition, the likeliest first: those on
    /// the line of the trace, in order of evaluation; when there is none, since lines drift, those of
    /// the whole function, nearest first.
    pub(crate) fn raisers(
        &self,
        depth: usize,
        wanted: impl Fn(&Arc<File>, Node<'_>) -> bool,
    ) -> Vec<Node<'_>> {
        let Some(frame) = self.frames.get(depth) else { return Vec::new() };
        // Whether one is wanted may take long to tell: the others are not looked at where they do not count.
        let is_on_line = |node| lines(node).contains(&frame.line);
        let mut found =
            nodes_in(&frame.file, &frame.range, |node| is_on_line(node) && wanted(&frame.file, node));
        if found.is_empty() {
            found = nodes_in(&frame.file, &frame.range, |node| wanted(&frame.file, node));
        }
        found.sort_by_key(|node| {
            let lines = lines(*node);
            (
                frame.line.abs_diff(*lines.start()).min(frame.line.abs_diff(*lines.end())),
                lines.end() - lines.start(),
            )
        });
        found.truncate(MAX_RAISERS);
        found
    }

    /// The call in the caller of a frame that reached it, with the caller's depth.
    pub(crate) fn call_into(&self, depth: usize) -> Option<(usize, Node<'_>, &Function)> {
        let function = self.frames.get(depth)?.function.as_ref()?;
        let outer = depth + 1;
        let frame = self.frames.get(outer)?;
        let home = self.file(depth)?;
        let calls = self.calls_in(&frame.file, &frame.range, home, function);
        let call = calls.iter().copied().min_by_key(|node| {
            let lines = lines(*node);
            if lines.contains(&frame.line) { 0 } else { frame.line.abs_diff(*lines.start()) }
        })?;
        Some((outer, call, function))
    }

    /// The calls in a range that may be of a function: those of its name, but for those known to be others'.
    pub(crate) fn calls_in<'f>(
        &self,
        file: &'f Arc<File>,
        range: &Range<usize>,
        home: &Arc<File>,
        function: &Function,
    ) -> Vec<Node<'f>> {
        nodes_in(file, range, |node| {
            node.kind() == "call_expression"
                && called_name(file, node) == function.identifier
                && self.resolver.calls(file, node, home, function) != Some(false)
        })
    }

    /// The file of a frame.
    pub(crate) fn file(&self, depth: usize) -> Option<&Arc<File>> {
        self.frames.get(depth).map(|frame| &frame.file)
    }

    /// The file of a frame which a callee was found from, or the callee's own.
    pub(crate) fn same_package(&self, a: &File, b: &File) -> bool {
        a.path.folder() == b.path.folder()
    }

    /// An integer as it is compared with a length: converted where its type is another.
    pub(crate) fn as_int(&self, file: &Arc<File>, node: Node<'_>) -> String {
        let text = file.text_of(node);
        let int = self.resolver.type_of(file, node).is_none_or(|ty| ty.text == "int");
        if int || node.kind() == "int_literal" { text.to_owned() } else { format!("int({text})") }
    }

    /// The struct that declares the field which a selector names, and the field.
    pub(crate) fn field_at(&self, file: &Arc<File>, selector: Node<'_>) -> Option<(TypeDecl, Field)> {
        let name = file.text_of(selector.child_by_field_name("field")?);
        let ty = self.resolver.type_of(file, selector.child_by_field_name("operand")?)?;
        self.resolver.field(&ty, name)
    }

    /// The callee of a call in a frame's file, if the repository holds it.
    pub(crate) fn callee(&self, file: &Arc<File>, call: Node<'_>) -> Option<Callee> {
        self.resolver.callee(file, call)
    }
}

fn frame(repository: &Repository, location: &Location) -> Option<Frame> {
    let file = repository.go_file(&location.file).ok()?;
    let declared = Symbol::declared(&location.function);
    let owns = |function: &&Function| function.name == declared;
    let function = file
        .functions
        .iter()
        .filter(owns)
        .min_by_key(|function| {
            (!function.lines.contains(&location.line), function.lines.start().abs_diff(location.line))
        })
        .or_else(|| file.function_at(location.line))
        .cloned();
    let range = function.as_ref().map_or(0..file.text.len(), |function| function.range.clone());
    Some(Frame { line: location.line, range, function, file })
}
