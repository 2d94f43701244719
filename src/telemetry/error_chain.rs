//! An error with all its causes, and what to do about it.
//!
//! ```text
//! error: the repository cannot be read
//!   caused by: ./shop: No such file or directory
//!   try: name the directory that holds go.mod
//! ```

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::plain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const CAUSE: Style = AnsiColor::Yellow.on_default();
const TRY: Style = AnsiColor::Green.on_default();

/// An error with advice. It stands in for the error it wraps: same text, same causes.
#[derive(Debug)]
pub struct Advised {
    error: Box<dyn Error + Send + Sync>,
    remedy: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Advised {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Adds advice to a failure.
pub trait Advise<T> {
    /// What a person can do about it, as an instruction: "name the directory that holds go.mod".
    ///
    /// # Errors
    /// The error it is called on, with the advice.
    fn advise(self, remedy: impl Into<String>) -> Result<T, Advised>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Advise<T> for Result<T, E> {
    fn advise(self, remedy: impl Into<String>) -> Result<T, Advised> {
        self.map_err(|error| Advised { error: error.into(), remedy: remedy.into() })
    }
}

/// Writes an error, its causes and the advice found along the way. A cause that its parent has told
/// already is left out. The text is coloured: write it to a stream of `anstream`, which knows whether
/// that is wanted.
///
/// # Errors
/// Those of the writer.
pub fn write_error(out: &mut impl Write, error: &(dyn Error + 'static)) -> io::Result<()> {
    let mut told = plain(&error.to_string());
    writeln!(out, "{ERROR}error:{ERROR:#} {told}")?;
    let mut remedies = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = plain(&error.to_string());
        if !told.contains(&text) {
            writeln!(out, "  {CAUSE}caused by:{CAUSE:#} {text}")?;
            told = text;
        }
        if let Some(advised) = error.downcast_ref::<Advised>() {
            remedies.push(advised.remedy.as_str());
        }
        next = error.source();
    }
    remedies.iter().try_for_each(|remedy| writeln!(out, "  {TRY}try:{TRY:#} {remedy}"))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn written(error: &anyhow::Error) -> String {
        let mut out = Vec::new();
        write_error(&mut out, error.as_ref()).unwrap();
        anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string()
    }

    #[test]
    fn causes_and_advice_are_told_once() {
        let failed: Result<(), _> = Err(io::Error::other("disk on fire"));
        let error = failed
            .advise("put it out")
            .context("the state could not be saved")
            .context("shutdown failed")
            .unwrap_err();
        assert_eq!(
            written(&error),
            "error: shutdown failed\n  caused by: the state could not be saved\n  \
             caused by: disk on fire\n  try: put it out\n"
        );
    }

    #[test]
    fn advice_on_the_outermost_error_is_told() {
        let failed: Result<(), _> = Err("no repository").advise("name one");
        assert_eq!(written(&failed.unwrap_err().into()), "error: no repository\n  try: name one\n");
    }

    #[test]
    fn a_cause_that_was_told_is_left_out() {
        let error = anyhow::anyhow!("no such file").context("shop.log: no such file");
        assert_eq!(written(&error), "error: shop.log: no such file\n");
    }
}
