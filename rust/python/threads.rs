//! Pools of threads: runs share them, and a process that was forked makes its own anew.

use std::process::id;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::sleep;
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Systems refuse to start many more threads.
const MOST: usize = 1024;
/// How often a lock is asked for, a millisecond apart.
const PATIENCE: usize = 100;

/// The pools that somebody works with, and the process of each. Runs at the same time share one, so
/// that together they take no more processors than each alone.
static POOLS: Mutex<Vec<(u32, Weak<ThreadPool>)>> = Mutex::new(Vec::new());

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
        let count = || if self.count > 0 { self.count } else { default_threads() };
        let Some(mut made) = patiently(&self.made) else { return pool_of(count()) };
        if let Some((process, pool)) = &*made
            && *process == id()
        {
            return Ok(Arc::clone(pool));
        }
        let pool = pool_of(count())?;
        forget(made.replace((id(), Arc::clone(&pool))));
        Ok(pool)
    }
}

/// A lock, once whoever has it lets go of it. None if that takes longer than to start threads: a fork may have
/// come while another thread had it, whose copy in the child stays locked for ever.
fn patiently<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..PATIENCE {
        match lock.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(1)),
        }
    }
    None
}

/// A pool of this process that has so many threads.
fn pool_of(count: usize) -> PyResult<Arc<ThreadPool>> {
    // Whoever cannot have the list makes a pool of its own.
    let mut pools = patiently(&POOLS);
    if let Some(pools) = &mut pools {
        pools.retain(|(process, pool)| *process == id() && pool.strong_count() > 0);
        let mut shared = pools.iter().filter_map(|(_, pool)| pool.upgrade());
        if let Some(pool) = shared.find(|pool| pool.current_num_threads() == count) {
            return Ok(pool);
        }
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|index| format!("apbt-rs-{index}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("n_jobs: no threads: {error}")))?;
    let pool = Arc::new(pool);
    if let Some(pools) = &mut pools {
        pools.push((id(), Arc::downgrade(&pool)));
    }
    Ok(pool)
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
    let variable = std::env::var("OMP_NUM_THREADS").unwrap_or_default();
    // Of a list, one count for each level of nested loops, the first is the outermost's.
    let allowed = variable.split(',').next().and_then(|count| count.trim().parse().ok());
    match allowed {
        Some(count) if count > 0 => MOST.min(count),
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Leaves another process's pool as it is: dropping it would wake threads that are not here.
fn forget(pool: Option<(u32, Arc<ThreadPool>)>) {
    std::mem::forget(pool);
}
