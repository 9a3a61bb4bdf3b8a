mod delta;
mod pack;
mod redact;
mod world;
