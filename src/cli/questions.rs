//! The questions before anything is sent.

use std::borrow::Cow;

use jiff::Timestamp;

use super::asking::{Asking, CONTINUE, OPEN, Offer, SKIP, YES, typed};
use super::exit::Exit;
use super::failure::Failure;
use super::merged;
use super::plan::Plan;
use super::summary;
use crate::app::batches::{Answer, Doubt, Earlier, Question, Wish, Work};
use crate::app::import::Staged;
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::hubsoft;
use crate::intake::{ColumnDoubt, Hashing, Hidden, Intake};
use crate::language::filled::typed_number;
use crate::language::said;
use crate::language::times;
use crate::registry::Entry;

/// Real tickets up to this number are opened without a question.
const UNASKED_MAX: u64 = 20;

/// Ticket types that the question names; of the others it says how many they are.
const TYPES_NAMED_MAX: usize = 10;

/// What the question before a run is about.
struct Tickets<'a> {
    n_tickets: u64,
    /// At most so many of them with a visit.
    n_service_orders: u64,
    /// Ids of the types asked for, `None` for the tenant's default.
    types: &'a [Option<i64>],
    known_types: Option<&'a [hubsoft::Entry]>,
    /// How long it will take.
    estimate: Option<String>,
}

impl Asking<'_> {
    /// Which batch a file belongs to.
    pub async fn batch(&self, wish: &Wish<'_>, intake: &Intake) -> Result<Work, Failure> {
        let ours = intake.ours();
        let mut search = match wish.by_rows(ours).await? {
            Some(search) => search,
            None => {
                let destination = wish.destination()?;
                let (base, wanted) = (&destination.base, &destination.wanted);
                if base != wanted.trim() {
                    self.screen.note(tr!(
                        "the batch is called `%{base}`: spreadsheet programs make something else of `%{wanted}`",
                        base = base,
                        wanted = wanted
                    ));
                }
                wish.by_name(destination, ours).await?
            }
        };
        while let Some(question) = search.question() {
            let answer = self.answer(&in_words(&question), question.answers)?;
            search.answer(answer);
        }
        Ok(search.work()?)
    }

    /// What becomes of rows that nobody sees in the sheet, unless that was said. Opens the sheet again for
    /// the answer.
    pub fn hidden(&self, sheet: &mut Sheet, intake: Intake) -> Result<Intake, Failure> {
        let n_hidden = sheet.n_hidden(&intake);
        if n_hidden == 0 {
            return Ok(intake);
        }
        let offers = [
            Offer { word: SKIP, flag: "--hidden skip", meaning: tr!("leave the hidden rows out") },
            Offer { word: OPEN, flag: "--hidden open", meaning: tr!("open them like the others") },
        ];
        let question =
            tr!("%{n} %{n|row is|rows are} hidden in the sheet: %{n|is it|are they} meant?", n = n_hidden);
        let hidden = if self.choose(&question, &offers)? == 0 { Hidden::Skip } else { Hidden::Open };
        sheet.reading.hidden = Some(hidden);
        drop(intake);
        Ok(sheet.open(Hashing::Sha256)?)
    }

    /// Whether it is right, as far as it is not said already, before real tickets are opened.
    pub fn confirm(
        &self,
        staged: &Staged<'_>,
        target: &Target,
        plan: &Plan,
        known_types: Option<&[hubsoft::Entry]>,
    ) -> Result<(), Failure> {
        if target.is_sandbox() {
            return Ok(());
        }
        self.columns(&staged.read.findings.doubts)?;
        let (n_service_orders, types) = (staged.read.n_service_orders, &staged.read.types);
        let n_tickets = plan.n_rows;
        let estimate = plan.told(times::here(Timestamp::now()));
        self.count(target, &Tickets { n_tickets, n_service_orders, types, known_types, estimate })
    }

    /// Whether doubtful columns are what they are taken for.
    pub fn columns(&self, doubts: &[ColumnDoubt]) -> Result<(), Failure> {
        if doubts.is_empty() {
            return Ok(());
        }
        let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
        let offers = [Offer { word: YES, flag: "--yes", meaning: tr!("it is right; open these tickets") }];
        self.choose(&tr!("%{doubts}: is that right?", doubts = doubts.join("; ")), &offers).map(drop)
    }

    /// Whether what was imported `earlier` is to be opened once more.
    pub fn again(&self, earlier: &Entry) -> Result<(), Failure> {
        let question = tr!(
            "the same rows were imported on %{when} to %{host}, %{place}: each ticket would be opened a second time",
            when = when(earlier.at),
            host = earlier.host,
            place = place(&earlier.folder)
        );
        self.answer(&question, &[Answer::Again]).map(drop)
    }

    /// The same of what was found, if anything was; what is wrong with the registry is told.
    pub fn again_if_any(&self, Earlier { latest, error }: Earlier) -> Result<(), Failure> {
        if let Some(error) = error {
            self.screen.warn(tr!(
                "%{error}: what was imported before from elsewhere may not be recognised",
                error = error
            ));
        }
        latest.map_or(Ok(()), |earlier| self.again(&earlier))
    }

    /// Notes in the registry that the rows are to be opened, and asks about what stands there since.
    pub fn note(&self, staged: &mut Staged<'_>) -> Result<(), Failure> {
        loop {
            match staged.note() {
                Ok(None) => return Ok(()),
                Ok(Some(earlier)) => self.again(&earlier)?,
                Err(error) => {
                    merged::warn_unremembered(&error, self.screen);
                    return Ok(());
                }
            }
        }
    }

    /// Whether so many real tickets are to be opened, if they are many: a person types their number.
    fn count(&self, target: &Target, tickets: &Tickets<'_>) -> Result<(), Failure> {
        let n = tickets.n_tickets;
        if n <= UNASKED_MAX {
            return Ok(());
        }
        let about = match tickets.n_service_orders {
            0 => tr!(
                "%{n} real tickets at %{host}, type %{types}, with no service orders (visits)",
                n = n,
                host = target.named,
                types = labels(tickets)
            ),
            orders => tr!(
                "%{n} real tickets at %{host}, type %{types}, with up to %{orders} service %{orders|order (visit)|orders (visits)}",
                n = n,
                host = target.named,
                types = labels(tickets),
                orders = orders
            ),
        };
        if !self.is_anybody_here() {
            return Err(Failure::new(
                Exit::Usage,
                tr!("this would open %{about}, and nobody is here to be asked", about = about),
                tr!("give --yes if that is right; nothing was sent"),
            ));
        }
        self.screen.err(tr!("This opens %{about}.", about = about));
        if let Some(estimate) = &tickets.estimate {
            self.screen.err(tr!("Estimate: %{estimate}.", estimate = estimate));
        }
        self.screen.err(tr!("They cannot be deleted. To go on, type the number of tickets:"));
        if typed_number(&typed()) == Some(n) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            tr!("declined; nothing was sent"),
            tr!("run the same command again and type the number"),
        ))
    }
}

