//! What a log is made of, judged by how it begins: text, gzip, or something that holds no lines to read.

use std::fmt;

/// How a gzip file begins: its magic number, and the one method of compression there is.
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Why a log may hold nothing that can be read as lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is compressed in a way that is not read here.
    Compressed {
        /// What it is called.
        name: &'static str,
        /// The program that prints its text.
        by: &'static str,
    },
    /// It is text of two bytes a character.
    Utf16 {
        /// The name of the encoding, as `iconv` has it.
        name: &'static str,
    },
    /// It holds NUL bytes, which no text does.
    Binary,
}

/// How compressed files begin.
const COMPRESSED: [(&[u8], &str, &str); 5] = [
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstdcat"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz", "xzcat"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4", "lz4cat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"PK\x03\x04", "zip", "unzip -p"),
];

/// Whether it begins as gzip does.
pub(super) fn is_gzip(beginning: &[u8]) -> bool {
    beginning.starts_with(&GZIP)
}

/// Whether more bytes must be seen to tell gzip from something else.
pub(super) fn may_become_gzip(beginning: &[u8]) -> bool {
    beginning.len() < GZIP.len() && GZIP.starts_with(beginning)
}

impl Doubt {
    /// The doubt that the first bytes of a log raise, if any.
    #[must_use]
    pub fn about(beginning: &[u8]) -> Option<Self> {
        let compressed = COMPRESSED.into_iter().find(|(magic, ..)| beginning.starts_with(magic));
        if let Some((_, name, by)) = compressed {
            return Some(Self::Compressed { name, by });
        }
        match beginning {
            [0xff, 0xfe, ..] => return Some(Self::Utf16 { name: "UTF-16LE" }),
            [0xfe, 0xff, ..] => return Some(Self::Utf16 { name: "UTF-16BE" }),
            _ => {}
        }
        memchr::memchr(0, beginning).map(|_| Self::Binary)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed { name, by } => {
                write!(f, "looks like {name}, which is not read; pipe it in: {by} FILE | hephaestus … -")
            }
            Self::Utf16 { name } => write!(
                f,
                "looks like {name}, which is not read; pipe it in: iconv -f {name} -t UTF-8 FILE | hephaestus … -"
            ),
            Self::Binary => f.write_str(
                "looks binary (it holds NUL bytes), so errors in it may be missed; give the text of the log",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_name_what_it_is_and_what_to_do() {
        let said = |beginning: &[u8]| Doubt::about(beginning).map(|doubt| doubt.to_string());
        assert!(said(b"\x28\xb5\x2f\xfd\x04").unwrap().contains("zstdcat FILE |"));
        assert!(said(b"\xfd7zXZ\0\0").unwrap().contains("looks like xz"));
        assert!(said(b"\xff\xfep\0a\0").unwrap().contains("iconv -f UTF-16LE"));
        assert!(said(b"a\0b").unwrap().contains("looks binary"));
        assert_eq!(said(b"2024/05/01 10:00:00 ERROR \xff\x80 boom\n"), None);
        assert_eq!(said(b""), None);
    }
}
