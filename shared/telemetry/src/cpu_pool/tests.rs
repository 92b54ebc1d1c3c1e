use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

async fn eventually(what: impl Fn() -> bool) {
    for _ in 0..1000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the condition did not come true");
}

#[tokio::test]
async fn a_task_runs_on_a_named_thread_of_the_pool() {
    let pool = CpuPool::new(2);
    let name = pool.run(|| thread::current().name().map(str::to_owned)).await;
    assert!(name.expect("the thread has a name").starts_with("cpu-"));
    assert_eq!(pool.snapshot().processed, 1);
    assert_eq!(pool.snapshot().size, 2);
}

#[tokio::test]
async fn a_task_whose_worker_dies_is_run_again_on_the_callers_thread() {
    let pool = CpuPool::new(1);
    let caller = thread::current().id();
    let first = AtomicBool::new(true);
    let ran_on = pool
        .run(move || {
            assert!(!first.swap(false, Ordering::SeqCst), "the worker dies once");
            thread::current().id()
        })
        .await;
    assert_eq!(ran_on, caller);
    eventually(|| pool.snapshot().failed == 1).await;
    assert_eq!(pool.run(|| 7).await, 7);
    assert_eq!(pool.snapshot().size, 1, "the thread lives on");
}

#[tokio::test]
async fn after_shutdown_tasks_run_on_the_callers_thread() {
    let pool = CpuPool::new(2);
    pool.shut_down();
    let caller = thread::current().id();
    assert_eq!(pool.run(|| thread::current().id()).await, caller);
    eventually(|| pool.snapshot().size == 0).await;
}

#[tokio::test]
async fn the_snapshot_tells_what_runs_and_what_waits() {
    let pool = CpuPool::new(1);
    let (release, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let blocked = |pool: CpuPool| {
        let gate = Arc::clone(&gate);
        async move { pool.run(move || gate.lock().unwrap().recv().is_ok()).await }
    };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..3 {
        tasks.spawn(blocked(pool.clone()));
    }
    eventually(|| pool.snapshot().busy == 1 && pool.snapshot().queued == 2).await;
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    assert_eq!(tasks.join_all().await, [true; 3]);
    eventually(|| pool.snapshot().busy == 0).await;
    assert_eq!((pool.snapshot().queued, pool.snapshot().processed), (0, 3));
}

#[tokio::test]
async fn an_abandoned_task_is_not_run() {
    let pool = CpuPool::new(1);
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let mut tasks = tokio::task::JoinSet::new();
    let first = pool.clone();
    tasks.spawn(async move { first.run(move || gate.lock().unwrap().recv().is_ok()).await });
    eventually(|| pool.snapshot().busy == 1).await;
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let second = pool.run(move || seen.store(true, Ordering::SeqCst));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), second)
            .await
            .is_err()
    );
    release.send(()).unwrap();
    eventually(|| pool.snapshot().queued == 0 && pool.snapshot().busy == 0).await;
    assert!(!ran.load(Ordering::SeqCst));
}

fn on_the_pool() -> bool {
    thread::current()
        .name()
        .is_some_and(|name| name.starts_with("cpu-"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_task_is_lost_whatever_dies(
        threads in 1_usize..5,
        dies in prop::collection::vec(any::<bool>(), 0..40),
        shut_down_at in 0_usize..60,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let results = runtime.block_on(async {
            let pool = CpuPool::new(threads);
            let mut tasks = tokio::task::JoinSet::new();
            for (number, &dies) in dies.iter().enumerate() {
                if number == shut_down_at {
                    pool.shut_down();
                }
                let pool = pool.clone();
                let task = move || {
                    assert!(!(dies && on_the_pool()), "the worker dies");
                    number
                };
                tasks.spawn(async move { pool.run(task).await });
            }
            tasks.join_all().await
        });
        let mut results = results;
        results.sort_unstable();
        prop_assert_eq!(results, (0..dies.len()).collect::<Vec<_>>());
    }
}
