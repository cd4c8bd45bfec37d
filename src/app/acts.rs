//! What persons had done with a batch, in words.

use std::borrow::Cow;

use super::show::Told;
use super::target::SANDBOX;
use crate::language::times::{local, local_minute};
use crate::outbox::{Act, Deed, Way};

/// That are told of a batch.
pub const TOLD_MAX: usize = 20;

/// When a batch was imported last, and by whom.
pub fn imported(Act { at, who, way, .. }: &Act) -> Cow<'static, str> {
    let (at, way) = (local_minute(*at), said(*way));
    tr!("imported last by `%{who}` %{way}, %{at}", who = who, way = way, at = at)
}

/// The HubSoft at which tickets of an outbox are.
pub fn at_host(host: &str) -> Cow<'static, str> {
    match host {
        SANDBOX => tr!("in the sandbox: nothing of it is real"),
        host => tr!("at `%{host}`", host = host),
    }
}

/// At which HubSoft the tickets of a batch are, and who had it imported last; as far as that is known.
pub fn whose(host: Option<&str>, import: Option<&Act>) -> String {
    host.map(at_host).into_iter().chain(import.map(imported)).collect::<Vec<_>>().join("; ")
}

fn said(way: Way) -> Cow<'static, str> {
    match way {
        Way::Terminal => tr!("at the terminal"),
        Way::Page => tr!("on the page"),
    }
}

/// When, and who did what from where.
pub fn told(act: &Act) -> Told {
    let Act { at, who, way, deed, n_rows: n } = act;
    let what = match deed {
        Deed::Import => tr!("`%{who}` had %{n} %{n|row|rows} opened", who = who, n = *n),
        Deed::Stop => tr!("`%{who}` stopped the import", who = who),
        Deed::PauseImport => tr!("`%{who}` paused the import", who = who),
        Deed::Dismiss => tr!("`%{who}` said not to go on with the import", who = who),
        Deed::Retry => tr!("`%{who}` had %{n} %{n|row|rows} tried again", who = who, n = *n),
        Deed::Resolve => tr!("`%{who}` said of %{n} %{n|row|rows} what became of them", who = who, n = *n),
        Deed::Cancel => tr!("`%{who}` cancelled %{n} %{n|row|rows}", who = who, n = *n),
        Deed::Pause => tr!("`%{who}` paused all workers", who = who),
        Deed::Resume => tr!("`%{who}` let it go on", who = who),
    };
    (local(*at).into(), format!("{what} ({})", said(*way)))
}
