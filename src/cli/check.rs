//! `check`: is everything in place? Each problem with its cure.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use sqlx::Row;

use super::args::Format;
use super::plan::plan_one;
use super::setup::{self, Setup};
use super::{Failure, output};
use crate::jobs::AnyJob;
use crate::pg::connect::Server;
use crate::pg::fault::Fault;
use crate::pg::schema::{self, SchemaState};
use crate::scheduler::outage::OFFSET_LIMIT_MS;
use crate::time::clock;

/// Something is not in place.
const NOT_IN_PLACE: u8 = 1;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Ok,
    Warn,
    Fail,
}

/// One check with its finding and, where it is not fine, the cure.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    check: String,
    result: Grade,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    fn ok(check: &str, found: impl Into<String>) -> Self {
        Self { check: check.to_owned(), result: Grade::Ok, found: found.into(), cure: None }
    }

    fn warn(check: &str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        let cure = Some(cure.into());
        Self { check: check.to_owned(), result: Grade::Warn, found: found.into(), cure }
    }

    fn fail(check: &str, fault: &Fault) -> Self {
        let mut bare = fault.clone();
        let cure = bare.hint.take();
        Self { check: check.to_owned(), result: Grade::Fail, found: bare.to_string(), cure }
    }
}

pub async fn check(file: Option<&Path>, format: Format) -> Result<u8, Failure> {
    let setup = setup::configure(file)?;
    let jobs = setup.jobs(&[])?;
    let mut findings = vec![configuration(&setup, &jobs)];
    let code = match setup.connect().await {
        Ok(server) => {
            server_findings(&server, &mut findings).await?;
            for job in &jobs {
                job_findings(&server, job, &mut findings).await;
            }
            server.close().await;
            let failed = findings.iter().any(|finding| finding.result == Grade::Fail);
            if failed { NOT_IN_PLACE } else { 0 }
        }
        Err(fault) => {
            findings.push(Finding::fail("connection", &fault));
            fault.kind.exit_code()
        }
    };
    match format {
        Format::Json => output::json(&json!({ "checks": findings }))?,
        Format::Text => output::print(&as_text(&findings))?,
    }
    Ok(code)
}

fn configuration(setup: &Setup, jobs: &[AnyJob]) -> Finding {
    let files: Vec<_> = setup.loaded.files.iter().map(|f| f.display().to_string()).collect();
    let jobs: Vec<_> = jobs.iter().map(|job| job.name().as_str()).collect();
    Finding::ok("configuration", format!("{}; jobs: {}", files.join(", "), jobs.join(", ")))
}

async fn server_findings(server: &Server, findings: &mut Vec<Finding>) -> Result<(), Fault> {
    let facts = &server.facts;
    findings.push(Finding::ok(
        "connection",
        format!("database {} at {} as {}", facts.database, facts.address, facts.user),
    ));
    findings.push(Finding::ok("version", format!("PostgreSQL {}", facts.version)));
    findings.push(Finding::ok("pooler", "no transaction pooler in between"));
    findings.push(clock_finding(server).await?);
    findings.push(role(server).await?);
    findings.push(own_schema(server).await?);
    Ok(())
}

async fn clock_finding(server: &Server) -> Result<Finding, Fault> {
    let offset_ms = (clock::wall() - server.now().await?).num_milliseconds();
    let found = format!("this host's clock is {offset_ms} ms ahead of the server's");
    Ok(if offset_ms.unsigned_abs() > OFFSET_LIMIT_MS {
        Finding::warn("clock", found, "check NTP on both hosts; pgtend goes by the server's clock")
    } else {
        Finding::ok("clock", found)
    })
}

async fn role(server: &Server) -> Result<Finding, Fault> {
    let user = &server.facts.user;
    let superuser: bool = sqlx::query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        .fetch_one(&server.control)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| Fault::from_sqlx("look at the role", &error))?;
    Ok(if superuser {
        let cure = "use a role of its own that owns the tables pgtend tends";
        Finding::warn("role", format!("{user} is a superuser, which pgtend does not need"), cure)
    } else {
        Finding::ok("role", format!("{user} is not a superuser"))
    })
}

async fn own_schema(server: &Server) -> Result<Finding, Fault> {
    let schema = &server.facts.schema;
    Ok(match schema::state(server).await? {
        SchemaState::Current => Finding::ok("schema", format!("{schema} is up to date")),
        SchemaState::Behind(..) => match schema::may_create(server).await? {
            Ok(()) => {
                let found = format!("{schema} is missing or older; the first run makes it");
                Finding::warn("schema", found, "or now: pgtend migrate")
            }
            Err(fault) => Finding::fail("schema", &fault),
        },
        SchemaState::Newer(version) => Finding::fail("schema", &schema::newer(schema, version)),
    })
}

/// A job's own look finds what it lacks: privileges, extension, unsuitable tables.
async fn job_findings(server: &Server, job: &AnyJob, findings: &mut Vec<Finding>) {
    let name = job.name().as_str();
    let looked = async { plan_one(server, job, server.now().await?).await };
    match looked.await {
        Ok(plan) => {
            for refused in &plan.refused {
                findings.push(Finding::fail(name, &refused.fault));
            }
            for warning in &plan.warnings {
                findings.push(Finding::warn(name, warning, "see the job's page in docs/jobs"));
            }
            if plan.refused.is_empty() {
                let (todo, spared) = (plan.actions.len(), plan.spared.len());
                findings.push(Finding::ok(name, format!("{todo} to do, {spared} left alone")));
            }
        }
        Err(fault) => findings.push(Finding::fail(name, &fault)),
    }
}

fn as_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { check, result, found, cure } in findings {
        // Writing to a string cannot fail.
        let mark = match result {
            Grade::Ok => "ok  ",
            Grade::Warn => "warn",
            Grade::Fail => "FAIL",
        };
        let _ = writeln!(text, "{mark}  {check}: {found}");
        if let Some(cure) = cure {
            let _ = writeln!(text, "      -> {cure}");
        }
    }
    text
}
