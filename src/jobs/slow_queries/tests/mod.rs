mod delta;
mod pack;
mod plan;
mod redact;
mod world;
