//! Groups that go through each row in step, layer by layer.
//!
//! A layer's exponentials take long to come, and the next layer's sums wait for them. A second
//! group's layer is work to fill that time with; the groups' layers may be of different widths.

use super::Trainer;
use super::group::Group;
use super::rules::{Rates, Rule};
use super::simd::{Simd, prefetch};
use super::zeros::{Ahead, Nonzeros};
use crate::dataset::Dataset;
use crate::member::Member;

/// Groups of the same number of layers, activations, batch size and update rule, in step.
pub(crate) struct Groups<'a, S, R, const SLOTS: usize> {
    in_step: Vec<Group<'a, S, R, SLOTS>>,
    dataset: &'a Dataset,
    layers: usize,
    /// Whether no group has a mask, and a batch is one row; not for Adam, whose updates outweigh it.
    plain: bool,
    /// What the rows to come hear, where a group passes over zeros: a batch is one row; not for Adam,
    /// whose updates need each row's step.
    ahead: Option<(&'a Nonzeros, Ahead)>,
    /// Each member's sum of a batch's losses.
    totals: Vec<f64>,
}

impl<'a, S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Groups<'a, S, R, SLOTS> {
    /// Groups of at most `S::LANES` members each, in training by these rates.
    #[inline(always)]
    pub(crate) fn new(
        dataset: &'a Dataset,
        groups: &[Vec<&mut Member>],
        rates: impl Fn(&Member) -> Rates,
        batch_size: usize,
        nonzeros: Option<&'a Nonzeros>,
    ) -> Self {
        let nonzeros = nonzeros.filter(|_| SLOTS == 1 && batch_size == 1);
        let mut own = Vec::with_capacity(groups.len());
        for members in groups {
            let rates = members.iter().map(|member| rates(member)).collect();
            own.push(Group::new(dataset, members, rates, batch_size, nonzeros));
        }
        Self {
            dataset,
            layers: own.first().map_or(0, |group| group.layers.len()),
            plain: SLOTS == 1 && batch_size == 1 && own.iter().all(|group| group.mask.is_empty()),
            ahead: nonzeros
                .filter(|_| own.iter().any(|group| group.sparse))
                .map(|nonzeros| (nonzeros, Ahead::default())),
            totals: vec![0.0; groups.iter().map(Vec::len).sum()],
            in_step: own,
        }
    }

    /// Gives the members what training changed.
    #[inline(always)]
    pub(crate) fn finish(self, groups: &mut [Vec<&mut Member>]) {
        for (group, members) in self.in_step.into_iter().zip(groups) {
            group.finish(members);
        }
    }

    /// A row's way forward through all layers.
    #[inline(always)]
    fn forward(&mut self, row: u32) {
        let heard = self.ahead.as_ref().map(|(_, ahead)| ahead.row());
        for group in &mut self.in_step {
            group.hear(row);
        }
        for layer in 0..self.layers {
            for group in &mut self.in_step {
                group.forward(layer, row, heard);
            }
        }
    }

    /// A row's way back through all layers.
    #[inline(always)]
    fn backward<const UPDATE: bool, const PLAIN: bool>(&mut self, row: u32) {
        let heard = self.ahead.as_ref().map(|(_, ahead)| ahead.row());
        for layer in (0..self.layers).rev() {
            for group in &mut self.in_step {
                group.backward::<UPDATE, PLAIN>(layer, row, heard);
            }
        }
        if let Some((_, ahead)) = &mut self.ahead {
            ahead.pass();
        }
    }

    #[inline(always)]
    fn add_losses(&mut self, row: u32) {
        let mut totals = &mut self.totals[..];
        for group in &self.in_step {
            let (own, rest) = totals.split_at_mut(group.rates.len());
            group.add_losses(row, own);
            totals = rest;
        }
    }
}

impl<S: Simd, R: Rule<S, SLOTS>, const SLOTS: usize> Trainer for Groups<'_, S, R, SLOTS> {
    #[inline(always)]
    fn look_ahead(&mut self, rows: &[u32]) {
        if let Some((nonzeros, ahead)) = &mut self.ahead {
            ahead.look(nonzeros, rows, self.dataset.n_inputs());
        }
    }

    #[inline(always)]
    fn step(&mut self, batch: &[u32], next: &[u32], losses: &mut [f64]) {
        for group in &mut self.in_step {
            group.begin_step(batch.len());
        }
        for (index, &row) in batch.iter().enumerate() {
            if let Some(&soon) = batch.get(index + 1).or(next.first()) {
                prefetch(self.dataset, soon);
            }
            self.forward(row);
            if !losses.is_empty() {
                self.add_losses(row);
            }
            for group in &mut self.in_step {
                group.output_gradient(row);
            }
            if index + 1 < batch.len() {
                self.backward::<false, false>(row);
            } else if SLOTS == 1 && self.plain {
                self.backward::<true, true>(row);
            } else {
                self.backward::<true, false>(row);
            }
        }
        for (loss, total) in losses.iter_mut().zip(&mut self.totals) {
            *loss += std::mem::take(total);
        }
    }
}
