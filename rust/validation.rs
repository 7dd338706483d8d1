//! What scoring needs of the validation rows, worked out once for a dataset.

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::answers::Answers;
use crate::dataset::Dataset;
use crate::kernels::{BLOCK, Kernel, Square, dispatch, to_columns};
use crate::scoring::ROWS_PER_TASK;

/// Numbers of validation inputs, 32 MiB of them, up to which they are kept in columns.
const MOST_IN_COLUMNS: usize = 1 << 23;

/// The right answers, and the inputs in columns. Each is made when it is first asked for, and written nowhere: it
/// follows from the dataset that it is a part of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validation {
    answers: OnceLock<Answers>,
    columns: OnceLock<Option<Vec<f32>>>,
}

/// Those of equal datasets are equal.
impl PartialEq for Validation {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Validation {
    pub(crate) fn answers(&self, dataset: &Dataset) -> &Answers {
        self.answers.get_or_init(|| Answers::of_validation(dataset))
    }

    /// The inputs in blocks of columns, unless they are too many.
    pub(crate) fn columns(&self, dataset: &Dataset) -> Option<&[f32]> {
        if let Some(columns) = self.columns.get() {
            return columns.as_deref();
        }
        // Not within the lock: threads of the pool share the work, and one that waits takes on other work.
        let columns = in_columns(dataset);
        self.columns.get_or_init(|| columns).as_deref()
    }
}

/// The validation rows' inputs in blocks of columns; the pool's threads share the rows.
fn in_columns(dataset: &Dataset) -> Option<Vec<f32>> {
    let (rows, inputs) = (dataset.validation(), dataset.n_inputs());
    if rows.len() * inputs > MOST_IN_COLUMNS {
        return None;
    }
    let mut columns = vec![0.0; rows.len().next_multiple_of(BLOCK) * inputs];
    let parts = columns.par_chunks_mut(ROWS_PER_TASK * inputs);
    rows.par_chunks(ROWS_PER_TASK)
        .zip(parts)
        .for_each(|(rows, to)| dispatch(ToColumns { dataset, rows, to }));
    Some(columns)
}

/// The turning of some of a dataset's rows into columns.
struct ToColumns<'a> {
    dataset: &'a Dataset,
    rows: &'a [u32],
    /// Blocks of `(inputs, BLOCK)`.
    to: &'a mut [f32],
}

impl Kernel for ToColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Square>(self) {
        let Self { dataset, rows, to } = self;
        to_columns::<S>(dataset.inputs(), dataset.n_inputs(), rows, to);
    }
}
