//! From where to where a table's partitions must reach.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use crate::jobs::partitions::grid::coverage::{Aim, Piece};
use crate::jobs::partitions::grid::key::{IntType, KeyType, Point};
use crate::jobs::partitions::refusal::DOING;
use crate::jobs::partitions::tended::Tended;
use crate::pg::fault::{Fault, Kind};
use crate::time::extent::Extent;

/// No clock is set back by more: Lord Howe's by half an hour, most by one hour, Troll's by two.
const SET_BACK_MAX_MIN: i64 = 180;

impl Tended<'_> {
    /// What must be covered, as of now.
    ///
    /// # Errors
    /// `Refused`, where the key's type cannot say what time it is.
    pub fn aim(&self, now: DateTime<Utc>) -> Result<Aim, Fault> {
        let (now, first, target) = match self.config.premake {
            Extent::Ids(ahead) => self.ids_ahead(ahead),
            Extent::Time(premake) => {
                let until = premake.after(now, self.config.timezone).trunc_subsecs(0);
                self.time_ahead(now, until).ok_or_else(|| self.untold(now))?
            }
        };
        Ok(Aim { now, first, target, within: self.within })
    }

    fn ids_ahead(&self, ahead: i64) -> (Point, Point, Point) {
        let highest = self.facts.highest_id.unwrap_or(0);
        let target = Point::Integer(highest.saturating_add(ahead));
        let highest = Point::Integer(highest);
        (highest, highest, self.axis.key.last().map_or(target, |last| target.min(last)))
    }

    /// Where the key is a wall clock that is set back on the way, rows come before now's time, or
    /// after the target's.
    fn time_ahead(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<(Point, Point, Point)> {
        let at_now = self.axis.at(now)?;
        let at_until = self.axis.at(until).or(self.axis.key.last())?;
        if !self.axis.key.is_local() {
            return Some((at_now, at_now, at_until));
        }
        let minutes = || (0..=SET_BACK_MAX_MIN).map(TimeDelta::minutes);
        let around = |instant: DateTime<Utc>| self.axis.at(instant.clamp(now, until.max(now)));
        let first = minutes().filter_map(|later| around(now + later)).min()?;
        let target = minutes().filter_map(|before| around(until - before)).max()?;
        Some((at_now, first, target))
    }

    /// When rows will need a partition. Ids tell no time: theirs count a day each, so that many of
    /// one table do not push another table's tomorrow out of this run.
    pub fn needed_at(&self, piece: &Piece, now: DateTime<Utc>, ahead: i64) -> DateTime<Utc> {
        let at = match (self.axis.key, piece.from) {
            (KeyType::Id(_), _) => now.checked_add_signed(TimeDelta::days(ahead)),
            (_, Point::Time(at)) => Some(at.and_utc()),
            (key, from) => key.instant(from),
        };
        at.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// What stands for the present.
    pub fn now_words(&self) -> String {
        match (self.axis.key, self.facts.highest_id) {
            (KeyType::Id(_), None) => "the first id".to_owned(),
            (KeyType::Id(_), Some(id)) => format!("id {id}"),
            _ => "now".to_owned(),
        }
    }

    /// Time goes on, and the key's type does not: from here on it has no value for an upper bound.
    pub fn type_ends(&self, from: Option<Point>) -> Option<Fault> {
        let (from, last, key) = (from?, self.axis.key.last()?, &self.key);
        let message = format!(
            "its key {key} of type {} ends at {}: the partition from {} has no upper bound there",
            self.key_type(),
            self.axis.key.words(last),
            self.axis.key.words(from)
        );
        let wider = match self.axis.key {
            KeyType::Epoch(_, IntType::Int4) | KeyType::Id(IntType::Int2 | IntType::Int4) => {
                "is bigint"
            }
            _ => "reaches further",
        };
        let cure = format!(
            "the type of a partition key cannot be altered: move to a table whose {key} {wider}; \
             until then a partition made by hand FROM ({}) TO (MAXVALUE) holds what is left",
            self.axis.key.literal(from)
        );
        Some(Fault::new(Kind::Refused, DOING, message).on(self.name).with_hint(cure))
    }

    fn key_type(&self) -> &str {
        self.facts.relation.key_type.as_deref().unwrap_or("unknown")
    }

    fn untold(&self, now: DateTime<Utc>) -> Fault {
        let key = &self.key;
        let message = format!(
            "its key {key} of type {} has no value for {}",
            self.key_type(),
            now.format("%Y-%m-%d")
        );
        Fault::new(Kind::Refused, DOING, message).on(self.name).with_hint(
            "check key = … in [partitions.tables]; if it is right, the table needs a wider key",
        )
    }
}
