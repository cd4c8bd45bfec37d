//! What persons had done with a batch, in words.

use super::show::Told;
use crate::language::times::local;
use crate::outbox::{Act, Deed, Way};

/// That are told of a batch.
pub const TOLD_MAX: usize = 20;

/// When, and who did what from where.
pub fn told(act: &Act) -> Told {
    let Act { at, who, way, deed, n_rows: n } = act;
    let what = match deed {
        Deed::Import => tr!("`%{who}` had %{n} %{n|row|rows} opened", who = who, n = *n),
        Deed::Stop => tr!("`%{who}` stopped the import", who = who),
        Deed::Retry => tr!("`%{who}` had %{n} %{n|row|rows} tried again", who = who, n = *n),
        Deed::Resolve => tr!("`%{who}` said of %{n} %{n|row|rows} what became of them", who = who, n = *n),
        Deed::Cancel => tr!("`%{who}` cancelled %{n} %{n|row|rows}", who = who, n = *n),
        Deed::Pause => tr!("`%{who}` paused all workers", who = who),
        Deed::Resume => tr!("`%{who}` let it go on", who = who),
    };
    let way = match way {
        Way::Terminal => tr!("at the terminal"),
        Way::Page => tr!("on the page"),
    };
    (local(*at).into(), format!("{what} ({way})"))
}
