//! The `archivas-sim` program. Everything is in the library.

fn main() -> std::process::ExitCode {
    archivas_sim::cli::main()
}
