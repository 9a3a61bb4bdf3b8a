//! The tables of a database as trees: who is whose partition.

use std::collections::HashMap;

use crate::jobs::analyze::seen::{Leaf, Seen, Table, TableKind};

/// All trees. A table without partitions is a tree of its own.
pub(super) struct Forest<'a> {
    by_oid: HashMap<u32, &'a Table>,
    partitions: HashMap<u32, Vec<&'a Table>>,
}

impl<'a> Forest<'a> {
    pub(super) fn of(seen: &'a Seen) -> Self {
        let by_oid = seen.tables.iter().map(|table| (table.oid, table)).collect();
        let mut partitions: HashMap<u32, Vec<&Table>> = HashMap::new();
        for table in &seen.tables {
            if let Some(parent) = table.parent {
                partitions.entry(parent).or_default().push(table);
            }
        }
        Self { by_oid, partitions }
    }

    /// Everything below a table, at any depth.
    pub(super) fn below(&self, table: &Table) -> Vec<&'a Table> {
        let mut found = Vec::new();
        let mut pending = vec![table.oid];
        while let Some(oid) = pending.pop() {
            for partition in self.partitions.get(&oid).into_iter().flatten() {
                found.push(*partition);
                pending.push(partition.oid);
            }
        }
        found
    }

    /// The tables below that hold rows here.
    pub(super) fn leaves(&self, table: &Table) -> Vec<&'a Table> {
        let mut below = self.below(table);
        below.retain(|table| table.kind == TableKind::Plain);
        below
    }

    /// The leaves' counters, to be written down.
    pub(super) fn counters(&self, table: &Table) -> Vec<Leaf> {
        self.leaves(table)
            .iter()
            .map(|leaf| Leaf { oid: leaf.oid, writes: leaf.writes, rows: leaf.rows() })
            .collect()
    }

    /// The parents above a table, nearest first.
    pub(super) fn above(&self, table: &Table) -> impl Iterator<Item = &'a Table> {
        let up = |table: &Table| table.parent.and_then(|oid| self.by_oid.get(&oid).copied());
        std::iter::successors(up(table), move |parent| up(parent))
    }
}
