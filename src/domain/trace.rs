//! A parsed stack trace.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The language whose runtime or logger wrote an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Go.
    Go,
    /// Java and other languages of the JVM.
    Java,
    /// Python.
    Python,
    /// JavaScript on Node.
    Node,
    /// Rust.
    Rust,
    /// C# and other languages of .NET.
    Dotnet,
    /// Ruby.
    Ruby,
    /// PHP.
    Php,
    /// The text does not tell.
    Unknown,
}

impl Language {
    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Go => "go",
            Self::Java => "java",
            Self::Python => "python",
            Self::Node => "node",
            Self::Rust => "rust",
            Self::Dotnet => "dotnet",
            Self::Ruby => "ruby",
            Self::Php => "php",
            Self::Unknown => "unknown",
        }
    }
}

/// How the failure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceKind {
    /// A panic that ended the process.
    Panic,
    /// A fatal error of the runtime, which nothing can recover.
    Fatal,
    /// A panic that a handler recovered; the process lives on.
    Recovered,
    /// A trace that a logger attached to a record.
    Logged,
    /// A report of the race detector.
    Race,
}

/// One call on the stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The function as printed, `%2e` and the like decoded, arguments removed: `shop/store.(*Store).Put`.
    pub function: String,
    /// The file as printed: absolute, or relative to a module with `-trimpath`. Empty where unknown.
    pub file: String,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// Whether it is the application's own code (not the runtime, the standard library or a dependency).
    pub in_app: bool,
}

/// A parsed stack trace. Frames run from the failing call outwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// How the failure ended.
    pub kind: TraceKind,
    /// From the failing call outwards; the runtime's own panic machinery is left out.
    pub frames: Vec<Frame>,
    /// `created by`: the call that started the goroutine.
    pub created_by: Option<Frame>,
    /// The address of an invalid memory access. Below 0x1000 it is the offset of the field accessed
    /// through a nil pointer.
    pub fault_address: Option<u64>,
}

impl Trace {
    /// Bytes of memory that it takes on the heap, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let frames = self.frames.iter().chain(&self.created_by);
        frames.map(|frame| size_of::<Frame>() + frame.function.len() + frame.file.len()).sum()
    }
}
