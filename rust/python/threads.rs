//! Pools of threads that are made anew in a process that was forked.

use std::process::id;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::PyResult;
use pyo3::exceptions::PyRuntimeError;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// What works for no run in particular; as many threads as the environment
/// allows, or one for each processor.
pub(super) static SHARED: Threads = Threads::new(0);

/// A pool of so many threads, made when it is first asked for.
///
/// A fork copies a pool's memory but none of its threads, so that the child would wait for ever. So
/// a pool is remembered with the process that it was made in.
pub(super) struct Threads {
    count: usize,
    made: Mutex<Option<(u32, Arc<ThreadPool>)>>,
}

impl Threads {
    /// So many threads; 0 for one on each processor.
    pub(super) const fn new(count: usize) -> Self {
        Self { count, made: Mutex::new(None) }
    }

    /// This process's pool.
    pub(super) fn get(&self) -> PyResult<Arc<ThreadPool>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((process, pool)) = &*made
            && *process == id()
        {
            return Ok(Arc::clone(pool));
        }
        let count = if self.count > 0 { self.count } else { allowed() };
        let pool = ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("apbt-rs-{index}"))
            .build()
            .map_err(|error| PyRuntimeError::new_err(format!("n_jobs: no threads: {error}")))?;
        let pool = Arc::new(pool);
        forget(made.replace((id(), Arc::clone(&pool))));
        Ok(pool)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let made = self.made.get_mut().unwrap_or_else(PoisonError::into_inner);
        if made.as_ref().is_some_and(|(process, _)| *process != id()) {
            forget(made.take());
        }
    }
}

/// As many threads as the environment allows, 0 if it does not say: joblib tells its workers so,
/// lest they take all processors each.
fn allowed() -> usize {
    let variable = std::env::var("OMP_NUM_THREADS").ok();
    variable.and_then(|count| count.parse().ok()).map_or(0, |count: usize| count.min(1024))
}

/// Leaves another process's pool as it is: dropping it would wake threads that are not here.
fn forget(pool: Option<(u32, Arc<ThreadPool>)>) {
    std::mem::forget(pool);
}
