//! In which order a table is walked, so that each batch is one range behind the last.

use crate::config::checked::Age;
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::indexes::Index;
use crate::pg::catalog::relation::Blocks;
use crate::pg::ident::Ident;

/// An order without ties, which an index serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The columns, the most significant first, with their types as SQL writes them.
    pub columns: Vec<(Ident, String)>,
    /// The columns that tell a row from all others.
    pub key: Vec<Ident>,
    /// Why this order; continues "along (…), ".
    pub reason: String,
    /// Where the order is that of the blocks on the disk.
    pub blocks: Option<Blocks>,
    /// A range of blocks is asked for place by place: before 14, the server finds it otherwise only by
    /// reading all of them.
    pub names_places: bool,
}

impl Walk {
    /// Chooses the order. An index that leads with the age finds old rows at once, and a range of
    /// ages has no gaps; without one the key alone is walked, from one end to the other.
    #[must_use]
    pub fn choose(columns: &[Column], indexes: &[Index], age: &Age) -> Option<Self> {
        let key = key(columns, indexes)?;
        let by_age = age.column().and_then(|column| {
            let indexes = on_age(indexes, age);
            Some((column, indexes.max_by_key(|index| shared_columns(index, column, &key))?))
        });
        let (order, reason) = match by_age {
            Some((age, index)) => {
                let behind = key.iter().filter(|column| *column != age);
                let order: Vec<Ident> = std::iter::once(age).chain(behind).cloned().collect();
                (order, format!("as index {} leads with {age}", index.name))
            }
            None => (key.clone(), format!("as no index leads with {}", age.words())),
        };
        let columns = typed(&order, columns);
        Some(Self { columns, key, reason, blocks: None, names_places: false })
    }

    /// The order of the key, whatever indexes there are.
    #[must_use]
    pub fn by_key(columns: &[Column], indexes: &[Index]) -> Option<Self> {
        let key = key(columns, indexes)?;
        let columns = typed(&key, columns);
        let reason = "as order = \"key\" says".to_owned();
        Some(Self { columns, key, reason, blocks: None, names_places: false })
    }

    /// The order of the rows' places. No index is read, no range is looked for, and where rows are
    /// has nothing to do with what they hold.
    #[must_use]
    pub fn sweep(blocks: Blocks, reason: String) -> Option<Self> {
        let place = Ident::new("ctid").ok()?;
        Some(Self {
            columns: vec![(place.clone(), "tid".to_owned())],
            key: vec![place],
            reason,
            blocks: Some(blocks),
            names_places: false,
        })
    }

    /// What tells a row from all others wherever it lies: a copy of it has another place.
    #[must_use]
    pub fn lasting_key(&self) -> &[Ident] {
        if self.blocks.is_some() { &[] } else { &self.key }
    }

    /// Whether it begins with the lowest age.
    #[must_use]
    pub fn leads_with(&self, age: &Age) -> bool {
        self.columns.first().is_some_and(|(name, _)| Some(name) == age.column())
    }

    /// `(created_at, id)`
    #[must_use]
    pub fn list(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.to_string()).collect();
        format!("({})", names.join(", "))
    }

    /// What a stored position belongs to: a position along other columns means nothing.
    #[must_use]
    pub fn signature(&self) -> String {
        if let Some(blocks) = self.blocks {
            return signature_of(blocks);
        }
        let columns: Vec<String> =
            self.columns.iter().map(|(name, type_sql)| format!("{name} {type_sql}")).collect();
        columns.join(", ")
    }
}

/// Each with its type.
fn typed(names: &[Ident], columns: &[Column]) -> Vec<(Ident, String)> {
    let with_type = |name: &Ident| {
        let column = columns.iter().find(|column| column.name == *name)?;
        Some((name.clone(), column.type_sql.clone()))
    };
    names.iter().filter_map(with_type).collect()
}

/// What a stored position of a sweep over these blocks belongs to.
#[must_use]
pub fn signature_of(blocks: Blocks) -> String {
    format!("blocks of file {}", blocks.file)
}

/// The indexes by which old rows are found at once. Whether a partial one serves the condition, only
/// the server could say; as little can be told of one on an expression.
pub fn on_age<'a>(indexes: &'a [Index], age: &'a Age) -> impl Iterator<Item = &'a Index> {
    let leads =
        |index: &Index, column: &Ident| index.columns.first() == Some(&Some(column.clone()));
    indexes.iter().filter(move |index| {
        !index.is_partial && age.column().is_some_and(|column| leads(index, column))
    })
}

/// How many columns of the walk the index serves, from the first on.
fn shared_columns(index: &Index, age: &Ident, key: &[Ident]) -> usize {
    let walk = std::iter::once(age).chain(key.iter().filter(|column| *column != age));
    index.columns.iter().zip(walk).take_while(|(a, b)| a.as_ref() == Some(*b)).count()
}

/// The columns that tell a row from all others, if an index says which.
#[must_use]
pub fn key(columns: &[Column], indexes: &[Index]) -> Option<Vec<Ident>> {
    indexes.iter().find_map(|index| key_of(index, columns))
}

/// The index's columns, if they tell each row from all others and their order is the server's own.
fn key_of(index: &Index, columns: &[Column]) -> Option<Vec<Ident>> {
    if !index.is_unique || index.is_partial {
        return None;
    }
    index
        .columns
        .iter()
        .map(|name| {
            let name = name.as_ref()?;
            let column = columns.iter().find(|column| column.name == *name)?;
            (column.is_not_null && column.has_own_order).then(|| name.clone())
        })
        .collect()
}
