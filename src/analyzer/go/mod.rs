//! Go: every form in which its runtime, its libraries and its test runner print a failure.
//!
//! Pure functions and one line machine ([`machine`]). The machine is fed line by line and says of each
//! line whether it belongs; the stream and [`parse_trace`] drive it alike, so a crash in a log file, in
//! a JSON string and in a test's output is read by the same eyes.

mod bounds;
mod chain;
mod class;
pub(crate) mod failure;
mod frame;
mod line;
pub(crate) mod machine;
mod text;
mod width;

pub use bounds::{Extent, OutOfBounds};
pub use chain::panic_chain;
pub use class::{classify, fault_facts, out_of_bounds};
pub(crate) use class::{is_crash_value, panic_value_in, unwrap_value};
pub(crate) use frame::frame_bytes;
pub use frame::{is_app_code, short_function};
pub(crate) use line::is_exit_status;
pub(crate) use machine::BAR;
pub use machine::{race_sites, race_stacks, races};
pub(crate) use text::find_stack;
pub use text::{ParsedCrash, Waiting, other_stacks, parse_trace, waiting};
pub use width::may_be_of_32_bits;
