//! Exploit and explore: a copy takes everything over, and moves by one unit within the bounds.

mod common;

use apbt_rs::error::Error;
use apbt_rs::exploring::{exploit, explore};
use apbt_rs::hyperparameters::{Domain, OPTIMIZER, Scale, Table};
use apbt_rs::member::{Event, Member, OptimizerState, Space};
use apbt_rs::network::Activation;
use apbt_rs::selection::Action;
use apbt_rs::topology::simplify;
use common::{PAIRS, paper_space, range, run, run_in, start, wide_space};
use proptest::prelude::*;

/// A member drawn from a space, with slots that are not zero where weights are not.
fn born(space: &Space, seed: u64) -> Member {
    let mut member = space.birth((4, 3), Activation::Softmax, seed, 0, 0);
    for slot in &mut member.optimizer.slots {
        slot.copy_from_slice(member.network.parameters());
    }
    member.optimizer.steps = 7;
    member
}

fn explored(member: &Member, space: &Space, seed: u64) -> Member {
    let mut copy = member.clone();
    explore(&mut copy, space, seed, 3);
    copy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_copy_is_its_donor_but_for_its_own_age(seed: u64, generations: u64) {
        let space = wide_space();
        let (donor, mut copy) = (born(&space, seed), born(&space, seed ^ 1));
        copy.generations = generations;
        exploit(&mut copy, &donor, 5);
        let parent = Some(5);
        prop_assert_eq!(copy, Member { generations, event: Event::Copied, parent, ..donor });
    }

    #[test]
    fn members_are_born_and_stay_canonical_within_the_space(seed: u64) {
        let space = wide_space();
        let mut member = born(&space, seed);
        for step in 0..20 {
            prop_assert_eq!(simplify(&member.network), None);
            let (topology, activations) = (member.network.topology(), member.network.activations());
            let hidden = topology.len() - 2;
            prop_assert!(hidden <= 3);
            prop_assert!(topology[1..=hidden].iter().all(|units| (1..=9).contains(units)));
            prop_assert!(activations[..hidden].iter().all(|own| space.activations.contains(own)));
            prop_assert_eq!((topology[0], topology[hidden + 1]), (4, 3));
            let parameters = member.network.parameters().len();
            prop_assert!(member.optimizer.slots.iter().all(|slot| slot.len() == parameters));
            member = explored(&member, &space, seed.wrapping_add(step));
        }
    }

    #[test]
    fn another_optimiser_starts_from_nothing_and_the_same_goes_on(seed: u64) {
        let space = wide_space();
        let before = born(&space, seed);
        let after = explored(&before, &space, seed);
        let optimizer = after.hyperparameters[OPTIMIZER];
        if optimizer == before.hyperparameters[OPTIMIZER] {
            prop_assert_eq!(after.optimizer.steps, 7);
        } else {
            let parameters = after.network.parameters().len();
            prop_assert_eq!(after.optimizer, OptimizerState::new(optimizer, parameters));
        }
    }

    #[test]
    fn exploring_depends_on_seed_age_and_place_alone(seed: u64) {
        let space = wide_space();
        let member = born(&space, seed);
        prop_assert_eq!(explored(&member, &space, seed), explored(&member, &space, seed));
    }

    #[test]
    fn a_unit_stays_where_the_bounds_leave_no_room(units in 1..6_u32, seed: u64) {
        let units = f64::from(units);
        let choices = Domain::Choices { values: vec![units], ordered: true };
        for only in [range(units, units, Scale::Linear, true), Domain::Fixed(units), choices] {
            let space = Space { hidden_units: only, ..paper_space() };
            let member = born(&space, seed);
            let after = explored(&member, &space, seed);
            prop_assert_eq!(after.network, member.network);
        }
    }

    #[test]
    fn of_a_list_of_sizes_a_layer_goes_to_the_next_or_the_one_before(seed: u64) {
        // In no order, as anybody may write them.
        let sizes = [5.0, 1.0, 9.0, 2.0];
        let hidden_units = Domain::Choices { values: sizes.to_vec(), ordered: true };
        let space = Space { hidden_units, ..paper_space() };
        let mut member = born(&space, seed);
        let place = |units: &usize| [1, 2, 5, 9].iter().position(|size| size == units);
        for step in 0..20 {
            let after = explored(&member, &space, seed.wrapping_add(step));
            let (old, new) = (member.network.topology(), after.network.topology());
            let hidden = 1..old.len() - 1;
            let moves: usize = old[hidden.clone()]
                .iter()
                .zip(&new[hidden])
                .map(|(old, new)| place(old).unwrap().abs_diff(place(new).unwrap()))
                .sum();
            prop_assert!(moves <= 1);
            member = after;
        }
    }
}

