//! The code that was running, where the log names its commit or version and the repository has it: the lines of the
//! log are its lines, and are looked up in the code as it stands now.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

use crate::domain::{ErrorEvent, Frame, Location, RepoPath};
use crate::repository::go::{File, Symbol};
use crate::repository::{Repository, work_tree_of};
use crate::sandbox::{Sandbox, git};

/// The most names that git is asked for.
const MOST_NAMES: usize = 4;
/// The most frames whose lines are looked up.
const MOST_FRAMES: usize = 12;
/// The most text of files that is read.
const MOST_BYTES: u64 = 16 << 20;

/// A commit or version, named by one of the usual keys, in JSON, logfmt or plain words: a commit is hexadecimal, a
/// version has three numbers.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?i)(?:^|[^a-z0-9._-])(?:(?:service|app|vcs|git|build|image)[._-]?)?(?:commit|revision|sha|version|release|build)(?:[._-]?(?:hash|sha|id))?["']?"#,
        r#"(?:\s*[:=]\s*|\s+)["']?(v?[0-9]+\.[0-9]+\.[0-9]+[0-9a-z.+-]*|[0-9a-f]{7,40})\b"#
    ))
    .ok()
});

/// What a log says was running, the likeliest first: what the event itself names, then what was named last, since a
/// log may tell of several starts.
fn released<'t>(event: &'t ErrorEvent, log_context: &'t [String]) -> Vec<&'t str> {
    let Some(named) = NAMED.as_ref() else { return Vec::new() };
    let lines = log_context.iter().rev().map(String::as_str);
    let mut found = Vec::new();
    for text in std::iter::once(event.sample.as_str()).chain(lines) {
        for captures in named.captures_iter(text) {
            let name = captures.get_group(1).and_then(|group| text.get(group.range()));
            found.extend(name.filter(|name| !found.contains(name)));
        }
        if found.len() >= MOST_NAMES {
            break;
        }
    }
    found.truncate(MOST_NAMES);
    found
}

/// The names that git may know it by.
fn revisions(name: &str) -> Vec<String> {
    let bare = name.trim_start_matches('v').split(['+', '~']).next().unwrap_or_default();
    let bare = bare.strip_suffix("-dirty").unwrap_or(bare);
    if !bare.contains('.') {
        return vec![bare.to_owned()];
    }
    // `git describe` names the commit behind the tag: `v1.4.2-3-gabc1234`.
    let described = bare
        .rsplit_once("-g")
        .map(|(_, commit)| commit)
        .filter(|commit| commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if let Some(commit) = described {
        return vec![commit.to_owned()];
    }
    // The end of a pseudo-version is a commit: `v0.0.0-20240102150405-0123456789ab`.
    let commit =
        bare.rsplit('-').next().filter(|end| end.len() == 12 && end.bytes().all(|b| b.is_ascii_hexdigit()));
    match commit {
        Some(commit) => vec![commit.to_owned()],
        None => vec![format!("refs/tags/v{bare}"), format!("refs/tags/{bare}")],
    }
}

/// An event whose lines are those of the code as it stands, and what is to be said of it.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) event: ErrorEvent,
    pub(super) told: String,
}

