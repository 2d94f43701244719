//! Log records on standard error.

use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};

use super::plain;

/// From which level on records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What is odd, or was cut short.
    Warn,
    /// What is done.
    Info,
    /// How it is done.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Every level, quietest first.
    pub const ALL: [Self; 6] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name used in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level some steps louder (or quieter, for negative steps).
    #[must_use]
    pub fn louder(self, steps: i16) -> Self {
        let last = Self::ALL.len() - 1;
        let distance = usize::from(steps.unsigned_abs());
        let here = self as usize;
        let index = if steps < 0 { here.saturating_sub(distance) } else { here + distance };
        Self::ALL[index.min(last)]
    }
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people: one line a record.
    Text,
    /// For machines: one JSON object a record.
    Json,
}

impl LogFormat {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Text, Self::Json];

    /// The name used in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// What to write and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// From which level on.
    pub level: LogLevel,
    /// How.
    pub format: LogFormat,
    /// Directives in the syntax of `tracing` (`warn,hephaestus::fixer=debug`); they replace the level.
    pub directives: Option<String>,
    /// Whether text is coloured.
    pub color: bool,
}

impl LogOptions {
    fn filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        let level: LevelFilter = match self.level {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        let builder = EnvFilter::builder().with_default_directive(level.into());
        builder.parse(self.directives.as_deref().unwrap_or_default())
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be understood.
    #[error("HEPHAESTUS_LOG cannot be understood; write it like `info` or `warn,hephaestus::fixer=debug`")]
    Directives(#[from] tracing_subscriber::filter::ParseError),
}

/// Sends log records to standard error from here on. A second call in one process changes nothing.
///
/// # Errors
/// When the directives cannot be understood.
pub fn init(options: &LogOptions) -> Result<(), LogError> {
    let filter = options.filter()?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The only failure is that a subscriber is there already, which tests in one process do on purpose.
    drop(match options.format {
        LogFormat::Text => {
            builder.with_ansi(options.color).with_target(false).fmt_fields(tame_fields()).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    });
    Ok(())
}

/// The fields of a record as they are written by default, but that what is told of files and logs drives no terminal.
fn tame_fields() -> impl for<'w> FormatFields<'w> + 'static {
    debug_fn(|out, field, value| {
        let text = plain(&format!("{value:?}"));
        match field.name() {
            "message" => write!(out, "{text}"),
            name => write!(out, "{name}={text}"),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(level: LogLevel, directives: Option<&str>) -> LogOptions {
        LogOptions { level, format: LogFormat::Text, directives: directives.map(str::to_owned), color: false }
    }

    #[test]
    fn levels_go_up_and_down_within_their_bounds() {
        assert_eq!(LogLevel::Warn.louder(2), LogLevel::Debug);
        assert_eq!(LogLevel::Warn.louder(-1), LogLevel::Error);
        assert_eq!(LogLevel::Warn.louder(i16::MAX), LogLevel::Trace);
        assert_eq!(LogLevel::Warn.louder(i16::MIN), LogLevel::Off);
    }

    #[test]
    fn directives_replace_the_level() {
        assert_eq!(options(LogLevel::Warn, None).filter().unwrap().to_string(), "warn");
        let filter = options(LogLevel::Warn, Some("hephaestus::fixer=debug")).filter().unwrap();
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::DEBUG));
        assert!(options(LogLevel::Warn, Some("a=loud")).filter().is_err());
    }
}
