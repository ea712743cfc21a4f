//! The questions of one call to a client of 2025-11-25, which answers while the call runs.

use std::{convert::Infallible, sync::Arc};

use domain::{CustomerId, QuestionAnswer, QuestionId, ServerId, Tier};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use sandbox::{Asked, QuestionFault};
use tokio::sync::{Mutex, mpsc};

use super::{
    Heard, LiveClient, OutgoingQuestion, Party, Pause, Pauses,
    desk::{self, Ticket},
    pauses::PausesFull,
};
use crate::{App, Caller, guests};

/// The place that a call has among its customer's calls. It is given up while its client is asked, and taken again before its guest goes on.
#[derive(Debug, Clone)]
pub(crate) struct Seat(Arc<Mutex<Option<guests::Place>>>);

/// The questions of one call.
pub(crate) struct Dialogue<'a> {
    app: &'a App,
    caller: &'a Caller,
    server: ServerId,
    customer: CustomerId,
    tier: &'a Tier,
    client: LiveClient,
    /// What the guest asks.
    asked: mpsc::Receiver<Asked>,
    seat: Seat,
    open: FuturesUnordered<BoxFuture<'a, ()>>,
    /// Held while a question is open.
    pause: Option<Pause>,
}

/// Of which call a dialogue is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) app: &'a App,
    pub(crate) caller: &'a Caller,
    pub(crate) server: ServerId,
    pub(crate) customer: CustomerId,
    pub(crate) tier: &'a Tier,
}

impl Seat {
    /// The seat of a call that has a place.
    pub(crate) fn of(place: guests::Place) -> Self {
        Self(Arc::new(Mutex::new(Some(place))))
    }

    /// Gives the place up, unless somebody is about to take it again.
    pub(crate) fn leave(&self) {
        if let Ok(mut place) = self.0.try_lock() {
            *place = None;
        }
    }

    /// Takes a place again, if there is none.
    async fn take(&self, app: &App, customer: CustomerId, tier: &Tier) {
        let mut place = self.0.lock().await;
        if place.is_none() {
            // Should as many wait before it as may, the answer counts for more than the limit: somebody took the time to give it.
            *place = guests::take_place_within(app, customer, tier, app.settings.question_wait_max).await.ok();
        }
    }
}

impl<'a> Dialogue<'a> {
    pub(crate) fn begin(of: Of<'a>, client: LiveClient, asked: mpsc::Receiver<Asked>, seat: Seat) -> Self {
        let Of { app, caller, server, customer, tier } = of;
        Self { app, caller, server, customer, tier, client, asked, seat, open: FuturesUnordered::new(), pause: None }
    }

    /// Passes questions on and answers back, for as long as it is polled.
    pub(crate) async fn go_on(&mut self) -> Infallible {
        loop {
            tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(asked) => self.ask(asked),
                    // The guest asks nothing more; what it has asked is still to be answered.
                    None if self.open.is_empty() => std::future::pending().await,
                    None => drop(self.open.next().await),
                },
                Some(()) = self.open.next() => {}
            }
            if self.open.is_empty() {
                self.pause = None;
            }
        }
    }

    fn ask(&mut self, asked: Asked) {
        if self.pause.is_none() {
            match self.app.pauses.enter(self.customer) {
                Ok(pause) => self.pause = Some(pause),
                Err(PausesFull) => return tell(asked, Err(QuestionFault::Busy(Pauses::OF_CUSTOMER_MAX))),
            }
        }
        let id = QuestionId::new();
        let party = Party { caller: self.caller, server: self.server, session: &self.client.session };
        let written = desk::write_id(self.app, &party, id);
        let Ok(written) = written.inspect_err(|error| {
            tracing::error!(error = error as &dyn std::error::Error, "cannot make the id of a question: {error}");
        }) else {
            return drop(asked);
        };
        // Before it goes out: an answer may be fast.
        let ticket = self.app.memory.questions.wait(id);
        let outgoing = OutgoingQuestion { id: written, question: asked.question.clone() };
        // A client that is gone has no room either: dropped, the question tells so.
        if self.client.questions.try_send(outgoing).is_err() {
            return drop(asked);
        }
        self.seat.leave();
        self.open.push(Box::pin(wait(self.app, self.seat.clone(), self.customer, self.tier, ticket, asked)));
    }
}

/// Waits for an answer, and then for a place for the call: as long as the guest itself waits, or until the node stops.
async fn wait(app: &App, seat: Seat, customer: CustomerId, tier: &Tier, ticket: Ticket, mut asked: Asked) {
    let Asked { question, answer, .. } = &mut asked;
    let heard = async {
        let answered = match ticket.heard(app).await {
            Heard::Result(result) => {
                QuestionAnswer::read(question, &result).map_err(|error| QuestionFault::Client(error.to_string()))
            }
            Heard::Error(error) => Err(QuestionFault::Client(error)),
        };
        seat.take(app, customer, tier).await;
        answered
    };
    let answered = tokio::select! {
        answered = heard => Some(answered),
        () = answer.closed() => None,
        () = app.watches_ended() => Some(Err(QuestionFault::Client("the node that waits for it is shutting down".to_owned()))),
    };
    if let Some(answered) = answered {
        tell(asked, answered);
    }
}

fn tell(asked: Asked, answered: Result<QuestionAnswer, QuestionFault>) {
    // The guest may wait no longer.
    let _ = asked.answer.send(answered);
}
