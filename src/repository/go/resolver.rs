//! What names and expressions mean, as far as syntax tells: the types of locals, fields and results,
//! the functions that calls reach, in this package and in the others of the repository.
//!
//! It knows no type inference for generics and of the standard library only a short table, so every
//! answer is optional: whoever asks must have a way to go on without.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::scope::{Binding, Part};
use super::types::{Shape, Type};
use super::{File, Function};
use crate::repository::Repository;

/// How many declarations a look-up follows: named types may be declared in a circle by broken code.
const MAX_DEPTH: usize = 12;

/// A declared type.
#[derive(Debug, Clone)]
pub struct TypeDecl {
    /// The file that declares it.
    pub file: Arc<File>,
    /// Its name.
    pub name: String,
    /// The type it is declared as.
    pub underlying: Type,
    /// The `type_spec`, in bytes.
    pub range: Range<usize>,
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name; the type's name for an embedded one.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Whether it is embedded.
    pub embedded: bool,
    /// Whether it carries a tag, as decoded data does.
    pub tagged: bool,
}

/// A function of the repository that a call reaches.
#[derive(Debug, Clone)]
pub struct Callee {
    /// The file that declares it.
    pub file: Arc<File>,
    /// Its declaration.
    pub function: Function,
}

/// Answers questions about the Go code of a repository.
#[derive(Debug, Clone, Copy)]
pub struct Resolver<'r> {
    repository: &'r Repository,
}

impl<'r> Resolver<'r> {
    /// A resolver for a repository.
    #[must_use]
    pub const fn new(repository: &'r Repository) -> Self {
        Self { repository }
    }

    /// The files of a file's package, tests left out.
    #[must_use]
    pub fn package_of(&self, file: &File) -> Vec<Arc<File>> {
        self.folder(file.path.folder())
            .into_iter()
            .filter(|other| other.package == file.package || file.is_test())
            .collect()
    }

    fn folder(&self, folder: &str) -> Vec<Arc<File>> {
        self.repository.go_files_in(folder).into_iter().filter(|file| !file.is_test()).collect()
    }

    /// The files of the package that a file imports under a name; empty when it is none of the
    /// repository's.
    #[must_use]
    pub fn imported(&self, file: &File, identifier: &str) -> Vec<Arc<File>> {
        let Some(import) = file.imports.iter().find(|import| import.identifier() == identifier) else {
            return Vec::new();
        };
        self.repository.folder_of_package(&import.path).map(|folder| self.folder(&folder)).unwrap_or_default()
    }

    /// The declaration of a named type, or of what a pointer points to.
    #[must_use]
    pub fn type_decl(&self, ty: &Type) -> Option<TypeDecl> {
        let pointee = ty.pointee();
        let Shape::Named(package, name) = pointee.shape() else { return None };
        let files = match package {
            Some(package) => self.imported(&ty.home, package),
            None => self.package_of(&ty.home),
        };
        files.iter().find_map(|file| type_spec(file, name))
    }

    /// The type behind the names: what the declaration of a named type says.
    #[must_use]
    pub fn underlying(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        for _ in 0..MAX_DEPTH {
            if !matches!(ty.shape(), Shape::Named(..)) {
                break;
            }
            let Some(declaration) = self.type_decl(&ty) else { break };
            ty = declaration.underlying;
        }
        ty
    }

    /// The fields of a struct type, or of the struct a pointer points to.
    #[must_use]
    pub fn fields(&self, ty: &Type) -> Vec<Field> {
        let Some(declaration) = self.type_decl(ty) else { return Vec::new() };
        if let Shape::Named(..) = declaration.underlying.shape() {
            return self.fields(&self.underlying(&declaration.underlying));
        }
        let file = &declaration.file;
        file.node_at(declaration.range.clone()).map(|spec| read_fields(file, spec)).unwrap_or_default()
    }

    /// A field by name, with the declared type that holds it: embedded structs are searched too.
    #[must_use]
    pub fn field(&self, ty: &Type, name: &str) -> Option<(TypeDecl, Field)> {
        self.field_within(ty, name, MAX_DEPTH)
    }

    fn field_within(&self, ty: &Type, name: &str, depth: usize) -> Option<(TypeDecl, Field)> {
        let owner = self.type_decl(ty)?;
        let fields = self.fields(ty);
        if let Some(field) = fields.iter().find(|field| field.name == name) {
            return Some((owner, field.clone()));
        }
        let depth = depth.checked_sub(4)?;
        fields
            .iter()
            .filter(|field| field.embedded)
            .find_map(|field| self.field_within(&field.ty, name, depth))
    }

    /// A method by name, of a declared type or one it embeds.
    #[must_use]
    pub fn method(&self, ty: &Type, name: &str) -> Option<Callee> {
        self.method_within(ty, name, MAX_DEPTH)
    }

    fn method_within(&self, ty: &Type, name: &str, depth: usize) -> Option<Callee> {
        let owner = self.type_decl(ty)?;
        let own = self.package_of(&owner.file).into_iter().find_map(|file| {
            let function = file.functions.iter().find(|function| {
                function.identifier == name
                    && function.receiver.as_ref().is_some_and(|receiver| receiver.type_name == owner.name)
            })?;
            Some(Callee { function: function.clone(), file: Arc::clone(&file) })
        });
        let depth = depth.checked_sub(4)?;
        own.or_else(|| {
            let fields = self.fields(ty);
            fields
                .iter()
                .filter(|field| field.embedded)
                .find_map(|field| self.method_within(&field.ty, name, depth))
        })
    }

