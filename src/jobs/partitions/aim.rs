//! From where to where a table's partitions must reach.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::bounds::{Edge, Span, parse_bound};
use super::coverage::Aim;
use super::key::Point;
use super::tended::{DOING, Tended};
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

    fn untold(&self, now: DateTime<Utc>) -> Fault {
        let key = &self.key;
        let message = format!(
            "its key {key} of type {} has no value for {}",
            self.facts.relation.key_type.as_deref().unwrap_or("unknown"),
            now.format("%Y-%m-%d")
        );
        Fault::new(Kind::Refused, DOING, message)
            .on(self.name)
            .with_hint("check key = … in [partitions.tables]; if it is right, the table needs a wider key")
    }
}

/// What a table may hold by its own bound, as a partition by the same key.
pub(super) fn within(own_bound: Option<&str>) -> Span {
    own_bound
        .and_then(|bound| parse_bound(bound).ok().flatten())
        .unwrap_or(Span { from: Edge::Start, to: Edge::End })
}
