//! A row's ways through groups, as lists of steps.
//!
//! Which loop a block of weights needs depends on its width, on its layer and on what is to become of the
//! row: all known before the first row. So each way is made ready once, as a list of steps: a function that is
//! compiled for just that, and where its numbers stand. To find out at each row took a third of all
//! instructions on [4, 10, 10, 10, 10, 3], and more on smaller networks: tables of jumps, and what any of the
//! loops behind them might need, which a compiler makes ready before each.
//!
//! The functions are [`Routine`]s: of weights in `blocks`, `deferred` and `zeros`, of units in `member_units`,
//! and those of outputs in `group`.

use super::ahead::Heard;
use crate::network::Activation;

/// Where a step finds its numbers in its group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The first cell of a block, `(outputs, width)`: of the layer's first, if a step is not about one; of a layer
    /// that passes over zeros, the first weight that the step is about.
    pub(super) block: usize,
    /// The first of the layer's biases, `(outputs,)`, among the cells, or of those that the step is about.
    pub(super) biases: usize,
    /// The first of what a block hears, `(width,)`: of the first layer's among the row's inputs, else among the
    /// units.
    pub(super) heard: usize,
    /// The first of the layer's units, `(outputs,)`, or of those of them that the step is about.
    pub(super) units: usize,
    /// The layer's outputs, or those of them that the step is about; of a layer that passes over zeros, all, which
    /// is how far its inputs' weights are apart: how many the step is about the function knows.
    pub(super) outputs: usize,
    pub(super) activation: Activation,
    /// What gave what the layer hears.
    pub(super) before: Activation,
    /// Whether the network's outputs are the layer's.
    pub(super) last_layer: bool,
    /// Whether the block is the last of its layer's.
    pub(super) last_block: bool,
}

/// What steps need of a row of the table.
pub(crate) struct Row<'a> {
    pub(super) inputs: &'a [f32],
    /// Those of the row before, if its updates are still to be made.
    pub(super) inputs_before: &'a [f32],
    pub(super) targets: &'a [f32],
    pub(super) weight: f32,
    /// Of groups that pass over zeros, the inputs that are none.
    pub(super) heard: &'a [Heard],
}

/// A function that takes a row one step on through a group: to be called as [`Routine::run`], and where the
/// processor has the instructions that it is compiled with.
pub(crate) type Run<G> = unsafe fn(&mut G, &Place, &Row<'_>);

/// What [`Square::compiled`] makes such a function of; `run` must be `#[inline(always)]`, as must be whatever
/// it calls.
pub(crate) trait Routine<G> {
    /// Takes a row one step on.
    ///
    /// # Safety
    /// The place is one where the group and the row have as many numbers as the routine reads and writes, see
    /// `ways`; the row is of the group's table, as is the one before if the routine makes its updates.
    #[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
    unsafe fn run(group: &mut G, place: &Place, row: &Row<'_>);
}

/// One step through one of several groups.
pub(super) struct Step<G> {
    /// Which of them, in bytes from the first.
    group: usize,
    run: Run<G>,
    place: Place,
}

impl<G> Step<G> {
    /// Through the group in this place, of some that are in memory, so that the product is no address beyond.
    pub(super) fn new(group: usize, run: Run<G>, place: Place) -> Self {
        Self { group: group * size_of::<G>(), run, place }
    }
}

/// A row's way through several groups in step, layer by layer: while one waits for its exponentials there are
/// the others' to do.
pub(super) struct Way<G>(pub(super) Vec<Step<G>>);

impl<G> Way<G> {
    /// Takes a row through the groups. In a function of its own, since around calls there is nothing that a
    /// compiler can keep in registers.
    ///
    /// # Safety
    /// The groups are those that the way was made for; the row is of their table, as is the one before if the
    /// way makes its updates.
    #[allow(unsafe_code, reason = "kernel file: bounds were a third of all instructions")]
    #[inline(never)]
    pub(super) unsafe fn take(&self, groups: &mut [G], row: &Row<'_>) {
        let (first, bytes) = (groups.as_mut_ptr(), size_of_val(groups));
        for step in &self.0 {
            debug_assert!(step.group < bytes);
            // SAFETY: the groups are the caller's promise; `ways` has made the step for this one of them, from
            // its layers, and kernels run where the processor has the instructions that the function is
            // compiled with.
            unsafe {
                (step.run)(&mut *first.byte_add(step.group), &step.place, row);
            }
        }
    }
}
