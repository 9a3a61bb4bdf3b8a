//! Policy, without a server.
