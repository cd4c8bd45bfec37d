//! `batches`: the names of batches, for completions of a shell. Whoever presses Tab waits for it: it takes no
//! longer than a blink, and says nothing of what goes wrong.

use std::time::Duration;

use tokio::time::timeout;

use super::exit::Exit;
use super::screen::Screen;
use crate::app::place::Outboxes;
use crate::app::selection::names_to_type;

/// How long a person may wait for a list.
const WAIT_MAX: Duration = Duration::from_millis(200);

pub async fn batches(outboxes: &Outboxes, screen: &Screen) -> Exit {
    if let Ok(names) = timeout(WAIT_MAX, names_to_type(outboxes)).await {
        names.iter().for_each(|name| screen.result(name));
    }
    Exit::Done
}
