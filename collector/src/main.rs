//! The `misar` binary. Everything is in the library, so that tests can reach it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    collector::cli::main()
}
