//! `archive verify`: reads, and says whether all is there. `archive restore`: a run of the job with that
//! one task.

use std::path::Path;

use super::args::{ArchiveCommand, Format, RestoreArgs, VerifyArgs};
use super::plan::look;
use super::{Failure, output, setup, task};
use crate::job::JobName;
use crate::jobs::archive::verify::{self, Wish};
use crate::jobs::archive::{Task, restore};
use crate::pg::fault::{Fault, Kind};
use crate::pg::ident::TableName;

/// Something differs from the record.
const DIFFERS: u8 = 1;

pub async fn archive(file: Option<&Path>, command: &ArchiveCommand) -> Result<u8, Failure> {
    match command {
        ArchiveCommand::Verify(args) => verify(file, args).await,
        ArchiveCommand::Restore(args) => restore(file, args).await,
    }
}

async fn verify(file: Option<&Path>, args: &VerifyArgs) -> Result<u8, Failure> {
    let table = args.table.as_deref().map(named).transpose()?;
    let setup = setup::configure(file)?;
    let Some(section) = &setup.loaded.config.archive else {
        let message = "nothing is archived: there is no section [archive]";
        return Err(Fault::new(Kind::Configuration, "verify", message).into());
    };
    let server = setup.connect().await?;
    let mut session = look(&server, JobName::Archive).await?;
    let wish = Wish { table, since: args.since, until: args.until };
    let report = verify::verify(&mut session.reader(), section, &wish).await;
    session.close();
    server.close().await;
    let report = report?;
    match args.format {
        Format::Json => output::json(&report)?,
        Format::Text => output::print(&report.to_string())?,
    }
    Ok(if report.is_clean() { 0 } else { DIFFERS })
}

async fn restore(file: Option<&Path>, args: &RestoreArgs) -> Result<u8, Failure> {
    let wish = restore::Wish {
        table: named(&args.table)?,
        since: args.since,
        until: args.until,
        condition: args.condition.clone(),
        keep: args.keep,
    };
    if wish.since.is_none() && wish.until.is_none() && wish.condition.is_none() {
        let message = "which rows? say --where, --since or --until".to_owned();
        return Err(Failure::Usage(message));
    }
    let task = Task::Restore(wish);
    task::run(file, JobName::Archive, |job| job.ask_archive(&task), args.plan, args.format).await
}

fn named(name: &str) -> Result<TableName, Failure> {
    name.parse().map_err(|error| Failure::Usage(format!("{name}: {error}")))
}