/// The event as it would be in the code as it stands; none where the log names no version that the repository has, or
/// where its lines are the same.
pub(super) async fn at_present(
    sandbox: &Sandbox,
    repository: &Repository,
    event: &ErrorEvent,
    log_context: &[String],
) -> Option<Present> {
    let frames = &event.trace.as_ref()?.frames;
    let names = released(event, log_context);
    if names.is_empty() {
        return None;
    }
    let place = |frame: &Frame| Some((frame.clone(), repository.locate(frame)?));
    let placed: Vec<(Frame, Location)> = frames.iter().filter_map(place).take(MOST_FRAMES).collect();
    let mut files: Vec<&RepoPath> = placed.iter().map(|(_, location)| &location.file).collect();
    files.sort();
    files.dedup();
    let (name, old) = read_at(sandbox, repository, &names, &files).await?;
    let now = |frame: &Frame, location: &Location| {
        let then = old.iter().find(|file| file.path == location.file)?;
        line_now(then, &*repository.go_file(&location.file).ok()?, frame)
    };
    // Callers whose statements read otherwise now keep their lines.
    let lines = placed.iter().map(|(frame, location)| (frame, now(frame, location).unwrap_or(frame.line)));
    let moved: Vec<(&Frame, u32)> = lines.filter(|(frame, line)| frame.line != *line).collect();
    let (first, line) = *moved.first()?;
    let told = format!(
        "The log names version {name}, which the repository has: line {} of it is line {line} now.",
        first.line
    );
    let mut event = event.clone();
    for frame in event.trace.iter_mut().flat_map(|trace| &mut trace.frames) {
        if let Some((_, line)) = moved.iter().find(|(moved, _)| *moved == frame) {
            frame.line = *line;
        }
    }
    Some(Present { event, told })
}

/// Files as they were in the first of these versions that the repository has; none where it has none.
async fn read_at<'n>(
    sandbox: &Sandbox,
    repository: &Repository,
    names: &[&'n str],
    files: &[&RepoPath],
) -> Option<(&'n str, Vec<File>)> {
    let root = repository.root();
    let top = work_tree_of(root).filter(|top| top.join(".git").is_dir())?;
    let within = root.strip_prefix(top).ok()?.to_str()?;
    for (name, revision) in
        names.iter().flat_map(|name| revisions(name).into_iter().map(move |it| (*name, it)))
    {
        let object = |path: &&RepoPath| match within {
            "" => format!("{revision}:{path}\n"),
            within => format!("{revision}:{within}/{path}\n"),
        };
        let mut job = git::look(top, root, &["cat-file", "--batch"]);
        job.stdin = Some(files.iter().map(object).collect::<String>().into_bytes());
        job.limits.output_bytes = Some(MOST_BYTES);
        let outcome = sandbox.run(job).await.ok().filter(|outcome| !outcome.truncated)?;
        let found = blobs(&outcome.stdout, files);
        if !found.is_empty() {
            return Some((name, found));
        }
    }
    None
}

/// The answers of `git cat-file --batch`: `OBJECT blob SIZE`, the text, a line end; or `NAME missing`.
fn blobs(mut answer: &[u8], files: &[&RepoPath]) -> Vec<File> {
    let mut found = Vec::new();
    for path in files {
        let Some(end) = answer.iter().position(|byte| *byte == b'\n') else { break };
        let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
        answer = answer.get(end + 1..).unwrap_or_default();
        let mut words = head.rsplit(' ');
        let (Some(size), Some(kind)) = (words.next(), words.next()) else { continue };
        let Some(size) = size.parse::<usize>().ok() else { continue };
        let text = answer.get(..size).and_then(|text| std::str::from_utf8(text).ok());
        if let Some(text) = text.filter(|_| kind == "blob") {
            found.push(File::parse((*path).clone(), text.to_owned()));
        }
        answer = size.checked_add(1).and_then(|size| answer.get(size..)).unwrap_or_default();
    }
    found
}

