//! The binary: everything is in the library.

fn main() {
    // The sandbox starts this very program inside its walls: that must come before anything else.
    hephaestus::sandbox::launch_if_requested();
    let code = hephaestus::cli::main();
    // At once, without the destructors of global C++ objects: threads of RocksDB may still use them when a
    // command fails or is broken off. Whatever must survive is durable by now.
    signal_hook::low_level::exit(code.into());
}
