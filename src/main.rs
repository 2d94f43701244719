//! The command line program.

fn main() {
    hephaestus::sandbox::launch_if_requested();
}
