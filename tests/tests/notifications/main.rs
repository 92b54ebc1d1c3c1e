//! Who is told what goes wrong: through a real mail server and a real receiver of webhooks, by the real programs.

mod scene;

use anyhow::{Context as _, Result, ensure};
use dataguardian_failpoints::Point;
use dataguardian_tests::mail::{self, MailServer, MailTls};
use dataguardian_tests::receiver::Answer;
use dataguardian_tests::redis::RedisServer;
use dataguardian_tests::system::{AGENT, Setup};
use dataguardian_tests::wait;
use serde_json::Value;

use scene::{BEARER, EAGER, PATH, SIGNING, Scene, eager};

#[test]
fn a_failing_backup_and_its_recovery_reach_mailbox_and_webhook_once_each() -> Result<()> {
    let scene = Scene::set(eager()?)?;
    let letters = MailServer::start(MailTls::Starttls)?;
    scene.add_webhook("hook", &[])?;
    scene.add_mail("mail", &letters, "starttls", mail::PASSWORD)?;
    for channel in ["hook", "mail"] {
        let tested = scene.system.json(&["notification", "channel", "test", channel])?;
        ensure!(tested["ok"] == true, "{tested:#}");
    }
    scene.add_failing_job()?;
    scene.system.run_job("main").fail(1)?;
    scene.wait_for("backup_failed", &["began"])?;
    // A second failure is the same story.
    scene.system.run_job("main").fail(1)?;
    scene.mend()?;
    scene.system.run_job("main").succeed()?;
    scene.wait_for("backup_failed", &["began", "recovered"])?;
    for (request, body) in scene.told()? {
        ensure!(request.line == format!("POST /{PATH}"), "{request:?}");
        ensure!(
            request.is_signed_with(SIGNING) && !request.is_signed_with("another secret"),
            "{request:?}"
        );
        ensure!(
            request
                .headers
                .get("authorization")
                .is_some_and(|value| value == BEARER)
        );
        ensure!(
            request.headers.get("x-dataguardian-notification")
                == body["id"].as_str().map(str::to_owned).as_ref()
        );
    }
    let told = scene.told()?;
    let (_, began) = told
        .iter()
        .find(|(_, body)| body["phase"] == "began")
        .context("the beginning")?;
    ensure!(
        began["job"] == "main" && began["severity"] == "error",
        "{began:#}"
    );
    ensure!(
        began["details"]
            .as_str()
            .is_some_and(|text| text.contains("DATABASE_AUTHENTICATION")),
        "{began:#}"
    );

    // The test, the beginning and the end.
    wait::until("three letters", || Ok(letters.letters()?.len() >= 3))?;
    let all = letters.letters()?;
    ensure!(all.len() == 3, "{all:#?}");
    for letter in &all {
        ensure!(
            letter.envelope["tls"] == true && letter.envelope["authenticated"] == true,
            "{letter:?}"
        );
        ensure!(
            letter.envelope["to"].as_array().is_some_and(|to| to.len() == 2),
            "{letter:?}"
        );
        ensure!(
            letter.headers.contains("Auto-Submitted: auto-generated"),
            "{letter:?}"
        );
    }
    ensure!(
        all[1]
            .headers
            .contains("[DataGuardian] ERROR: Backup of job main failed"),
        "{:?}",
        all[1]
    );
    ensure!(
        all[2]
            .headers
            .contains("[DataGuardian] INFO: Recovered: Backup of job main failed"),
        "{:?}",
        all[2]
    );
    scene.keeps_its_secrets()?;
    scene.system.check_invariants()
}

