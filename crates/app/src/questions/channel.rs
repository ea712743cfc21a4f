//! What a run is given to ask by.

use std::{collections::BTreeMap, time::Duration};

use domain::{Digest, Question};
use sandbox::{LiveQuestions, Questions, Recording, Replay};
use tokio::sync::mpsc;

use super::{Dialogue, Means, Round, RoundsClient, Seat, dialogue::Of};
use crate::{App, calls::Call, catalogue::ServedTool};

/// What a run is given to ask by.
pub(crate) struct Channel<'a> {
    pub(crate) questions: Questions,
    /// Where the client is asked while the call runs.
    pub(crate) dialogue: Option<Box<Dialogue<'a>>>,
}

/// Opens the way from a run to its client.
pub(crate) fn channel<'a>(app: &'a App, call: &Call<'a>, means: Means, replay: Option<Replay>, seat: &Seat) -> Channel<'a> {
    match means {
        Means::Nobody(reason) => Channel { questions: Questions::Refused(reason), dialogue: None },
        Means::Live(client) => {
            let (asked, receiver) = mpsc::channel(Question::PER_CALL_MAX);
            let questions = LiveQuestions { asked, can: client.can, wait_max: app.settings.question_wait_max };
            let of = Of { app, caller: call.caller, server: call.server.server_id, customer: call.customer, tier: call.tier };
            let dialogue = Dialogue::begin(of, client, receiver, seat.clone());
            Channel { questions: Questions::Live(questions), dialogue: Some(Box::new(dialogue)) }
        }
        Means::Round(round) => Channel { questions: questions_of(round, call.tool, replay), dialogue: None },
    }
}

fn questions_of(round: Round, tool: &ServedTool, replay: Option<Replay>) -> Questions {
    let RoundsClient { can, answers, .. } = round.into_client();
    if can.is_empty() && answers.is_empty() && replay.is_none() {
        // There is nothing that the client can be asked: nothing has to be recorded, and each question is told what it lacks.
        let (asked, _) = mpsc::channel(1);
        return Questions::Live(LiveQuestions { asked, can, wait_max: Duration::ZERO });
    }
    let ahead = match &replay {
        None => answers.into_iter().filter_map(|(key, answer)| Some((key.parse().ok()?, answer))).collect(),
        Some(_) => BTreeMap::new(),
    };
    let environment = environment_of(tool);
    Questions::Recorded(Box::new(Recording { version: tool.version_id, environment, can, ahead, replay }))
}

/// What else than its code decides what a version does with what it is told.
fn environment_of(tool: &ServedTool) -> Digest {
    let parts = tool.environment.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_str().as_bytes()]);
    Digest::of_parts(std::iter::once(tool.digest.as_bytes().as_slice()).chain(parts))
}
