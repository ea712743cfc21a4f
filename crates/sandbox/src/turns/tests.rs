//! Whose turn it is, of guests that are played by hand.

use std::{future::poll_fn, sync::atomic::Ordering, task::Poll, time::Duration};

use domain::CustomerId;
use futures_util::poll;
use wasmtime::Engine;

use super::{
    InTurn, Turn, Turns,
    rota::{Asked, IDLE_CUSTOMERS_MAX, Wants},
    seat::Seat,
    state,
};
use crate::meter::Metered;

fn turns(threads: usize) -> (Turns, Engine) {
    let engine = crate::engine::on_demand().unwrap();
    (Turns::new(threads, engine.weak()), engine)
}

fn is_granted(turn: &Turn) -> bool {
    turn.seat.state.load(Ordering::Acquire) == state::GRANTED
}

/// Ends the turn as if the guest had used so much; whether it wants another.
fn end(turn: &Turn, used_ms: u64, wants: Wants) {
    assert!(is_granted(turn), "it is not its turn");
    let mut rota = turn.seat.board.rota();
    turn.seat.state.store(state::IDLE, Ordering::Release);
    rota.give_back(&turn.seat, Duration::from_millis(used_ms), wants);
}

/// Ends that turn which began first, again and again; how often it was each one's.
fn play(guests: &[&Turn], rounds: usize, used_ms: impl Fn(usize) -> u64) -> Vec<u64> {
    let mut had_ms = vec![0; guests.len()];
    let mut next = 0;
    for _ in 0..rounds {
        while !is_granted(guests[next % guests.len()]) {
            next += 1;
        }
        let guest = next % guests.len();
        had_ms[guest] += used_ms(guest);
        end(guests[guest], used_ms(guest), Wants::Another);
        next += 1;
    }
    had_ms
}

#[test]
fn customers_have_equal_time_however_many_guests_they_have() {
    let (turns, _engine) = turns(1);
    let (greedy, other) = (CustomerId::new(), CustomerId::new());
    let many: Vec<_> = (0..32).map(|_| turns.ask(greedy)).collect();
    let one = turns.ask(other);
    let all: Vec<_> = many.iter().chain([&one]).collect();

    let had_ms = play(&all, 1_000, |_| 2);

    let of_one = had_ms[32];
    assert!((900..=1_100).contains(&of_one), "it had {of_one} of 2000 ms");
    assert!(had_ms[..32].iter().all(|ms| (15..=60).contains(ms)), "its guests have equal parts: {had_ms:?}");
}

#[test]
fn many_short_turns_are_as_much_as_few_long_ones() {
    let (turns, _engine) = turns(1);
    let long = turns.ask(CustomerId::new());
    let short = turns.ask(CustomerId::new());

    let had_ms = play(&[&long, &short], 2_000, |guest| if guest == 0 { 10 } else { 1 });

    assert!(had_ms[0].abs_diff(had_ms[1]) <= 30, "{had_ms:?}");
}

#[test]
fn who_comes_anew_has_a_turn_at_once_and_is_owed_nothing() {
    let (turns, _engine) = turns(1);
    let loops = turns.ask(CustomerId::new());
    for _ in 0..50 {
        end(&loops, 10, Wants::Another);
    }

    let new = turns.ask(CustomerId::new());
    assert!(is_granted(&new), "the other one runs, and has had much already");
    let had_ms = play(&[&loops, &new], 100, |_| 10);

    assert!(had_ms[1] <= 530, "half a second of the past would be fifty turns: {had_ms:?}");
}

#[test]
fn going_away_and_coming_back_gains_nothing() {
    let (turns, _engine) = turns(1);
    let leaver = CustomerId::new();
    let stays = turns.ask(CustomerId::new());
    let first = turns.ask(leaver);
    end(&first, 100, Wants::Nothing);
    drop(first);

    let again = turns.ask(leaver);
    for _ in 0..9 {
        assert!(!is_granted(&again), "it has had 100 ms");
        end(&stays, 10, Wants::Another);
    }
    for _ in 0..3 {
        if is_granted(&stays) {
            end(&stays, 10, Wants::Another);
        }
    }
    assert!(is_granted(&again));
}

#[test]
fn one_turn_more_is_for_who_is_behind_and_then_the_turn_of_another_is_ended() {
    let (turns, _engine) = turns(1);
    let loops = turns.ask(CustomerId::new());
    let board = &loops.seat.board;
    let ask = |customer| {
        let seat = Seat::new(board, customer);
        let asked = board.rota().ask(&seat);
        (seat, asked)
    };

    let (_same, same) = ask(loops.seat.customer);
    let (_other, other) = ask(CustomerId::new());
    let (third_seat, third) = ask(CustomerId::new());

    assert!(matches!(same, Asked::Waits), "its own guests wait for it: {same:?}");
    assert!(matches!(other, Asked::Granted(_)), "{other:?}");
    assert!(matches!(third, Asked::Hurries), "no more than one: {third:?}");
    end(&loops, 1, Wants::Nothing);
    assert_eq!(third_seat.state.load(Ordering::Acquire), state::GRANTED);
}

#[tokio::test]
async fn a_guest_runs_in_its_turn_alone_and_whoever_goes_away_passes_it_on() {
    let (turns, _engine) = turns(1);
    let one = CustomerId::new();
    let mut polls = 0;
    let guest = poll_fn(move |context| {
        polls += 1;
        context.waker().wake_by_ref();
        if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
    });
    let mut first = InTurn::new(Metered::new(guest), turns.ask(one));
    let mut second = InTurn::new(Metered::new(std::future::ready(())), turns.ask(one));
    let third = turns.ask(one);
    let gone = turns.ask(one);

    assert!(poll!(&mut second).is_pending(), "it is not its turn");
    assert!(poll!(&mut first).is_pending(), "it yields, and asks again");
    assert!(poll!(&mut second).is_ready());
    drop(gone);
    assert!(is_granted(&third), "it asked before the first one asked again");
    assert!(poll!(&mut first).is_pending());
    drop(third);
    assert!(poll!(&mut first).is_ready());

    drop((first, second));
    let rota = turns.0.rota();
    assert_eq!((rota.running.len(), rota.customers.len(), rota.line.len()), (0, 0, 0), "nothing is left");
}

#[test]
fn customers_that_are_gone_are_forgotten() {
    let (turns, _engine) = turns(1);
    let loops = turns.ask(CustomerId::new());
    for _ in 0..1_000 {
        let passes = turns.ask(CustomerId::new());
        end(&loops, 1, Wants::Another);
        end(&passes, 3, Wants::Nothing);
    }

    let customers = turns.0.rota().customers.len();
    assert!(customers <= 2 * IDLE_CUSTOMERS_MAX, "{customers} are remembered");
}
