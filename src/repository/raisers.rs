//! The expressions of a line that can raise a failure of a class. Where there are several, class and line do
//! not tell which of them failed: what the message says has to.
//!
//! A method's own receiver is left out: nearly every line of a method uses it, and hardly any caller calls a
//! method of nil. So is what the library promises to be there: a handler's request, its URL, a context.

use std::sync::Arc;

use tree_sitter::Node;

use super::Repository;
use super::go::{Binding, File, Part, Resolver, Shape, Type};
use crate::domain::{Class, FaultFacts};

/// Types of which an argument is never nil by the library's promise.
const GIVEN: &[&str] =
    &["*http.Request", "http.ResponseWriter", "context.Context", "*testing.T", "*testing.B"];

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raiser {
    /// What fails, as it is written: the same text fails in the same way.
    text: String,
    told: Told,
}

/// By what a message can tell it.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// By nothing.
    Nothing,
    /// By its index, where that is a number.
    Index(i64),
    /// By an index below zero, where it is counted from the end of what is indexed.
    FromEnd,
    /// By the bounds that it has.
    Bounds { low: bool, high: bool },
    /// By the type that it wants, where that is a name.
    Type(String),
}

impl Raiser {
    /// Whether a message with these facts can be about it.
    pub(super) fn may_tell(&self, facts: &FaultFacts) -> bool {
        match &self.told {
            Told::Nothing => true,
            Told::Index(own) => facts.index.is_none_or(|index| index == *own),
            Told::FromEnd => facts.index.is_none_or(|index| index < 0),
            Told::Bounds { low, high } => match facts.bounds {
                (Some(_), _) => *low,
                (None, Some(_)) => *high,
                (None, None) => true,
            },
            Told::Type(own) => facts.wanted_type.as_deref().is_none_or(|wanted| {
                let last = |name: &str| name.rsplit(['.', '*']).next() == own.rsplit(['.', '*']).next();
                !is_name(wanted) || last(wanted)
            }),
        }
    }
}

/// The expressions of a line that can fail in this way.
pub(super) fn raisers(class: Class, repository: &Repository, file: &Arc<File>, line: u32) -> Vec<Raiser> {
    let Some(row) = line.checked_sub(1).and_then(|row| usize::try_from(row).ok()) else { return Vec::new() };
    let code = Code { resolver: Resolver::new(repository), file };
    let mut found: Vec<Raiser> = Vec::new();
    let mut pending = vec![file.tree.root_node()];
    while let Some(node) = pending.pop() {
        let (begin, end) = (node.start_position().row, node.end_position().row);
        if row < begin || end < row {
            continue;
        }
        if node.kind() == "block" && begin < row && row < end {
            // What reaches around this block is not on the line.
            found.clear();
            pending.clear();
        }
        for raiser in code.raised_by(class, node) {
            if !found.contains(&raiser) {
                found.push(raiser);
            }
        }
        pending.extend(node.children(&mut node.walk()));
    }
    found
}

/// A file and what is known about its types.
struct Code<'a> {
    resolver: Resolver<'a>,
    file: &'a Arc<File>,
}

