//! Exploit and explore (paper §3.4, §3.5): copy a donor, then perturb the copy.

use crate::hyperparameters::{Domain, OPTIMIZER};
use crate::member::{Event, Member, OptimizerState, Space};
use crate::random::{Purpose, Random};
use crate::topology::{gain_unit, lose_unit};

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
/// bounds of its size and never below one.
fn resize(member: &mut Member, hidden_units: &Domain, random: &mut Random) {
    let hidden_layers = member.network.topology().len() - 2;
    if hidden_layers == 0 {
        return;
    }
    let hidden = random.below(hidden_layers);
    let units = member.network.topology()[hidden + 1];
    let (least, most) = hidden_units.reach();
    match random.below(3) {
        0 if (units as f64) < most => {
            let change = gain_unit(&member.network, hidden, random);
            member.change(change);
        }
        1 if units > 1 && (units as f64) > least => {
            let change = lose_unit(&member.network, hidden, random.below(units));
            member.change(change);
        }
        _ => {}
    }
    member.canonicalize();
}
