//! Who works on an outbox, in words.

use std::borrow::Cow;

/// The process that works on an outbox, and what it says that it does. Blank: it has not said.
pub fn works_on_it(pid: u32, doing: &str) -> Cow<'static, str> {
    match doing {
        "" => tr!("process %{pid} works on it", pid = pid),
        doing => tr!("process %{pid} works on it: %{doing}", pid = pid, doing = doing),
    }
}