impl Code<'_> {
    fn text(&self, node: Node<'_>) -> String {
        self.file.text_of(node).to_owned()
    }

    fn raised_by(&self, class: Class, node: Node<'_>) -> Vec<Raiser> {
        let field = |name: &str| node.child_by_field_name(name);
        let plain = |node: Node<'_>| Raiser { text: self.text(node), told: Told::Nothing };
        match (class, node.kind()) {
            (Class::NilDereference, _) => self.nil_operands(node).into_iter().map(plain).collect(),
            (Class::IndexOutOfRange, "index_expression") => self.index(node).into_iter().collect(),
            (Class::SliceBounds, "slice_expression") => {
                let high = field("end").or_else(|| field("capacity")).is_some();
                let told = Told::Bounds { low: field("start").is_some(), high };
                vec![Raiser { text: self.text(node), told }]
            }
            (Class::DivideByZero, "binary_expression" | "assignment_statement") => {
                let sign = field("operator").map(|sign| self.text(sign));
                let divides = sign.is_some_and(|sign| matches!(sign.as_str(), "/" | "%" | "/=" | "%="));
                field("right")
                    .filter(|right| divides && self.may_be_zero(*right))
                    .map(plain)
                    .into_iter()
                    .collect()
            }
            (Class::TypeAssertion, "type_assertion_expression") if !asks(node) => {
                let wanted = field("type").map(|wanted| self.text(wanted)).unwrap_or_default();
                let told = if is_name(&wanted) { Told::Type(wanted) } else { Told::Nothing };
                vec![Raiser { text: self.text(node), told }]
            }
            (Class::NilMapWrite, "assignment_statement" | "inc_statement" | "dec_statement") => {
                let left = field("left").or_else(|| node.named_child(0));
                left.into_iter().flat_map(|left| self.written(left)).map(plain).collect()
            }
            (Class::CloseOfChannel, "call_expression") if self.calls(node, "close") => vec![plain(node)],
            (Class::MakeLength, "call_expression") if self.calls(node, "make") => vec![plain(node)],
            (Class::SendOnClosedChannel, "send_statement") => {
                field("channel").map(plain).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn calls(&self, call: Node<'_>, name: &str) -> bool {
        call.child_by_field_name("function").is_some_and(|function| self.file.text_of(function) == name)
    }

    fn shape_is(&self, node: Node<'_>, wanted: impl Fn(Shape<'_>) -> bool) -> bool {
        self.resolver.type_of(self.file, node).is_some_and(|ty| wanted(self.resolver.underlying(&ty).shape()))
    }

    fn index(&self, node: Node<'_>) -> Option<Raiser> {
        let operand = node.child_by_field_name("operand")?;
        if self.shape_is(operand, |shape| matches!(shape, Shape::Map(..))) {
            return None;
        }
        let index = self.text(node.child_by_field_name("index")?).replace(' ', "");
        let from_end = index.strip_prefix(&format!("len({})-", self.text(operand)));
        let told = match index.parse() {
            Ok(number) => Told::Index(number),
            Err(_) if from_end.is_some_and(|behind| behind.parse::<u32>().is_ok()) => Told::FromEnd,
            Err(_) => Told::Nothing,
        };
        Some(Raiser { text: self.text(node), told })
    }

    /// The maps among what is assigned to.
    fn written<'t>(&self, left: Node<'t>) -> Vec<Node<'t>> {
        match left.kind() {
            "expression_list" | "parenthesized_expression" => {
                let parts: Vec<Node<'t>> = left.named_children(&mut left.walk()).collect();
                parts.into_iter().flat_map(|part| self.written(part)).collect()
            }
            "index_expression" => left
                .child_by_field_name("operand")
                .filter(|map| {
                    !self.shape_is(*map, |shape| matches!(shape, Shape::Slice(_) | Shape::Array(_)))
                })
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn may_be_zero(&self, divisor: Node<'_>) -> bool {
        let text = self.file.text_of(divisor);
        let float = self.resolver.type_of(self.file, divisor).is_some_and(|ty| ty.text.starts_with("float"));
        !float && text.parse::<f64>().map_or(true, |number| number == 0.0)
    }

    /// What is used here and may be nil.
    fn nil_operands<'t>(&self, node: Node<'t>) -> Vec<Node<'t>> {
        let field = |name: &str| node.child_by_field_name(name);
        let used = match node.kind() {
            "selector_expression" => field("operand").filter(|operand| self.is_used(node, *operand)),
            "unary_expression" => field("operator")
                .filter(|sign| self.file.text_of(*sign) == "*")
                .and_then(|_| field("operand"))
                .filter(|operand| self.may_be_nil(*operand, false)),
            "index_expression" => field("operand")
                .filter(|operand| self.shape_is(*operand, |shape| matches!(shape, Shape::Pointer(_)))),
            "call_expression" => field("function").filter(|function| self.is_value(*function)),
            _ => None,
        };
        used.into_iter().collect()
    }

    /// Whether a selector fails itself where its operand is nil. A method that is found takes a pointer as it
    /// is, and fails in its own lines.
    fn is_used(&self, selector: Node<'_>, operand: Node<'_>) -> bool {
        let called = selector.parent().is_some_and(|parent| {
            parent.kind() == "call_expression" && parent.child_by_field_name("function") == Some(selector)
        });
        let method = || {
            let name = selector.child_by_field_name("field")?;
            let ty = self.resolver.type_of(self.file, operand)?;
            self.resolver.method(&ty, self.file.text_of(name))
        };
        let fails_inside = called
            && method().and_then(|method| method.function.receiver).is_some_and(|receiver| receiver.pointer);
        !self.resolver.is_package(self.file, operand) && !fails_inside && self.may_be_nil(operand, called)
    }

    /// Whether what is called is a value, which may be nil, and no declared function.
    fn is_value(&self, function: Node<'_>) -> bool {
        match function.kind() {
            "identifier" => self.file.binding(function, self.file.text_of(function)).is_some(),
            "index_expression" => function.child_by_field_name("operand").is_some_and(|operand| {
                self.shape_is(operand, |shape| matches!(shape, Shape::Map(..) | Shape::Slice(_)))
            }),
            "selector_expression" => self.shape_is(function, |shape| shape == Shape::Function),
            "call_expression" => true,
            _ => false,
        }
    }

    fn may_be_nil(&self, operand: Node<'_>, called: bool) -> bool {
        let text = self.file.text_of(operand);
        match operand.kind() {
            "parenthesized_expression" => {
                return operand.named_child(0).is_some_and(|inner| self.may_be_nil(inner, called));
            }
            "identifier" => {
                let binding = self.file.binding(operand, text);
                if matches!(binding, Some(Binding::Signature { part: Part::Receiver, .. })) {
                    return false;
                }
            }
            "composite_literal" | "func_literal" => return false,
            "unary_expression" => return false, // `&x`, `-x`
            "call_expression" if self.calls(operand, "new") => return false,
            "selector_expression" => {
                let owner = operand.child_by_field_name("operand");
                let owner = owner.and_then(|owner| self.resolver.type_of(self.file, owner));
                if owner.is_some_and(|ty| ty.text == "*http.Request") && text.ends_with(".URL") {
                    return false;
                }
            }
            _ => {}
        }
        let Some(ty) = self.resolver.type_of(self.file, operand) else { return true };
        !GIVEN.contains(&ty.text.as_str()) && self.type_may_be_nil(&ty, called)
    }

    /// A type of another module that is no pointer may be an interface, which only a call uses.
    fn type_may_be_nil(&self, ty: &Type, called: bool) -> bool {
        match self.resolver.underlying(ty).shape() {
            Shape::Pointer(_) | Shape::Interface | Shape::Function => true,
            Shape::Named(Some("sync" | "atomic" | "time"), _) => false,
            Shape::Named(Some(_), _) => called,
            Shape::Named(None, _) => true,
            _ => false,
        }
    }
}

