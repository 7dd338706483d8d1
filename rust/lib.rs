//! Augmented Population Based Training: a population of small neural networks is trained, and the
//! networks' weights, hyperparameter schedules and topologies evolve in one run.
//!
//! Data flows one way, and each stage has a file:
//!
//! ```text
//! dataset ─► member (drawn from a space) ─► for each generation:
//!     selection ─► exploring ∥ ─► training ∥ ─► scoring ∥ ─► history, archive
//! ```
//!
//! [`evolution`] is the paper's algorithm; read it first. [`network`] and [`topology`] are what
//! evolves, [`hyperparameters`] what it evolves with, `kernels` the arithmetic beneath. Nothing here
//! knows Python but `python`, which converts types and errors for the package `apbt_rs`.

mod answers;
pub mod archive;
mod checkpoint;
pub mod dataset;
pub mod error;
pub mod evolution;
pub mod exploring;
pub mod files;
mod grouping;
pub mod history;
pub mod hyperparameters;
mod kernels;
mod lanes;
pub mod math;
pub mod member;
pub mod metrics;
pub mod network;
#[cfg(feature = "python")]
mod python;
pub mod random;
pub mod scoring;
pub mod selection;
mod sharing;
pub mod topology;
pub mod training;
mod validation;

#[doc(hidden)]
pub use kernels::without_subnormals;