/// Where rows were imported to, from how the registry keeps it: a folder, or a batch of an outbox.
fn place(kept: &str) -> Cow<'static, str> {
    match kept.strip_prefix("into batch `").and_then(|rest| rest.rsplit_once("` of ")) {
        Some((name, "this outbox")) => tr!("into batch `%{name}` of this outbox", name = name),
        Some((name, _)) => tr!("into batch `%{name}` of an outbox", name = name),
        None => tr!("with results in `%{folder}`", folder = kept),
    }
}

fn labels(tickets: &Tickets<'_>) -> String {
    let label = |id: &Option<i64>| match (id, tickets.known_types) {
        (None, _) => tr!("of the tenant's default").into_owned(),
        (Some(id), None) => tr!("%{id} (not verified)", id = id).into_owned(),
        (Some(id), Some(known)) => match known.iter().find(|entry| entry.id == *id) {
            Some(entry) => format!("`{}`", entry.label),
            None => tr!("%{id} (unknown to this tenant!)", id = id).into_owned(),
        },
    };
    let named = tickets.types.iter().take(TYPES_NAMED_MAX).map(label).collect::<Vec<_>>().join(", ");
    match tickets.types.len().saturating_sub(TYPES_NAMED_MAX) {
        0 => named,
        n_others => tr!("%{named} and %{n} %{n|other|others}", named = named, n = n_others).into_owned(),
    }
}

