//! The built-in patterns: what makes a line worth parsing. A hit decides nothing, it only proposes a
//! line, so the patterns are broad where precision is dear and narrow where healthy logs are full of
//! the word. No counted repeats: they blow the automaton up. The build script includes this file too.

/// Every built-in pattern.
pub(crate) const BUILT_IN: &[&str] = &[
    // Go: crashes, their stacks, the race detector.
    r"panic",
    r"PANIC",
    r"fatal error: ",
    r"^(.*[^0-9A-Za-z])?runtime: ",
    r"unexpected fault address ",
    r"SIG(SEGV|BUS|FPE|ABRT|ILL|TRAP): ",
    r"goroutine [0-9]+ .*\[",
    r"WARNING: DATA RACE",
    r"runtime error: ",
    r"[Rr]ecovered",
    // Parts of lines that the container runtime has split: any part may hold what makes it an error.
    r"^[0-9]+-[0-9TZ:.+-]+ std(out|err) P ",
    r#"^\{"log":".*[^n]","stream":""#,
    r#"^\{"log":".*([^\\]|\\\\)n","stream":""#,
    // Levels of structured records. The quotes may be escaped: a record within a record.
    r#"(?i)(level|severity|lvl|levelname|loglevel|level_name)\\?"[ \t]*:[ \t]*\\?"?(err|fatal|crit|dpanic|alert|emerg|warn|severe|[4-6]0)"#,
    r#"(?i)(level|severity|lvl)=\\?"?(err|fatal|crit|dpanic|alert|emerg|warn)"#,
    // Records without a level: an error field that holds something.
    r#"\b(error|err)\\?"[ \t]*:[ \t]*(\\?"[^"\\]|\{)"#,
    r#"\b(error|err)=[^ 0<]"#,
    // Levels of plain lines.
    r"\b(ERROR|ERRO|ERR|FATAL|FATA|CRITICAL|CRIT|SEVERE|ALERT|EMERG|EMERGENCY|WARN|WARNING|FTL|PNC|WRN)\b",
    // Behind a colour.
    r"[0-9]m(ERR|FAT|FTL|CRIT|PANI|PNC|WARN|WRN)",
    r"\[(error|fatal|crit|critical|alert|emerg|warn|warning|err|Error|Fatal)\]",
    r"\t(error|fatal|warn|dpanic)\t",
    r"\b[EFW][01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
    // syslog's priorities whose severity is a warning or worse.
    r"^<((|4|8|12|16)[0123489]|(1|5|9|13|17)[0126789]|(2|6|10|14|18)[045678]|(3|7|11|15)[23456])>",
    // gin's access log: the server failed.
    r"[|m] 5[0-9][0-9] (\x1b\[0m)?\|",
    // The process ended with an error: the line before may tell why.
    r"\bexit status [1-9]",
    // Plain lines that report an error without a level.
    r"\b[Ee]rror:",
    r"\b[Ff]atal:",
    r"\b([Ff]ailed to|[Cc]annot|[Cc]an't|[Cc]ould not|[Cc]ouldn't|[Uu]nable to) ",
    r"(connection refused|connection reset by peer|broken pipe|no such host|i/o timeout|deadline exceeded|no space left on device|disk quota exceeded|permission denied|operation not permitted|too many open files|address already in use|no such file or directory|cannot allocate memory|handshake failure|x509: |network is unreachable|no route to host|Temporary failure in name resolution|unexpected EOF)",
];
