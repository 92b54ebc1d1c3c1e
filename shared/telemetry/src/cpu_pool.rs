//! A fixed pool of OS threads for work that keeps a CPU busy: chunking, compressing, hashing, sealing.
//!
//! Such work must never run on the async runtime, where it would hold up heartbeats and sockets. The queue is bounded, so
//! a producer that outruns the CPUs waits instead of filling the memory. What must never happen is that a task is lost: a
//! task whose worker dies under it, or that finds the pool shut down, is run again on its caller's thread, so that the
//! backup goes on. That is why a task is `Fn`, not `FnOnce`: it may run twice, and must give the same result each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use dataguardian_core::performance::CpuPoolSnapshot;
use tokio::sync::{mpsc, oneshot};

/// A pool of CPU threads. Clones share the same threads; the last one dropped lets them finish and end.
#[derive(Debug, Clone)]
pub struct CpuPool {
    queue: Arc<Mutex<Option<TaskSender>>>,
    counters: Arc<Counters>,
}

/// Tasks that may wait for each thread before producers have to.
const QUEUED_PER_THREAD: usize = 2;

type TaskSender = mpsc::Sender<Box<dyn Task>>;

/// A task in the queue.
trait Task: Send {
    /// Whether nobody waits for the result any more.
    fn abandoned(&self) -> bool;
    /// Runs it and answers its caller. A panic drops the way to the caller, who learns of it thereby.
    fn run(self: Box<Self>, counters: &Counters);
}

struct Waiting<T, F> {
    task: Arc<F>,
    caller: oneshot::Sender<T>,
}

impl<T: Send, F: Fn() -> T + Send + Sync> Task for Waiting<T, F> {
    fn abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn run(self: Box<Self>, counters: &Counters) {
        let Self { task, caller } = *self;
        let result = task();
        // What the task holds is let go before its caller goes on.
        drop(task);
        counters.processed.fetch_add(1, Ordering::Relaxed);
        drop(caller.send(result));
    }
}

#[derive(Debug, Default)]
struct Counters {
    size: AtomicUsize,
    busy: AtomicUsize,
    queued: AtomicUsize,
    processed: AtomicU64,
    failed: AtomicU64,
}

impl CpuPool {
    /// Starts that many threads, at least one. Threads that the system refuses to start are missing from the pool's size;
    /// with none at all, every task runs on its caller's thread.
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let (queue, tasks) = mpsc::channel(threads.saturating_mul(QUEUED_PER_THREAD));
        let tasks = Arc::new(Mutex::new(tasks));
        let counters = Arc::new(Counters::default());
        for number in 0..threads {
            let worker = Worker::join_pool(&counters, &tasks);
            let started = thread::Builder::new()
                .name(format!("cpu-{number}"))
                .spawn(move || worker.work());
            if let Err(error) = started {
                tracing::warn!(%error, "a thread of the CPU pool could not be started");
            }
        }
        Self {
            queue: Arc::new(Mutex::new(Some(queue))),
            counters,
        }
    }

    /// One thread for each CPU that this process may use.
    pub fn sized_to_machine() -> Self {
        Self::new(thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// Runs `task` on a thread of the pool and gives its result. Waits while the queue is full.
    ///
    /// A task that panics is run once more on the caller's thread; if it panics there too, so does the caller. Dropping the
    /// future before a thread took the task up drops the task.
    pub async fn run<T, F>(&self, task: F) -> T
    where
        T: Send + 'static,
        F: Fn() -> T + Send + Sync + 'static,
    {
        let task = Arc::new(task);
        if let Some(answer) = self.submit(&task).await
            && let Ok(result) = answer.await
        {
            return result;
        }
        let result = task();
        self.counters.processed.fetch_add(1, Ordering::Relaxed);
        result
    }

    /// What the pool is doing now.
    pub fn snapshot(&self) -> CpuPoolSnapshot {
        CpuPoolSnapshot {
            size: self.counters.size.load(Ordering::Relaxed),
            busy: self.counters.busy.load(Ordering::Relaxed),
            queued: self.counters.queued.load(Ordering::Relaxed),
            processed: self.counters.processed.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }

    /// Takes no new tasks; the threads end after those that wait. Later tasks run on their caller's thread.
    pub fn shut_down(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn sender(&self) -> Option<TaskSender> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queues the task; none if there is nobody to run it.
    async fn submit<T, F>(&self, task: &Arc<F>) -> Option<oneshot::Receiver<T>>
    where
        T: Send + 'static,
        F: Fn() -> T + Send + Sync + 'static,
    {
        let sender = self.sender()?;
        let place = sender.reserve().await.ok()?;
        let (caller, answer) = oneshot::channel();
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        place.send(Box::new(Waiting {
            task: Arc::clone(task),
            caller,
        }));
        Some(answer)
    }
}

/// One thread of the pool; counted in its size for as long as it lives, however it ends.
struct Worker {
    counters: Arc<Counters>,
    tasks: Arc<Mutex<mpsc::Receiver<Box<dyn Task>>>>,
}

impl Worker {
    fn join_pool(counters: &Arc<Counters>, tasks: &Arc<Mutex<mpsc::Receiver<Box<dyn Task>>>>) -> Self {
        counters.size.fetch_add(1, Ordering::Relaxed);
        Self {
            counters: Arc::clone(counters),
            tasks: Arc::clone(tasks),
        }
    }

    fn work(self) {
        while let Some(task) = self.next() {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            if task.abandoned() {
                continue;
            }
            self.counters.busy.fetch_add(1, Ordering::Relaxed);
            let outcome = catch_unwind(AssertUnwindSafe(|| task.run(&self.counters)));
            self.counters.busy.fetch_sub(1, Ordering::Relaxed);
            if outcome.is_err() {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn next(&self) -> Option<Box<dyn Task>> {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.counters.size.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "cpu_pool/tests.rs"]
mod tests;