/// Whether an assertion asks, `v, ok := x.(T)`, and so never fails.
fn asks(assertion: Node<'_>) -> bool {
    let Some(values) = assertion.parent().filter(|parent| parent.kind() == "expression_list") else {
        return false;
    };
    let Some(statement) = values.parent().filter(|_| values.named_child_count() == 1) else { return false };
    let names = match statement.kind() {
        "var_spec" => {
            let mut cursor = statement.walk();
            statement.children_by_field_name("name", &mut cursor).filter(Node::is_named).count()
        }
        _ => statement.child_by_field_name("left").map_or(0, |left| left.named_child_count()),
    };
    names == 2
}

/// Whether a type is written as a name.
fn is_name(ty: &str) -> bool {
    ty.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '*' | '/' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    const SOURCE: &str = "package p

import \"net/http\"

type Order struct {
	Customer *Customer
	Lines []int
	counts map[string]int
	more map[string]int
	hook func() int
	mu sync.Mutex
}

type Customer struct{ Name string }

func (c *Customer) Full() string { return c.Name }

type Repo struct{ cache Cache }

type Cache interface{ Get(id string) *Entry }

type Entry struct{ Label string }

func (r *Repo) f(o *Order, a, b []int, n, m int, v any, q *http.Request, fs map[string]func()) (string, bool) {
	STATEMENT
}
";

    fn found(class: Class, statement: &str) -> Vec<Raiser> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let text = SOURCE.replace("STATEMENT", statement);
        let line = text.lines().position(|line| line.contains(statement.lines().next().unwrap())).unwrap();
        std::fs::write(folder.path().join("p.go"), text).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let file = repository.go_file(&RepoPath::new("p.go").unwrap()).unwrap();
        let mut found = raisers(class, &repository, &file, u32::try_from(line + 1).unwrap());
        found.sort_by(|a, b| a.text.cmp(&b.text));
        found
    }

    #[test]
    fn what_can_fail_is_counted_once() {
        for (class, statement, texts) in [
            (
                Class::NilDereference,
                "x := o.Customer.Name + r.cache.Get(id).Label",
                &["o", "o.Customer", "r.cache", "r.cache.Get(id)"][..],
            ),
            (Class::NilDereference, "o.Customer.Full()", &["o"]),
            (Class::NilDereference, "x := q.URL.Path + o.Customer.Name", &["o", "o.Customer"]),
            (Class::NilDereference, "if u := find(); u.A != u.B {", &["u"]),
            (Class::NilDereference, "fs[id]()", &["fs[id]"]),
            (Class::NilDereference, "o.hook()", &["o", "o.hook"]),
            (Class::NilDereference, "o.mu.Lock()", &["o"]),
            (Class::NilDereference, "r.cache.Get(id)", &["r.cache"]),
            (Class::IndexOutOfRange, "x := a[0] + a[0] + b[n] + o.counts[k]", &["a[0]", "b[n]"]),
            (Class::IndexOutOfRange, "for i := range a {\n\t\tuse(a[i])\n\t}", &[]),
            (Class::DivideByZero, "x, y := n/m, n%m", &["m"]),
            (Class::DivideByZero, "x := n/2 + m/len(a) + n/m", &["len(a)", "m"]),
            (Class::TypeAssertion, "x, ok := v.(int)", &[]),
            (Class::TypeAssertion, "f(v.(int), v.(string))", &["v.(int)", "v.(string)"]),
            (Class::NilMapWrite, "o.counts[k], o.more[k], a[0] = 1, 2, 3", &["o.counts", "o.more"]),
            (Class::NilMapWrite, "o.counts[k]++", &["o.counts"]),
        ] {
            let found = found(class, statement);
            assert_eq!(found.iter().map(|raiser| &raiser.text).collect::<Vec<_>>(), texts, "{statement}");
        }
    }

    #[test]
    fn messages_tell_some_apart() {
        let telling = |class, statement: &str, facts: FaultFacts| {
            let found = found(class, statement);
            let telling = found.iter().filter(|raiser| raiser.may_tell(&facts));
            telling.map(|raiser| raiser.text.clone()).collect::<Vec<_>>()
        };
        let index = |index| FaultFacts { index: Some(index), ..FaultFacts::default() };
        let parts = "sku, view := a[0], a[1]";
        assert_eq!(telling(Class::IndexOutOfRange, parts, index(1)), ["a[1]"]);
        assert_eq!(telling(Class::IndexOutOfRange, "x := a[n] + b[1]", index(1)), ["a[n]", "b[1]"]);
        let ends = "x := a[0] + a[len(a)-1]";
        assert_eq!(telling(Class::IndexOutOfRange, ends, index(0)), ["a[0]"]);
        assert_eq!(telling(Class::IndexOutOfRange, ends, index(-1)), ["a[len(a)-1]"]);
        let bounds = |bounds| FaultFacts { bounds, ..FaultFacts::default() };
        let cut = "kind, value := a[:n], a[n:]";
        assert_eq!(telling(Class::SliceBounds, cut, bounds((None, Some(4)))), ["a[:n]"]);
        assert_eq!(telling(Class::SliceBounds, cut, bounds((Some(4), Some(2)))), ["a[n:]"]);
        let wanted = |ty: &str| FaultFacts { wanted_type: Some(ty.to_owned()), ..FaultFacts::default() };
        let both = "f(v.(int), v.(*Entry))";
        assert_eq!(telling(Class::TypeAssertion, both, wanted("*p.Entry")), ["v.(*Entry)"]);
    }
}
