//! Training: mini-batch gradient descent on every member, in parallel.
//!
//! [`train`] is the one door. What stands behind it, one member at a time on one thread, may change;
//! what it results in may not, down to the last bit.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::hyperparameters::{ADAM, BATCH_SIZE, LEARNING_RATE, MOMENTUM, OPTIMIZER, WEIGHT_DECAY};
use crate::kernels::{Adam, Kernel, Rule, Sgd, Trainer, dispatch};
use crate::member::Member;

/// Row numbers that are drawn ahead for all members: 4 MiB of them.
const ROWS_AHEAD: u64 = 1 << 20;
/// Rows between two looks at the stop flag.
const ROWS_PER_LOOK: usize = 256;

/// Trains members for some epochs; all see the rows in the same order.
///
/// Runs in the rayon pool that it is called in. Once `stop` is set the call ends within a few
/// hundred rows of each member in work.
///
/// # Errors
/// [`Error::Stopped`] if `stop` was set; the members are then as they were before the call.
pub fn train(
    dataset: &Dataset,
    members: &mut [Member],
    epochs: u64,
    stop: &AtomicBool,
) -> Result<()> {
    let mut trained = members.to_vec();
    let most = (ROWS_AHEAD / dataset.train().len() as u64).max(1);
    let mut done = 0;
    while done < epochs {
        let now = most.min(epochs - done);
        let starts: BTreeSet<u64> = trained.iter().map(|member| member.epochs).collect();
        // From the highest down: nobody who was just trained is met again.
        for start in starts.into_iter().rev() {
            let orders: Vec<Vec<u32>> =
                (start..start + now).into_par_iter().map(|epoch| dataset.order(epoch)).collect();
            trained
                .par_iter_mut()
                .with_max_len(1)
                .filter(|member| member.epochs == start)
                .try_for_each(|member| {
                    dispatch(Epochs { dataset, member, orders: &orders, stop })
                })?;
        }
        done += now;
    }
    members.clone_from_slice(&trained);
    Ok(())
}

/// Some epochs of one member.
struct Epochs<'a> {
    dataset: &'a Dataset,
    member: &'a mut Member,
    orders: &'a [Vec<u32>],
    stop: &'a AtomicBool,
}

impl Kernel for Epochs<'_> {
    type Output = Result<()>;

    #[inline(always)]
    fn run(self) -> Result<()> {
        let values = &self.member.hyperparameters;
        let learning_rate = values[LEARNING_RATE];
        if values[OPTIMIZER] == ADAM {
            self.train(Adam::new(learning_rate))
        } else {
            let momentum = values[MOMENTUM] as f32;
            self.train(Sgd { learning_rate, momentum })
        }
    }
}

impl Epochs<'_> {
    #[inline(always)]
    fn train<R: Rule<SLOTS>, const SLOTS: usize>(self, rule: R) -> Result<()> {
        let Self { dataset, member, orders, stop } = self;
        let values = &member.hyperparameters;
        let keep = (1.0 - values[LEARNING_RATE] * values[WEIGHT_DECAY]) as f32;
        let keep = (keep, if dataset.objective().decay_biases { keep } else { 1.0 });
        let batch_size = values[BATCH_SIZE].max(1.0) as usize;
        let look = batch_size * (ROWS_PER_LOOK / batch_size).max(1);

        let state = &mut member.optimizer;
        let mut trainer =
            Trainer::new(dataset, &member.network, rule, keep, &state.slots, state.steps);
        for (epoch, order) in orders.iter().enumerate() {
            let last = epoch + 1 == orders.len();
            let mut loss = 0.0;
            for rows in order.chunks(look) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                for batch in rows.chunks(batch_size) {
                    loss += trainer.step(batch, last);
                }
            }
            if last {
                member.train_loss = Some(loss / order.len() as f64);
            }
        }
        state.steps = trainer.finish(member.network.parameters_mut(), &mut state.slots);
        member.epochs += orders.len() as u64;
        Ok(())
    }
}
