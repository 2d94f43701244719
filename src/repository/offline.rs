//! What a scratch copy's `go.mod` must say for Go to build without a network whatever can be built so.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;

use super::modules::directives;
use super::read_capped;

/// The longest `go.mod` that is read.
const MAX_GO_MOD: u64 = 1 << 20;
/// The most modules that are looked at for what they require.
const MAX_MODULES: usize = 5_000;

/// Go's module cache. Its folders write capitals as `!` and the small letter.
#[derive(Debug)]
pub(super) struct ModuleCache(pub(super) PathBuf);

impl ModuleCache {
    /// The `go.mod` of a module in a version; none where it was not downloaded.
    fn go_mod(&self, path: &str, version: &str) -> Option<String> {
        let file = self.versions_of(path)?.join(format!("{}.mod", escaped(version)));
        (!version.contains('/')).then(|| read_capped(&file, MAX_GO_MOD).ok())?
    }

    /// Whether it knows a module in any version.
    fn knows(&self, path: &str) -> bool {
        let versions = self.versions_of(path).and_then(|folder| std::fs::read_dir(folder).ok());
        let mut files = versions.into_iter().flatten().flatten();
        files.any(|entry| entry.path().extension().is_some_and(|end| end == "mod"))
    }

    /// None for what is no path of a module: a `go.mod` may say anything.
    fn versions_of(&self, path: &str) -> Option<PathBuf> {
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.');
        path.split('/').all(is_part).then(|| self.0.join(format!("cache/download/{}/@v", escaped(path))))
    }

    /// All modules that modules of these texts require, by themselves or through others.
    fn required_by(&self, go_mods: Vec<String>) -> BTreeSet<String> {
        let mut pending = VecDeque::from(go_mods);
        let (mut seen, mut paths) = (BTreeSet::new(), BTreeSet::new());
        while let Some(go_mod) = pending.pop_front() {
            for (_, words) in directives(&go_mod, "require") {
                let [path, version, ..] = words[..] else { continue };
                paths.insert(path.to_owned());
                if seen.len() < MAX_MODULES && seen.insert((path.to_owned(), version.to_owned())) {
                    pending.extend(self.go_mod(path, version));
                }
            }
        }
        paths
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii_uppercase() {
            text.push('!');
        }
        text.push(c.to_ascii_lowercase());
        text
    })
}

/// A `go.mod` without the modules that are not on this machine, and what these are; none if all are there.
/// Packages that need none of them build all the same. One that others require in another version stays: without
/// it Go would take that one, and what is proven would be proven of other code.
pub(super) fn without_absent(
    go_mod: &str,
    cache: &ModuleCache,
    go_mod_in: impl Fn(&str) -> Option<String>,
) -> Option<(String, Vec<String>)> {
    // What stands for a module, as far as it is there.
    let mut replaced: BTreeMap<(&str, Option<&str>), Option<String>> = BTreeMap::new();
    for words in directives(go_mod, "replace").map(|(_, words)| words) {
        let Some(at) = words.iter().position(|word| *word == "=>") else { continue };
        if let (Some(old), Some(new)) = (words.first(), words.get(at + 1)) {
            let text = words.get(at + 2).map_or_else(|| go_mod_in(new), |version| cache.go_mod(new, version));
            let of_version = words.get(1).filter(|word| **word != "=>").copied();
            replaced.insert((old, of_version), text);
        }
    }
    let (mut kept, mut absent) = (Vec::new(), Vec::new());
    for (line, words) in directives(go_mod, "require") {
        let [path, version, ..] = words[..] else { continue };
        let replacement = replaced.get(&(path, Some(version))).or_else(|| replaced.get(&(path, None)));
        match replacement.cloned().unwrap_or_else(|| cache.go_mod(path, version)) {
            Some(text) => kept.push(text),
            None => absent.push((line, path.to_owned())),
        }
    }
    let others = cache.required_by(kept);
    absent.retain(|(_, path)| !(others.contains(path) && cache.knows(path)));
    let dropped: BTreeSet<usize> = absent.iter().map(|(line, _)| *line).collect();
    let lines = go_mod.lines().enumerate().filter(|(line, _)| !dropped.contains(line));
    let text = lines.fold(String::new(), |text, (_, line)| text + line + "\n");
    (!absent.is_empty()).then(|| (text, absent.into_iter().map(|(_, path)| path).collect()))
}

