//! The binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox starts this very program inside its walls: that must come before anything else.
    hephaestus::sandbox::launch_if_requested();
    hephaestus::cli::main()
}
