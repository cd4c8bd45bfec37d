//! `time.rs` is held to what it stands for.

use std::time::Duration;

/// Sleepers who put their alarms off and on, by dice that they share.
macro_rules! sleepers {
    ($name:ident, $time:path) => {
        mod $name {
            use std::cell::RefCell;
            use std::pin::pin;
            use std::task::{Context, Poll};
            use std::time::Duration;

            use futures_util::StreamExt;
            use futures_util::stream::FuturesUnordered;
            use $time as time;

            /// Who did what when.
            pub async fn sleep(seed: u64) -> Vec<(Duration, u64, &'static str)> {
                let (dice, told) = (RefCell::new(fastrand::Rng::with_seed(seed)), RefCell::default());
                // Few, so that many fall due together.
                let length = || {
                    let mut dice = dice.borrow_mut();
                    Duration::from_micros((dice.u64(0..6) << dice.u32(0..16)) * 500)
                };
                let began = time::Instant::now();
                let tell = |who, what| Vec::push(&mut *told.borrow_mut(), (began.elapsed(), who, what));
                let sleeper = async |who| {
                    let mut alarm = pin!(time::sleep_until(began));
                    for _ in 0..40 {
                        let what = dice.borrow_mut().u32(0..4);
                        if what == 0 {
                            time::sleep(length()).await;
                            tell(who, "slept");
                        } else if what == 1 {
                            let (wait, until) = (length(), time::Instant::now() + length());
                            let slept = time::timeout_at(until, time::sleep(wait)).await;
                            tell(who, if slept.is_ok() { "slept in time" } else { "timed out" });
                        } else {
                            alarm.as_mut().reset(time::Instant::now() + length());
                            // It is waited for, or left to wake who sleeps otherwise by then.
                            let is_left = what == 2;
                            let looked = |cx: &mut Context<'_>| match alarm.as_mut().poll(cx) {
                                Poll::Pending if is_left => Poll::Ready(()),
                                polled => polled,
                            };
                            std::future::poll_fn(looked).await;
                            tell(who, "looked at the alarm");
                        }
                    }
                };
                let all: FuturesUnordered<_> = (0..1 + seed % 12).map(sleeper).collect();
                all.for_each(|()| std::future::ready(())).await;
                told.into_inner()
            }
        }
    };
}

sleepers!(ours, mutirao::time);
sleepers!(theirs, real_tokio::time);

#[test]
fn timers_fall_due_as_tokio_has_them() {
    for seed in 0..2_000 {
        let runtime =
            real_tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let theirs = runtime.expect("it needs no I/O").block_on(theirs::sleep(seed));
        assert_eq!(mutirao::time::in_virtual_time(ours::sleep(seed)), theirs, "seed {seed}");
        assert!(theirs.iter().any(|it| Duration::ZERO < it.0));
    }
}
