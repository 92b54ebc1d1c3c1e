//! `dgctl system dashboard`.

use dataguardian_proto::v1;

use super::super::Context;
use crate::error::Result;
use crate::output::execution;
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;

const PROTECTION: List<6> = List {
    titles: [
        "datasource",
        "state",
        "newest backup",
        "newest verified",
        "copies",
        "backup",
    ],
    spare: &["backup", "copies"],
    none: "No datasources.",
};

const NEXT: List<3> = List {
    titles: ["job", "datasource", "next run"],
    spare: &["datasource"],
    none: "",
};

const NODES: List<8> = List {
    titles: [
        "node",
        "cpu",
        "memory",
        "load",
        "process",
        "lag",
        "threads",
        "least free",
    ],
    spare: &["lag", "load", "least free"],
    none: "",
};

pub(super) async fn run(context: &Context) -> Result<()> {
    let api = context.api().await?;
    let request = v1::GetDashboardRequest { history_size: 0 };
    let reply = api.system().get_dashboard(request).await?.into_inner();
    context.output.show(&reply, describe)
}

fn describe(dashboard: &v1::GetDashboardResponse, look: Look) -> String {
    let mut sections = vec![summary(dashboard, look), protection(dashboard, look)];
    if !dashboard.recent_executions.is_empty() {
        sections.push(execution::table(&dashboard.recent_executions, look));
    }
    if !dashboard.next_runs.is_empty() {
        let row = |next: &v1::NextRun| {
            [
                Field::text(&next.job),
                Field::text(&next.datasource),
                Field::text(&text::time_and_distance(next.fire_at.as_ref())),
            ]
        };
        let rows: Vec<_> = dashboard.next_runs.iter().map(row).collect();
        sections.push(NEXT.show(look, &rows));
    }
    sections.push(nodes(&dashboard.performance, look));
    sections
        .iter()
        .map(|section| section.trim_end())
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn summary(dashboard: &v1::GetDashboardResponse, look: Look) -> String {
    let counts = dashboard.counts.unwrap_or_default();
    let agents = format!("{} of {} connected", counts.agents_connected, counts.agents);
    let work = format!(
        "{} at work, {} waiting",
        counts.executions_at_work, counts.executions_waiting
    );
    let mut properties = vec![
        (
            "Agents".to_owned(),
            Field::text(&agents).toned(match counts.agents_connected < counts.agents {
                true => Tone::Busy,
                false => Tone::Plain,
            }),
        ),
        ("Jobs".to_owned(), Field::number(counts.jobs.to_string())),
        ("Backups".to_owned(), Field::number(text::count(counts.backups))),
        ("Executions".to_owned(), Field::text(&work)),
    ];
    for ended in &dashboard.statistics {
        let period = ended.period.as_ref().map_or(0, |period| period.seconds) / 3600;
        properties.push((format!("Ended within {period} h"), outcome(ended)));
    }
    details(
        look,
        properties
            .iter()
            .map(|(name, field)| (name.as_str(), field.clone()))
            .collect(),
    )
}

/// `12 completed, 1 failed: 92 % succeed`
fn outcome(ended: &v1::ExecutionStatistics) -> Field {
    let mut words = vec![
        format!("{} completed", ended.completed),
        format!("{} failed", ended.failed),
    ];
    for (count, word) in [(ended.cancelled, "cancelled"), (ended.skipped, "skipped")] {
        if count > 0 {
            words.push(format!("{count} {word}"));
        }
    }
    let words = words.join(", ");
    match ended.success_rate {
        // Rounded down: one failure among many is not a hundred percent.
        Some(rate) => Field::text(&format!("{words}: {:.0} % succeed", (rate * 100.0).floor())),
        None => Field::text(&words),
    }
    .toned(if ended.failed > 0 { Tone::Bad } else { Tone::Plain })
}

fn protection(dashboard: &v1::GetDashboardResponse, look: Look) -> String {
    let now = dashboard.now.as_ref();
    let age = |at: Option<&prost_types::Timestamp>| match at {
        Some(_) => {
            let age = text::between(at, now).unwrap_or_default();
            Field::text(&format!("{} ago", text::length(age)))
        }
        None => Field::text("none").toned(Tone::Bad),
    };
    let row = |one: &v1::DatasourceProtection| {
        let whole = one.copies >= one.copies_wanted;
        let copies = Field::text(&match one.copies_wanted {
            0 => String::new(),
            wanted => format!("{}/{wanted}", one.copies),
        });
        [
            Field::text(&one.datasource),
            state(one.state()),
            age(one.newest_backup_at.as_ref()),
            age(one.newest_verified_backup_at.as_ref()),
            copies.toned(if whole { Tone::Plain } else { Tone::Bad }),
            Field::id(&one.newest_backup_id),
        ]
    };
    PROTECTION.show(look, &dashboard.protection.iter().map(row).collect::<Vec<_>>())
}

fn state(state: v1::ProtectionState) -> Field {
    use v1::ProtectionState as S;
    let (word, tone) = match state {
        S::Protected => ("protected", Tone::Good),
        S::Unverified => ("unverified", Tone::Busy),
        S::Late => ("late", Tone::Bad),
        S::Unprotected => ("unprotected", Tone::Bad),
        S::Unspecified => ("", Tone::Plain),
    };
    Field::text(word).toned(tone)
}

fn nodes(nodes: &[v1::NodePerformance], look: Look) -> String {
    let replicas = nodes.iter().filter(|node| node.agent.is_empty()).count();
    let row = |each| node(each, replicas > 1);
    NODES.show(look, &nodes.iter().map(row).collect::<Vec<_>>())
}

fn node(node: &v1::NodePerformance, is_one_of_several: bool) -> [Field; 8] {
    let host = node.machine.as_ref().map_or("", |machine| &machine.hostname);
    let name = match (node.agent.as_str(), is_one_of_several) {
        ("", false) => "(control plane)".to_owned(),
        ("", true) => format!("(replica on {host})"),
        (agent, _) => agent.to_owned(),
    };
    let sample = node.current.unwrap_or_default();
    let (load, process) = (
        sample.load.unwrap_or_default(),
        sample.process.unwrap_or_default(),
    );
    let seen = |text: String| match node.current {
        Some(_) => text,
        None => String::new(),
    };
    let pool = node.thread_pool.unwrap_or_default();
    let failed = match pool.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let (used, total) = (text::bytes(sample.memory_used), text::bytes(sample.memory_total));
    [
        Field::text(&name),
        Field::number(seen(format!("{:.0} %", sample.cpu_percent))),
        Field::text(&seen(format!("{used} of {total}"))),
        Field::text(&seen(format!(
            "{:.2} {:.2} {:.2}",
            load.one, load.five, load.fifteen
        ))),
        Field::text(&seen(format!(
            "{}, {:.0} %",
            text::bytes(process.memory),
            process.cpu_percent
        ))),
        Field::number(seen(format!("{} ms", sample.runtime_lag_microseconds / 1000))),
        Field::text(&format!(
            "{} of {} busy, {} waiting{failed}",
            pool.busy, pool.size, pool.queued
        )),
        Field::text(&least_free(&node.disks)),
    ]
}

/// The fullest of the node's file systems.
fn least_free(disks: &[v1::Disk]) -> String {
    let share = |disk: &&v1::Disk| disk.available.saturating_mul(1000) / disk.total.max(1);
    let fullest = disks.iter().min_by_key(share);
    fullest.map_or_else(String::new, |disk| {
        format!(
            "{} of {} in {}",
            text::bytes(disk.available),
            text::bytes(disk.total),
            disk.path
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_482_000;

    fn ago(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp {
            seconds: NOW - seconds,
            nanos: 0,
        })
    }

    fn node(agent: &str) -> v1::NodePerformance {
        let sample = v1::MachineSample {
            at: ago(1),
            cpu_percent: 37.4,
            memory_total: 8 << 30,
            memory_used: 3 << 30,
            memory_available: 5 << 30,
            process: Some(v1::ProcessSample {
                cpu_percent: 101.0,
                memory: 64 << 20,
                uptime_seconds: 60,
            }),
            load: Some(v1::LoadAverage {
                one: 1.5,
                five: 0.75,
                fifteen: 0.25,
            }),
            runtime_lag_microseconds: 2_400,
        };
        let disk = |path: &str, available: u64| v1::Disk {
            path: path.to_owned(),
            total: 100 << 30,
            available: available << 30,
        };
        v1::NodePerformance {
            agent: agent.to_owned(),
            current: Some(sample),
            history: vec![sample],
            thread_pool: Some(v1::ThreadPool {
                size: 4,
                busy: 2,
                queued: 1,
                processed: 1000,
                failed: 1,
            }),
            disks: vec![disk("/var/lib/agent", 50), disk("/backups", 3)],
            ..v1::NodePerformance::default()
        }
    }

    #[test]
    fn a_dashboard_shows_protection_work_and_machines() {
        let datasource = |name: &str, state: v1::ProtectionState| v1::DatasourceProtection {
            datasource: name.to_owned(),
            state: state.into(),
            ..v1::DatasourceProtection::default()
        };
        let dashboard = v1::GetDashboardResponse {
            now: ago(0),
            counts: Some(v1::DashboardCounts {
                agents: 3,
                agents_connected: 2,
                jobs: 4,
                backups: 1234,
                executions_waiting: 1,
                executions_at_work: 2,
                ..v1::DashboardCounts::default()
            }),
            statistics: vec![v1::ExecutionStatistics {
                period: Some(prost_types::Duration {
                    seconds: 86_400,
                    nanos: 0,
                }),
                completed: 999,
                failed: 1,
                success_rate: Some(0.999),
                ..v1::ExecutionStatistics::default()
            }],
            protection: vec![
                v1::DatasourceProtection {
                    newest_backup_at: ago(3 * 3600 + 61),
                    newest_backup_id: "0192f3a4-0000-7000-8000-000000000001".to_owned(),
                    newest_verified_backup_at: ago(26 * 3600),
                    copies: 1,
                    copies_wanted: 2,
                    ..datasource("shop", v1::ProtectionState::Protected)
                },
                datasource("wiki", v1::ProtectionState::Unprotected),
            ],
            performance: vec![
                node(""),
                v1::NodePerformance {
                    agent: "db2".to_owned(),
                    ..v1::NodePerformance::default()
                },
            ],
            ..v1::GetDashboardResponse::default()
        };
        insta::assert_snapshot!(describe(&dashboard, Look::PLAIN));
    }
}
