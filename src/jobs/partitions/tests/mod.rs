mod coverage;
mod expiry;
mod expiry_worlds;
mod policy;
mod world;
