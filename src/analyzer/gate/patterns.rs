//! The built-in patterns: what makes a line worth parsing. A hit decides nothing, it only proposes a
//! line, so the patterns are broad where precision is dear and narrow where healthy logs are full of
//! the word. No counted repeats, and no `.*` but in lines of one form: they blow the automaton up. The
//! build script includes this file too.

/// Every built-in pattern.
pub(crate) const BUILT_IN: &[&str] = &[
    // Go: crashes, their stacks, the race detector.
    r"(?i)panic",
    r"fatal error: ",
    r"(^|[^0-9A-Za-z])runtime: ",
    r"unexpected fault address ",
    r"SIG(SEGV|BUS|FPE|ABRT|ILL|TRAP): ",
    r"goroutine [0-9]+ ",
    r"WARNING: DATA RACE",
    r"runtime error: ",
    r"[Rr]ecovered",
    // Parts of lines that the container runtime has split: any part may hold what makes it an error.
    r"^[0-9]+-[0-9TZ:.+-]+ std(out|err) P ",
    r#"^\{"log":".*[^n]","stream":""#,
    r#"^\{"log":".*([^\\]|\\\\)n","stream":""#,
    // Levels of structured records, by word or by number. The quotes may be escaped: a record within a
    // record.
    r#"(?i)(level|severity|lvl|levelname|level_name)\\?"[ \t]*:[ \t]*\\?" *(err|eror|fata|ftl|pani|pnc|crit|dpanic|alert|emerg|warn|wrn|severe)"#,
    r#"(?i)(level|severity|lvl|levelname|level_name)\\?"[ \t]*:[ \t]*(\\?")?([45][0-9]|60|[0-4](\\?")?[ \t]*[,}])"#,
    r#"(?i)(level|severity|lvl)=(\\?" *)?(err|eror|fata|ftl|pani|pnc|crit|dpanic|alert|emerg|warn|wrn|severe)"#,
    // Records without a level: an error field that holds something.
    r#"(?i)\b(error|err|exception|cause)(\.(message|msg))?"[ \t]*:[ \t]*("[^"]|[1-9t{-]|0\.|\[[^\]])"#,
    r#"(?i)\b(error|err|exception|cause)(\.(message|msg))?\\"[ \t]*:[ \t]*(\\"([^\\]|\\[^"])|[1-9t{-]|0\.|\[[^\]])"#,
    r#"(\b|[0-9]m)(error|err|exception|cause)(\.(message|msg))?=([^ 0<]|0[^ ]|<[^n])"#,
    // Levels of plain lines: in capitals, before a colon or a tab, which may be escaped, in brackets, behind
    // a colour.
    r"(\b|\\t)(ERROR|ERRO|ERR|EROR|FATAL|FATA|CRITICAL|CRIT|SEVERE|ALERT|EMERG|EMERGENCY|WARN|WARNING|FTL|PANI|PNC|WRN)\b",
    r"(?i)(\b|\\t)(error|erro|err|eror|fatal|fata|ftl|pani|pnc|critical|crit|severe|dpanic|alert|emerg|emergency|warn|warning|wrn)([+-][0-9]+)?[,|]*(:|\t|\\t)",
    r"(?i)[\[<(] *(error|erro|err|eror|fatal|fata|ftl|pani|pnc|critical|crit|severe|dpanic|alert|emerg|emergency|warn|warning|wrn)\b",
    r"[0-9]m(?i:err|eror|fat|ftl|crit|severe|alert|emerg|pani|pnc|warn|wrn)",
    r"\b[EFW][01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
    // syslog's priorities whose severity is a warning or worse.
    r"^<((|4|8|12|16)[0123489]|(1|5|9|13|17)[0126789]|(2|6|10|14|18)[045678]|(3|7|11|15)[23456])>",
    // gin's access log: the server failed.
    r"[|m] 5[0-9][0-9] (\x1b\[0m)?\|",
    // The process ended with an error: the line before may tell why.
    r"\bexit status [1-9]",
    // Plain lines that report an error without a level.
    r"(?i)(failed to|cannot|can't|could not|couldn't|unable to) ",
    r"interface conversion: |assignment to entry in nil map|close of (closed|nil) channel|send on closed channel|negative WaitGroup counter",
    r"(?i)(connection refused|connection reset by peer|connection timed out|broken pipe|no such host|i/o timeout|operation timed out|deadline exceeded|Client\.Timeout exceeded|no space left on device|disk quota exceeded|permission denied|operation not permitted|too many open files|address already in use|no such file or directory|executable file not found in \$PATH|cannot allocate memory|handshake failure|handshake timeout|does not look like a TLS handshake|failed to verify certificate|remote error: tls: |x509: |network is unreachable|no route to host|temporary failure in name resolution|name or service not known|server misbehaving|unexpected EOF)",
];
