//! Everything the steps are made from, and the names of what they make.

use std::time::Duration;

use crate::pg::catalog::adoption::{Progress, Record};
use crate::pg::catalog::inventory::{Index, Inventory};
use crate::pg::catalog::partition::Relation;
use crate::pg::catalog::policies::Policy;
use crate::pg::catalog::traits::Traits;
use crate::pg::ident::{Ident, TableName, quoted};
use crate::pg::partition_name::{Mark, beside, until};
use crate::pg::step::{LockWait, Mode, Statement, Step};
use crate::pg::version::Version;

/// One adoption, decided.
#[derive(Debug)]
pub struct Blueprint<'a> {
    /// The table.
    pub table: &'a TableName,
    /// Its key column.
    pub key: Ident,
    /// It refuses NULL already.
    pub key_is_not_null: bool,
    /// Where its first partition ends, a literal.
    pub cut: String,
    /// What things are called.
    pub names: Names,
    /// What stands on it.
    pub inventory: &'a Inventory,
    /// What that amounts to.
    pub fingerprint: &'a str,
    /// The table as it is.
    pub relation: &'a Relation,
    /// What LIKE leaves behind of it.
    pub traits: &'a Traits,
    /// Its policies.
    pub policies: &'a [Policy],
    /// Its storage parameters.
    pub storage: &'a [String],
    /// Its owner, unless that is ourselves.
    pub owner: Option<Ident>,
    /// What is on record.
    pub record: Option<&'a Record>,
    /// How far an earlier run came.
    pub progress: Progress,
    /// The server's.
    pub version: Version,
    /// The cap on waiting for a lock.
    pub lock_timeout: Duration,
}

/// What things are called meanwhile, and afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The partitioned table, until the swap.
    pub parent: TableName,
    /// The table after the swap.
    pub old: TableName,
    /// The index of the widened primary key, until the swap.
    pub key_index: Ident,
    cut: Mark,
}

impl Names {
    /// Of this table, whose first partition ends here.
    #[must_use]
    pub fn new(table: &TableName, cut: Mark) -> Self {
        Self {
            parent: table.sibling(beside(&table.table, "_pgtend_adopt")),
            old: table.sibling(until(&table.table, cut)),
            key_index: key_index(table),
            cut,
        }
    }

    /// What an index or sequence of the new table is called until the swap.
    #[must_use]
    pub fn meanwhile(&self, name: &str) -> Ident {
        Ident::new(name)
            .map_or_else(|_| self.key_index.clone(), |name| beside(&name, "_pgtend_adopt"))
    }

    /// What an index or sequence of the old table is called after it.
    #[must_use]
    pub fn afterwards(&self, name: &str) -> Ident {
        Ident::new(name).map_or_else(|_| self.key_index.clone(), |name| until(&name, self.cut))
    }

    /// All names that must be free: those that are taken at the swap, and, where nothing is made yet,
    /// those in between.
    #[must_use]
    pub fn needed(&self, inventory: &Inventory, is_begun: bool) -> Vec<TableName> {
        let of = |name: Ident| self.parent.sibling(name);
        let identities = inventory.sequences.iter().filter(|s| s.identity.is_some());
        let both = inventory.indexes.iter().map(|index| index.name.as_str());
        let both: Vec<&str> = both.chain(identities.map(|s| s.name.as_str())).collect();
        let mut names = vec![self.old.clone()];
        names.extend(both.iter().map(|name| of(self.afterwards(name))));
        if !is_begun {
            names.push(self.parent.clone());
            names.push(of(self.key_index.clone()));
            names.extend(both.iter().map(|name| of(self.meanwhile(name))));
        }
        names
    }
}

/// What the index of a table's widened primary key is called.
#[must_use]
pub fn key_index(table: &TableName) -> Ident {
    beside(&table.table, "_pgtend_key")
}

impl Blueprint<'_> {
    /// The primary key, where it lacks the partition key and is to be widened by it.
    #[must_use]
    pub fn widened(&self) -> Option<&Index> {
        self.inventory.indexes.iter().find(|index| index.is_primary && !self.has_key(index))
    }

    /// Whether the partition key is among an index's columns.
    #[must_use]
    pub fn has_key(&self, index: &Index) -> bool {
        index.columns.iter().any(|column| column == self.key.as_str())
    }

    /// The widened key as it stands behind `PRIMARY KEY` or an index's table.
    #[must_use]
    pub fn widened_columns(&self, index: &Index) -> String {
        let list =
            |names: &[String]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
        let included: Vec<String> =
            index.included.iter().filter(|name| *name != self.key.as_str()).cloned().collect();
        let include = if included.is_empty() {
            String::new()
        } else {
            format!(" INCLUDE ({})", list(&included))
        };
        format!("({}, {}){include}", list(&index.columns), self.key)
    }

    /// The indexes that the new table gets as they are.
    pub fn copied(&self) -> impl Iterator<Item = &Index> {
        let widened = self.widened().map(|index| index.name.as_str());
        self.inventory
            .indexes
            .iter()
            .filter(move |index| index.is_valid && Some(index.name.as_str()) != widened)
    }

    /// One transaction.
    #[must_use]
    pub fn step(&self, doing: &'static str, lock: LockWait, statements: Vec<Statement>) -> Step {
        let object = self.table.to_string();
        Step { doing, object, mode: Mode::Unflushed, lock, statements }
    }

    /// For locks that nobody queues behind.
    #[must_use]
    pub fn patient(&self) -> LockWait {
        LockWait::patient(self.lock_timeout)
    }

    /// For locks that the application queues behind.
    #[must_use]
    pub fn brief(&self) -> LockWait {
        LockWait::brief(self.lock_timeout)
    }
}

/// Statements without expectations.
pub fn plain(sql: impl IntoIterator<Item = String>) -> Vec<Statement> {
    sql.into_iter().map(Statement::new).collect()
}
