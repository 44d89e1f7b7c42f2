//! What survives when something dies.

use std::time::Duration;

use sandbox::RunState;

use crate::world::World;

pub(crate) async fn acknowledged_jobs_survive_a_restart() {
    let mut world = World::new().await;
    let sql = "select district, count(*) as n from residents group by district";
    for moment in [0, 10, 40, 80] {
        let jobs = futures::future::join_all((0..4).map(|_| world.submit_sql(sql))).await;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.restart().await;
        for job in jobs {
            let run = world.settled(job.unwrap().run).await;
            assert_eq!(run.state, RunState::Released, "{run:?}");
            assert!(
                world
                    .download(run.release.unwrap())
                    .await
                    .starts_with("district,n\n")
            );
        }
    }
    let quarantined = world
        .files()
        .into_iter()
        .filter(|f| f.to_string_lossy().contains("/quarantine/"));
    assert_eq!(quarantined.count(), 0, "what was decided is not kept twice");
    world.platform.verify_ledger(&world.auditor).await.unwrap();
    world.platform.close().await;
}

pub(crate) async fn a_dead_worker_costs_no_answer() {
    let world = World::new().await;
    let sql = "select occupation, count(*) as n from residents group by occupation";
    for moment in [0, 4, 12, 25] {
        let job = world.submit_sql(sql).await.unwrap();
        tokio::time::sleep(Duration::from_millis(moment)).await;
        for worker in children() {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
        }
        let run = world.settled(job.run).await;
        assert_eq!(
            run.state,
            RunState::Released,
            "killed after {moment} ms: {run:?}"
        );
    }
    let after = world
        .sql("select district, count(*) as n from residents group by district")
        .await;
    assert_eq!(
        after.state,
        RunState::Released,
        "new workers take the place of the dead"
    );
    world.platform.close().await;
}

/// The processes below this one: workers, and what they forked into.
fn children() -> Vec<rustix::process::Pid> {
    let own = i32::try_from(std::process::id()).unwrap();
    let mut below = vec![own];
    let mut found = Vec::new();
    while let Some(parent) = below.pop() {
        let tasks = format!("/proc/{parent}/task");
        for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            for child in children.unwrap_or_default().split_whitespace() {
                let child: i32 = child.parse().unwrap();
                below.push(child);
                found.extend(rustix::process::Pid::from_raw(child));
            }
        }
    }
    found
}
