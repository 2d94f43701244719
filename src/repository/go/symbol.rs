//! The names of functions in stack traces.

/// A function name of a stack trace, taken apart: `example.com/a/b.(*T[...]).M.func1` is package
/// `example.com/a/b` and function `(*T).M`, inside which the closure stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The package's import path, or `main`.
    pub package: String,
    /// The declared function or method, as an index lists it: `F`, `T.M`, `(*T).M`.
    pub function: String,
    /// What follows: `.func1.2`; empty for the function itself.
    pub closure: String,
}

impl Symbol {
    /// Takes a printed name apart; none for what is not `package.function`.
    #[must_use]
    pub fn parse(printed: &str) -> Option<Self> {
        let plain = without_type_arguments(printed);
        let slash = plain.rfind('/').map_or(0, |at| at + 1);
        let dot = slash + plain[slash..].find('.')?;
        let (package, rest) = (&plain[..dot], &plain[dot + 1..]);
        let rest = rest.strip_suffix("-fm").unwrap_or(rest);
        let declared = declared_length(rest);
        let (function, closure) = rest.split_at(declared);
        (!package.is_empty() && !function.is_empty()).then(|| Self {
            package: package.to_owned(),
            function: function.to_owned(),
            closure: closure.to_owned(),
        })
    }

    /// The name within its package, closures included: `(*T).M.func1`.
    #[must_use]
    pub fn local(&self) -> String {
        format!("{}{}", self.function, self.closure)
    }

    /// The declared function of a name within a package: `(*T).M.func1.2` stands in `(*T).M`.
    #[must_use]
    pub fn declared(local: &str) -> &str {
        &local[..declared_length(local)]
    }
}

/// How much of `rest` names a declared function: `F`, `T.M` or `(*T).M`; the rest is closures.
fn declared_length(rest: &str) -> usize {
    let receiver = if rest.starts_with("(*") { rest.find(')').map_or(rest.len(), |at| at + 1) } else { 0 };
    let after = |from: usize| {
        rest.get(from..).and_then(|tail| tail.find(['.', '-'])).map_or(rest.len(), |at| from + at)
    };
    let first = after(receiver + usize::from(receiver > 0));
    if receiver > 0 {
        return first;
    }
    // `T.M` and `F.func1` look alike: closures have names the compiler makes.
    let next = rest.get(first + 1..).filter(|_| rest[first..].starts_with('.'));
    match next.map(|tail| tail.split(['.', '-']).next().unwrap_or_default()) {
        Some(name) if !is_closure(name) => first + 1 + name.len(),
        _ => first,
    }
}

fn is_closure(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    name.is_empty() || numbered("") || ["func", "gowrap", "deferwrap"].into_iter().any(numbered)
}

/// `Map[...]` and `Map[go.shape.int]` become `Map`.
fn without_type_arguments(printed: &str) -> String {
    let (mut plain, mut depth) = (String::with_capacity(printed.len()), 0_usize);
    for c in printed.chars() {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::Symbol;

    #[test]
    fn every_form_comes_apart() {
        for (printed, package, function, closure) in [
            ("main.main", "main", "main", ""),
            ("main.main.func1", "main", "main", ".func1"),
            ("a.com/x.y/p.F", "a.com/x.y/p", "F", ""),
            ("a.com/p.(*T).M", "a.com/p", "(*T).M", ""),
            ("a.com/p.(*T[...]).M.func1.2", "a.com/p", "(*T).M", ".func1.2"),
            ("a.com/p.T.M", "a.com/p", "T.M", ""),
            ("a.com/p.T.M-fm", "a.com/p", "T.M", ""),
            ("a.com/p.Map[go.shape.int,a/b.T]", "a.com/p", "Map", ""),
            ("p.init.0.func1", "p", "init", ".0.func1"),
            ("p.F.gowrap1", "p", "F", ".gowrap1"),
            ("p.F-range1", "p", "F", "-range1"),
            ("p.glob..func1", "p", "glob", "..func1"),
        ] {
            let symbol = Symbol::parse(printed).unwrap();
            assert_eq!(
                (symbol.package.as_str(), symbol.function.as_str(), symbol.closure.as_str()),
                (package, function, closure),
                "{printed}"
            );
            assert_eq!(Symbol::declared(&symbol.local()), function, "{printed}");
        }
        for bad in ["", "main", ".x", "]", "a.", "é"] {
            assert_eq!(Symbol::parse(bad), None, "{bad:?}");
        }
        for odd in ["", ".", "(*", "(*)", "(*T)", "é.", "(*é)é", "-", "F..", "(x"] {
            assert!(odd.starts_with(Symbol::declared(odd)), "{odd:?}");
        }
    }
}