/// The line on which the statement of a frame stands now: the same text in the same function, nearest to where it was
/// there. None where it does not stand there any more.
fn line_now(then: &File, now: &File, frame: &Frame) -> Option<u32> {
    let symbol = Symbol::parse(&frame.function)?;
    let (old, new) = (then.function(&symbol.function)?, now.function(&symbol.function)?);
    let line_of = |file: &'_ File, line: u32| {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        file.text.lines().nth(at).map(|text| text.trim().to_owned())
    };
    let text =
        line_of(then, frame.line).filter(|text| !text.is_empty() && old.lines.contains(&frame.line))?;
    let lines =
        now.text.lines().zip(1_u32..).filter(|(line, at)| new.lines.contains(at) && line.trim() == text);
    let inside = frame.line - old.lines.start();
    lines.map(|(_, at)| at).min_by_key(|at| (at - new.lines.start()).abs_diff(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_and_versions_are_found_under_their_usual_names() {
        let named = NAMED.as_ref().unwrap();
        let found = |text: &str| {
            let captures = named.captures_iter(text).last()?;
            Some(text[captures.get_group(1)?.range()].to_owned())
        };
        for (text, name) in [
            (r#"{"level":"INFO","msg":"gatehouse starts","version":"3.8.1"}"#, Some("3.8.1")),
            ("level=info msg=start commit=0f3b9ac1 addr=:80", Some("0f3b9ac1")),
            ("starting shop version v1.2.3-rc1 on :8080", Some("v1.2.3-rc1")),
            (
                r#""vcs.revision":"0123456789abcdef0123456789abcdef01234567""#,
                Some("0123456789abcdef0123456789abcdef01234567"),
            ),
            (
                r#"{"service.version":"v0.0.0-20240102150405-0123456789ab"}"#,
                Some("v0.0.0-20240102150405-0123456789ab"),
            ),
            ("go version go1.22.1 linux/amd64", None),
            ("TLS version 1.3", None),
            (r#"{"telemetry.sdk.version":"1.24.0","schema_version":"1.0.2"}"#, None),
            ("version: latest", None),
            ("committed 1234567 rows", None),
        ] {
            assert_eq!(found(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn git_is_asked_for_tags_and_commits() {
        assert_eq!(revisions("v1.2.3"), ["refs/tags/v1.2.3", "refs/tags/1.2.3"]);
        assert_eq!(revisions("1.2.3+build.7"), ["refs/tags/v1.2.3", "refs/tags/1.2.3"]);
        assert_eq!(revisions("0f3b9ac1"), ["0f3b9ac1"]);
        assert_eq!(revisions("v1.4.2-3-gabc1234"), ["abc1234"]);
        assert_eq!(revisions("v0.0.0-20240102150405-0123456789ab"), ["0123456789ab"]);
    }

    #[test]
    fn answers_of_git_are_read_as_far_as_they_go() {
        let (a, b) = (RepoPath::new("a.go").unwrap(), RepoPath::new("b.go").unwrap());
        let texts = |answer: &[u8]| -> Vec<String> {
            blobs(answer, &[&a, &b]).into_iter().map(|file| format!("{}={}", file.path, file.text)).collect()
        };
        assert_eq!(
            texts(b"0f3b blob 10\npackage a\n\n0f3c blob 10\npackage b\n\n"),
            ["a.go=package a\n", "b.go=package b\n"]
        );
        assert_eq!(texts(b"v1:a.go missing\n0f3c blob 10\npackage b\n\n"), ["b.go=package b\n"]);
        assert!(texts(b"0f3b blob 100000\npackage a\n").is_empty() && texts(b"").is_empty());
    }

    #[test]
    fn a_statement_is_found_where_it_has_moved_to() {
        let parse = |text: &str| File::parse(RepoPath::new("a.go").unwrap(), text.to_owned());
        let then = parse("package a\n\nfunc F(x []int) int {\n\ty := x[1]\n\ty = x[2]\n\treturn y\n}\n");
        let now = parse(
            "package a\n\n// Long.\n\nfunc G() int {\n\ty := x[1]\n}\n\nfunc F(x []int) int {\n\tlog()\n\ty := x[1]\n\treturn y\n}\n",
        );
        let frame = |line| Frame { function: "m/a.F".into(), file: "a.go".into(), line, in_app: true };
        assert_eq!(line_now(&then, &now, &frame(4)), Some(11));
        assert_eq!(line_now(&then, &now, &frame(5)), None);
        assert_eq!(line_now(&then, &now, &frame(9)), None);
    }
}
