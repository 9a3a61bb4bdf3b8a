//! The command line: help, exit codes, and the shapes of JSON that other programs rely on.

use serde_json::Value;

use crate::daemon::{RARELY, TABLE, config, has_partitions};
use crate::support::{on_every_major, on_the_newest_major, on_the_newest_own_server, pgtend, run};

const COMMANDS: [&[&str]; 16] = [
    &["run"],
    &["once"],
    &["plan"],
    &["check"],
    &["status"],
    &["migrate"],
    &["config"],
    &["config", "show"],
    &["config", "schema"],
    &["history"],
    &["pause"],
    &["resume"],
    &["trigger"],
    &["demo"],
    &["completions"],
    &["man"],
];

/// The names of an object's fields, in their order.
fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    object.keys().map(String::as_str).collect()
}

#[test]
fn every_command_has_its_help() {
    on_the_newest_major(|db| async move {
        let program = pgtend(&db, "");
        let top = program.run(&["--help"]).await;
        assert_eq!(top.code, Some(0), "{top}");
        for command in COMMANDS {
            let help = program.run(&[command, &["--help"]].concat()).await;
            assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command:?}: {help}");
            let usage = format!("Usage: pgtend {}", command.join(" "));
            assert!(help.stdout.contains(&usage), "{command:?}: {help}");
            assert!(top.stdout.contains(command[0]), "{command:?} is missing: {top}");
        }
        let version = program.run(&["--version"]).await;
        assert_eq!(version.stdout, format!("pgtend {}\n", env!("CARGO_PKG_VERSION")));
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let completions = program.run(&["completions", shell]).await;
            assert_eq!(completions.code, Some(0), "{completions}");
            assert!(completions.stdout.contains("pgtend"), "{completions}");
        }
        let man = program.run(&["man"]).await;
        assert!(man.stdout.contains(".TH pgtend 1"), "{man}");
    });
}

#[test]
fn wrong_usage_is_64() {
    on_the_newest_major(|db| async move {
        let program = pgtend(&db, &config(RARELY, ""));
        for (arguments, words) in [
            (&[][..], "Usage: pgtend"),
            (&["tend"], "unrecognized subcommand 'tend'"),
            (&["once", "--fast"], "unexpected argument '--fast'"),
            (&["once", "--slot", "soon"], "invalid value 'soon'"),
            (&["pause"], "<JOB>"),
            (&["plan", "--now", "tomorrow"], "invalid value 'tomorrow'"),
            (&["once", "archiv"], "there is no job \"archiv\"; configured: partitions"),
            (&["plan", "archive"], "job archive is not configured: add the section [archive]"),
            (
                &["history", "vacuum"],
                "there is no job \"vacuum\"; the jobs are partitions, archive",
            ),
            (&["trigger", "vacuum"], "there is no job \"vacuum\""),
            (&["pause", "partitions", "--for", "ever"], "--for: "),
            (&["demo", "--postgres", "12"], "12 is not in 13..=18"),
        ] {
            let ran = program.run(arguments).await;
            assert_eq!(ran.code, Some(64), "{arguments:?}: {ran}");
            assert!(ran.stderr.contains(words), "{arguments:?}: {ran}");
            assert_eq!(ran.stdout, "", "{arguments:?}: {ran}");
        }
    });
}

