//! What a file is to the batch that stands where it would work: the decision, without I/O.

use jiff::{SignedDuration, Timestamp};

/// How long a batch counts as the one at hand after something last happened to it.
const SAME_OUTAGE_FOR: SignedDuration = SignedDuration::from_hours(12);

/// How far in the future a time may lie that was written before a clock was set right.
const CLOCK_SLIP: SignedDuration = SignedDuration::from_mins(5);

/// The rows of a file beside those of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub n_rows: u64,
    /// Rows that the batch has, as they are.
    pub unchanged: u64,
    /// Rows that the batch has, with other cells.
    pub changed: u64,
    pub new: u64,
    /// Rows of the batch that the file lacks.
    pub gone: u64,
    /// Of these: certainly not sent. They would be withdrawn.
    pub gone_unsent: u64,
    /// Rows whose `referencia` stands beside another service than in the batch. Not part of the others.
    pub reused: u64,
}

impl Comparison {
    pub fn is_same(&self) -> bool {
        self.changed + self.new + self.gone + self.reused == 0
    }

    /// At least half of the rows are known.
    pub fn is_mostly_known(&self) -> bool {
        self.n_rows <= 2 * (self.unchanged + self.changed)
    }
}

/// The batch that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    pub compared: Comparison,
    /// Nothing of it waits to be opened or looked up.
    pub is_done: bool,
    /// When rows were last put into it or sent.
    pub active_at: Timestamp,
}

impl Met {
    /// Of several batches the file is compared with the one that this is greatest of: one of today's that
    /// knows it, the same content before other content, the latest. What waits in an older one makes it no
    /// nearer.
    pub fn nearness(&self, now: Timestamp) -> (bool, bool, bool, Timestamp) {
        let is_known = self.compared.is_mostly_known();
        (is_known && self.is_recent(now), self.compared.is_same(), is_known, self.active_at)
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        is_of_this_outage(self.active_at, now)
    }
}

/// Whether what was then is still of the outage at hand. A time in the future is no proof of anything: the
/// clock was set.
pub fn is_of_this_outage(then: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(then);
    -CLOCK_SLIP <= age && age <= SAME_OUTAGE_FOR
}

/// What is known before a file is taken in.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub now: Timestamp,
    /// `None`: nothing was imported here.
    pub met: Option<Met>,
    /// The file was written by us, from rows of the batch that was found.
    pub is_correction: bool,
    /// Rows of ours that are of no batch here, by their reference, a protocolo or a state.
    pub n_carried: u64,
    /// Of all rows of ours: those that were opened, or may have been.
    pub n_settled: u64,
    /// Nothing is real: nothing is asked.
    pub is_sandbox: bool,
    pub answers: Answers,
}

/// What a person said, as a flag or when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// `--continue`: an edit of the batch that is there.
    pub go_on: bool,
    /// `--new`: another outage, a batch of its own.
    pub new: bool,
    /// `--again`: the same content once more.
    pub again: bool,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Continue,
    New,
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Into the batch that is there, or the first one.
    Here,
    /// A batch of its own beside the one that is there.
    Beside,
    /// Only a person knows. Any other answer than these: nothing is sent.
    Ask(Doubt, &'static [Answer]),
}

/// What only a person knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Most rows are known: is it an edit of the batch?
    Edit,
    /// Few rows are known: is it another outage?
    Other,
    /// It was left alone for long, or the clock was set: is it still the same outage?
    Old,
    /// Rows say that they are open already.
    Carried,
}

