//! The `pgtend` program.

fn main() {}
