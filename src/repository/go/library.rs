//! What common functions of the standard library return, for the questions that repair asks: is the
//! last result an error, is the result an index that may be -1, can it be empty.

use tree_sitter::Node;

use super::File;

/// Import path and function, and the types of its results.
const RESULTS: &[(&str, &str, &[&str])] = &[
    ("bytes", "Index", &["int"]),
    ("bytes", "IndexByte", &["int"]),
    ("bytes", "LastIndex", &["int"]),
    ("bytes", "Split", &["[][]byte"]),
    ("fmt", "Errorf", &["error"]),
    ("fmt", "Sprint", &["string"]),
    ("fmt", "Sprintf", &["string"]),
    ("errors", "New", &["error"]),
    ("encoding/json", "Marshal", &["[]byte", "error"]),
    ("encoding/json", "Unmarshal", &["error"]),
    ("io", "ReadAll", &["[]byte", "error"]),
    ("net/http", "Get", &["*http.Response", "error"]),
    ("net/http", "NewRequest", &["*http.Request", "error"]),
    ("net/url", "Parse", &["*url.URL", "error"]),
    ("os", "Create", &["*os.File", "error"]),
    ("os", "Getenv", &["string"]),
    ("os", "LookupEnv", &["string", "bool"]),
    ("os", "Open", &["*os.File", "error"]),
    ("os", "ReadFile", &["[]byte", "error"]),
    ("os", "Stat", &["os.FileInfo", "error"]),
    ("regexp", "Compile", &["*regexp.Regexp", "error"]),
    ("regexp", "MustCompile", &["*regexp.Regexp"]),
    ("sort", "Search", &["int"]),
    ("strconv", "Atoi", &["int", "error"]),
    ("strconv", "Itoa", &["string"]),
    ("strconv", "ParseBool", &["bool", "error"]),
    ("strconv", "ParseFloat", &["float64", "error"]),
    ("strconv", "ParseInt", &["int64", "error"]),
    ("strconv", "ParseUint", &["uint64", "error"]),
    ("strings", "Cut", &["string", "string", "bool"]),
    ("strings", "Fields", &["[]string"]),
    ("strings", "Index", &["int"]),
    ("strings", "IndexAny", &["int"]),
    ("strings", "IndexByte", &["int"]),
    ("strings", "IndexFunc", &["int"]),
    ("strings", "IndexRune", &["int"]),
    ("strings", "Join", &["string"]),
    ("strings", "LastIndex", &["int"]),
    ("strings", "LastIndexByte", &["int"]),
    ("strings", "Repeat", &["string"]),
    ("strings", "ReplaceAll", &["string"]),
    ("strings", "Split", &["[]string"]),
    ("strings", "SplitN", &["[]string"]),
    ("strings", "ToLower", &["string"]),
    ("strings", "ToUpper", &["string"]),
    ("strings", "Trim", &["string"]),
    ("strings", "TrimPrefix", &["string"]),
    ("strings", "TrimSpace", &["string"]),
    ("strings", "TrimSuffix", &["string"]),
    ("time", "LoadLocation", &["*time.Location", "error"]),
    ("time", "Now", &["time.Time"]),
    ("time", "Parse", &["time.Time", "error"]),
    ("time", "ParseDuration", &["time.Duration", "error"]),
    ("time", "Since", &["time.Duration"]),
];

/// Methods whose name and number of arguments tell what they return: those of `binary.ByteOrder`, `io.ByteReader`
/// and `io.RuneReader`.
const METHODS: &[(&str, usize, &[&str])] = &[
    ("Uint16", 1, &["uint16"]),
    ("Uint32", 1, &["uint32"]),
    ("Uint64", 1, &["uint64"]),
    ("ReadByte", 0, &["byte", "error"]),
    ("ReadRune", 0, &["rune", "int", "error"]),
];

/// The import path and the name of a package's function that is called; none for a method.
#[must_use]
pub fn imported_name<'f>(file: &'f File, function: Node<'_>) -> Option<(&'f str, &'f str)> {
    let operand = function.child_by_field_name("operand")?;
    let name = file.text_of(function.child_by_field_name("field")?);
    let package = file.text_of(operand);
    let import = file.imports.iter().find(|import| import.identifier() == package)?;
    (operand.kind() == "identifier" && file.binding(operand, package).is_none())
        .then_some((import.path.as_str(), name))
}

/// The results of a function or method of the standard library, as far as the tables know it.
pub(super) fn results(file: &File, function: Node<'_>) -> Option<&'static [&'static str]> {
    if let Some((path, name)) = imported_name(file, function) {
        return RESULTS.iter().find(|(p, n, _)| *p == path && *n == name).map(|(_, _, results)| *results);
    }
    let name = file.text_of(function.child_by_field_name("field")?);
    let arguments = function.parent()?.child_by_field_name("arguments")?.named_child_count();
    METHODS
        .iter()
        .find(|(method, count, _)| *method == name && *count == arguments)
        .map(|(.., results)| *results)
}