/// The table of "The same batch" in the design.
pub fn decide(situation: &Situation) -> Plan {
    if situation.is_sandbox || situation.is_correction && situation.n_carried == 0 {
        return Plan::Here;
    }
    let Answers { go_on, new, again } = situation.answers;
    let met = situation.met.as_ref();
    // What is not done yet is gone on with, also if `--again` or `--new` began it: a script that repeats its
    // command must not open everything once more.
    if let Some(met) = met.filter(|met| met.compared.is_same() && met.is_recent(situation.now)) {
        return if again && met.is_done { Plan::Beside } else { Plan::Here };
    }
    if 0 < situation.n_carried && !again {
        return Plan::Ask(Doubt::Carried, &[Answer::Again]);
    }
    let Some(met) = met else { return Plan::Here };
    let compared = &met.compared;
    if go_on {
        return Plan::Here;
    }
    if new || again && compared.is_same() {
        return Plan::Beside;
    }
    match (met.is_recent(situation.now), compared.is_mostly_known()) {
        (true, true) => Plan::Ask(Doubt::Edit, &[Answer::Continue, Answer::New]),
        (true, false) => Plan::Ask(Doubt::Other, &[Answer::New, Answer::Continue]),
        (false, _) => Plan::Ask(Doubt::Old, &[Answer::New, Answer::Continue]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);
    const NONE: Answers = Answers { go_on: false, new: false, again: false };
    const CONTINUE: Answers = Answers { go_on: true, ..NONE };
    const NEW: Answers = Answers { new: true, ..NONE };
    const AGAIN: Answers = Answers { again: true, ..NONE };
    const EDIT: Plan = Plan::Ask(Doubt::Edit, &[Answer::Continue, Answer::New]);
    const OTHER: Plan = Plan::Ask(Doubt::Other, &[Answer::New, Answer::Continue]);
    const OLD: Plan = Plan::Ask(Doubt::Old, &[Answer::New, Answer::Continue]);
    const CARRIED: Plan = Plan::Ask(Doubt::Carried, &[Answer::Again]);

    const SAME: Comparison =
        Comparison { n_rows: 10, unchanged: 10, changed: 0, new: 0, gone: 0, gone_unsent: 0, reused: 0 };
    const EDITED: Comparison = Comparison { unchanged: 4, changed: 1, new: 5, gone: 5, ..SAME };
    const STRANGE: Comparison = Comparison { unchanged: 4, new: 6, gone: 6, ..SAME };
    const MENDED: Comparison = Comparison { unchanged: 9, reused: 1, ..SAME };
    const TAKEN: Comparison = Comparison { unchanged: 0, reused: 10, ..SAME };

    #[derive(Clone, Copy, Debug)]
    enum Is {
        Done,
        Unfinished,
    }
    use Is::{Done, Unfinished};

    #[test]
    fn the_same_batch_is_what_the_table_says() {
        for (compared, is, minutes, answers, plan) in [
            // The same content, at hand: it goes on, or tells that it is done.
            (SAME, Unfinished, 0, NONE, Plan::Here),
            (SAME, Unfinished, 12 * 60, NONE, Plan::Here),
            (SAME, Done, 5, NONE, Plan::Here),
            (SAME, Done, 5, CONTINUE, Plan::Here),
            (SAME, Done, 5, AGAIN, Plan::Beside),
            // A script that repeats its command after a power cut.
            (SAME, Unfinished, 5, AGAIN, Plan::Here),
            (SAME, Unfinished, 5, NEW, Plan::Here),
            (SAME, Done, 5, NEW, Plan::Here),
            // A month-old batch is not continued in silence, unfinished or not.
            (SAME, Unfinished, 12 * 60 + 1, NONE, OLD),
            (SAME, Unfinished, 30 * 24 * 60, NONE, OLD),
            (SAME, Done, 30 * 24 * 60, NONE, OLD),
            (SAME, Done, 30 * 24 * 60, NEW, Plan::Beside),
            (SAME, Done, 30 * 24 * 60, AGAIN, Plan::Beside),
            (SAME, Unfinished, 30 * 24 * 60, CONTINUE, Plan::Here),
            // The clock was set back: what lies in the future is not of today.
            (SAME, Unfinished, -4, NONE, Plan::Here),
            (SAME, Unfinished, -6, NONE, OLD),
            (SAME, Done, -600, NONE, OLD),
            // An edit.
            (EDITED, Unfinished, 5, NONE, EDIT),
            (EDITED, Done, 5, NONE, EDIT),
            (EDITED, Unfinished, 5, CONTINUE, Plan::Here),
            (EDITED, Unfinished, 5, NEW, Plan::Beside),
            (EDITED, Unfinished, 5, AGAIN, EDIT),
            (EDITED, Unfinished, 13 * 60, NONE, OLD),
            // Another outage.
            (STRANGE, Unfinished, 5, NONE, OTHER),
            (STRANGE, Unfinished, 5, AGAIN, OTHER),
            (STRANGE, Unfinished, 5, NEW, Plan::Beside),
            (STRANGE, Done, 5, CONTINUE, Plan::Here),
            (STRANGE, Done, 13 * 60, NONE, OLD),
            // One customer is another, or was written wrong: which, the merge tells row by row.
            (MENDED, Unfinished, 5, NONE, EDIT),
            (MENDED, Done, 5, CONTINUE, Plan::Here),
            (MENDED, Done, 13 * 60, AGAIN, OLD),
            (MENDED, Done, 5, NEW, Plan::Beside),
            // All are others.
            (TAKEN, Done, 5, NONE, OTHER),
        ] {
            let active_at = NOW - SignedDuration::from_mins(minutes);
            let met = Met { compared, is_done: matches!(is, Done), active_at };
            let situation = Situation { met: Some(met), answers, ..bare() };
            assert_eq!(decide(&situation), plan, "{compared:?} {is:?} {minutes} min ago, {answers:?}");
            for trusted in
                [Situation { is_correction: true, ..situation }, Situation { is_sandbox: true, ..situation }]
            {
                assert_eq!(decide(&trusted), Plan::Here, "a correction and the sandbox are not asked about");
            }
        }
    }

    #[test]
    fn rows_that_say_that_they_are_open_are_not_taken_for_new() {
        for (n_carried, answers, plan) in [
            (0, NONE, Plan::Here),
            (0, NEW, Plan::Here),
            (0, AGAIN, Plan::Here),
            (3, NONE, CARRIED),
            (3, NEW, CARRIED),
            (3, CONTINUE, CARRIED),
            (3, AGAIN, Plan::Here),
        ] {
            let situation = Situation { n_carried, answers, ..bare() };
            assert_eq!(decide(&situation), plan, "{n_carried} {answers:?}");
            // Among rows of the batch that is corrected, too.
            let correction = Situation { is_correction: true, ..situation };
            assert_eq!(decide(&correction), plan, "{n_carried} {answers:?}");
        }
        // Whatever stands where it would work, unless its rows are that batch's.
        let at = |compared, minutes| {
            Some(Met { compared, is_done: true, active_at: NOW - SignedDuration::from_mins(minutes) })
        };
        for (met, answers, plan) in [
            (at(STRANGE, 5), NEW, CARRIED),
            (at(EDITED, 5), CONTINUE, CARRIED),
            (at(TAKEN, 5), NEW, CARRIED),
            (at(SAME, 24 * 60), NEW, CARRIED),
            (at(STRANGE, 5), AGAIN, OTHER),
            (at(STRANGE, 5), Answers { new: true, ..AGAIN }, Plan::Beside),
            (at(SAME, 5), NONE, Plan::Here),
        ] {
            let situation = Situation { n_carried: 3, met, answers, ..bare() };
            assert_eq!(decide(&situation), plan, "{met:?} {answers:?}");
        }
    }

    #[test]
    fn of_several_batches_todays_is_meant_and_not_one_that_was_left_unfinished() {
        let met = |compared, is: Is, hours| Met {
            compared,
            is_done: matches!(is, Done),
            active_at: NOW - SignedDuration::from_hours(hours),
        };
        // Five rows were appended: each knows the other ten.
        let appended = Comparison { n_rows: 15, new: 5, ..SAME };
        for (nearer, farther) in [
            (met(appended, Done, 1), met(appended, Unfinished, 30 * 24)),
            // Last month all fifteen failed, today ten and then the others.
            (met(appended, Done, 1), met(SAME, Unfinished, 30 * 24)),
            (met(SAME, Done, 3), met(appended, Unfinished, 1)),
            (met(SAME, Done, 30 * 24), met(STRANGE, Unfinished, 1)),
            (met(SAME, Done, 30 * 24), met(SAME, Done, 60 * 24)),
            (met(appended, Done, 60 * 24), met(STRANGE, Done, 30 * 24)),
            (met(STRANGE, Done, 1), met(STRANGE, Unfinished, 2)),
        ] {
            assert!(farther.nearness(NOW) < nearer.nearness(NOW), "{nearer:?} {farther:?}");
        }
    }

    fn bare() -> Situation {
        Situation {
            now: NOW,
            met: None,
            is_correction: false,
            n_carried: 0,
            n_settled: 0,
            is_sandbox: false,
            answers: NONE,
        }
    }
}
