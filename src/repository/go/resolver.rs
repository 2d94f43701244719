//! What names and expressions mean: the types of locals, fields and results, the functions that calls
//! reach, in this package and in the others of the repository.
//!
//! Of packages that the type checker told about ([`Checked`](super::Checked)) the types are known. Of others,
//! and of functions and declarations, as far as syntax tells: that knows no type inference for generics and of the
//! standard library only a short table, so every answer is optional: whoever asks must have a way to go on without.

use std::sync::Arc;

use tree_sitter::Node;

use super::declaration::{Field, TypeDecl, read_fields, type_spec};
use super::types::{Shape, Type};
use super::{File, Function};
use crate::repository::Repository;

/// How many declarations a look-up follows: named types may be declared in a circle by broken code.
pub(super) const MAX_DEPTH: usize = 12;

/// How many files are searched for the users of an exported name.
const MAX_USERS: usize = 2000;

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
    pub(super) repository: &'r Repository,
}

impl<'r> Resolver<'r> {
    /// A resolver for a repository.
    #[must_use]
    pub const fn new(repository: &'r Repository) -> Self {
        Self { repository }
    }

    /// The version of the language that a file is written in, as its module tells.
    #[must_use]
    pub fn language(&self, file: &File) -> Option<(u32, u32)> {
        self.repository.module_of(&file.path).map(|module| module.language)
    }

    /// The files of a file's package, tests left out.
    #[must_use]
    pub fn package_of(&self, file: &File) -> Vec<Arc<File>> {
        self.folder(file.path.folder())
            .into_iter()
            .filter(|other| other.package == file.package || file.is_test())
            .collect()
    }

    pub(super) fn folder(&self, folder: &str) -> Vec<Arc<File>> {
        self.repository.go_files_in(folder).into_iter().filter(|file| !file.is_test()).collect()
    }

    /// The files that can name what a file declares: its package with its tests and, when others can
    /// name it too, the files that import the package. None when there are too many to look at.
    #[must_use]
    pub fn users_of(&self, file: &File, exported: bool) -> Option<Vec<Arc<File>>> {
        let folder = file.path.folder();
        let mut users = self.repository.go_files_in(folder);
        if !exported {
            return Some(users);
        }
        let sources = || self.repository.files().iter().filter(|path| path.as_str().ends_with(".go"));
        if sources().count() > MAX_USERS {
            return None;
        }
        for path in sources().filter(|path| path.folder() != folder) {
            let Ok(other) = self.repository.go_file(path) else { continue };
            let imports = |path: &str| self.repository.folder_of_package(path).as_deref() == Some(folder);
            if other.imports.iter().any(|import| imports(&import.path)) {
                users.push(other);
            }
        }
        Some(users)
    }

    /// The Go files of the repository, tests left out, up to a limit.
    #[must_use]
    pub fn sources(&self, limit: usize) -> Vec<Arc<File>> {
        let paths = self.repository.files().iter().filter(|path| {
            let name = path.file_name();
            name.ends_with(".go") && !name.ends_with("_test.go")
        });
        paths.take(limit).filter_map(|path| self.repository.go_file(path).ok()).collect()
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

    /// Whether an expression is the name of an imported package.
    #[must_use]
    pub fn is_package(&self, file: &File, node: Node<'_>) -> bool {
        let name = file.text_of(node);
        node.kind() == "identifier"
            && file.imports.iter().any(|import| import.identifier() == name)
            && file.binding(node, name).is_none()
    }

    /// What the type checker told about an expression.
    pub(super) fn checked_results(&self, file: &Arc<File>, node: Node<'_>) -> Option<Vec<Type>> {
        let checked = self.repository.checked_of(file)?;
        let results = checked.results(&node.byte_range())?;
        Some(results.iter().map(|text| Type::new(&**text, file)).collect())
    }

    /// Whether an access this far behind nil may have followed an expression; none where the type checker told
    /// nothing about it.
    #[must_use]
    pub fn reaches(&self, file: &Arc<File>, node: Node<'_>, address: u64) -> Option<bool> {
        let checked = self.repository.checked_of(file)?;
        let mut links = checked.links(node.byte_range()).peekable();
        links.peek()?;
        Some(links.any(|link| link.reach.contains(&address)))
    }

    /// The types of a call's results.
    #[must_use]
    pub fn results(&self, file: &Arc<File>, call: Node<'_>) -> Option<Vec<Type>> {
        if let Some(known) = self.checked_results(file, call) {
            return Some(known);
        }
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
}

/// The result types of a function literal or an interface's method.
fn literal_results(file: &Arc<File>, node: Node<'_>) -> Vec<Type> {
    let results =
        node.child_by_field_name("result").map(|node| super::function::read_results(node, &file.text));
    results.unwrap_or_default().into_iter().map(|result| Type::new(result.ty, file)).collect()
}

#[cfg(test)]
mod tests {
    use super::Resolver;
    use crate::domain::RepoPath;
    use crate::repository::Repository;

    #[test]
    fn types_are_followed_through_declarations() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("go.mod", "module a.b/m\n");
        write(
            "p/p.go",
            "package p\n\ntype Base struct{ ID int64 }\n\ntype T struct {\n\tBase\n\tNames map[string][]string\n\tNext *T\n}\n\nfunc New() (*T, error) { return nil, nil }\n\nfunc (t *T) First(k string) (string, bool) { return \"\", false }\n",
        );
        let body = "package q\n\nimport \"a.b/m/p\"\n\nfunc F(ids []int) {\n\tt, err := p.New()\n\tname, ok := t.First(\"x\")\n\tfor i, id := range ids {\n\t\tuse(t, err, name, ok, i, id, t.Next.Names, t.Names[\"k\"][0], t.ID, len(ids), -id*2, ids[1:])\n\t}\n}\n";
        write("q/q.go", body);
        let repository = Repository::open(folder.path()).unwrap();
        let file = repository.go_file(&RepoPath::new("q/q.go").unwrap()).unwrap();
        let resolver = Resolver::new(&repository);
        let list = body.find("(t, err").unwrap();
        let list = file.node_at(list..list + 1).unwrap();
        let mut cursor = list.walk();
        let types: Vec<_> = list
            .named_children(&mut cursor)
            .map(|node| resolver.type_of(&file, node).map_or("?".to_owned(), |ty| ty.text))
            .collect();
        assert_eq!(
            types,
            [
                "*T",
                "error",
                "string",
                "bool",
                "int",
                "int",
                "map[string][]string",
                "string",
                "int64",
                "int",
                "int",
                "[]int"
            ]
        );
    }
}
