//! What kind of failure an event shows: a closed vocabulary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares [`Class`] with each member's stable name, nature and one line of explanation, so that the
/// vocabulary, its documentation and its parser cannot drift apart.
macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $nature:ident;)+) => {
        /// What kind of failure an event shows. Names are stable: they are part of the output contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum Class {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Class {
            /// Every class, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name used in JSON, on the command line and in configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Whether a change of the code can mend it.
            #[must_use]
            pub const fn nature(self) -> Nature {
                match self { $(Self::$variant => Nature::$nature),+ }
            }

            /// One line that explains the class.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

/// Whether a failure is mended in the code or in the surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// A defect of the program: a patch can mend it.
    Code,
    /// A failure of the surroundings, or one that names no place in the code: it gets a diagnosis and a
    /// remedy, never a patch.
    Operational,
}

classes! {
    /// A write to a map that was never made.
    NilMapWrite = "nil_map_write", Code;
    /// A nil pointer, interface or function was used.
    NilDereference = "nil_dereference", Code;
    /// An index outside the bounds of a slice, array or string.
    IndexOutOfRange = "index_out_of_range", Code;
    /// A slice expression outside the bounds, or a conversion to a longer array.
    SliceBounds = "slice_bounds", Code;
    /// An integer division by zero.
    DivideByZero = "divide_by_zero", Code;
    /// A type assertion on a value of another type.
    TypeAssertion = "type_assertion", Code;
    /// A channel closed twice, or a nil channel closed.
    CloseOfChannel = "close_of_channel", Code;
    /// A send on a closed channel.
    SendOnClosedChannel = "send_on_closed_channel", Code;
    /// A map used by several goroutines at once without a lock.
    ConcurrentMapAccess = "concurrent_map_access", Code;
    /// A data race reported by the race detector.
    DataRace = "data_race", Code;
    /// A sync.WaitGroup counter below zero, or a WaitGroup reused too early.
    WaitGroupMisuse = "wait_group_misuse", Code;
    /// An unlock of a mutex that is not locked.
    MutexMisuse = "mutex_misuse", Code;
    /// All goroutines are asleep.
    Deadlock = "deadlock", Code;
    /// The goroutine's stack grew beyond its limit, as endless recursion does.
    StackOverflow = "stack_overflow", Code;
    /// A make with a negative or far too large length.
    MakeLength = "make_length", Code;
    /// A map key or comparison of a type that cannot be hashed or compared.
    Uncomparable = "uncomparable", Code;
    /// A misuse of the reflect package.
    ReflectMisuse = "reflect_misuse", Code;
    /// An invalid memory access that is not a nil dereference.
    MemoryFault = "memory_fault", Code;
    /// A panic raised by the program or a library on purpose.
    ExplicitPanic = "explicit_panic", Code;
    /// An exception nobody caught (languages other than Go).
    UncaughtException = "uncaught_exception", Code;
    /// A fatal error of the language's runtime that no other class names.
    RuntimeFatal = "runtime_fatal", Code;
    /// An error that was logged without a trace.
    LoggedError = "logged_error", Code;
    /// A request that failed, as an access log tells it: without the cause.
    FailedRequest = "failed_request", Operational;
    /// A peer refused the connection.
    ConnectionRefused = "connection_refused", Operational;
    /// A peer closed the connection in the middle of an exchange.
    ConnectionReset = "connection_reset", Operational;
    /// A host name could not be resolved.
    NameResolution = "name_resolution", Operational;
    /// A deadline passed before the answer came.
    Timeout = "timeout", Operational;
    /// A TLS handshake or certificate check failed.
    TlsFailure = "tls_failure", Operational;
    /// No space is left on a device, or a quota is used up.
    DiskFull = "disk_full", Operational;
    /// The operating system denied access.
    PermissionDenied = "permission_denied", Operational;
    /// A file or program that must be there is missing.
    FileMissing = "file_missing", Operational;
    /// An address to listen on is taken.
    AddressInUse = "address_in_use", Operational;
    /// The limit of open files is reached.
    TooManyOpenFiles = "too_many_open_files", Operational;
    /// Memory is used up.
    OutOfMemory = "out_of_memory", Operational;
}

impl Class {
    /// Whether it takes several goroutines that use one thing at once.
    #[must_use]
    pub const fn is_race(self) -> bool {
        matches!(self, Self::ConcurrentMapAccess | Self::DataRace)
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
