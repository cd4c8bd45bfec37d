//! What an import is of.

use crate::app::batches::Work;
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::outbox::Way;
use crate::report::People;

#[derive(Clone, Copy)]
pub struct Order<'a> {
    pub sheet: &'a Sheet,
    pub work: &'a Work,
    pub target: &'a Target,
    pub verify_first: bool,
    /// Workers share the outbox: nothing is taken in before a person was asked. They would open it, and what
    /// was declined would stay. A file is nobody else's, and is merged at once.
    pub is_shared: bool,
    /// What its run leaves waits for another word of a person (`--sample`).
    pub holds_rest: bool,
    /// Who runs it, and from where.
    pub user: &'a str,
    pub way: Way,
    /// What its report tells of people.
    pub people: People,
}
