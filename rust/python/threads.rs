//! Pools of threads that are made anew in a process that was forked.

use std::process::id;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Systems refuse to start many more threads.
const MOST: usize = 1024;

/// What works for no run in particular, on [`default_threads`].
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
    /// So many threads; 0 for [`default_threads`].
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
        let count = if self.count > 0 { self.count } else { default_threads() };
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

/// As many threads as `OMP_NUM_THREADS` allows, or one for each processor: joblib tells its workers
/// by that variable, lest they take all processors each.
#[pyfunction]
pub(super) fn default_threads() -> usize {
    let allowed = std::env::var("OMP_NUM_THREADS").ok().and_then(|count| count.parse().ok());
    match allowed {
        Some(count) if count > 0 => MOST.min(count),
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Leaves another process's pool as it is: dropping it would wake threads that are not here.
fn forget(pool: Option<(u32, Arc<ThreadPool>)>) {
    std::mem::forget(pool);
}
