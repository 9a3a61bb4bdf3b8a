//! The command.

fn main() -> std::process::ExitCode {
    pgtend::cli::main()
}
