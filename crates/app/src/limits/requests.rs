//! Requests by who sends them: of each customer, and of each caller a share, by kind.

use std::time::Duration;

use domain::{CustomerId, UserId};

use super::{
    policy::{Counted, Rate, RatePolicy, Standing, TooMany},
    rates::Rates,
};
use crate::{App, AppError, Audience, Caller, CallerIdentity, Who, network::Network};

/// What a request for the management does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Nothing changes.
    Read,
    /// Something may.
    Write,
}

/// The counts of all customers and callers.
#[derive(Debug)]
pub(crate) struct Requests {
    minutes: Counts,
    days: Counts,
}

/// Those over one span of time.
#[derive(Debug)]
struct Counts {
    customers: Rates<(CustomerId, Rate)>,
    callers: Rates<(Sharer, Rate)>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { minutes: Counts::per(Duration::from_mins(1)), days: Counts::per(Duration::from_hours(24)) }
    }
}

impl Counts {
    fn per(span: Duration) -> Self {
        Self { customers: Rates::per(span), callers: Rates::per(span) }
    }

    /// The share first: whoever is beyond it uses up nothing of what the others have.
    fn take(&self, app: &App, counted: Whose, rate: Rate, quota: u32) -> Result<Standing, TooMany> {
        let share = RatePolicy { rate, counted: Counted::Caller, quota: app.settings.limits.share_of(quota) };
        match counted {
            Whose::Customers { customer, through } => {
                if let Some(caller) = through {
                    self.callers.take_under((caller, rate), share)?;
                }
                self.customers.take_under((customer, rate), RatePolicy { rate, counted: Counted::Customer, quota })
            }
            Whose::Person(person) => self.callers.take_under((person, rate), share),
        }
    }
}

/// Whose request is counted.
#[derive(Debug, Clone, Copy)]
enum Whose {
    /// A customer's, and that of whoever acts for it and has a share of what it has.
    Customers { customer: CustomerId, through: Option<Sharer> },
    /// Somebody's for themselves.
    Person(Sharer),
}

/// Who has a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sharer {
    /// Whoever is known.
    Known(CallerIdentity),
    /// A person, by however many sign-ins: they make as many as they like.
    Person(UserId),
    /// Whoever is not, by where they are; all whose address is not known are one.
    Unknown(Option<Network>),
}

/// Lets a request for the management in. The admin is counted by nothing but the network.
pub fn admit_request(app: &App, caller: &Caller, request: Request) -> Result<Option<Standing>, AppError> {
    let Some(whose) = whose(caller) else { return Ok(None) };
    let limits = &app.settings.limits;
    let (rate, quota) = match request {
        Request::Read => (Rate::ReadsPerMinuteMax, limits.reads_per_minute_max),
        Request::Write => (Rate::WritesPerMinuteMax, limits.writes_per_minute_max),
    };
    let standing = app.requests.minutes.take(app, whose, rate, quota)?;
    if request == Request::Write {
        // Afterwards: what is too much for its minute uses up nothing of the day.
        app.requests.days.take(app, whose, Rate::WritesPerDayMax, limits.writes_per_day_max)?;
    }
    Ok(Some(standing))
}

/// Lets a try in; it counts as a call as well.
pub(crate) fn admit_try(app: &App, caller: &Caller) -> Result<(), AppError> {
    if let Some(whose) = whose(caller) {
        app.requests.minutes.take(app, whose, Rate::TriesPerMinuteMax, app.settings.limits.tries_per_minute_max)?;
    }
    Ok(())
}

/// Holds a call to its caller's share of the `per_minute` calls that the customer has, if it has one. A customer's own keys have all of them.
pub(crate) fn admit_call(app: &App, caller: &Caller, per_minute: u32) -> Result<Option<Standing>, AppError> {
    let Some(sharer) = sharer(caller) else { return Ok(None) };
    let quota = app.settings.limits.share_of(per_minute);
    let policy = RatePolicy { rate: Rate::CallsPerMinuteMax, counted: Counted::Caller, quota };
    Ok(Some(app.requests.minutes.callers.take_under((sharer, Rate::CallsPerMinuteMax), policy)?))
}

fn whose(caller: &Caller) -> Option<Whose> {
    let customer = match &caller.who {
        Who::Key(key) => key.customer,
        Who::Member(member) => member.customer,
        Who::Token(token) => match token.audience {
            Audience::Management { customer, .. } => customer,
            Audience::Server(_) => return None,
        },
        Who::Person(person) => return Some(Whose::Person(Sharer::Person(person.user))),
        Who::Admin | Who::Anyone => return None,
    };
    Some(Whose::Customers { customer, through: sharer(caller) })
}

/// Who has a share. A key is what the customer's own programs show, and a customer that has one wants all of what it pays for through it.
fn sharer(caller: &Caller) -> Option<Sharer> {
    match &caller.who {
        Who::Admin | Who::Key(_) => None,
        Who::Member(member) => Some(Sharer::Person(member.user)),
        Who::Person(person) => Some(Sharer::Person(person.user)),
        Who::Token(_) => Some(Sharer::Known(caller.identity())),
        Who::Anyone => Some(Sharer::Unknown(caller.from.address.map(Network::of))),
    }
}
