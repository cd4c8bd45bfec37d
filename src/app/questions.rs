//! What a person is asked before anything is sent, in words; how, and what an answer is, is for who asks.

use std::borrow::Cow;

use super::batches::{Doubt, Question};
use super::counted;
use super::target::Target;
use crate::hubsoft;
use crate::intake::ColumnDoubt;
use crate::language::times;
use crate::registry::Entry;

/// Real tickets up to this number are opened without a question.
pub const UNASKED_MAX: u64 = 20;

/// What says that it is so, as a person who reads English types it.
pub const YES: &str = "yes";

/// Ticket types that the question names; of the others it says how many they are.
const TYPES_NAMED_MAX: usize = 10;

/// What the question before a run is about.
pub struct Tickets<'a> {
    pub n_tickets: u64,
    /// At most so many of them with a visit.
    pub n_service_orders: u64,
    /// Ids of the types asked for, `None` for the tenant's default.
    pub types: &'a [Option<i64>],
    pub known_types: Option<&'a [hubsoft::Entry]>,
}

/// What becomes of rows that nobody sees in the sheet.
pub fn hidden(n_hidden: u64) -> Cow<'static, str> {
    tr!("%{n} %{n|row is|rows are} hidden in the sheet: %{n|is it|are they} meant?", n = n_hidden)
}

/// What is seen to before each ticket (`--skip-if-open`).
pub fn skips_open() -> Cow<'static, str> {
    tr!(
        "before each ticket HubSoft is asked whether its service has an open one of the same type: such a row is skipped, and a ticket of another type is told with the row"
    )
}

/// Whether doubtful columns are what they are taken for.
pub fn columns(doubts: &[ColumnDoubt]) -> Cow<'static, str> {
    let doubts: Vec<_> = doubts.iter().map(ToString::to_string).collect();
    tr!("%{doubts}: is that right?", doubts = doubts.join("; "))
}

/// Whether what was imported `earlier` is to be opened once more.
pub fn again(earlier: &Entry) -> Cow<'static, str> {
    tr!(
        "the same rows were imported on %{when} to %{host}, %{place}: each ticket would be opened a second time",
        when = times::local_minute(earlier.at),
        host = earlier.host,
        place = place(&earlier.folder)
    )
}

/// What would be opened.
pub fn about(target: &Target, tickets: &Tickets<'_>) -> Cow<'static, str> {
    match tickets.n_service_orders {
        0 => tr!(
            "%{n} real tickets at %{host}, type %{types}, with no service orders (visits)",
            n = tickets.n_tickets,
            host = target.named,
            types = labels(tickets)
        ),
        orders => tr!(
            "%{n} real tickets at %{host}, type %{types}, with up to %{orders} service %{orders|order (visit)|orders (visits)}",
            n = tickets.n_tickets,
            host = target.named,
            types = labels(tickets),
            orders = orders
        ),
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

/// What is asked before a file is taken in. `go_on`: how a person says that it is the same batch.
pub fn batch(question: &Question<'_>, go_on: &str) -> String {
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
        (&found.info.name, times::local_minute(found.info.active_at), counted::in_words(&found.info.counts));
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
                word = go_on
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
            labels(&Tickets { n_tickets: 30, n_service_orders: 0, types: &types, known_types })
        };
        assert_eq!(asked(2), "of the tenant's default, `Sem sinal`");
        assert!(asked(10).ends_with("9 (unknown to this tenant!)"), "{}", asked(10));
        assert!(asked(13).ends_with("9 (unknown to this tenant!) and 3 others"), "{}", asked(13));
    }
}
