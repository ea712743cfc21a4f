//! Who waits for what a server offers to change: told by the change notices that every node hears.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Slug, UserId};
use store::{changes::Change, pins::PinHolder};
use tokio::sync::Notify;

use crate::{
    App, AppError, Caller, Who,
    catalogue::{self, ServedServer},
    network::Network,
    offers::{Changes, Listed},
    pins, policies,
};

/// Everybody on this node who watches a server.
#[derive(Debug, Default)]
pub(crate) struct Watches(Mutex<Places>);

/// The watchers, by a number of their own.
#[derive(Debug, Default)]
struct Places {
    last: u64,
    bells: HashMap<u64, Arc<Bell>>,
}

/// What wakes a watcher.
#[derive(Debug)]
struct Bell {
    slug: Slug,
    caller: Caller,
    side: Side,
    rung: Notify,
    /// What it watches by may have been taken back: something about it changed, or notices were lost.
    doubted: AtomicBool,
    /// What its token was signed with may have been taken back.
    is_over: AtomicBool,
    /// Its key or its consent may hold back what changes since, or not any more.
    is_repinned: AtomicBool,
}

/// A server that is watched. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    place: Place,
    /// Whoever watches, with what their consent holds back at the moment.
    caller: Caller,
    seen: Listed,
}

/// A place among the watchers. It is taken before the server is looked at, so that nothing between the two is missed.
#[derive(Debug)]
pub(crate) struct Place {
    watches: Arc<Watches>,
    number: u64,
    bell: Arc<Bell>,
}

/// On whose side of a server somebody watches it, as far as its places are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server's own customer's: its keys, its members, its programs.
    Own,
    /// A person's who may use it and is no member.
    Guest(UserId),
    /// Nobody's who is known, by where they are; all whose address is not known are one.
    Stranger(Option<Network>),
}

/// As many watch as may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WatchesFull;

impl Watches {
    /// Of one server on one node: each is an open connection of somebody.
    const OF_SERVER_MAX: usize = 1_024;
    /// Of these, those of people who are no members, and of strangers: the rest is the customer's own.
    const OF_OTHERS_MAX: usize = 768;
    /// Of these again, those of strangers, who can be as many as they like.
    const OF_STRANGERS_MAX: usize = 512;
    /// Those of one person who is no member, or of the strangers of one network: a household, each with a client or two. It takes dozens of networks to
    /// keep another stranger out, and all of them together keep nobody else out.
    const OF_ONE_MAX: usize = 16;
    /// Of one node, a few hundred bytes each.
    const MAX: usize = 16_384;

    /// Takes a place on that side.
    pub(crate) fn add(self: &Arc<Self>, slug: &Slug, caller: &Caller, side: Side) -> Result<Place, WatchesFull> {
        let mut places = self.places();
        if places.bells.len() >= Self::MAX || !places.have_room(slug, side) {
            return Err(WatchesFull);
        }
        places.last += 1;
        let number = places.last;
        let bell = Bell {
            slug: slug.clone(),
            caller: caller.clone(),
            side,
            rung: Notify::new(),
            doubted: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            is_repinned: AtomicBool::new(true),
        };
        let bell = Arc::new(bell);
        places.bells.insert(number, Arc::clone(&bell));
        drop(places);
        Ok(Place { watches: Arc::clone(self), number, bell })
    }

