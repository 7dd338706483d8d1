//! The encoded table while Python writes it, a few columns at a time.
//!
//! It is handed to a run as it is: a table of a million rows is in memory once.

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;

/// A float32 matrix `(rows, columns)`, zeros at first.
#[pyclass(name = "Table", module = "apbt_rs._core")]
pub(super) struct PyTable {
    numbers: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl PyTable {
    /// The matrix, which leaves none behind.
    pub(super) fn take(&mut self) -> Vec<f32> {
        self.rows = 0;
        std::mem::take(&mut self.numbers)
    }
}

#[pymethods]
impl PyTable {
    #[new]
    fn new(rows: usize, columns: usize) -> PyResult<Self> {
        let mut numbers = Vec::new();
        rows.checked_mul(columns)
            .and_then(|count| {
                numbers.try_reserve_exact(count).ok()?;
                numbers.resize(count, 0.0);
                Some(())
            })
            .ok_or_else(|| {
                let problem =
                    format!("a table of {rows} rows and {columns} inputs has no room here");
                PyMemoryError::new_err(problem)
            })?;
        Ok(Self { numbers, rows, columns })
    }

    /// Writes a block whose first number is that of `row` and `column`.
    fn write(
        &mut self,
        py: Python<'_>,
        row: usize,
        column: usize,
        block: PyReadonlyArray2<'_, f32>,
    ) -> PyResult<()> {
        let [height, width] = [block.shape()[0], block.shape()[1]];
        let within = |first: usize, count: usize, all: usize| {
            all.checked_sub(first).is_some_and(|left| count <= left)
        };
        if !within(row, height, self.rows) || !within(column, width, self.columns) {
            return Err(PyValueError::new_err("the block is not within the table"));
        }
        let block = block.as_array();
        let columns = self.columns;
        let numbers = &mut self.numbers[row * columns..];
        py.detach(|| {
            for (to, from) in numbers.chunks_exact_mut(columns.max(1)).zip(block.rows()) {
                for (to, &number) in to[column..].iter_mut().zip(from) {
                    *to = number;
                }
            }
        });
        Ok(())
    }
}
