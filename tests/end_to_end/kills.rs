//! kill -9 at a hundred random moments under load (issue: faults): what was acknowledged is there, works and is in the books, nothing of a killed
//! life is left on the machine or in the database, and what the load took is given back.
//!
//! The database outlives the lives here, as that of an installation does; [`crate::durability`] has the private cluster, which dies with them.

#[path = "kills/books.rs"]
mod books;
#[path = "kills/callers.rs"]
mod callers;
#[path = "kills/chance.rs"]
mod chance;
#[path = "kills/crew.rs"]
mod crew;
#[path = "kills/database.rs"]
mod database;
#[path = "kills/deploys.rs"]
mod deploys;
#[path = "kills/door.rs"]
mod door;
#[path = "kills/grants.rs"]
mod grants;
#[path = "kills/keys.rs"]
mod keys;
#[path = "kills/ledger.rs"]
mod ledger;
#[path = "kills/leftovers.rs"]
mod leftovers;
#[path = "kills/questions.rs"]
mod questions;
#[path = "kills/secrets.rs"]
mod secrets;
#[path = "kills/size.rs"]
mod size;
#[path = "kills/uploads.rs"]
mod uploads;
#[path = "kills/world.rs"]
mod world;

use std::{
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use rustix::process::Signal;
use testkit::DatabaseObserver;

use self::{
    chance::{Chance, seed},
    crew::Crew,
    database::{OwnDatabase, wait_for_connections_to_go},
    size::Size,
    world::{Load, World},
};
use crate::{
    processes::{descendants, wait_until_gone},
    program::{Home, Program, cache_directory},
};

/// Lives that end by a kill.
const KILLS: u64 = 100;
/// Of these, the first: before there is anything, the start itself makes it.
const FIRST_STARTS: u64 = 6;
/// One life of so many ends in its start.
const IN_THE_START: u64 = 5;
/// How long a start takes, about.
const START_MS: u64 = 400;
/// How long a life lasts that has started.
const LIFE_MS: u64 = 600;
/// One of so many lasts long enough for calls to become old.
const LONG: u64 = 10;
const LONG_LIFE_MS: u64 = 1_800;
/// Of the load on the life that is measured.
const LAST_LOAD: Duration = Duration::from_secs(4);
/// For what goes by itself: children with their parent, connections, files.
const GONE_MAX: Duration = Duration::from_secs(20);

/// What the lives are lived on.
struct Stage {
    home: Home,
    database: OwnDatabase,
    observer: DatabaseObserver,
    world: World,
    chance: Chance,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_left_after_a_hundred_kills_under_load() {
    let seed = seed();
    let _told = Told(seed);
    let mut stage = Stage::set(seed).await;
    for _ in 0..FIRST_STARTS {
        let start = stage.chance.ms(1..START_MS);
        stage.live_and_die_within(start).await;
    }
    let crew = stage.hire().await;
    stage.world.set_load(Load::Goes);
    for _ in FIRST_STARTS + 1..KILLS {
        crew.check_that_all_work();
        if stage.chance.one_of(IN_THE_START) {
            let start = stage.chance.ms(1..START_MS);
            stage.live_and_die_within(start).await;
        } else {
            stage.live_and_die().await;
        }
    }
    stage.live_on(crew).await;
}

impl Stage {
    async fn set(seed: u64) -> Self {
        let (home, database) = (Home::new(), OwnDatabase::start().await);
        std::fs::create_dir(home.path().join("cache")).unwrap();
        for entry in std::fs::read_dir(cache_directory()).unwrap().flatten() {
            // The engine, which takes seconds to compile: this test is not about it.
            if entry.file_name().to_string_lossy().starts_with("js-") {
                std::fs::copy(entry.path(), home.path().join("cache").join(entry.file_name())).unwrap();
            }
        }
        let observer = database.observe().await;
        Self { home, database, observer, world: World::new().await, chance: Chance::of(seed) }
    }

    /// The program, which is on its way.
    fn start(&mut self) -> Program {
        let (cache, url, base) = (self.home.path().join("cache"), self.database.url(), self.world.base());
        let upstream = self.world.upstream.host_and_port().to_string();
        let program = self.home.start_with(|command| {
            command.env("TOOLWRIGHT_CACHE_DIR", cache).env("DATABASE_URL", url).env("TOOLWRIGHT_PUBLIC_URL", base);
            command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", upstream).env("TOOLWRIGHT_LOG", "warn");
            without_rates(command);
        });
        self.world.begin_life();
        self.world.door.lead_to(program.address);
        program
    }

    /// A life that ends before it has begun, or just then.
    async fn live_and_die_within(&mut self, start: Duration) {
        let program = self.start();
        tokio::time::sleep(start).await;
        self.kill(program).await;
    }

    async fn live_and_die(&mut self) {
        let begun = SystemTime::now();
        let mut program = self.start();
        program.wait_until_ready().await;
        let lasts_ms = if self.chance.one_of(LONG) { LONG_LIFE_MS } else { LIFE_MS };
        let lasts = Instant::now() + self.chance.ms(0..lasts_ms);
        self.check_that_nothing_is_left_of_lives_before(begun).await;
        tokio::time::sleep_until(lasts.into()).await;
        self.kill(program).await;
    }

    /// Kills the program, and sees to it that its children go with it.
    async fn kill(&mut self, program: Program) {
        self.world.ledger.kill(self.world.life());
        // It makes no more children while they are counted.
        program.signal(Signal::STOP);
        let children = descendants(program.id());
        program.kill();
        wait_until_gone(&children, GONE_MAX).await;
    }

    async fn check_that_nothing_is_left_of_lives_before(&mut self, begun: SystemTime) {
        wait_for_connections_to_go(&mut self.observer, begun, GONE_MAX).await;
        let deadline = Instant::now() + GONE_MAX;
        loop {
            let left = leftovers::unknown_before(self.home.path(), begun);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "a killed life left {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Those who load the program, each with what they need.
    async fn hire(&mut self) -> Crew {
        let mut program = self.start();
        program.wait_until_ready().await;
        let crew = Crew::hire(&self.world, &program, &mut self.chance).await;
        self.kill(program).await;
        crew
    }

    /// The last life, at the end of which everything must be there.
    async fn live_on(mut self, crew: Crew) {
        self.world.set_load(Load::Rests);
        let begun = SystemTime::now();
        let mut program = self.start();
        program.wait_until_ready().await;
        self.check_that_nothing_is_left_of_lives_before(begun).await;
        let (id, base) = (program.id(), format!("http://{}", program.address));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let quiet = Size::of(id, &base).await;
        self.world.set_load(Load::Goes);
        tokio::time::sleep(LAST_LOAD).await;
        crew.check_that_all_work();
        self.world.set_load(Load::IsOver);
        let mut crew = crew.dismiss().await;
        self.world.door.hang_up();
        wait_until_back(id, &base, &quiet).await;

        crew.check(&self.world).await;
        books::check(&self.world, &mut self.observer).await;
        let quota = books::charged(&mut self.observer).await;
        crew.check_charged(quota);
        books::check_files(self.home.path(), &mut self.observer).await;
        assert!(program.stop(Signal::TERM).await.success());
        wait_for_connections_to_go(&mut self.observer, SystemTime::now(), GONE_MAX).await;
        books::check_at_rest(self.home.path(), &mut self.observer).await;
        self.database.stop().await;
    }
}

async fn wait_until_back(id: u32, base: &str, quiet: &Size) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let Err(excess) = Size::of(id, base).await.is_back_at(quiet) else { return };
        assert!(Instant::now() < deadline, "{excess}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Everybody is one network here.
fn without_rates(command: &mut Command) {
    for what in ["REQUESTS", "FAILURES", "LOGINS", "TOKENS", "READS", "WRITES", "TRIES"] {
        command.env(format!("TOOLWRIGHT_{what}_PER_MINUTE_MAX"), "1000000");
    }
    command.env("TOOLWRIGHT_REGISTRATIONS_PER_HOUR_MAX", "1000000");
}

/// Says how to have the same again, if it comes to that.
struct Told(u64);

impl Drop for Told {
    #[expect(clippy::print_stderr, reason = "whoever reads of a failure needs it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("TOOLWRIGHT_TEST_SEED={} begins with the same", self.0);
        }
    }
}
