//! Whose guest runs next. There are as many turns at one time as threads for guests; customers have equal parts of them, in time on
//! the processor, however many guests each of them has. One turn more is for customers that have had less than one that runs: they wait
//! neither for a guest that does not yield, nor for the machine to go on with one that it has put aside.
//!
//! A guest that is woken asks for a turn, and its task is woken when it has one; it gives the turn back when it yields, waits or ends.
//! The customer that has had the least goes first. One that comes anew is not owed what it did not use: it begins where the others are.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use domain::CustomerId;
use futures_util::task::AtomicWaker;
use wasmtime::{Engine, EngineWeak};

use crate::meter::Metered;

/// What a turn counts as until it is known how long it took, in nanoseconds. It makes guests of one customer on several threads count at
/// once. A customer that is not ahead by more has the turn of another ended early: most calls take less than this.
const EXPECTED_NS: u64 = 200_000;

/// Customers without a guest that are remembered, before those are looked for that need not be.
const IDLE_CUSTOMERS_MAX: usize = 64;

/// The turns of a node.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Board>);

struct Board {
    rota: Mutex<Rota>,
    /// All guests that run yield when its epoch is raised.
    engine: EngineWeak,
}

#[derive(Debug)]
struct Rota {
    turns_max: usize,
    /// The customers of the turns that are taken.
    running: Vec<CustomerId>,
    customers: HashMap<CustomerId, Standing>,
    /// Customers of which a guest waits, those that have had the least first.
    line: BTreeSet<(u64, CustomerId)>,
    /// What the customer that went last had had. Nobody begins below it.
    floor_ns: u64,
    customers_max: usize,
}

/// What a customer has had and wants.
#[derive(Debug, Default)]
struct Standing {
    served_ns: u64,
    running: usize,
    waiting: VecDeque<Arc<Seat>>,
}

/// A guest's state. All but the changes between `GRANTED`, `RUNNING` and `WOKEN` are made under the lock of the rota.
mod state {
    /// It waits for something else than a turn.
    pub(super) const IDLE: u8 = 0;
    /// It waits for a turn.
    pub(super) const QUEUED: u8 = 1;
    /// It has a turn and its task was woken.
    pub(super) const GRANTED: u8 = 2;
    /// It runs.
    pub(super) const RUNNING: u8 = 3;
    /// It runs, and wants another turn after this one.
    pub(super) const WOKEN: u8 = 4;
    /// It is gone.
    pub(super) const GONE: u8 = 5;
}

/// What became of asking for a turn.
#[derive(Debug)]
enum Asked {
    /// There was one.
    Granted(Arc<Seat>),
    /// There is none yet.
    Waits,
    /// There is none, and a customer has one that has had more.
    Hurries,
}

/// What a guest wants when its turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    Another,
}

/// One guest. To wake it is to ask for a turn.
#[derive(Debug)]
struct Seat {
    board: Arc<Board>,
    customer: CustomerId,
    state: AtomicU8,
    task: AtomicWaker,
}

/// A guest's place in the rota, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    seat: Arc<Seat>,
    waker: Waker,
}

/// A guest that runs when it is its customer's turn.
#[derive(Debug)]
pub(crate) struct InTurn<F> {
    guest: Metered<F>,
    turn: Turn,
}

impl Turns {
    /// As many at one time as `threads`.
    pub(crate) fn new(threads: usize, engine: EngineWeak) -> Self {
        let rota = Rota {
            turns_max: threads.max(1),
            running: Vec::with_capacity(threads.saturating_add(1)),
            customers: HashMap::new(),
            line: BTreeSet::new(),
            floor_ns: 0,
            customers_max: IDLE_CUSTOMERS_MAX,
        };
        Self(Arc::new(Board { rota: Mutex::new(rota), engine }))
    }

    /// Asks for the first turn of a new guest.
    pub(crate) fn ask(&self, customer: CustomerId) -> Turn {
        let seat =
            Arc::new(Seat { board: Arc::clone(&self.0), customer, state: AtomicU8::new(state::IDLE), task: AtomicWaker::new() });
        let waker = Waker::from(Arc::clone(&seat));
        seat.wake_by_ref();
        Turn { seat, waker }
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Board")
    }
}