    /// The function of the repository that a call reaches.
    #[must_use]
    pub fn callee(&self, file: &Arc<File>, call: Node<'_>) -> Option<Callee> {
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

    /// Whether an expression is the name of an imported package.
    #[must_use]
    pub fn is_package(&self, file: &File, node: Node<'_>) -> bool {
        let name = file.text_of(node);
        node.kind() == "identifier"
            && file.imports.iter().any(|import| import.identifier() == name)
            && file.binding(node, name).is_none()
    }

    /// The types of a call's results.
    #[must_use]
    pub fn results(&self, file: &Arc<File>, call: Node<'_>) -> Option<Vec<Type>> {
        if let Some(callee) = self.callee(file, call) {
            let home = &callee.file;
            return Some(callee.function.results.iter().map(|r| Type::new(r.ty.clone(), home)).collect());
        }
        let function = call.child_by_field_name("function")?;
        let text = file.text_of(function);
        let arguments = call.child_by_field_name("arguments")?;
        let first = arguments.named_child(0);
        let one = |text: String| Some(vec![Type::new(text, file)]);
        match text {
            "len" | "cap" | "copy" => return one("int".to_owned()),
            "make" => return one(file.text_of(first?).to_owned()),
            "new" => return one(format!("*{}", file.text_of(first?))),
            "append" | "min" | "max" => return Some(vec![self.type_of(file, first?)?]),
            _ => {}
        }
        if function.kind() == "func_literal" {
            return Some(literal_results(file, function));
        }
        let conversion = Type::new(text, file);
        match conversion.shape() {
            Shape::Named(..) => {
                if self.type_decl(&conversion).is_some() {
                    return Some(vec![conversion]);
                }
            }
            _ => return Some(vec![conversion]),
        }
        self.interface_results(file, function).or_else(|| {
            let results = super::library::results(file, function)?;
            Some(results.iter().map(|text| Type::new(*text, file)).collect())
        })
    }

    /// The results of a method called through an interface, or of a field of function type.
    fn interface_results(&self, file: &Arc<File>, function: Node<'_>) -> Option<Vec<Type>> {
        let operand = function.child_by_field_name("operand")?;
        if self.is_package(file, operand) {
            return None;
        }
        let name = file.text_of(function.child_by_field_name("field")?);
        let declaration = self.type_decl(&self.type_of(file, operand)?)?;
        let home = &declaration.file;
        let spec = home.node_at(declaration.range.clone())?;
        let body = spec.child_by_field_name("type").filter(|ty| ty.kind() == "interface_type")?;
        let mut cursor = body.walk();
        let method = body.named_children(&mut cursor).find(|method| {
            method.child_by_field_name("name").is_some_and(|node| home.text_of(node) == name)
        })?;
        Some(literal_results(home, method))
    }

    /// The type of an expression.
    #[must_use]
    pub fn type_of(&self, file: &Arc<File>, node: Node<'_>) -> Option<Type> {
        self.type_within(file, node, MAX_DEPTH)
    }

    fn type_within(&self, file: &Arc<File>, node: Node<'_>, depth: usize) -> Option<Type> {
        let depth = depth.checked_sub(1)?;
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

/// The declaration outside functions of a variable or constant.
#[must_use]
pub fn package_binding<'t>(file: &'t File, name: &str) -> Option<Binding<'t>> {
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    root.named_children(&mut cursor)
        .filter(|node| matches!(node.kind(), "var_declaration" | "const_declaration"))
        .find_map(|node| file.declares(node, name))
}

/// The result types of a function literal or an interface's method.
fn literal_results(file: &Arc<File>, node: Node<'_>) -> Vec<Type> {
    let results =
        node.child_by_field_name("result").map(|node| super::function::read_results(node, &file.text));
    results.unwrap_or_default().into_iter().map(|result| Type::new(result.ty, file)).collect()
}

fn type_spec(file: &Arc<File>, name: &str) -> Option<TypeDecl> {
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    for declaration in root.named_children(&mut cursor).filter(|node| node.kind() == "type_declaration") {
        let mut inner = declaration.walk();
        for spec in declaration.named_children(&mut inner) {
            let (Some(found), Some(ty)) =
                (spec.child_by_field_name("name"), spec.child_by_field_name("type"))
            else {
                continue;
            };
            if file.text_of(found) == name {
                return Some(TypeDecl {
                    file: Arc::clone(file),
                    name: name.to_owned(),
                    underlying: Type::new(file.text_of(ty), file),
                    range: spec.byte_range(),
                });
            }
        }
    }
    None
}

fn read_fields(file: &Arc<File>, spec: Node<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    let Some(list) = spec
        .child_by_field_name("type")
        .filter(|ty| ty.kind() == "struct_type")
        .and_then(|ty| ty.named_child(0))
    else {
        return fields;
    };
    let mut cursor = list.walk();
    for declaration in list.named_children(&mut cursor).filter(|node| node.kind() == "field_declaration") {
        let Some(ty) = declaration.child_by_field_name("type") else { continue };
        let tagged = declaration.child_by_field_name("tag").is_some();
        let pointer = file.text_of(declaration).starts_with('*');
        let mut names = declaration.walk();
        let names: Vec<_> =
            declaration.children_by_field_name("name", &mut names).filter(Node::is_named).collect();
        if names.is_empty() {
            let text = file.text_of(ty);
            let name = text.split('[').next().unwrap_or(text).rsplit('.').next().unwrap_or(text);
            let text = if pointer { format!("*{text}") } else { text.to_owned() };
            fields.push(Field { name: name.to_owned(), ty: Type::new(text, file), embedded: true, tagged });
        }
        for name in names {
            let ty = Type::new(file.text_of(ty), file);
            fields.push(Field { name: file.text_of(name).to_owned(), ty, embedded: false, tagged });
        }
    }
    fields
}
