mod delta;
mod desk;
mod pack;
mod plan;
mod redact;
mod world;
