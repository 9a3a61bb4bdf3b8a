//! Carries it out.

use sqlx::{AssertSqlSafe, Row};

use super::exchange::LOG_IS_LONG;
use super::{Carve, Method, Stage};
use crate::config::checked::Allowance;
use crate::job::batch::{self, Batches, Ended, Limits, Measured, Pacing, Portion};
use crate::job::{Applied, Context};
use crate::pg::fault::{Fault, Kind};
use crate::pg::session::{Done, Session};

/// After so many batches the log is replayed, so that it stays short in a long copy.
const REPLAY_EVERY: u32 = 10;
/// So many changes are left to the exchange at most.
const LEFT_MAX: i64 = 200;
/// Replays before the exchange is tried at most: where changes come faster than they are replayed,
/// the exchange refuses, and the next run carries on.
const REPLAYS_MAX: u32 = 30;
/// Tries of the exchange, each after further replays.
const EXCHANGES_MAX: u32 = 5;

/// Replaces the partition, from where an interrupted run stopped.
///
/// # Errors
/// The fault of the step that failed; what was committed before it is carried on by the next run.
pub async fn carve(cx: &mut Context<'_>, carve: &Carve) -> Result<Applied, Fault> {
    if carve.stage < Stage::Made {
        cx.session.run(&carve.make()).await?;
    }
    match carve.method {
        Method::AtOnce => exchange(cx, carve, carve.rows).await,
        Method::Whole => whole(cx, carve).await,
        Method::Copy => copied(cx, carve).await,
    }
}

async fn exchange(
    cx: &mut Context<'_>,
    carve: &Carve,
    rows: Option<u64>,
) -> Result<Applied, Fault> {
    match cx.session.run(&carve.exchange()).await {
        Ok(_) => Ok(Applied { rows, batches: 1, note: None }),
        Err(fault) if fault.kind == Kind::Changed => Err(abandon(cx, carve, fault).await),
        Err(fault) => Err(fault),
    }
}

/// A row of another range that came meanwhile is a reason to choose another method.
async fn whole(cx: &mut Context<'_>, carve: &Carve) -> Result<Applied, Fault> {
    for step in carve.prove().iter().chain([&carve.exchange()]) {
        if let Err(fault) = cx.session.run(step).await {
            return Err(abandon(cx, carve, fault).await);
        }
    }
    Ok(Applied { rows: carve.rows, batches: 1, note: None })
}

/// Takes back what was made. Where this fails too, the next run finds what was left.
async fn abandon(cx: &mut Context<'_>, carve: &Carve, fault: Fault) -> Fault {
    if let Err(fault) = cx.session.run(&carve.abandon()).await {
        tracing::debug!(%fault, "what was made is left to the next run");
    }
    match fault.sqlstate {
        Some(_) => fault,
        None => fault.with_hint("what was made is taken back; the next run begins anew"),
    }
}

async fn copied(cx: &mut Context<'_>, carve: &Carve) -> Result<Applied, Fault> {
    if carve.stage < Stage::Captured {
        cx.session.run(&carve.capture()).await?;
    }
    let mut applied = Applied { rows: Some(0), batches: 0, note: None };
    match copy_all(cx, carve, &mut applied).await? {
        Ended::Done => {}
        Ended::Stopped => {
            applied.note = Some("stopped on request; the next run goes on".to_owned());
            return Ok(applied);
        }
        Ended::AtLimit | Ended::OutOfTime | Ended::AfterHours => {
            applied.note = Some("as many rows as one run copies; the next run goes on".to_owned());
            return Ok(applied);
        }
    }
    if let Err(fault) = cx.session.run(&carve.verify()).await {
        return Err(match fault.kind {
            Kind::Changed => abandon(cx, carve, fault).await,
            _ => fault,
        });
    }
    cx.session.run(&carve.analyze()).await?;
    for left in (0..EXCHANGES_MAX).rev() {
        catch_up(cx, carve).await?;
        match cx.session.run(&carve.exchange()).await {
            Ok(_) => return Ok(applied),
            Err(fault) if left > 0 && fault.message == LOG_IS_LONG => {}
            Err(fault) if fault.kind == Kind::Changed && fault.message != LOG_IS_LONG => {
                return Err(abandon(cx, carve, fault).await);
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(applied)
}

/// Copies all rows, or as many as one run may.
async fn copy_all(
    cx: &mut Context<'_>,
    carve: &Carve,
    applied: &mut Applied,
) -> Result<Ended, Fault> {
    let sql =
        format!("SELECT after IS NULL FROM partition_carve WHERE source = {}", carve.source_oid);
    let is_first = ask(cx.session, carve, &sql).await?;
    let mut copying = Copying { carve, is_first, batches: 0 };
    let limits = Limits {
        object: carve.source.to_string(),
        pacing: Pacing::fixed(super::fill::BATCH_ROWS.into()),
        max_rows: carve.rows_max,
        allowance: Allowance::default(),
        expected: carve.rows,
    };
    let totals = batch::run(cx, &limits, &mut copying).await?;
    applied.rows = applied.rows.map(|rows| rows + totals.rows);
    applied.batches += totals.batches;
    Ok(totals.ended)
}

struct Copying<'a> {
    carve: &'a Carve,
    is_first: bool,
    batches: u32,
}

impl Batches for Copying<'_> {
    async fn next(&mut self, session: &mut Session, _: Portion) -> Result<Option<Measured>, Fault> {
        let done = session.run(&self.carve.copy_batch(self.is_first)).await?;
        let rows = counted(done.last());
        self.is_first = false;
        self.batches += 1;
        if self.batches.is_multiple_of(REPLAY_EVERY) {
            session.run(&self.carve.replay_step()).await?;
        }
        Ok((rows > 0).then_some(Measured::of(rows.unsigned_abs())))
    }
}

async fn catch_up(cx: &mut Context<'_>, carve: &Carve) -> Result<(), Fault> {
    for _ in 0..REPLAYS_MAX {
        let done = cx.session.run(&carve.replay_step()).await?;
        // The first statement after the settings counts the keys.
        if counted(done.get(super::steps::BY_INDEX.len())) <= LEFT_MAX {
            break;
        }
    }
    Ok(())
}

fn counted(done: Option<&Done>) -> i64 {
    done.and_then(|done| done.first.as_ref()?.try_get(0).ok()).unwrap_or(0)
}

async fn ask(session: &mut Session, carve: &Carve, sql: &str) -> Result<bool, Fault> {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&mut *session.reader().conn)
        .await
        .map_err(|error| Fault::from_sqlx("look at the copy of", &error).on(&carve.source))
}