#[test]
fn exit_codes_say_what_to_do_next() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let good = config(RARELY, "lock_timeout = \"100ms\"");
        let program = pgtend(&db, &good);
        let code = async |arguments: &[&str]| program.run(arguments).await.code.unwrap();
        assert_eq!(code(&["status"]).await, 78, "there is nothing to read yet");
        assert_eq!(code(&["history"]).await, 78);
        assert_eq!(code(&["check"]).await, 0);
        assert_eq!(code(&["plan"]).await, 0);
        assert_eq!(code(&["plan", "--check"]).await, 3, "there is something to do");

        // Temporary: what held it up may be gone when it is tried again.
        let hasty = good.replace("[partitions]\n", "[partitions]\ntimeout = \"300ms\"\n");
        program.rewrite_config(&hasty.replace("{url}", db.url()));
        let mut holder = db.connect().await;
        run(&mut holder, "BEGIN; LOCK TABLE activity_logs").await;
        assert_eq!(code(&["once"]).await, 75);
        run(&mut holder, "ROLLBACK").await;
        program.rewrite_config(&good.replace("{url}", db.url()));
        assert_eq!(code(&["once"]).await, 0);
        assert!(has_partitions(&db).await);
        assert_eq!(code(&["plan", "--check"]).await, 0, "all is done");
        assert_eq!(code(&["pause", "partitions"]).await, 0);
        assert_eq!(code(&["once"]).await, 3, "nothing was run");
        assert_eq!(code(&["resume", "partitions"]).await, 0);

        // Some of it failed: the rest is done, and one that cannot look hides no other.
        let more = "[partitions.tables.\"public.missing\"]\ninterval = \"1 day\"\n\
                    [slow_queries]\nschedule = \"* * * * *\"\n";
        program.rewrite_config(&(good.clone() + more).replace("{url}", db.url()));
        let ran = program.run(&["once", "--format", "json", "partitions"]).await;
        assert_eq!(ran.code, Some(1), "{ran}");
        assert_eq!(ran.json()["jobs"][0]["outcome"], "partial", "{ran}");
        assert_eq!(code(&["plan", "partitions", "--check"]).await, 1);
        let plan = program.run(&["plan", "--format", "json"]).await;
        let jobs: Vec<&str> = plan.stdout.matches("\"job\": \"").map(|_| "job").collect();
        assert_eq!(jobs.len(), 2, "{plan}");
        let checked = program.run(&["check"]).await;
        assert_eq!(checked.code, Some(1), "{checked}");

        program.rewrite_config("[partitions]\nschedule = 5\n");
        assert_eq!(code(&["once"]).await, 78);
        assert_eq!(code(&["config", "show"]).await, 78);
        let unwritable = "[log.file]\ndirectory = \"/dev/null/logs\"\n";
        program.rewrite_config(&(good.clone() + unwritable).replace("{url}", db.url()));
        assert_eq!(code(&["once"]).await, 74);
    });
}

#[test]
fn results_that_cannot_be_written_are_74_and_a_reader_that_left_is_none() {
    let ends = |command: &str| {
        let program = env!("CARGO_BIN_EXE_pgtend");
        let shell = format!("{program} {command}");
        let ran = std::process::Command::new("bash").args(["-c", &shell]).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, said) = ends("man >/dev/full");
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("write to standard output: No space left"), "{said}");
    assert_eq!(ends("man | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"), (Some(0), String::new()));
}

