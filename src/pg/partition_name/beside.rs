//! Names for what stands beside a table, or is left of it: as short as the server needs them.

use super::{Ident, Mark, Part, spell, stamp};

/// A name with something behind it; where both are too long, the name is cut.
#[must_use]
pub fn beside(name: &Ident, suffix: &str) -> Ident {
    spell([Part::Table, Part::Text(suffix.to_owned())].into_iter(), name)
}

/// What a name is called that holds everything from here on: `events_from_2026_03_01`.
#[must_use]
pub fn since(name: &Ident, from: Mark) -> Ident {
    beside(name, &format!("_from_{}", stamp(from)))
}

/// What a name is called that holds everything up to here: `events_until_2026_03_01`.
#[must_use]
pub fn until(name: &Ident, to: Mark) -> Ident {
    beside(name, &format!("_until_{}", stamp(to)))
}
