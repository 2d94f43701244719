//! Go source as the rest of the house sees it: parsed by tree-sitter, with an index of functions under
//! the names that a Go stack trace prints.

mod checked;
mod declaration;
mod file;
mod function;
mod library;
mod nodes;
mod resolver;
mod scope;
mod symbol;
mod types;
mod typing;
mod uses;

pub use checked::{Checked, Declared, Expression, Functions, Link, Mention};
pub use declaration::{Field, TypeDecl, package_binding};
pub use file::{File, Import};
pub use function::{Function, Param, Receiver};
pub use library::imported_name;
pub use nodes::nodes_of;
pub use resolver::{Callee, Resolver};
pub use scope::{Binding, Part, earlier, later};
pub use symbol::Symbol;
pub use types::{Shape, Type};
pub use uses::{How, Use};

/// The module path that a `go.mod` declares.
#[must_use]
pub fn module_path(go_mod: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("module")?;
        let rest = rest.starts_with([' ', '\t', '"', '`']).then(|| rest.trim())?;
        let path = rest.split("//").next().unwrap_or_default().trim().trim_matches(['"', '`']);
        (!path.is_empty()).then(|| path.to_owned())
    })
}

/// A Go source as far as its imports go.
#[must_use]
pub fn head_of(mut text: String) -> String {
    let begins = ["\nfunc ", "\ntype ", "\nvar ", "\nconst "];
    if let Some(end) = begins.iter().filter_map(|word| text.find(word)).min() {
        text.truncate(end + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::module_path;

    #[test]
    fn module_lines_in_every_spelling() {
        for text in ["module a.b/c\n", "// x\n\nmodule \"a.b/c\" // why\ngo 1.21\n", "module\ta.b/c"] {
            assert_eq!(module_path(text).as_deref(), Some("a.b/c"), "{text:?}");
        }
        assert_eq!(module_path("modules x\n"), None);
    }
}
