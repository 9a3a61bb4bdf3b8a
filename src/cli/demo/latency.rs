//! How long the application waits, by phase of the demo.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::time::clock;

/// What is going on while a statement starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The application is alone with the server.
    Alone,
    /// pgtend works.
    Tended,
    /// An index is gone.
    IndexLost,
    /// It is back.
    IndexBack,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Alone, Self::Tended, Self::IndexLost, Self::IndexBack];
}

/// What the application measured.
#[derive(Debug)]
pub struct Latencies(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    records: [Record; Phase::ALL.len()],
    first_error: Option<String>,
}

#[derive(Debug, Default)]
struct Record {
    took: Vec<Duration>,
    errors: usize,
    /// When the phase began, and how long it was; growing while it is the present one.
    began: Option<Instant>,
    length: Duration,
}

/// One phase in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Statements that succeeded.
    pub statements: usize,
    /// Per second.
    pub per_s: f64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// All but one of a hundred took no longer.
    pub p99: Duration,
    /// None took longer.
    pub max: Duration,
    /// Statements that failed.
    pub errors: usize,
}

impl Latencies {
    /// Nothing is measured yet; the application is alone.
    #[must_use]
    pub fn new() -> Self {
        let state = State { phase: Phase::Alone, records: Default::default(), first_error: None };
        let this = Self(Mutex::new(state));
        this.enter(Phase::Alone);
        this
    }

    /// From now on, statements count for this phase.
    pub fn enter(&self, phase: Phase) {
        let mut state = self.state();
        state.close();
        state.phase = phase;
        state.records[phase as usize].began = Some(clock::monotonic());
    }

    /// The last phase ends.
    pub fn end(&self) {
        self.state().close();
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Counts a statement for the phase it started in.
    pub fn record(&self, phase: Phase, took: Duration) {
        self.state().records[phase as usize].took.push(took);
    }

    /// Counts a statement that failed.
    pub fn fail(&self, phase: Phase, error: &sqlx::Error) {
        let mut state = self.state();
        state.records[phase as usize].errors += 1;
        state.first_error.get_or_insert_with(|| error.to_string());
    }

    /// What the first statement that failed was told.
    #[must_use]
    pub fn first_error(&self) -> Option<String> {
        self.state().first_error.clone()
    }

    /// A phase in figures.
    #[must_use]
    pub fn summary(&self, phase: Phase) -> Summary {
        let state = self.state();
        let record = &state.records[phase as usize];
        let length = record.length + record.began.map_or(Duration::ZERO, since);
        let mut took = record.took.clone();
        let errors = record.errors;
        drop(state);
        took.sort_unstable();
        summarize(&took, length, errors)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self) {
        let record = &mut self.records[self.phase as usize];
        if let Some(began) = record.began.take() {
            record.length += since(began);
        }
    }
}

fn since(moment: Instant) -> Duration {
    clock::monotonic().saturating_duration_since(moment)
}

fn summarize(sorted: &[Duration], length: Duration, errors: usize) -> Summary {
    let at = |hundredths: usize| {
        let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    };
    let statements = sorted.len();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let per_s = if length.is_zero() { 0.0 } else { statements as f64 / length.as_secs_f64() };
    Summary { statements, per_s, p50: at(50), p99: at(99), max: at(100), errors }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_statements_themselves() {
        let took: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let found = summarize(&took, Duration::from_secs(4), 3);
        let ms = Duration::from_millis;
        let expected = Summary {
            statements: 200,
            per_s: 50.0,
            p50: ms(100),
            p99: ms(198),
            max: ms(200),
            errors: 3,
        };
        assert_eq!(found, expected);
        assert_eq!(summarize(&[], Duration::ZERO, 0), Summary::default());
    }
}
