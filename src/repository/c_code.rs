//! Whether a repository holds C code that the Go tool would compile.

use super::Repository;
use crate::domain::RepoPath;

impl Repository {
    /// A file that holds C code or asks for it, by an import of `C` or its name. Every Go file is read for it.
    #[must_use]
    pub fn file_with_c_code(&self) -> Option<&RepoPath> {
        self.files().iter().find(|path| {
            let name = path.file_name();
            name.ends_with(".swig")
                || name.ends_with(".swigcxx")
                || name.ends_with(".go") && self.read(path).is_ok_and(|text| asks_for_c(&text))
        })
    }
}

/// Whether a source imports `C`, in any of the ways to write it.
fn asks_for_c(text: &str) -> bool {
    let imports = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    imports.filter(|line| line.contains("\"C\"") || line.contains("`C`")).any(|line| {
        let rest = line.strip_prefix("import").unwrap_or(line);
        rest.split(['(', ')', ';', ' ', '\t']).all(|part| matches!(part, "" | "\"C\"" | "`C`" | "import"))
    })
}

#[cfg(test)]
mod tests {
    use super::asks_for_c;

    #[test]
    fn imports_of_c_are_seen_however_they_are_written() {
        for text in [
            "package a\n\nimport \"C\"\n",
            "import (\n\t\"C\"\n)\n",
            "import(\"C\")",
            "import `C` // why",
            "package a; import \"C\"".strip_prefix("package a; ").unwrap(),
        ] {
            assert!(asks_for_c(text), "{text:?}");
        }
        for text in ["unit := \"C\"", "import \"fmt\"", "switch x {\ncase \"C\":\n}", "return \"C\""] {
            assert!(!asks_for_c(text), "{text:?}");
        }
    }
}
