use proptest::prelude::*;

use super::*;

const LIFETIMES: RefreshLifetimes =
    RefreshLifetimes { absolute: TimeDelta::seconds(1000), idle: TimeDelta::seconds(300), retry_window: TimeDelta::seconds(30) };

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn family() -> Family {
    Family::start(at(0))
}

#[test]
fn oauth_2_1_section_4_3_1_a_token_gives_its_successor() {
    let mut family = family();

    for (generation, now) in [(0, 10), (1, 200), (2, 400)] {
        assert_eq!(family.present(generation, at(now), &LIFETIMES), Presented::Rotate { generation: generation + 1 });
    }
    assert_eq!(family, Family { generation: 3, rotated_at: at(400), ..Family::start(at(0)) });
}

#[test]
fn rfc_9700_section_4_14_2_a_client_that_did_not_get_the_answer_gets_it_again_for_a_moment() {
    let mut family = family();
    assert_eq!(family.present(0, at(10), &LIFETIMES), Presented::Rotate { generation: 1 });
    let rotated = family;

    for now in [10, 20, 39] {
        assert_eq!(family.present(0, at(now), &LIFETIMES), Presented::Retry { generation: 1 });
        assert_eq!(family, rotated, "the window does not move");
    }
    assert_eq!(family.present(0, at(40), &LIFETIMES), Presented::Replay);
    assert_eq!(family.present(1, at(40), &LIFETIMES), Presented::Revoked);
}

#[test]
fn rfc_9700_section_4_14_2_once_the_successor_is_used_its_predecessor_is_a_replay() {
    let mut family = family();
    for generation in 0..2 {
        assert_eq!(family.present(generation, at(10), &LIFETIMES), Presented::Rotate { generation: generation + 1 });
    }

    assert_eq!(family.present(0, at(11), &LIFETIMES), Presented::Replay);
    for generation in 0..3 {
        assert_eq!(family.present(generation, at(11), &LIFETIMES), Presented::Revoked);
    }
}

#[test]
fn rfc_9700_section_4_14_2_a_family_ends_when_it_is_old_or_was_not_used() {
    let (mut idle, mut old) = (family(), family());

    assert_eq!(idle.present(0, at(300), &LIFETIMES), Presented::Expired);
    for (generation, now) in [(0, 299), (1, 598), (2, 897)] {
        assert_eq!(old.present(generation, at(now), &LIFETIMES), Presented::Rotate { generation: generation + 1 });
    }
    assert_eq!(old.expires_at(&LIFETIMES), at(1000));
    assert_eq!(old.present(3, at(1000), &LIFETIMES), Presented::Expired);
}

#[test]
fn a_retry_does_not_outlive_the_family() {
    let mut family = Family { generation: 4, started_at: at(0), rotated_at: at(990), state: FamilyState::Alive };

    assert_eq!(family.present(3, at(999), &LIFETIMES), Presented::Retry { generation: 4 });
    assert_eq!(family.present(3, at(1000), &LIFETIMES), Presented::Expired);
}

#[test]
fn a_replay_is_found_out_though_the_family_has_expired() {
    let mut family = family();
    assert_eq!(family.present(0, at(10), &LIFETIMES), Presented::Rotate { generation: 1 });

    assert_eq!(family.present(0, at(5000), &LIFETIMES), Presented::Replay);
}

#[test]
fn a_number_that_was_never_given_out_changes_nothing() {
    let mut family = family();

    assert_eq!(family.present(1, at(10), &LIFETIMES), Presented::Unknown);
    assert_eq!(family, Family::start(at(0)));
}

#[test]
fn numbers_that_have_run_out_end_the_family() {
    let mut family = Family { generation: u32::MAX, ..family() };

    assert_eq!(family.present(u32::MAX, at(1), &LIFETIMES), Presented::Expired);
}

#[test]
fn an_endless_lifetime_is_one() {
    let endless = RefreshLifetimes { absolute: TimeDelta::MAX, idle: TimeDelta::MAX, retry_window: TimeDelta::zero() };
    let mut family = family();

    assert_eq!(family.present(0, at(10_000_000_000), &endless), Presented::Rotate { generation: 1 });
    assert_eq!(family.present(0, at(10_000_000_000), &endless), Presented::Replay, "without a window there is no second time");
}

/// Whoever has tokens of the family.
#[derive(Debug, Clone, Copy)]
enum Holder {
    Honest,
    Thief,
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A holder shows the token that it got last, and gets the answer.
    Refresh(Holder),
    /// A holder shows its last token, and the answer is lost on the way.
    LoseAnswer(Holder),
    /// A holder shows a token that it had before.
    ShowOld(Holder, prop::sample::Index),
    /// The thief copies what the honest client has.
    Steal,
    /// The user ends it.
    Revoke,
    /// Time goes by.
    Wait(i64),
}

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![Just(Holder::Honest), Just(Holder::Thief)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => holder().prop_map(Step::Refresh),
        2 => holder().prop_map(Step::LoseAnswer),
        2 => (holder(), any::<prop::sample::Index>()).prop_map(|(holder, index)| Step::ShowOld(holder, index)),
        2 => Just(Step::Steal),
        1 => Just(Step::Revoke),
        4 => prop_oneof![0..5_i64, 25..35_i64, 250..350_i64].prop_map(Step::Wait),
    ]
}