#[test]
fn a_layer_gains_loses_or_keeps_a_unit_about_as_often() {
    let space = paper_space();
    let (mut gained, mut lost) = (0, 0);
    let units = |member: &Member| member.network.topology().iter().sum::<usize>();
    for seed in 0..3000 {
        let member = born(&space, seed);
        let after = explored(&member, &space, seed);
        gained += i32::from(units(&after) > units(&member));
        lost += i32::from(units(&after) < units(&member));
    }
    // A standard deviation is 26.
    assert!((870..1130).contains(&gained) && (870..1130).contains(&lost), "{gained} {lost}");
}

#[test]
fn of_a_list_of_sizes_a_layer_goes_up_and_down() {
    let hidden_units = Domain::Choices { values: vec![9.0, 2.0, 5.0], ordered: true };
    let space = Space { hidden_units, hidden_layers: Domain::Fixed(1.0), ..paper_space() };
    let mut moves = std::collections::BTreeMap::new();
    for seed in 0..900 {
        let member = born(&space, seed);
        let after = explored(&member, &space, seed);
        let sizes = (member.network.topology()[1], after.network.topology()[1]);
        *moves.entry(sizes).or_insert(0) += 1;
    }
    // A third of 300 each, and at an end two thirds; a standard deviation is 8.
    for (sizes, expected) in [(2, 2), (2, 5), (5, 2), (5, 5), (5, 9), (9, 5), (9, 9)]
        .into_iter()
        .zip([200, 100, 100, 100, 100, 100, 200])
    {
        let told = moves.remove(&sizes).unwrap_or(0);
        assert!((expected - 50..expected + 50).contains(&told), "{sizes:?} {told}");
    }
    assert!(moves.is_empty(), "{moves:?}");
}

#[test]
fn spaces_that_nothing_can_be_drawn_from_are_refused() {
    assert!(paper_space().check().is_ok() && wide_space().check().is_ok());
    let table = || Table::new([0.1, 0.5, 0.0, 1.0, 0.0].map(Domain::Fixed).to_vec()).unwrap();
    let space = || Space { table: table(), ..wide_space() };
    for refused in [
        Space { activations: vec![], ..space() },
        Space { activations: vec![Activation::Softmax], ..space() },
        Space { hidden_layers: Domain::Fixed(-1.0), ..space() },
        Space { hidden_layers: Domain::Fixed(1.5), ..space() },
        Space { hidden_units: Domain::Fixed(0.0), ..space() },
        Space { hidden_units: Domain::Fixed(1e6), ..space() },
        Space { density: Domain::Fixed(1.1), ..space() },
        Space { density: Domain::Fixed(f64::NAN), ..space() },
    ] {
        assert!(refused.check().is_err(), "{refused:?}");
    }
}

#[test]
fn a_donor_is_copied_as_it_was_though_it_changes_first() {
    let run = run(true, 3);
    let (state, _) = start(&run, 6);
    let (mut changed, mut plan) = (state.clone(), vec![Action::Keep; 6]);
    plan[..4].copy_from_slice(&[Action::Copy(1), Action::Copy(0), Action::Fresh, Action::Copy(2)]);
    run.apply(&mut changed, &plan).unwrap();
    for (place, donor) in [(0, 1), (1, 0), (3, 2)] {
        let mut expected = state.population[place].clone();
        exploit(&mut expected, &state.population[donor], donor as u32);
        explore(&mut expected, &run.space, run.seed, place as u32);
        assert_eq!(changed.population[place], expected);
    }
}

#[test]
fn who_is_drawn_anew_is_another_at_each_age_and_goes_on_from_where_the_others_are() {
    let run = run(true, 3);
    let (mut state, _) = start(&run, 3);
    let mut seen = vec![state.population[2].network.clone()];
    for age in 1..4 {
        for member in &mut state.population {
            (member.generations, member.epochs) = (age, 5 * age);
        }
        run.apply(&mut state, &[Action::Keep, Action::Keep, Action::Fresh]).unwrap();
        let (shape, output) = ((3, 3), run.dataset.objective().output);
        let drawn = run.space.birth(shape, output, run.seed, 2, age);
        assert_eq!(state.population[2], Member { epochs: 5 * age, ..drawn });
        assert!(!seen.contains(&state.population[2].network));
        seen.push(state.population[2].network.clone());
    }
}

#[test]
fn networks_that_memory_has_no_room_for_are_refused_before_they_are_drawn() {
    // More than any processor can address.
    let most = || Domain::Fixed(65536.0);
    let space = Space { hidden_layers: most(), hidden_units: most(), ..wide_space() };
    let run = run_in(space, PAIRS[3], 0);
    for k in [2, 10_000_000] {
        let refusal = run.start(k).expect_err("no room");
        assert!(matches!(refusal, Error::Invalid { argument: "space", .. }), "{refusal}");
    }
    let (mut state, _) = start(&common::run(true, 0), 2);
    assert!(run.apply(&mut state, &[Action::Fresh; 2]).is_err());
    assert_eq!(state, start(&common::run(true, 0), 2).0);
}
