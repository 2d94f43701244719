//! Stack traces of other languages in a log. They are no events yet: they are counted, so that nobody takes a log
//! that holds them for one without errors.

use std::collections::BTreeMap;

use regex_automata::meta::{BuildError, Regex};

use crate::domain::Language;

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// A stack begins.
    Begins(Language),
    /// A call on a stack, which begins with the first of them.
    Call(Language),
    /// The stack that follows is of the same error.
    GoesOn(Language),
}

macro_rules! java_call {
    () => {
        r"at [\w.$/@-]+\.[\w$<>]+\((?:[\w$-]+\.(?:java|kt|scala|groovy)(?::[0-9]+)?|Native Method|Unknown Source)\)"
    };
}

/// By which pattern each is known. A stack may stand in a record of one line, its line breaks and tabs escaped.
const SIGNS: [(Sign, &str); 6] = [
    (Sign::Begins(Language::Python), r"Traceback \(most recent call last\):"),
    (
        Sign::GoesOn(Language::Python),
        "During handling of the above exception, another|The above exception was the direct cause of",
    ),
    (Sign::Call(Language::Java), concat!(r#"(?-u)(?:^\{"log":"\\t|\b)"#, java_call!())),
    (Sign::Begins(Language::Java), concat!(r"(?-u)\\t", java_call!())),
    (Sign::GoesOn(Language::Java), r"(?-u)\b(?:Caused by|Suppressed): "),
    (
        Sign::Call(Language::Node),
        r"(?-u)\bat [ -~]*[( ]?(?:[!-'*-~]*\.[cm]?[jt]sx?|node:[\w/]+):[0-9]+:[0-9]+\)?\s*$",
    ),
];

/// Counts them, line by line.
pub(super) struct Foreign {
    signs: Regex,
    counts: BTreeMap<Language, u64>,
    /// The last sign, where a stack or call of its language is of an error that is counted already.
    within: Option<Sign>,
}

impl Foreign {
    pub(super) fn new() -> Result<Self, Box<BuildError>> {
        let signs = Regex::new_many(&SIGNS.map(|(_, pattern)| pattern))?;
        Ok(Self { signs, counts: BTreeMap::new(), within: None })
    }

    /// Takes the next line of a log.
    pub(super) fn read(&mut self, line: &[u8]) {
        let found = self.signs.find(line).and_then(|found| SIGNS.get(found.pattern().as_usize()));
        let sign = found.map(|(sign, _)| *sign);
        match sign {
            Some(Sign::Begins(language) | Sign::Call(language)) => {
                let counted = matches!(
                    self.within,
                    Some(Sign::Call(last) | Sign::GoesOn(last)) if last == language
                );
                if !counted {
                    *self.counts.entry(language).or_default() += 1;
                }
                self.within = sign.filter(|sign| matches!(sign, Sign::Call(_)));
            }
            Some(Sign::GoesOn(language)) => {
                self.within = sign.filter(|_| self.counts.contains_key(&language));
            }
            // What is said of the next stack may take lines.
            None if matches!(self.within, Some(Sign::GoesOn(_))) => {}
            None => self.within = None,
        }
    }

    /// How many errors of which languages were seen.
    pub(super) fn counted(self) -> BTreeMap<Language, u64> {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(log: &str) -> Vec<(Language, u64)> {
        let mut foreign = Foreign::new().unwrap();
        log.lines().for_each(|line| foreign.read(line.as_bytes()));
        foreign.counted().into_iter().collect()
    }

    #[test]
    fn an_error_counts_once_however_many_stacks_it_has() {
        let python =
            "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\nKeyError: 'x'\n";
        let chained = format!(
            "{python}\nDuring handling of the above exception, another exception occurred:\n\n{python}"
        );
        assert_eq!(counted(python), [(Language::Python, 1)]);
        assert_eq!(counted(&chained), [(Language::Python, 1)]);
        assert_eq!(counted(&[python, python].concat()), [(Language::Python, 2)]);
        let json = r#"{"level":"info","exc_info":"Traceback (most recent call last):\n  File \"a.py\""}"#;
        assert_eq!(counted(json), [(Language::Python, 1)]);
        let java = "Exception in thread \"main\" java.lang.IllegalStateException: boom\n\
                    \tat com.acme.Shop.main(Shop.java:12)\n\
                    \tat java.base/java.lang.Thread.run(Thread.java:840)\n\
                    Caused by: java.lang.NullPointerException\n\
                    \tat com.acme.Shop.lambda$z$0(Shop.java:13)\n\t... 2 more\n";
        assert_eq!(counted(java), [(Language::Java, 1)]);
        assert_eq!(counted(&[java, java].concat()), [(Language::Java, 2)]);
        let escaped = r#"{"msg":"failed","stack_trace":"boom\n\tat com.acme.Shop.main(Shop.java:12)\n\tat a.B.c(B.java:1)"}"#;
        assert_eq!(counted(&format!("{escaped}\n{escaped}\n")), [(Language::Java, 2)]);
        let docker = r#"{"log":"\tat com.acme.Shop.main(Shop.java:12)\n","stream":"stderr"}"#;
        assert_eq!(counted(&format!("{docker}\n{docker}\n")), [(Language::Java, 1)]);
        let node = "TypeError: Cannot read properties of undefined (reading 'x')\n\
                    \x20   at pay (/srv/app/pay.js:3:11)\n\
                    \x20   at Module._compile (node:internal/modules/cjs/loader:1105:14)\n\
                    \x20   at file:///srv/app/index.mjs:7:1\n\nNode.js v18\n";
        assert_eq!(counted(&[node, python].concat()), [(Language::Python, 1), (Language::Node, 1)]);
    }

    #[test]
    fn what_go_prints_is_of_no_other_language() {
        let go = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/d/main.go:4 +0x31\nexit status 2\n\
                  {\"level\":\"error\",\"msg\":\"at 10:00:01 lookup (shop.go:3) failed\"}\nCaused by: nothing\n";
        assert_eq!(counted(go), []);
    }
}