/// What is asked before a file is taken in.
fn in_words(question: &Question<'_>) -> String {
    let carried = || {
        tr!(
            "%{n} %{n|row|rows} of this file %{n|says|say} that an import which is not here took %{n|it|them} in, and %{settled} \
             that %{settled|it was|they were} opened or may have been: what that import opened, or will yet, would be opened once more (correct it beside its \
             work folder instead)",
            n = question.n_carried,
            settled = question.n_settled.min(question.n_carried)
        )
        .into_owned()
    };
    let Some(found) = question.found else { return carried() };
    let compared = &found.compared;
    let (name, when, counts) =
        (&found.info.name, when(found.info.active_at), summary::in_words(&found.info.counts));
    let mut rows = Vec::new();
    for (n, told) in [
        (compared.unchanged, tr!("%{n} %{n|is|are} known", n = compared.unchanged)),
        (compared.changed, tr!("%{n} changed", n = compared.changed)),
        (compared.new, tr!("%{n} %{n|is|are} new", n = compared.new)),
        (
            compared.reused,
            tr!("%{n} %{n|has|have} a referencia that stood beside another service", n = compared.reused),
        ),
    ] {
        if 0 < n {
            rows.push(told.into_owned());
        }
    }
    if 0 < compared.gone {
        rows.push(
            tr!(
                "%{n} of the batch %{n|is|are} gone (%{unsent} of them not sent yet: withdrawn with `%{word}`)",
                n = compared.gone,
                unsent = compared.gone_unsent,
                word = said(CONTINUE)
            )
            .into_owned(),
        );
    }
    let asked = match question.doubt {
        Doubt::Edit => tr!("is this an edit of it?"),
        Doubt::Other => tr!("is this another outage?"),
        Doubt::Old => tr!("is it still the same outage?"),
        Doubt::Carried => return carried(),
    };
    tr!(
        "batch `%{name}` stands in %{outbox} (last active on %{when}: %{counts}), and of the %{n} %{n|row|rows} of this file %{rows}: %{asked}",
        name = name,
        outbox = found.outbox,
        when = when,
        counts = counts,
        n = compared.n_rows,
        rows = rows.join(", "),
        asked = asked
    )
    .into_owned()
}

/// On the clock of the person who is asked.
pub fn when(at: Timestamp) -> String {
    times::local_minute(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_went_is_told_as_it_is_kept() {
        assert_eq!(place("into batch `a` of an outbox"), "into batch `a` of an outbox");
        assert_eq!(place("into batch `a` of b` of this outbox"), "into batch `a` of b` of this outbox");
        assert_eq!(place("/into batch"), "with results in `/into batch`");
    }

    /// Seen: the eleventh type of a file dropped out of the question without a word.
    #[test]
    fn the_question_says_how_many_types_it_does_not_name() {
        let known = [hubsoft::Entry { id: 1, label: "Sem sinal".to_owned() }];
        let asked = |n: i64| {
            let types: Vec<_> = std::iter::once(None).chain((1..n).map(Some)).collect();
            let known_types = Some(&known[..]);
            labels(&Tickets {
                n_tickets: 30,
                n_service_orders: 0,
                types: &types,
                known_types,
                estimate: None,
            })
        };
        assert_eq!(asked(2), "of the tenant's default, `Sem sinal`");
        assert!(asked(10).ends_with("9 (unknown to this tenant!)"), "{}", asked(10));
        assert!(asked(13).ends_with("9 (unknown to this tenant!) and 3 others"), "{}", asked(13));
    }
}
