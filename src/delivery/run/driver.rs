//! Between the engine and the world: each action becomes a future or a call, and what that comes to an event.
//! Nothing is decided here.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Control;
use super::porter::{Events, Line, porter};
use crate::delivery::engine::{Action, Engine, Event, Now, Reason};
use crate::delivery::{Api, Clock, Outbox, Policy, Stats, Watch, Withheld};

/// Drives a run to its end.
pub async fn drive<O: Outbox, A: Api, C: Clock>(
    outbox: &O,
    api: &A,
    clock: &C,
    policy: &Policy,
    control: &Control,
    watch: &impl Watch,
) -> (Reason, Stats) {
    let epoch = Instant::now();
    let now = || Now { run: epoch.elapsed(), awake: clock.awake(), wall: clock.now() };
    let mut engine = Engine::new(policy, &now(), watch.pulse_every());
    let lines: Vec<Line> = (0..engine.n_seats()).map(|_| Line::default()).collect();
    let (events, who) = (Events::default(), api.who());
    let mut driver = Driver { outbox, watch, control, who: &who, lines: &lines, busy: Crew::new() };
    driver.busy.push(Box::pin(stopped(control)));
    driver.busy.push(Box::pin(returned(control)));
    for line in &lines {
        driver.busy.push(Box::pin(porter(api, line, &events)));
    }
    let mut alarm = pin!(clock.sleep_until(epoch));
    let (mut is_set_for, mut is_first) = (Some(Duration::ZERO), true);
    poll_fn(|cx| {
        loop {
            // What has happened comes before what is due: an answer that comes as the grace ends is one.
            driver.listen(cx, &events);
            if events.borrow().is_empty() && !std::mem::take(&mut is_first) {
                let Some(due) = engine.next_timeout() else { return Poll::Pending };
                if is_set_for != Some(due) {
                    is_set_for = Some(due);
                    alarm.set(clock.sleep_until(epoch + due));
                }
                ready!(alarm.as_mut().poll(cx));
                is_set_for = None;
            }
            let now = now();
            while let Some(event) = pop(&events) {
                engine.handle(&now, event);
            }
            while let Some(action) = engine.poll(&now) {
                if let Action::End = action {
                    return Poll::Ready(());
                }
                driver.perform(action);
            }
        }
    })
    .await;
    engine.finish(&now())
}

/// Not borrowed while it is heard.
fn pop(events: &Events) -> Option<Event> {
    events.borrow_mut().pop_front()
}

/// All that is under way. Porters never end; every other one ends in its event.
type Crew<'d> = FuturesUnordered<LocalBoxFuture<'d, Event>>;

struct Driver<'d, O, W> {
    outbox: &'d O,
    watch: &'d W,
    control: &'d Control,
    /// Whose sights they are.
    who: &'d str,
    lines: &'d [Line],
    busy: Crew<'d>,
}

impl<'d, O: Outbox, W: Watch> Driver<'d, O, W> {
    /// Whatever can go on goes on.
    fn listen(&mut self, cx: &mut Context<'_>, events: &Events) {
        while let Poll::Ready(Some(event)) = self.busy.poll_next_unpin(cx) {
            if let Event::Returned = event {
                self.busy.push(Box::pin(returned(self.control)));
            }
            events.borrow_mut().push_back(event);
        }
    }

    fn perform(&mut self, action: Action) {
        let (outbox, who) = (self.outbox, self.who);
        let call: LocalBoxFuture<'d, Event> = match action {
            Action::Send(id, request) => return self.lines[id.seat].send(id, request),
            Action::Grant(id) => return self.lines[id.seat].give_leave(Ok(())),
            Action::Withhold(id) => return self.lines[id.seat].give_leave(Err(Withheld)),
            Action::Abandon(id) => return self.lines[id.seat].abandon(id),
            Action::Tell(told) => return told.to(self.watch),
            Action::End => return,
            Action::Settle(kind, batch) => Box::pin(async move {
                let done = outbox.settle(&batch).await;
                Event::Settled(kind, batch, done)
            }),
            Action::Claim(want, batch) if batch.is_empty() => Box::pin(async move {
                let done = outbox.claim(want).await.map(|claimed| (Vec::new(), claimed));
                Event::Claimed(batch, done)
            }),
            Action::Claim(want, batch) => Box::pin(async move {
                let done = outbox.settle_and_claim(&batch, want).await;
                Event::Claimed(batch, done)
            }),
            Action::Share(report) => Box::pin(async move { Event::Shared(outbox.share(&report).await) }),
            Action::Listen(poll) => Box::pin(async move {
                outbox.woken(poll).await;
                Event::Woken
            }),
            Action::Recover(time) => Box::pin(async move { Event::Recovered(outbox.recover(time).await) }),
            Action::LookAgain(time) => {
                Box::pin(async move { Event::LookedAgain(outbox.look_again(time).await) })
            }
            Action::PullIn(time) => Box::pin(async move { Event::PulledIn(outbox.pull_in(time).await) }),
            Action::Halt(id, lote, halt) => {
                Box::pin(async move { Event::Halted(id, outbox.halt(&lote, &halt).await) })
            }
            Action::Sights(id) => Box::pin(async move { Event::Sights(id, outbox.sights(who).await) }),
            Action::Keep(id, sight) => Box::pin(async move {
                // One that is not kept is looked for again.
                let _ = outbox.saw(who, sight).await;
                Event::Kept(id)
            }),
            Action::Specimen { id, text_len, nth } => {
                Box::pin(async move { Event::Specimen(id, outbox.specimen(text_len, nth).await) })
            }
            Action::PostsAreLeft(id) => {
                Box::pin(async move { Event::PostsAreLeft(id, outbox.posts_are_left().await) })
            }
        };
        self.busy.push(call);
    }
}

async fn stopped(control: &Control) -> Event {
    control.stop.cancelled().await;
    Event::Stop
}

async fn returned(control: &Control) -> Event {
    control.returned.notified().await;
    Event::Returned
}
