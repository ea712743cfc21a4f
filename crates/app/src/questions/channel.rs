//! What a run is given to ask by.

use std::{sync::Arc, time::Duration};

use domain::{Digest, Question};
use sandbox::{LiveQuestions, Questions, Recording, Replay};
use tokio::sync::mpsc;

use super::{Dialogue, Means, Round, RoundsClient, Seat, dialogue::Of};
use crate::{App, calls::Call, catalogue::ServedTool, outside::Circumstances};

/// What a run is given to ask by.
pub(crate) struct Channel<'a> {
    pub(crate) questions: Questions,
    /// Where the client is asked while the call runs.
    pub(crate) dialogue: Option<Box<Dialogue<'a>>>,
    pub(crate) circumstances: Circumstances,
}

/// Opens the way from a run to its client.
pub(crate) fn channel<'a>(app: &'a App, call: &Call<'a>, means: Means, replay: Option<Replay>, seat: &Seat) -> Channel<'a> {
    let egress_bytes_used = replay.as_ref().map_or(0, |replay| replay.journal.used.egress_bytes);
    let mut channel = Channel {
        questions: Questions::default(),
        dialogue: None,
        circumstances: Circumstances { pauses_max: Duration::ZERO, egress_bytes_used },
    };
    match means {
        Means::Nobody(reason) => channel.questions = Questions::Refused(reason),
        Means::Live(client) => {
            let (asked, receiver) = mpsc::channel(Question::PER_CALL_MAX);
            let wait_max = app.settings.question_wait_max;
            channel.questions = Questions::Live(LiveQuestions { asked, can: client.can, wait_max });
            let of = Of { app, caller: call.caller, server: call.server.server_id, customer: call.customer, tier: call.tier };
            channel.dialogue = Some(Box::new(Dialogue::begin(of, client, receiver, seat.clone())));
            // It may ask one question after the other.
            channel.circumstances.pauses_max = wait_max.saturating_mul(u32::try_from(Question::PER_CALL_MAX).unwrap_or(u32::MAX));
        }
        Means::Round(round) => channel.questions = questions_of(round, call.tool, replay),
    }
    channel
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
        Some(_) => std::collections::BTreeMap::new(),
    };
    let environment = environment_of(tool);
    Questions::Recorded(Box::new(Recording { version: tool.version_id, environment, can, ahead, replay }))
}

/// What else than its code decides what a version does with what it is told.
fn environment_of(tool: &ServedTool) -> Digest {
    let values = Arc::clone(&tool.environment);
    let parts = values.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_str().as_bytes()]);
    Digest::of_parts(std::iter::once(tool.digest.as_bytes().as_slice()).chain(parts))
}