#[test]
fn json_keeps_its_shape() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let program = pgtend(&db, &config(RARELY, ""));
        let json = async |arguments: &[&str]| {
            let ran = program.run(&[arguments, &["--format", "json"]].concat()).await;
            assert_eq!(ran.code, Some(0), "{ran}");
            // Every line beside the result is a line of the log.
            ran.log();
            ran.json()
        };
        let plan = json(&["plan"]).await;
        assert_eq!(fields(&plan), ["pgtend", "server", "jobs"]);
        assert_eq!(plan["pgtend"], env!("CARGO_PKG_VERSION"));
        assert_eq!(fields(&plan["server"]), ["version", "database", "address"]);
        let job = &plan["jobs"][0];
        assert_eq!(fields(job), ["job", "actions", "spared", "warnings"]);
        assert_eq!(job["job"], "partitions");
        assert_eq!(fields(&job["actions"][0]), ["kind", "object", "reason", "sql"]);
        assert!(job["actions"][0]["sql"][0].is_string(), "{job}");

        let once = json(&["once"]).await;
        assert_eq!(fields(&once), ["jobs"]);
        let job = &once["jobs"][0];
        assert_eq!(fields(job), ["job", "outcome", "duration_ms", "actions", "spared", "warnings"]);
        assert_eq!(job["outcome"], "succeeded");
        assert_eq!(
            job["actions"].as_array().unwrap().len(),
            plan["jobs"][0]["actions"].as_array().unwrap().len()
        );
        assert_eq!(&fields(&job["actions"][0])[..3], ["kind", "object", "outcome"]);
        let again = json(&["plan"]).await;
        assert_eq!(again["jobs"][0]["actions"], Value::Array(Vec::new()));
        assert_eq!(fields(&again["jobs"][0]["spared"][0]), ["object", "reason"]);

        let status = json(&["status"]).await;
        assert_eq!(fields(&status), ["pgtend", "now", "jobs"]);
        let job = &status["jobs"][0];
        assert_eq!(fields(job), ["job", "last_run", "next_run_at", "paused", "standing", "error"]);
        assert_eq!(job["last_run"]["status"], "succeeded");
        assert!(job["next_run_at"].as_str().unwrap().contains("-01-01T00:00:00"), "{job}");

        let history = json(&["history"]).await;
        assert_eq!(history.as_array().unwrap().len(), 1);
        let run = &history[0];
        assert_eq!(run, &job["last_run"]);
        assert!(run["run_id"].is_string(), "64 bits are text: {run}");
        assert_eq!((&run["job"], &run["trigger"]), (&"partitions".into(), &"manual".into()));

        let check = json(&["check"]).await;
        let checks: Vec<&str> = check["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["check"].as_str().unwrap())
            .collect();
        for what in ["configuration", "connection", "version", "pooler", "clock", "role", "schema"]
        {
            assert!(checks.contains(&what), "{what} is missing: {check}");
        }
    });
}

/// `plan` has its own test; these promise as much.
#[test]
fn looking_changes_nothing() {
    on_the_newest_own_server(&[("autovacuum", "off")], |db, _server| async move {
        db.execute(TABLE).await;
        let program = pgtend(&db, &config(RARELY, ""));
        let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
        let before = db.value(next).await;
        // Before pgtend's own schema is there, and after.
        for command in [&["plan"][..], &["check"], &["config", "show"]] {
            assert_eq!(program.run(command).await.code, Some(0), "{command:?}");
        }
        assert_eq!(db.value(next).await, before);
        assert_eq!(program.run(&["once"]).await.code, Some(0));
        let before = db.value(next).await;
        for command in [&["plan"][..], &["check"], &["status"], &["history"]] {
            assert_eq!(program.run(command).await.code, Some(0), "{command:?}");
        }
        assert_eq!(db.value(next).await, before);
    });
}

#[test]
fn text_is_for_people() {
    on_every_major(|db| async move {
        db.execute(TABLE).await;
        let program = pgtend(&db, &config(RARELY, ""));
        let text = async |arguments: &[&str]| program.run(arguments).await.stdout;
        assert!(text(&["plan"]).await.contains("+ create_partition public.activity_logs_p"));
        assert!(text(&["once"]).await.starts_with("partitions: succeeded in "));
        let status = text(&["status"]).await;
        assert!(status.starts_with("JOB"), "{status}");
        assert!(status.contains("public.activity_logs covered until"), "{status}");
        assert!(text(&["history"]).await.contains("succeeded"));
        assert!(text(&["pause", "partitions", "--reason", "deploy"]).await.contains("is paused"));
        assert!(text(&["status"]).await.contains("paused: deploy"));
        let trigger = text(&["trigger", "partitions"]).await;
        assert!(trigger.contains("paused"), "it will not start within 15 s: {trigger}");
        assert!(text(&["once"]).await.contains("paused: deploy"));
        assert!(text(&["resume", "partitions"]).await.contains("starts again"));
        assert!(text(&["resume", "partitions"]).await.contains("was not paused"));
    });
}