/// The family as whoever keeps it would treat it, and what two holders have.
struct World {
    family: Family,
    now_s: i64,
    honest: Vec<u32>,
    thief: Vec<u32>,
    /// For each number, when its token was first used.
    used_at_s: std::collections::HashMap<u32, i64>,
    ended: bool,
}

impl World {
    fn new() -> Self {
        Self {
            family: family(),
            now_s: 0,
            honest: vec![0],
            thief: Vec::new(),
            used_at_s: std::collections::HashMap::new(),
            ended: false,
        }
    }

    fn tokens(&mut self, holder: Holder) -> &mut Vec<u32> {
        match holder {
            Holder::Honest => &mut self.honest,
            Holder::Thief => &mut self.thief,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Refresh(holder) => {
                let Some(generation) = self.tokens(holder).last().copied() else { return Ok(()) };
                if let Some(successor) = self.show(generation)? {
                    self.tokens(holder).push(successor);
                }
            }
            Step::LoseAnswer(holder) => {
                if let Some(generation) = self.tokens(holder).last().copied() {
                    self.show(generation)?;
                }
            }
            Step::ShowOld(holder, index) => {
                if !self.tokens(holder).is_empty() {
                    let generation = *index.get(self.tokens(holder));
                    self.show(generation)?;
                }
            }
            Step::Steal => self.thief.extend_from_slice(&self.honest.clone()),
            Step::Revoke => {
                self.family.state = FamilyState::Revoked;
                self.ended = true;
            }
            Step::Wait(seconds) => self.now_s += seconds,
        }
        Ok(())
    }

    /// Shows a token; the number of its successor, if one is given.
    fn show(&mut self, generation: u32) -> Result<Option<u32>, TestCaseError> {
        let before = self.family;
        let presented = self.family.present(generation, at(self.now_s), &LIFETIMES);
        let used_at_s = self.used_at_s.get(&generation).copied();
        let window_is_over = used_at_s.is_some_and(|used_at_s| self.now_s >= used_at_s + LIFETIMES.retry_window.num_seconds());
        if self.ended {
            prop_assert_eq!(presented, Presented::Revoked, "after the end nothing works");
            prop_assert_eq!(self.family, before);
        }
        match presented {
            Presented::Rotate { generation: successor } => {
                prop_assert_eq!(used_at_s, None, "a token has one successor");
                prop_assert_eq!(
                    (successor, before.generation),
                    (generation + 1, generation),
                    "only the last one gives a successor"
                );
                prop_assert!(at(self.now_s) < before.expires_at(&LIFETIMES));
                self.used_at_s.insert(generation, self.now_s);
                Ok(Some(successor))
            }
            Presented::Retry { generation: successor } => {
                prop_assert_eq!(successor, generation + 1, "the same successor again");
                prop_assert!(used_at_s.is_some() && !window_is_over, "only within the window");
                prop_assert!(!self.used_at_s.contains_key(&successor), "only before the successor is used");
                prop_assert_eq!(self.family, before);
                Ok(Some(successor))
            }
            Presented::Replay => {
                prop_assert!(used_at_s.is_some() && !self.ended);
                prop_assert_eq!(self.family.state, FamilyState::Revoked);
                self.ended = true;
                Ok(None)
            }
            Presented::Revoked => {
                prop_assert!(self.ended);
                Ok(None)
            }
            Presented::Expired => {
                prop_assert!(at(self.now_s) >= before.expires_at(&LIFETIMES) && !window_is_over);
                Ok(None)
            }
            Presented::Unknown => Err(TestCaseError::fail("nobody has a token that was not given out")),
        }
    }

    /// How many tokens would give a successor now: each would begin a line of its own.
    fn live_lines(&self) -> usize {
        let all = self.honest.iter().chain(&self.thief).collect::<std::collections::BTreeSet<_>>();
        let gives = |generation: u32| {
            matches!(self.family.clone().present(generation, at(self.now_s), &LIFETIMES), Presented::Rotate { .. })
        };
        all.into_iter().filter(|generation| gives(**generation)).count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rfc_9700_section_4_14_2_however_two_holders_take_turns_there_is_one_line_and_a_replay_ends_it(
        steps in prop::collection::vec(step(), 0..40)
    ) {
        let mut world = World::new();

        for step in steps {
            world.step(step)?;
            let lines = world.live_lines();
            prop_assert!(lines <= 1, "two lines are alive");
            prop_assert!(lines == 0 || !world.ended, "a line is alive after the end");
        }
    }

    #[test]
    fn rfc_9700_section_4_14_2_a_thief_and_a_client_that_both_go_on_are_both_stopped(
        rounds in 0..20_u32, stolen_at in 0..20_u32, wait_s in 30..100_i64
    ) {
        let (mut family, stolen) = (family(), stolen_at.min(rounds));
        let lifetimes = RefreshLifetimes { absolute: TimeDelta::days(30), idle: TimeDelta::days(30), ..LIFETIMES };
        for generation in 0..=rounds {
            let presented = family.present(generation, at(i64::from(generation) * wait_s), &lifetimes);
            prop_assert_eq!(presented, Presented::Rotate { generation: generation + 1 });
        }
        let now = at(i64::from(rounds + 1) * wait_s);

        prop_assert_eq!(family.present(stolen, now, &lifetimes), Presented::Replay);
        for generation in 0..=rounds + 1 {
            prop_assert_eq!(family.present(generation, now, &lifetimes), Presented::Revoked);
        }
    }
}
