//! What a file declares outside functions, besides functions: types with their fields, variables and
//! constants.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::File;
use super::scope::Binding;
use super::types::Type;

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

/// The declaration outside functions of a variable or constant.
#[must_use]
pub fn package_binding<'t>(file: &'t File, name: &str) -> Option<Binding<'t>> {
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    root.named_children(&mut cursor)
        .filter(|node| matches!(node.kind(), "var_declaration" | "const_declaration"))
        .find_map(|node| file.declares(node, name))
}

/// The declaration of a type by its name.
pub(super) fn type_spec(file: &Arc<File>, name: &str) -> Option<TypeDecl> {
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

/// The fields that a `type_spec` of a struct lists.
pub(super) fn read_fields(file: &Arc<File>, spec: Node<'_>) -> Vec<Field> {
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
