//! The policy, on made-up facts: no server.
mod parents;
mod tables;
mod world;