/// A `go.mod` and a `vendor/modules.txt` by which Go looks into `vendor` by itself, which it does for modules of
/// Go 1.14 or later, and then wants to see there what is required. None where it does so already, or where
/// replacements would have to be listed too.
pub(super) fn vendored_as_today(go_mod: &str, list: &str, language: (u32, u32)) -> Option<(String, String)> {
    if language >= (1, 14) || directives(go_mod, "replace").next().is_some() {
        return None;
    }
    let is_language = |line: &&str| line.split_whitespace().next() == Some("go");
    let others = go_mod.lines().filter(|line| !is_language(line));
    let mut text = others.fold(String::new(), |text, line| text + line + "\n");
    text.push_str("\ngo 1.14\n");
    let mut required: BTreeSet<String> = directives(go_mod, "require")
        .filter_map(|(_, words)| Some(format!("# {} {}", words.first()?, words.get(1)?)))
        .collect();
    let mut listed = String::new();
    for line in list.lines().filter(|line| *line != "## explicit") {
        // Writing into a text cannot fail.
        writeln!(listed, "{line}").ok();
        if required.remove(line.trim_end()) {
            listed.push_str("## explicit\n");
        }
    }
    // Those of which nothing is needed.
    required.iter().for_each(|line| listed.extend([line.as_str(), "\n## explicit\n"]));
    Some((text, listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache of these modules, each with what it requires.
    fn cache(modules: &[(&str, &str, &str)]) -> (tempfile::TempDir, ModuleCache) {
        let folder = tempfile::tempdir().unwrap();
        for (path, version, requires) in modules {
            let versions = folder.path().join("cache/download").join(escaped(path)).join("@v");
            std::fs::create_dir_all(&versions).unwrap();
            std::fs::write(versions.join(format!("{version}.mod")), format!("module {path}\n{requires}\n"))
                .unwrap();
        }
        let cache = ModuleCache(folder.path().to_owned());
        (folder, cache)
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let go_mod = "module m\n\ngo 1.17\n\nrequire a.b/C v1.2.3 // indirect\n\nrequire (\n\tx.y/here v1.0.0\n\t// Why.\n\tx.y/gone v1.0.0\n\tx.y/local v0.0.0\n\tx.y/lost v0.0.0\n)\n\nreplace x.y/local => ./local\nreplace x.y/lost v0.0.0 => ../lost\n";
        let (_folder, only_here) = cache(&[("x.y/here", "v1.0.0", "")]);
        let (text, absent) =
            without_absent(go_mod, &only_here, |folder| (folder == "./local").then(String::new)).unwrap();
        assert_eq!(absent, ["a.b/C", "x.y/gone", "x.y/lost"]);
        assert!(
            text.contains("x.y/here v1.0.0")
                && text.contains("x.y/local v0.0.0\n")
                && text.contains("// Why.")
        );
        assert!(
            !text.contains("x.y/gone") && !text.contains("a.b/C") && !text.contains("x.y/lost v0.0.0\n)")
        );
        let (_folder, all) =
            cache(&[("x.y/here", "v1.0.0", ""), ("a.b/C", "v1.2.3", ""), ("x.y/gone", "v1.0.0", "")]);
        assert_eq!(without_absent(go_mod, &all, |_| Some(String::new())), None);
        assert_eq!(without_absent("module m\n", &all, |_| None), None);
    }

    #[test]
    fn no_other_version_comes_in_through_another_module() {
        let go_mod = "module m\n\nrequire (\n\tx.y/here v1.0.0\n\tx.y/far v1.5.0\n\tx.y/lone v1.5.0\n)\n";
        let (_folder, cache) = cache(&[
            ("x.y/here", "v1.0.0", "require x.y/near v1.0.0"),
            ("x.y/near", "v1.0.0", "require x.y/far v1.0.0"),
            ("x.y/far", "v1.0.0", ""),
            ("x.y/lone", "v1.0.0", ""),
        ]);
        let (text, absent) = without_absent(go_mod, &cache, |_| None).unwrap();
        assert_eq!(absent, ["x.y/lone"]);
        assert!(text.contains("x.y/far v1.5.0"), "{text}");
        // What stands for a module brings its own.
        let fork =
            "module m\n\nrequire x.y/lib v1.0.0\nrequire x.y/lone v1.5.0\n\nreplace x.y/lib => ./lib\n";
        let lib = |_: &str| Some("module x.y/lib\n\nrequire x.y/lone v1.0.0\n".to_owned());
        assert_eq!(without_absent(fork, &cache, lib), None);
    }

    #[test]
    fn a_go_mod_leads_nowhere_else() {
        let (folder, cache) = cache(&[("x.y/here", "v1.0.0", "")]);
        std::fs::write(folder.path().join("big.mod"), "module m\n").unwrap();
        let absolute = folder.path().join("big").display().to_string();
        for (path, version) in
            [("x.y/here", absolute.as_str()), ("../../../x.y", "v1.0.0"), ("/etc", "v1"), ("", "")]
        {
            assert_eq!(cache.go_mod(path, version), None, "{path} {version}");
        }
        assert!(!cache.knows("../x") && cache.knows("x.y/here"));
    }

    #[test]
    fn what_was_vendored_long_ago_is_still_found() {
        let go_mod = "module m\n\ngo 1.13\n\nrequire (\n\ta.b/c v1.2.0\n\ta.b/d v0.1.0 // indirect\n)\n";
        let list = "# a.b/c v1.2.0\na.b/c\na.b/c/sub\n# a.b/e v1.0.0\na.b/e\n";
        let (text, listed) = vendored_as_today(go_mod, list, (1, 13)).unwrap();
        assert!(
            text.ends_with("\ngo 1.14\n") && !text.contains("1.13") && text.contains("a.b/d v0.1.0"),
            "{text}"
        );
        assert_eq!(
            listed,
            "# a.b/c v1.2.0\n## explicit\na.b/c\na.b/c/sub\n# a.b/e v1.0.0\na.b/e\n# a.b/d v0.1.0\n## explicit\n"
        );
        assert_eq!(vendored_as_today(go_mod, list, (1, 14)), None);
        assert_eq!(vendored_as_today(&format!("{go_mod}replace a.b/c => ./c\n"), list, (1, 13)), None);
    }
}