#[test]
fn a_test_says_at_which_step_it_failed_and_why() -> Result<()> {
    let mut scene = Scene::set(eager()?)?;
    let letters = MailServer::start(MailTls::Implicit)?;
    scene.add_webhook("hook", &[])?;
    scene.add_mail("mail", &letters, "implicit", "not the password")?;
    let stage = |scene: &Scene, channel: &str| -> Result<(String, String)> {
        let tested = scene
            .system
            .dgctl(&["notification", "channel", "test", channel, "-o", "json"]);
        ensure!(tested.status == Some(1), "{tested:?}");
        let reply: Value = serde_json::from_str(&tested.stdout)?;
        let text = |field: &str| reply[field].as_str().unwrap_or_default().to_owned();
        ensure!(!text("advice").is_empty(), "{reply:#}");
        Ok((text("stage"), text("problem")))
    };
    let (at, said) = stage(&scene, "mail")?;
    ensure!(
        at == "AUTHENTICATION" && said.contains("535"),
        "{at}: {said}\n{}",
        letters.log()
    );

    let answer = |status: &str, headers: String, body: &str| Answer {
        status: status.to_owned(),
        headers,
        body: body.to_owned(),
    };
    let body = format!("no such channel; you sent {BEARER}");
    scene
        .receiver
        .answer(Some(answer("404 Not Found", String::new(), &body)));
    let (at, said) = stage(&scene, "hook")?;
    ensure!(
        at == "REFUSED" && said.contains("404") && said.contains("no such channel"),
        "{at}: {said}"
    );
    ensure!(!said.contains("bearer-that-nobody-sees"), "{said}");
    let elsewhere = "location: https://elsewhere.example.com/x\r\n".to_owned();
    scene.receiver.answer(Some(answer("302 Found", elsewhere, "")));
    let (at, said) = stage(&scene, "hook")?;
    ensure!(
        at == "REFUSED"
            && said.contains("elsewhere.example.com")
            && said.contains("redirects are not followed"),
        "{at}: {said}"
    );
    scene
        .receiver
        .answer(Some(answer("403 Forbidden", String::new(), "")));
    ensure!(stage(&scene, "hook")?.0 == "AUTHENTICATION");

    let change = |scene: &Scene, words: &[&str]| -> Result<()> {
        let all = [&["notification", "channel", "update", "hook"], words].concat();
        scene.system.dgctl(&all).succeed().map(drop)
    };
    let public = scene.file("no-ca", "")?;
    change(&scene, &["--ca-file", &public])?;
    let (at, said) = stage(&scene, "hook")?;
    ensure!(at == "TLS" && said.contains("certificate"), "{at}: {said}");
    scene.receiver.go_away();
    let (at, said) = stage(&scene, "hook")?;
    ensure!(at == "CONNECT" && said.contains("refused"), "{at}: {said}");
    for (url, wanted) in [
        ("https://nowhere.invalid/x", "DNS"),
        ("https://169.254.169.254/latest", "DNS"),
    ] {
        let url = scene.file("url", url)?;
        change(&scene, &["--url-file", &url])?;
        let (at, said) = stage(&scene, "hook")?;
        ensure!(at == wanted, "{at}: {said}");
    }
    scene.keeps_its_secrets()
}

