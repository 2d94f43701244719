//! What the sources tell: the literals that steer the functions on the stack, and all others.

use tree_sitter::Node;

use super::{Key, MAX_TEXT_BYTES, METHODS, Route, Seeds, is_json};
use crate::repository::go::File;

impl Seeds {
    /// Literals of a piece of source.
    pub(super) fn read_source(&mut self, file: &File, node: Node<'_>, hot: bool, handlers: &[String]) {
        if file.is_generated() && !hot {
            return;
        }
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            match node.kind() {
                "interpreted_string_literal" | "raw_string_literal" => {
                    if !is_import(node) {
                        self.read_literal(file, node, hot, handlers);
                    }
                    continue;
                }
                "field_declaration" if hot => self.keys.extend(tagged(file, node)),
                "int_literal" => self.numbers.extend(integer(file.text_of(node))),
                _ => {}
            }
            let mut cursor = node.walk();
            let children: Vec<_> = node.named_children(&mut cursor).collect();
            stack.extend(children.into_iter().rev());
        }
    }

    fn read_literal(&mut self, file: &File, node: Node<'_>, hot: bool, handlers: &[String]) {
        let Some(text) = literal(file.text_of(node)) else { return };
        if node.parent().is_some_and(|parent| parent.kind() == "field_declaration") {
            self.tags.push(text);
            return;
        }
        if let Some(route) = route(&text) {
            if leads_to(file, node, handlers) {
                self.hot_route.push(route.clone());
            }
            self.routes.push(route);
        }
        match called(file, node) {
            Some("Get" | "Values" | "FormValue" | "PostFormValue" | "Has") if is_name(&text) => {
                self.query.push(text.clone());
                if text.starts_with(|c: char| c.is_ascii_uppercase()) {
                    self.headers.push(text.clone());
                }
            }
            // A function of the stack may ask for a parameter through a helper.
            Some(_) if hot && is_name(&text) => self.query.push(text.clone()),
            _ => {}
        }
        if is_json(&text) {
            self.json.push(text.clone());
        }
        let parent = node.parent().map_or("", |parent| parent.kind());
        if hot {
            if parent == "index_expression" {
                self.keys.push(Key { name: text.clone(), kind: String::new() });
            }
            // A text that is compared with decides where the program goes; words for people do not.
            let compared = parent == "binary_expression"
                || node
                    .parent()
                    .and_then(|list| list.parent())
                    .is_some_and(|n| n.kind() == "expression_case");
            let weight = if compared { 4 } else { usize::from(!text.contains([' ', '%'])) };
            self.hot.extend(std::iter::repeat_n(text, weight));
        } else {
            self.words.push(text);
        }
    }
}

/// Whether a route's literal is registered together with one of these functions.
fn leads_to(file: &File, literal: Node<'_>, handlers: &[String]) -> bool {
    let Some(arguments) = literal.parent().and_then(|list| file.text.get(list.byte_range())) else {
        return false;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    arguments.len() < 400
        && arguments.split(|c| !is_word(c)).any(|word| handlers.iter().any(|name| name == word))
}

/// The key of a field with a json tag.
fn tagged(file: &File, field: Node<'_>) -> Option<Key> {
    let tag = file.text_of(field.child_by_field_name("tag")?);
    let name = tag.split_once("json:\"")?.1.split(['"', ',']).next()?;
    let kind = file.text_of(field.child_by_field_name("type")?);
    (!name.is_empty() && name != "-").then(|| Key { name: name.to_owned(), kind: kind.to_owned() })
}

/// `GET /items/{id}` or `/items/` as a route table writes it.
fn route(text: &str) -> Option<Route> {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method) => (method, path.trim()),
        Some(_) => return None,
        None => ("", text),
    };
    let path = &path[path.find('/')?..];
    let sound = !path.contains(char::is_whitespace) && !path.starts_with("//") && text.len() < 200;
    let rooted = text.starts_with('/') || !method.is_empty();
    (sound && rooted).then(|| Route { method: method.to_owned(), path: path.to_owned() })
}

fn is_import(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| parent.kind() == "import_spec")
}

/// The method or function that a literal is an argument of.
fn called<'f>(file: &'f File, node: Node<'_>) -> Option<&'f str> {
    let call = node.parent()?.parent().filter(|call| call.kind() == "call_expression")?;
    let function = call.child_by_field_name("function")?;
    let name = function.child_by_field_name("field").unwrap_or(function);
    file.text.get(name.byte_range())
}

/// The value of a Go string literal.
fn literal(text: &str) -> Option<String> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    if let Some(raw) = text.strip_prefix('`') {
        return raw.strip_suffix('`').map(str::to_owned);
    }
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    // Go's escapes are JSON's but for these; a literal that uses others is left out.
    serde_json::from_str(&format!("\"{}\"", inner.replace("\\'", "'").replace('\t', "\\t"))).ok()
}

/// The value of a Go integer literal.
fn integer(text: &str) -> Option<i64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok();
        }
    }
    text.parse().ok()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    #[test]
    fn sources_tell_routes_keys_and_values() {
        let text = "package p\n\nimport \"net/http\"\n\nfunc F(m *http.ServeMux, r *http.Request) {\n\tm.HandleFunc(\"GET /items/{id}\", nil)\n\tr.URL.Query().Get(\"page\")\n\tr.Header.Get(\"X-Tenant\")\n\t_ = `{\"a\":1}`\n\t_ = 0x10\n}\n";
        let file = File::parse(RepoPath::new("p.go").unwrap(), text.to_owned());
        let mut seeds = Seeds::default();
        seeds.read_source(&file, file.tree.root_node(), true, &["F".to_owned()]);
        assert_eq!(
            seeds.routes,
            [Route { method: "GET".to_owned(), path: "/items/{id}".to_owned() }],
            "{:?}",
            seeds.routes
        );
        assert_eq!(seeds.query, ["page", "X-Tenant"]);
        assert_eq!(seeds.headers, ["X-Tenant"]);
        assert_eq!(seeds.json, ["{\"a\":1}"]);
        assert_eq!(seeds.numbers, [16]);
        assert!(!seeds.hot.contains(&"net/http".to_owned()));
    }

    #[test]
    fn literals_are_read_as_go_reads_them() {
        assert_eq!(literal("`a\\n`").as_deref(), Some("a\\n"));
        assert_eq!(literal("\"a\\n\\\"b\"").as_deref(), Some("a\n\"b"));
        assert_eq!(literal("\"a\\x00\""), None);
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("0b11"), Some(3));
        assert_eq!(integer("99999999999999999999"), None);
    }
}