    /// Wakes those whom `change` concerns; memory has dropped what it made untrue by then.
    pub(crate) fn hear(&self, change: &Change) {
        for bell in self.places().bells.values() {
            match change {
                Change::Server { slug, .. } if *slug == bell.slug => {}
                // Not the end at once: the notice of a key that was just made comes late, too.
                Change::ApiKey(key) if bell.caller.api_key() == Some(*key) => {
                    bell.doubted.store(true, Ordering::Relaxed);
                    bell.is_repinned.store(true, Ordering::Relaxed);
                }
                Change::Authorization(ended) if bell.caller.authorization() == Some(*ended) => {
                    bell.doubted.store(true, Ordering::Relaxed);
                }
                // Nothing kept here says by which key it was signed: whoever shows the token once more is let in again, if that still verifies.
                Change::SigningKeys if bell.caller.authorization().is_some() => bell.is_over.store(true, Ordering::Relaxed),
                // Who may use the server is asked again, in any case.
                Change::User(user) if bell.caller.user() == Some(*user) => {}
                // What it held back was accepted: its lists say something else, and nobody else's do (SEC-18).
                Change::Pins { holder, .. } if bell.is_held_by(*holder) => {}
                Change::Consent(consent) if bell.caller.consent() == Some(*consent) => {
                    bell.is_repinned.store(true, Ordering::Relaxed);
                }
                Change::Lost => {
                    bell.doubted.store(true, Ordering::Relaxed);
                    bell.is_repinned.store(true, Ordering::Relaxed);
                }
                _ => continue,
            }
            bell.rung.notify_one();
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Whether there is a place for another watcher on that side of a server.
    fn have_room(&self, slug: &Slug, side: Side) -> bool {
        let (mut all, mut others, mut strangers, mut alike) = (0, 0, 0, 0);
        for bell in self.bells.values().filter(|bell| bell.slug == *slug) {
            all += 1;
            others += usize::from(bell.side != Side::Own);
            strangers += usize::from(matches!(bell.side, Side::Stranger(_)));
            alike += usize::from(bell.side == side);
        }
        let is_left = all < Watches::OF_SERVER_MAX;
        let is_others = others < Watches::OF_OTHERS_MAX && alike < Watches::OF_ONE_MAX;
        match side {
            Side::Own => is_left,
            Side::Guest(_) => is_left && is_others,
            Side::Stranger(_) => is_left && is_others && strangers < Watches::OF_STRANGERS_MAX,
        }
    }
}

impl Side {
    /// That of `caller`, who may use the server.
    pub(crate) async fn of(app: &App, caller: &Caller, server: &ServedServer) -> Result<Self, AppError> {
        Ok(match &caller.who {
            Who::Anyone => Self::Stranger(caller.from.address.map(Network::of)),
            Who::Token(token) => match token.user {
                Some(user) if policies::role(app, server.customer, user).await?.is_none() => Self::Guest(user),
                // A program that acts for itself is the customer's own.
                _ => Self::Own,
            },
            // A key opens its own customer's servers, and nobody else comes in.
            Who::Admin | Who::Key(_) | Who::Member(_) | Who::Person(_) => Self::Own,
        })
    }
}

impl Bell {
    /// Whether these pins are of whoever watches.
    fn is_held_by(&self, holder: PinHolder) -> bool {
        match holder {
            PinHolder::ApiKey(key) => self.caller.api_key() == Some(key),
            PinHolder::Consent(consent) => self.caller.consent() == Some(consent),
        }
    }
}

impl Place {
    /// Refuses a key that is gone: who shows one is known from memory, and nobody tells this place of what was deleted before it was taken.
    pub(crate) async fn check_caller(&self, app: &App) -> Result<(), AppError> {
        match &self.bell.caller.who {
            Who::Key(key) => {
                let finding = async { store::api_keys::find(&mut *app.pool.acquire().await?, key.customer, key.api_key).await };
                app.outage.while_there(finding).await?.map(drop).ok_or(AppError::Unauthenticated)
            }
            Who::Token(token) => {
                let now = app.clock.now();
                let finding = async { store::authorizations::find(&mut *app.pool.acquire().await?, token.authorization).await };
                let found = app.outage.while_there(finding).await?;
                let is_in_force = now < token.expires_at && found.is_some_and(|found| found.is_in_force(now));
                if is_in_force { Ok(()) } else { Err(AppError::Unauthenticated) }
            }
            _ => Ok(()),
        }
    }

    /// How long the token is good that is watched by; `None` if it is something else.
    fn token_left(&self, app: &App) -> Option<Duration> {
        let Who::Token(token) = &self.bell.caller.who else { return None };
        Some((token.expires_at - app.clock.now()).to_std().unwrap_or(Duration::ZERO))
    }

    /// Watches from what the server's lists say now.
    pub(crate) async fn watch(self, app: &App) -> Result<Watch, AppError> {
        let mut caller = self.bell.caller.clone();
        let seen = self.look(app, &mut caller).await?;
        Ok(Watch { place: self, caller, seen })
    }

    /// What the lists say now to `caller`, whose key is still there.
    async fn look(&self, app: &App, caller: &mut Caller) -> Result<Listed, AppError> {
        if self.bell.is_over.load(Ordering::Relaxed) {
            return Err(AppError::Unauthenticated);
        }
        if self.bell.doubted.swap(false, Ordering::Relaxed) {
            let checked = self.check_caller(app).await;
            if matches!(checked, Err(AppError::Unavailable { .. })) {
                self.bell.doubted.store(true, Ordering::Relaxed);
            }
            checked?;
        }
        if self.bell.is_repinned.swap(false, Ordering::Relaxed) {
            match pins::as_it_is_now(app, caller).await {
                Ok(now) => *caller = now,
                Err(error) => {
                    self.bell.is_repinned.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        let server = catalogue::load_usable(app, caller, &self.bell.slug).await?;
        pins::listed(app, caller, &server).await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.watches.places().bells.remove(&self.number);
    }
}

impl Watch {
    /// Comes back when a list of the server says something else than before, and says which. Fails when there is nothing to watch any more:
    /// the server was deleted, the key was, the token ended, or the node stops.
    pub async fn changed(&mut self, app: &App) -> Result<Changes, AppError> {
        let token_left = self.place.token_left(app);
        let token_ends = async {
            match token_left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(token_ends);
        loop {
            tokio::select! {
                () = &mut token_ends => return Err(AppError::Unauthenticated),
                () = self.place.bell.rung.notified() => {}
                () = app.watches_ended() => {
                    return Err(AppError::Unavailable { message: "this node is shutting down".to_owned() });
                }
            }
            let listed = match self.place.look(app, &mut self.caller).await {
                Ok(listed) => listed,
                // It is heard when the database is back: then anything may have changed.
                Err(AppError::Unavailable { .. }) => continue,
                Err(error) => return Err(error),
            };
            let changes = self.seen.changes(&listed);
            if changes.any() {
                self.seen = listed;
                return Ok(changes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slug(number: usize) -> Slug {
        format!("server-{number}").parse().unwrap()
    }

    fn add(watches: &Arc<Watches>, number: usize, side: Side) -> Result<Place, WatchesFull> {
        watches.add(&slug(number), &Caller::of(Who::Anyone), side)
    }

    /// The strangers of a network.
    fn network(number: usize) -> Side {
        let [.., third, last] = number.to_be_bytes();
        Side::Stranger(Some(Network::V4([192, 0, third, last])))
    }

    #[test]
    fn so_many_watch_one_server_and_so_many_all_of_them() {
        let watches: Arc<Watches> = Arc::default();
        let add = |number| add(&watches, number, Side::Own);
        let mut places = Vec::new();

        for number in 0..16_384 / 1_024 {
            places.extend((0..1_024).map(|_| add(number).unwrap()));
            assert_eq!(add(number).err(), Some(WatchesFull), "of one server");
        }
        let beyond = add(1_000).err();
        places.pop();
        let after = add(1_000);

        assert_eq!(beyond, Some(WatchesFull));
        assert!(after.is_ok(), "a place that was given back is taken again");
        assert_eq!(add(1_001).err(), Some(WatchesFull));
    }

    #[test]
    fn neither_a_network_nor_a_person_takes_more_than_a_few_places_of_a_server() {
        let watches: Arc<Watches> = Arc::default();
        let nowhere = Side::Stranger(None);

        for side in [network(1), nowhere, Side::Guest(UserId::new())] {
            let mut places: Vec<_> = (0..16).map(|_| add(&watches, 1, side).unwrap()).collect();
            assert_eq!(add(&watches, 1, side).err(), Some(WatchesFull), "{side:?}");
            assert!(add(&watches, 2, side).is_ok(), "{side:?}: another server is another matter");
            for other in [network(2), Side::Guest(UserId::new()), Side::Own] {
                assert!(add(&watches, 1, other).is_ok(), "{side:?} keeps {other:?} out");
            }
            places.pop();
            assert!(add(&watches, 1, side).is_ok(), "{side:?}");
        }
    }

    #[test]
    fn strangers_leave_places_to_people_and_both_leave_some_to_the_customer() {
        let watches: Arc<Watches> = Arc::default();
        let mut places: Vec<_> = (0..512).map(|number| add(&watches, 1, network(number / 16)).unwrap()).collect();

        assert_eq!(add(&watches, 1, network(1_000)).err(), Some(WatchesFull), "strangers have their part");
        for _ in 0..16 {
            let person = Side::Guest(UserId::new());
            places.extend((0..16).map(|_| add(&watches, 1, person).unwrap()));
        }
        assert_eq!(add(&watches, 1, Side::Guest(UserId::new())).err(), Some(WatchesFull), "and so have those who are no members");
        places.extend((0..256).map(|_| add(&watches, 1, Side::Own).unwrap()));
        assert_eq!(add(&watches, 1, Side::Own).err(), Some(WatchesFull));
    }
}
