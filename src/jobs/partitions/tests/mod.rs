mod continued;
mod coverage;
mod expiry;
mod expiry_worlds;
mod keys;
mod policy;
mod strays;
mod world;
