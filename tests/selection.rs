//! Truncation selection: who keeps, who copies whom, who is drawn anew.

mod common;

use apbt_rs::scoring::Score;
use apbt_rs::selection::{Action, plan, rank};
use proptest::prelude::*;

/// A score of this fitness and loss; one without fitness diverged.
fn score((fitness, loss): (Option<i32>, u32)) -> Score {
    let diverged = fitness.is_none();
    Score {
        score: fitness.map(f64::from),
        loss: (!diverged).then_some(f64::from(loss)),
        log_fitness: fitness.map_or(f64::NEG_INFINITY, f64::from),
        size: 1,
    }
}

/// Two to forty scores, many of them equal, some diverged.
fn scores() -> impl Strategy<Value = Vec<Score>> {
    let fitness = prop_oneof![5 => (-3..4_i32).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((fitness, 0..3_u32).prop_map(score), 2..40)
}

fn alive(score: &Score) -> bool {
    score.log_fitness > f64::NEG_INFINITY
}

/// Whether member `a` is better than `b`: fitter, or else of lower loss, or else earlier.
fn better(scores: &[Score], a: usize, b: usize) -> bool {
    let fitness = (scores[a].log_fitness, scores[b].log_fitness);
    let loss = |place: usize| scores[place].loss.unwrap_or(f64::INFINITY);
    fitness.0 > fitness.1
        || fitness.0 == fitness.1 && (loss(a) < loss(b) || loss(a) == loss(b) && a < b)
}

/// How many are better.
fn place(scores: &[Score], member: usize) -> usize {
    (0..scores.len()).filter(|&other| better(scores, other, member)).count()
}

fn ages(scores: &[Score], age: u64) -> Vec<u64> {
    vec![age; scores.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn members_rank_by_fitness_then_loss_then_place(scores in scores()) {
        for (position, member) in rank(&scores).into_iter().enumerate() {
            prop_assert_eq!(position, place(&scores, member));
        }
    }

    #[test]
    fn the_bottom_fifth_and_the_diverged_copy_the_top_fifth(scores in scores(), seed: u64) {
        let (k, n) = (scores.len(), (scores.len() / 5).max(1));
        let donor = |member: usize| place(&scores, member) < n && alive(&scores[member]);
        let plan = plan(&scores, &ages(&scores, 3), seed);
        prop_assert_eq!(plan.len(), k);
        for (member, &action) in plan.iter().enumerate() {
            let replaced = place(&scores, member) >= k - n || !alive(&scores[member]);
            match action {
                Action::Keep => prop_assert!(!replaced),
                Action::Copy(from) => prop_assert!(replaced && donor(from as usize)),
                Action::Fresh => prop_assert!(replaced && !(0..k).any(donor)),
            }
        }
    }

    #[test]
    fn the_best_is_never_overwritten(scores in scores(), seed: u64) {
        let best = (0..scores.len()).find(|&member| place(&scores, member) == 0).unwrap();
        prop_assume!(alive(&scores[best]));
        prop_assert_eq!(plan(&scores, &ages(&scores, 0), seed)[best], Action::Keep);
    }

    #[test]
    fn with_one_survivor_everyone_copies_it(k in 2..30_usize, pick: prop::sample::Index) {
        let survivor = pick.index(k);
        let scores: Vec<_> = (0..k).map(|m| score(((m == survivor).then_some(1), 0))).collect();
        for (member, action) in plan(&scores, &ages(&scores, 1), 0).into_iter().enumerate() {
            let copy = Action::Copy(survivor as u32);
            prop_assert_eq!(action, if member == survivor { Action::Keep } else { copy });
        }
    }

    #[test]
    fn with_no_survivor_everyone_is_drawn_anew(k in 2..30_usize) {
        let scores = vec![score((None, 0)); k];
        prop_assert_eq!(plan(&scores, &ages(&scores, 1), 0), vec![Action::Fresh; k]);
    }

    #[test]
    fn a_members_age_is_about_its_own_draw(
        scores in scores(),
        seed: u64,
        pick: prop::sample::Index,
    ) {
        let member = pick.index(scores.len());
        let mut older = ages(&scores, 2);
        older[member] = 9;
        let (mut a, mut b) = (plan(&scores, &ages(&scores, 2), seed), plan(&scores, &older, seed));
        prop_assert_eq!(&plan(&scores, &older, seed), &b);
        // The same for all others.
        a.remove(member);
        b.remove(member);
        prop_assert_eq!(a, b);
    }
}

#[test]
fn every_donor_is_drawn_about_as_often() {
    let scores: Vec<_> = (0..40).map(|fitness| score((Some(fitness), 0))).collect();
    let mut drawn = [0_u32; 40];
    for seed in 0..500 {
        for action in plan(&scores, &ages(&scores, seed), seed) {
            if let Action::Copy(donor) = action {
                drawn[donor as usize] += 1;
            }
        }
    }
    // 4000 draws of 8 donors: a standard deviation is 21.
    assert!(drawn[..32].iter().all(|&times| times == 0));
    assert!(drawn[32..].iter().all(|&times| (400..600).contains(&times)), "{:?}", &drawn[32..]);
}

#[test]
fn a_fifth_is_rounded_down_but_never_to_nobody() {
    for (k, copies) in [(2, 1), (3, 1), (5, 1), (9, 1), (10, 2), (14, 2), (15, 3), (160, 32)] {
        let scores: Vec<_> = (0..k).map(|fitness| score((Some(fitness), 0))).collect();
        let plan = plan(&scores, &ages(&scores, 1), 0);
        let copied = plan.iter().filter(|action| matches!(action, Action::Copy(_))).count();
        assert_eq!(copied, copies, "of {k}");
    }
}
