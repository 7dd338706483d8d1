//! Exploit and explore (paper §3.4, §3.5): copy a donor, then perturb the copy.

use crate::hyperparameters::{Domain, OPTIMIZER};
use crate::member::{Event, Member, OptimizerState, Space};
use crate::random::{Purpose, Random};
use crate::topology::{gain_units, lose_units};

/// Takes over a donor's topology, weights, optimiser state and hyperparameters. The count of
/// generations, which keys random numbers, stays the member's own.
pub fn exploit(member: &mut Member, donor: &Member, place: u32) {
    let generations = member.generations;
    *member = donor.clone();
    member.generations = generations;
    member.event = Event::Copied;
    member.parent = Some(place);
}

/// Perturbs each hyperparameter; one hidden layer gains a unit, loses one, or stays as it is.
pub fn explore(member: &mut Member, space: &Space, seed: u64, place: u32) {
    let mut random = Random::new(seed, member.generations, place, Purpose::Explore);
    let values = space.table.perturb(&member.hyperparameters, &mut random);
    if values[OPTIMIZER] != member.hyperparameters[OPTIMIZER] {
        let parameters = member.network.parameters().len();
        member.optimizer = OptimizerState::new(values[OPTIMIZER], parameters);
    }
    member.hyperparameters = values;
    resize(member, &space.hidden_units, &mut random);
}

/// One hidden layer, drawn uniformly, gains a unit, loses one or stays, equally likely, within the
/// bounds of its size and never below one. Of a list of sizes it takes the next or the one before.
fn resize(member: &mut Member, hidden_units: &Domain, random: &mut Random) {
    let hidden_layers = member.network.topology().len() - 2;
    if hidden_layers == 0 {
        return;
    }
    let hidden = random.below(hidden_layers);
    let units = member.network.topology()[hidden + 1];
    let (below, above) = hidden_units.neighbours(units as f64);
    match (random.below(3), below, above) {
        (0, _, Some(above)) => {
            let change = gain_units(&member.network, hidden, above as usize - units, random);
            member.change(change);
        }
        (1, Some(below), _) if below >= 1.0 => {
            let mut left: Vec<usize> = (0..units).collect();
            let lost: Vec<usize> = (below as usize..units)
                .map(|_| left.swap_remove(random.below(left.len())))
                .collect();
            let change = lose_units(&member.network, hidden, &lost);
            member.change(change);
        }
        _ => {}
    }
    member.canonicalize();
}
