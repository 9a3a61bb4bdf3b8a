mod coverage;
mod policy;
mod world;
