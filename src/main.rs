//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // sandbox: `hephaestus::sandbox::launch_if_requested();` belongs here, before anything else.
    hephaestus::cli::main()
}