impl Board {
    /// Nothing panics while it holds the lock.
    fn rota(&self) -> MutexGuard<'_, Rota> {
        self.rota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rota {
    /// The guest wants a turn.
    fn ask(&mut self, seat: &Arc<Seat>) -> Asked {
        self.enter(seat.customer);
        self.queue(seat);
        if let Some(granted) = self.grant_next() {
            return Asked::Granted(granted);
        }
        let own = self.customers.get(&seat.customer).map_or(0, |standing| standing.served_ns);
        if self.is_behind(own, seat.customer) { Asked::Hurries } else { Asked::Waits }
    }

    /// Lets a customer begin where the others are, if it comes anew.
    fn enter(&mut self, customer: CustomerId) {
        if self.customers.len() >= self.customers_max {
            let floor_ns = self.floor_ns;
            self.customers.retain(|_, standing| standing.is_here() || standing.served_ns > floor_ns);
            self.customers_max = self.customers.len().saturating_mul(2).max(IDLE_CUSTOMERS_MAX);
        }
        let floor_ns = self.floor_ns;
        let standing = self.customers.entry(customer).or_default();
        if !standing.is_here() {
            standing.served_ns = standing.served_ns.max(floor_ns);
        }
    }

    fn queue(&mut self, seat: &Arc<Seat>) {
        let Some(standing) = self.customers.get_mut(&seat.customer) else { return };
        seat.state.store(state::QUEUED, Ordering::Release);
        if standing.waiting.is_empty() {
            self.line.insert((standing.served_ns, seat.customer));
        }
        standing.waiting.push_back(Arc::clone(seat));
    }

    /// Whether a customer that has had so much has had less than another of which a guest runs.
    fn is_behind(&self, served_ns: u64, customer: CustomerId) -> bool {
        let served = |customer: &CustomerId| self.customers.get(customer).map_or(0, |standing| standing.served_ns);
        self.running.iter().any(|running| *running != customer && served(running) > served_ns)
    }

    /// Gives a turn that is free to the customer that has had the least. Whose it is, is woken when the lock is free again.
    fn grant_next(&mut self) -> Option<Arc<Seat>> {
        let (served_ns, customer) = *self.line.first()?;
        let is_free =
            self.running.len() < self.turns_max || (self.running.len() == self.turns_max && self.is_behind(served_ns, customer));
        if !is_free {
            return None;
        }
        self.line.pop_first();
        let standing = self.customers.get_mut(&customer)?;
        let seat = standing.waiting.pop_front()?;
        self.floor_ns = self.floor_ns.max(served_ns);
        standing.served_ns += EXPECTED_NS;
        standing.running += 1;
        if !standing.waiting.is_empty() {
            self.line.insert((standing.served_ns, customer));
        }
        self.running.push(customer);
        seat.state.store(state::GRANTED, Ordering::Release);
        Some(seat)
    }

    /// A turn ended that took so long. The guest asks for the next one, if it `wants` that. Whoever has a turn now is to be woken.
    fn give_back(&mut self, seat: &Arc<Seat>, used: Duration, wants: Wants) -> Option<Arc<Seat>> {
        let customer = seat.customer;
        if let Some(ended) = self.running.iter().position(|running| *running == customer) {
            self.running.swap_remove(ended);
        }
        if let Some(standing) = self.customers.get_mut(&customer) {
            let was = standing.served_ns;
            let used_ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
            standing.served_ns = was.saturating_sub(EXPECTED_NS).saturating_add(used_ns);
            standing.running -= 1;
            if !standing.waiting.is_empty() {
                self.line.remove(&(was, customer));
                self.line.insert((standing.served_ns, customer));
            }
        }
        if wants == Wants::Another {
            self.queue(seat);
        }
        let next = self.grant_next();
        self.forget_if_gone(customer);
        next
    }

    fn leave_line(&mut self, seat: &Arc<Seat>) -> Option<Arc<Seat>> {
        if let Some(standing) = self.customers.get_mut(&seat.customer) {
            standing.waiting.retain(|waiting| !Arc::ptr_eq(waiting, seat));
            if standing.waiting.is_empty() {
                self.line.remove(&(standing.served_ns, seat.customer));
            }
        }
        self.forget_if_gone(seat.customer);
        None
    }

    /// Who has had more than others is remembered, so that it gains nothing by going away and coming back.
    fn forget_if_gone(&mut self, customer: CustomerId) {
        if self.running.is_empty() && self.line.is_empty() {
            self.customers.clear();
            self.floor_ns = 0;
        } else if self.customers.get(&customer).is_some_and(|own| !own.is_here() && own.served_ns <= self.floor_ns) {
            self.customers.remove(&customer);
        }
    }
}

impl Standing {
    fn is_here(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A guest that yields wakes itself while it runs: that takes no lock.
        match self.state.compare_exchange(state::RUNNING, state::WOKEN, Ordering::AcqRel, Ordering::Acquire) {
            Err(state::IDLE) => {}
            Ok(_) | Err(_) => return,
        }
        let asked = {
            let mut rota = self.board.rota();
            // Somebody else may have woken it meanwhile.
            if self.state.load(Ordering::Acquire) == state::IDLE { rota.ask(self) } else { Asked::Waits }
        };
        match asked {
            Asked::Granted(seat) => seat.task.wake(),
            Asked::Hurries => self.board.engine.upgrade().iter().for_each(Engine::increment_epoch),
            Asked::Waits => {}
        }
    }
}

impl<F: Future + Unpin> InTurn<F> {
    pub(crate) fn new(guest: Metered<F>, turn: Turn) -> Self {
        Self { guest, turn }
    }

    /// CPU time of all turns so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.guest.cpu_us()
    }
}

impl<F: Future + Unpin> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { guest, turn: Turn { seat, waker } } = &mut *self;
        seat.task.register(context.waker());
        if seat.state.compare_exchange(state::GRANTED, state::RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Poll::Pending;
        }
        let before = guest.cpu();
        let polled = Pin::new(&mut *guest).poll(&mut Context::from_waker(waker));
        let used = guest.cpu().saturating_sub(before);

        let next = {
            let mut rota = seat.board.rota();
            let ended_as = if polled.is_ready() { state::GONE } else { state::IDLE };
            let was = seat.state.swap(ended_as, Ordering::AcqRel);
            let wants = if was == state::WOKEN && polled.is_pending() { Wants::Another } else { Wants::Nothing };
            rota.give_back(seat, used, wants)
        };
        if let Some(next) = next {
            next.task.wake();
        }
        polled
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let seat = &self.seat;
        let next = {
            let mut rota = seat.board.rota();
            match seat.state.swap(state::GONE, Ordering::AcqRel) {
                state::QUEUED => rota.leave_line(seat),
                // Never taken up, or broken off in the middle.
                state::GRANTED | state::RUNNING | state::WOKEN => rota.give_back(seat, Duration::ZERO, Wants::Nothing),
                _ => None,
            }
        };
        if let Some(next) = next {
            next.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::poll;

    use super::*;

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
            let seat = Arc::new(Seat {
                board: Arc::clone(board),
                customer,
                state: AtomicU8::new(state::IDLE),
                task: AtomicWaker::new(),
            });
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
}
