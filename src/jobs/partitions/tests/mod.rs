mod coverage;
mod keys;
mod policy;
mod world;
