use super::*;

const CONFIG: BreakerConfig =
    BreakerConfig { failures_max: 3, wait_ms_min: 1000, wait_ms_max: 60_000, trials: 2, hosts_per_owner_max: 8, owners_max: 8 };
/// In the middle: no jitter.
const EVEN: u64 = u64::MAX / 2;

/// Numbers that look random and are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn seconds(of: f64) -> Duration {
    Duration::from_secs_f64(of)
}

/// A breaker that is open since `now`.
fn open(now: Instant) -> Breaker {
    let mut breaker = Breaker::new(now);
    for _ in 0..CONFIG.failures_max {
        let pass = breaker.admit(&CONFIG, now).unwrap();
        breaker.failed(pass, &CONFIG, now, EVEN);
    }
    breaker
}

#[test]
fn it_opens_after_failures_in_a_row_and_says_for_how_long() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    for failing in [true, true, false, true, true] {
        let pass = breaker.admit(&CONFIG, now).unwrap();
        if failing { breaker.failed(pass, &CONFIG, now, EVEN) } else { breaker.went_well(pass, &CONFIG) }
    }
    assert_eq!(breaker.state(), State::Closed { failures: 2 });

    let mut breaker = open(now);
    let wait = breaker.admit(&CONFIG, now + seconds(0.4)).unwrap_err();
    assert!((seconds(0.59)..seconds(0.61)).contains(&wait), "{wait:?}");
}

#[test]
fn it_closes_after_all_trials_went_well() {
    let now = Instant::now();
    let mut breaker = open(now);
    let later = now + seconds(1.1);

    let one = breaker.admit(&CONFIG, later).unwrap();
    let two = breaker.admit(&CONFIG, later).unwrap();
    assert_eq!(breaker.admit(&CONFIG, later), Err(RETRY_DURING_TRIALS), "two trials are all");
    breaker.went_well(one, &CONFIG);
    assert_eq!(breaker.admit(&CONFIG, later), Err(RETRY_DURING_TRIALS), "one went well, one is under way");
    breaker.went_well(two, &CONFIG);

    assert_eq!(breaker.state(), State::Closed { failures: 0 });
}

#[test]
fn a_trial_that_is_taken_back_makes_room_for_another() {
    let now = Instant::now();
    let mut breaker = open(now);
    let later = now + seconds(1.1);
    let one = breaker.admit(&CONFIG, later).unwrap();
    breaker.admit(&CONFIG, later).unwrap();

    breaker.was_dropped(one);

    assert!(breaker.admit(&CONFIG, later).is_ok());
}

#[test]
fn each_failed_trial_doubles_the_wait_up_to_the_longest() {
    let mut now = Instant::now();
    let mut breaker = open(now);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let State::Open { until } = breaker.state() else { panic!("{breaker:?}") };
        waits.push((until - now).as_secs_f64().round());
        now = until;
        let pass = breaker.admit(&CONFIG, now).unwrap();
        breaker.failed(pass, &CONFIG, now, EVEN);
    }

    assert_eq!(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
}

#[test]
fn an_answer_from_before_says_nothing() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    let early = breaker.admit(&CONFIG, now).unwrap();
    for _ in 0..CONFIG.failures_max {
        let pass = breaker.admit(&CONFIG, now).unwrap();
        breaker.failed(pass, &CONFIG, now, EVEN);
    }
    breaker.admit(&CONFIG, now + seconds(1.1)).unwrap();
    let before = breaker.state();

    breaker.went_well(early, &CONFIG);
    breaker.failed(early, &CONFIG, now, EVEN);
    breaker.was_dropped(early);

    assert_eq!(breaker.state(), before);
}

#[test]
fn jitter_is_within_a_tenth_and_never_nothing() {
    let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
    for random in (0..10_000).map(|_| numbers.next()).chain([0, 1, u64::MAX]) {
        let wait = jittered(seconds(10.0), random);
        assert!((seconds(8.999)..=seconds(11.001)).contains(&wait), "{random}: {wait:?}");
        assert!(jittered(Duration::ZERO, random) > Duration::ZERO);
        assert!(jittered(Duration::from_nanos(1), random) > Duration::ZERO);
    }
}

#[test]
fn whatever_happens_there_are_never_more_trials_than_configured() {
    for seed in 1..300_u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let trials = 1 + u32::try_from(numbers.next() % 4).unwrap();
        let config = BreakerConfig { trials, ..CONFIG };
        let mut now = Instant::now();
        let mut breaker = Breaker::new(now);
        let mut under_way: Vec<(Pass, bool)> = Vec::new();
        for _ in 0..400 {
            match numbers.next() % 5 {
                0 | 1 => {
                    if let Ok(pass) = breaker.admit(&config, now) {
                        under_way.push((pass, matches!(breaker.state(), State::HalfOpen { .. })));
                    }
                }
                2 => now += Duration::from_millis(numbers.next() % 3000),
                verdict => {
                    if !under_way.is_empty() {
                        let at = usize::try_from(numbers.next() % under_way.len() as u64).unwrap();
                        let (pass, _) = under_way.swap_remove(at);
                        match (verdict, numbers.next() % 3) {
                            (3, _) => breaker.failed(pass, &config, now, numbers.next()),
                            (_, 0) => breaker.was_dropped(pass),
                            _ => breaker.went_well(pass, &config),
                        }
                    }
                }
            }
            let current = under_way.iter().filter(|(pass, trial)| *trial && pass.generation == breaker.generation).count();
            if let State::HalfOpen { under_way, well } = breaker.state() {
                assert_eq!(current, under_way as usize, "seed {seed}");
                assert!(under_way + well <= trials, "seed {seed}: {breaker:?}");
            }
            if let State::Open { until } = breaker.state() {
                assert!(until - now < seconds(66.1), "seed {seed}");
            }
        }
    }
}