#[test]
fn presets_fit_and_what_would_not_work_is_refused() -> Result<()> {
    let scene = Scene::set(eager()?)?;
    for preset in ["slack", "discord", "ntfy"] {
        scene.add_webhook(preset, &["--preset", preset])?;
        scene.system.dgctl(&["notification", "test", preset]).succeed()?;
    }
    let told = scene.told()?;
    ensure!(
        told[0].1["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("*Test of channel slack*")),
        "{told:#?}"
    );
    ensure!(
        told[1].1["content"].is_string() && told[2].1["topic"] == "dataguardian",
        "{told:#?}"
    );
    let template = scene.file("template", "{\"text\": \"{{ title }}\"}")?;
    let said = scene
        .add_webhook("wrong", &["--template-file", &template])
        .unwrap_err()
        .to_string();
    ensure!(said.contains("tojson"), "{said}");
    let shown = scene
        .system
        .dgctl(&["notification", "channel", "list"])
        .succeed()?;
    ensure!(
        shown.stdout.contains("slack") && !shown.stdout.contains("path-that-nobody-sees"),
        "{shown:?}"
    );
    Ok(())
}

#[test]
fn a_receiver_that_is_away_is_told_later_once() -> Result<()> {
    let mut scene = Scene::set(eager()?)?;
    scene.add_webhook("hook", &[])?;
    scene.receiver.go_away();
    scene.add_failing_job()?;
    scene.system.run_job("main").fail(1)?;
    wait::until("an attempt to fail", || {
        let told = scene
            .system
            .json(&["notification", "list", "--delivery", "pending"])?;
        let failure = &told["notifications"][0]["deliveries"][0]["failure"];
        Ok(failure
            .as_str()
            .is_some_and(|failure| failure.starts_with("CONNECT")))
    })?;
    let shown = scene.system.json(&["notification", "channel", "get", "hook"])?;
    ensure!(shown["channel"]["failedAt"].is_string(), "{shown:#}");
    scene.receiver.come_back()?;
    scene.wait_for("backup_failed", &["began"])?;
    scene.mend()?;
    scene.system.run_job("main").succeed()?;
    scene.wait_for("backup_failed", &["began", "recovered"])?;
    let shown = scene.system.json(&["notification", "channel", "get", "hook"])?;
    ensure!(
        shown["channel"]["failedAt"].is_null() && shown["channel"]["deliveredAt"].is_string(),
        "{shown:#}"
    );
    Ok(())
}

#[test]
fn what_was_claimed_when_the_control_plane_was_killed_is_delivered() -> Result<()> {
    let mut scene = Scene::set(eager()?)?;
    scene.add_webhook("hook", &[])?;
    scene.add_failing_job()?;
    let armed = format!("{}=kill", Point::NotificationClaimed);
    scene.system.control_plane.program().stop()?;
    scene.system.control_plane.start_armed(&armed)?;
    scene.system.wait_for_agent(AGENT)?;
    scene.system.run_job("main").fail(1)?;
    let program = scene.system.control_plane.program();
    wait::until("the control plane to be killed", || {
        Ok(program.ended()?.is_some())
    })?;
    ensure!(scene.receiver.requests().is_empty(), "nothing was sent before");
    scene.system.control_plane.start_again()?;
    scene.wait_for("backup_failed", &["began"])?;
    let told = scene.system.json(&["notification", "list"])?;
    let delivery = &told["notifications"][0]["deliveries"][0];
    ensure!(delivery["attempts"] == 2, "{told:#}");
    Ok(())
}

#[test]
fn a_missing_backup_is_told_though_the_scheduler_is_off() -> Result<()> {
    let mut redis = RedisServer::start()?;
    let setup = Setup {
        redis: Some(redis.url()),
        ..eager()?
    };
    let scene = Scene::set(setup)?;
    scene.add_webhook("hook", &[])?;
    scene.system.add_datasource("main", &scene.server, &["shop"])?;
    redis.kill()?;
    wait::until("the scheduler to be paused", || {
        let info = scene.system.json(&["system", "info"])?;
        let workers = info["workers"].as_array().context("workers")?;
        let paused =
            |worker: &Value| worker["name"] == "scheduler" && worker["state"] == "WORKER_STATE_PAUSED";
        Ok(workers.iter().any(paused))
    })?;
    scene.system.add_job("main", &["--schedule", "* * * * *"])?;
    scene.wait_for("queue_offline", &["began"])?;
    scene.wait_for("backup_missing", &["began"])?;
    let listed = scene.system.json(&["execution", "list"])?;
    ensure!(
        listed["executions"].as_array().is_some_and(Vec::is_empty),
        "nobody fired: {listed:#}"
    );
    redis.start_again()?;
    scene.wait_for("backup_missing", &["began", "recovered"])?;
    scene.wait_for("queue_offline", &["began", "recovered"])?;
    scene.system.check_invariants()
}

#[test]
fn somebody_outside_is_pinged_while_all_is_well_and_not_while_it_is_not() -> Result<()> {
    let mut redis = RedisServer::start()?;
    let setup = Setup {
        redis: Some(redis.url()),
        // Told after five seconds: so long the pings have stopped by then.
        config: EAGER.replace(
            "queue_offline_after_seconds = 1",
            "queue_offline_after_seconds = 5",
        ),
        ..Setup::usual()?
    };
    let scene = Scene::set(setup)?;
    let url = scene.file("ping", &scene.receiver.url("ping/path-that-nobody-sees"))?;
    let ca = scene.receiver.ca_file().display().to_string();
    let words = [
        "notification",
        "channel",
        "create",
        "ping",
        "--name",
        "alive",
        "--url-file",
        &url,
        "--every",
        "1s",
        "--ca-file",
        &ca,
    ];
    scene.system.dgctl(&words).succeed()?;
    let pings = || {
        let requests = scene.receiver.requests();
        requests
            .iter()
            .filter(|request| request.line == "GET /ping/path-that-nobody-sees")
            .count()
    };
    wait::until("three pings", || Ok(pings() >= 3))?;
    redis.kill()?;
    wait::until("the queue to be offline", || {
        Ok(scene.system.json(&["system", "info"])?["queue"]["online"] == false)
    })?;
    let before = pings();
    wait::until("that to be told", || {
        let told = scene.system.json(&["notification", "list"])?;
        Ok(told["notifications"][0]["event"] == "NOTIFICATION_EVENT_QUEUE_OFFLINE")
    })?;
    let meanwhile = pings() - before;
    ensure!(meanwhile <= 1, "{meanwhile} pings said that all is well");
    redis.start_again()?;
    let before = pings();
    wait::until("pings to go on", || Ok(pings() > before))?;
    scene.keeps_its_secrets()
}
