//! One test binary: everything that needs a PostgreSQL server or the compiled program.
mod support;
mod throwaway;
