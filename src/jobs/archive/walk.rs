//! In which order a table is walked, so that each batch is one range behind the last.

use super::due::AgeType;
use crate::config::checked::Age;
use crate::pg::catalog::columns::Column;
use crate::pg::catalog::indexes::Index;
use crate::pg::catalog::relation::Blocks;
use crate::pg::catalog::served::ServedBy;
use crate::pg::ident::Ident;

/// What a walk goes by: a column, or the expression that tells the age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As SQL writes it over the table.
    pub sql: String,
    /// Its name where it was selected; a column's own.
    pub name: Ident,
    /// For people, on one line.
    pub words: String,
    /// Its type, as SQL writes it.
    pub type_sql: String,
}

/// An expression that tells the age, as far as the server could say something of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expressed {
    /// Its type, as `format_type` gives it.
    pub type_name: String,
    /// What finds rows by it.
    pub served_by: Option<ServedBy>,
}

/// An order without ties, which an index serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// What it goes by, the most significant first.
    pub columns: Vec<Term>,
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
    pub fn choose(
        columns: &[Column],
        indexes: &[Index],
        age: &Age,
        expressed: Option<&Expressed>,
    ) -> Option<Self> {
        let key = key(columns, indexes)?;
        let (columns, reason) = match by_age(columns, indexes, age, expressed, &key) {
            Some((age, index)) => {
                let behind = typed(&key, columns).into_iter().filter(|term| *term != age);
                let reason = format!("as {index} leads with {}", age.words);
                (std::iter::once(age.clone()).chain(behind).collect(), reason)
            }
            None => (typed(&key, columns), format!("as no index leads with {}", age.words())),
        };
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
            columns: vec![Term::column(place.clone(), "tid".to_owned())],
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
        self.columns.first().is_some_and(|term| term.sql == age.to_string())
    }

    /// `(created_at, id)`, as SQL writes it.
    #[must_use]
    pub fn list(&self) -> String {
        let terms: Vec<&str> = self.columns.iter().map(|term| term.sql.as_str()).collect();
        format!("({})", terms.join(", "))
    }

    /// The same for people, on one line.
    #[must_use]
    pub fn words(&self) -> String {
        let terms: Vec<&str> = self.columns.iter().map(|term| term.words.as_str()).collect();
        format!("({})", terms.join(", "))
    }

    /// What a stored position belongs to: a position along other columns means nothing.
    #[must_use]
    pub fn signature(&self) -> String {
        if let Some(blocks) = self.blocks {
            return signature_of(blocks);
        }
        let columns: Vec<String> =
            self.columns.iter().map(|term| format!("{} {}", term.words, term.type_sql)).collect();
        columns.join(", ")
    }
}

impl Term {
    fn column(name: Ident, type_sql: String) -> Self {
        Self { sql: name.to_string(), words: name.to_string(), name, type_sql }
    }

    /// As it is selected.
    #[must_use]
    pub fn selected(&self) -> String {
        let Self { sql, name, .. } = self;
        if *sql == name.to_string() { sql.clone() } else { format!("{sql} AS {name}") }
    }
}

/// What the age is in a walk that leads with it, and what serves that walk.
fn by_age(
    columns: &[Column],
    indexes: &[Index],
    age: &Age,
    expressed: Option<&Expressed>,
    key: &[Ident],
) -> Option<(Term, String)> {
    let Some(column) = age.column() else {
        let Expressed { type_name, served_by } = expressed?;
        let term = Term {
            sql: age.to_string(),
            name: Ident::new("pgtend_age").ok()?,
            words: format!("({})", age.words()),
            type_sql: AgeType::of(type_name)?.sql().to_owned(),
        };
        return Some((term, served_by.as_ref()?.to_string()));
    };
    let index = on_age(indexes, column).max_by_key(|index| shared_columns(index, column, key))?;
    let term = typed(std::slice::from_ref(column), columns).pop()?;
    Some((term, format!("index {}", index.name)))
}

/// Each with its type.
fn typed(names: &[Ident], columns: &[Column]) -> Vec<Term> {
    let with_type = |name: &Ident| {
        let column = columns.iter().find(|column| column.name == *name)?;
        Some(Term::column(name.clone(), column.type_sql.clone()))
    };
    names.iter().filter_map(with_type).collect()
}

/// What a stored position of a sweep over these blocks belongs to.
#[must_use]
pub fn signature_of(blocks: Blocks) -> String {
    format!("blocks of file {}", blocks.file)
}

/// Whether an index finds old rows at once.
#[must_use]
pub fn is_served(indexes: &[Index], age: &Age, expressed: Option<&Expressed>) -> bool {
    match age.column() {
        Some(column) => on_age(indexes, column).next().is_some(),
        None => expressed.is_some_and(|it| it.served_by.is_some()),
    }
}

/// The indexes that lead with the column of the age. Whether a partial one serves the condition, only
/// the server could say; of an expression it is asked.
fn on_age<'a>(indexes: &'a [Index], column: &'a Ident) -> impl Iterator<Item = &'a Index> {
    let leads = move |index: &&Index| index.columns.first() == Some(&Some(column.clone()));
    indexes.iter().filter(|index| !index.is_partial).filter(leads)
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
