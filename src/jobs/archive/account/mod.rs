//! The account: what each batch moved, so that source and archive can be reconciled.
//!
//! It is written in the batch's own transaction, of the very rows that it deletes, with the values they
//! have where they are deleted. So it tells what the archive must hold, whatever happened on the way.

pub mod layout;
pub mod part;
pub mod record;

pub use part::Part;
pub use record::{Entry, Kind, Record};
