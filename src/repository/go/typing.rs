//! The types of expressions: as the type checker told them, else as far as syntax tells.

use std::sync::Arc;

use tree_sitter::Node;

use super::File;
use super::declaration::package_binding;
use super::resolver::{MAX_DEPTH, Resolver};
use super::scope::{Binding, Part};
use super::types::{Shape, Type};

impl Resolver<'_> {
    /// The type of an expression.
    #[must_use]
    pub fn type_of(&self, file: &Arc<File>, node: Node<'_>) -> Option<Type> {
        self.type_within(file, node, MAX_DEPTH)
    }

    fn type_within(&self, file: &Arc<File>, node: Node<'_>, depth: usize) -> Option<Type> {
        let depth = depth.checked_sub(1)?;
        match self.checked_results(file, node).as_deref() {
            Some([known]) => return Some(known.clone()),
            // Its name would be mistaken for another type's.
            Some([]) => return None,
            _ => {}
        }
        let text = |text: &str| Some(Type::new(text, file));
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "identifier" => self.type_of_name(file, node, depth),
            "parenthesized_expression" => self.type_within(file, node.named_child(0)?, depth),
            "selector_expression" => {
                let (operand, name) = (field("operand")?, file.text_of(field("field")?));
                if self.is_package(file, operand) {
                    return self
                        .imported(file, file.text_of(operand))
                        .iter()
                        .find_map(|file| self.package_variable(file, name, depth));
                }
                Some(self.field(&self.type_within(file, operand, depth)?, name)?.1.ty)
            }
            "index_expression" => {
                let container = self.type_within(file, field("operand")?, depth)?;
                self.element(&container)
            }
            "slice_expression" => self.type_within(file, field("operand")?, depth),
            "call_expression" => self.results(file, node)?.into_iter().next(),
            "type_conversion_expression" | "type_assertion_expression" => text(file.text_of(field("type")?)),
            "composite_literal" => text(file.text_of(field("type")?)),
            "unary_expression" => {
                let inner = self.type_within(file, field("operand")?, depth)?;
                match file.text_of(field("operator")?) {
                    "&" => Some(inner.with(format!("*{}", inner.text))),
                    "*" => Some(inner.pointee()),
                    "<-" => self.element(&inner),
                    _ => Some(inner),
                }
            }
            "binary_expression" => match file.text_of(field("operator")?) {
                "==" | "!=" | "<" | "<=" | ">" | ">=" | "&&" | "||" => text("bool"),
                _ => {
                    let (left, right) = (field("left")?, field("right")?);
                    let typed = if left.kind().ends_with("_literal") { right } else { left };
                    self.type_within(file, typed, depth)
                }
            },
            "int_literal" => text("int"),
            "float_literal" => text("float64"),
            "rune_literal" => text("rune"),
            "interpreted_string_literal" | "raw_string_literal" => text("string"),
            "true" | "false" => text("bool"),
            "func_literal" => text("func()"),
            _ => None,
        }
    }

    /// The element of a slice, array, map, channel or string.
    #[must_use]
    pub fn element(&self, container: &Type) -> Option<Type> {
        let container = self.underlying(container).pointee();
        let container = self.underlying(&container);
        match container.shape() {
            Shape::Slice(element)
            | Shape::Array(element)
            | Shape::Map(_, element)
            | Shape::Channel(element) => Some(container.with(element)),
            Shape::Text => Some(container.with("byte")),
            _ => None,
        }
    }

    fn type_of_name(&self, file: &Arc<File>, node: Node<'_>, depth: usize) -> Option<Type> {
        let name = file.text_of(node);
        match file.binding(node, name) {
            Some(binding) => self.type_of_binding(file, binding, depth),
            None => self.package_of(file).iter().find_map(|file| self.package_variable(file, name, depth)),
        }
    }

    fn type_of_binding(&self, file: &Arc<File>, binding: Binding<'_>, depth: usize) -> Option<Type> {
        match binding {
            Binding::Short { statement, position } => {
                let left = statement.child_by_field_name("left")?.named_child_count();
                self.type_of_value(file, statement.child_by_field_name("right")?, left, position, depth)
            }
            Binding::Var { spec, position } => {
                if let Some(ty) = spec.child_by_field_name("type") {
                    return Some(Type::new(file.text_of(ty), file));
                }
                let mut cursor = spec.walk();
                let names = spec.children_by_field_name("name", &mut cursor).filter(Node::is_named).count();
                self.type_of_value(file, spec.child_by_field_name("value")?, names, position, depth)
            }
            Binding::Range { clause, position } => {
                let over = self.type_within(file, clause.child_by_field_name("right")?, depth)?;
                let over = self.underlying(&self.underlying(&over).pointee());
                match (over.shape(), position) {
                    (Shape::Map(key, _), 0) => Some(over.with(key)),
                    (Shape::Channel(element), 0) => Some(over.with(element)),
                    (Shape::Slice(_) | Shape::Array(_) | Shape::Text | Shape::Number, 0) => {
                        Some(over.with("int"))
                    }
                    (Shape::Text, _) => Some(over.with("rune")),
                    (_, 1) => self.element(&over),
                    _ => None,
                }
            }
            Binding::TypeSwitch { statement, case } => match case {
                Some(case) => Some(Type::new(file.text_of(case.child_by_field_name("type")?), file)),
                None => self.type_within(file, statement.child_by_field_name("value")?, depth),
            },
            Binding::Signature { declaration, part, .. } => {
                let text = file.text_of(declaration.child_by_field_name("type")?);
                let variadic = declaration.kind() == "variadic_parameter_declaration";
                let text = if variadic { format!("[]{text}") } else { text.to_owned() };
                debug_assert!(!variadic || matches!(part, Part::Parameter(_)));
                Some(Type::new(text, file))
            }
        }
    }

    /// The type of one of several names that are given values at once.
    fn type_of_value(
        &self,
        file: &Arc<File>,
        values: Node<'_>,
        names: usize,
        position: usize,
        depth: usize,
    ) -> Option<Type> {
        let list = values.kind() == "expression_list";
        let count = if list { values.named_child_count() } else { 1 };
        if count == names {
            let value = if list { values.named_child(u32::try_from(position).ok()?)? } else { values };
            return self.type_within(file, value, depth);
        }
        let value = if list { values.named_child(0)? } else { values };
        match (value.kind(), position) {
            ("call_expression", _) => self.results(file, value)?.into_iter().nth(position),
            (_, 0) => self.type_within(file, value, depth),
            _ => Some(Type::new("bool", file)),
        }
    }

    /// The type of a variable or constant declared outside functions.
    fn package_variable(&self, file: &Arc<File>, name: &str, depth: usize) -> Option<Type> {
        let binding = package_binding(file, name)?;
        self.type_of_binding(file, binding, depth)
    }
}
