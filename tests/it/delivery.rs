//! A run from outside, under virtual time: its pace, its stops, and what it does with rows in doubt.

mod clocks;
mod doubt;
mod eyes;
mod fleet;
mod guards;
mod outbox;
mod pace;
mod stop;
mod trial;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::{Control, Ending, Policy, Rate, run};

use crate::support::memory_outbox::MemoryOutbox;
use crate::support::script::Script;
use crate::support::world::{VirtualClock, start, ticket};

/// A run over rows of services 1 to `n_rows`.
struct Bench {
    clock: VirtualClock,
    outbox: Rc<MemoryOutbox>,
    api: Script,
    policy: Policy,
    control: Control,
}

impl Bench {
    /// Within a runtime: without a rate limit, answers after 50 ms. Its user sees what it opens.
    fn new(n_rows: i64) -> Self {
        let clock = VirtualClock::new();
        let tickets = (1..=n_rows).map(|service| ticket(service, "Sem sinal"));
        let outbox = Rc::new(MemoryOutbox::with(tickets, start()));
        outbox.see(10_000, start());
        Self {
            clock,
            outbox,
            api: Script::new(clock, Duration::from_millis(50)),
            policy: Policy { rate: Rate::Unlimited, ..Policy::default() },
            control: Control::default(),
        }
    }

    async fn run(&self) -> Ending {
        let outbox: &MemoryOutbox = &self.outbox;
        run(outbox, &self.api, &self.clock, &self.policy, self.control.clone(), &()).await
    }
}
