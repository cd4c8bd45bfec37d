//! A wait for a time that wakes nobody before.

#[cfg(target_os = "linux")]
pub use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub use tokios::Alarm;

/// A timer of the kernel's, to the microsecond. Tokio's own come up to a millisecond late, and are dear for
/// who has one at a time: its thread wakes when one is set, once more when it comes near, and then in its
/// time.
#[cfg(target_os = "linux")]
mod linux {
    use std::future::poll_fn;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::time::{Instant, sleep_until};

    /// `None`: the kernel gives no timer, so tokio's have to do.
    pub struct Alarm(Option<AsyncFd<OwnedFd>>);

    impl Alarm {
        /// Of one that does I/O.
        #[expect(deprecated, reason = "an owned descriptor stays what it is, and what came after is unsafe")]
        pub fn of_this_runtime() -> Self {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags).ok();
            Self(timer.and_then(|timer| AsyncFd::with_interest(timer, Interest::READABLE).ok()))
        }

        /// Waits until `at`. One at a time: who waits next is waited for alone.
        pub async fn wait_until(&self, at: Instant) {
            match &self.0 {
                Some(timer) if set(timer, at).is_ok() => poll_fn(|cx| rings(timer, at, cx)).await,
                _ => sleep_until(at).await,
            }
        }
    }

    /// A time that has passed rings at once.
    fn set(timer: &AsyncFd<OwnedFd>, at: Instant) -> io::Result<()> {
        // Nothing at all would set it to never.
        let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(left).map_err(io::Error::other)?,
        };
        timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    fn rings(timer: &AsyncFd<OwnedFd>, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Ok(mut rung) = ready!(timer.poll_read_ready(cx)) else { return Poll::Ready(()) };
            // Each ring is told, whether the one before was read or not.
            rung.clear_ready();
            // It may be that of a wait before this.
            if at <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod tokios {
    use tokio::time::{Instant, sleep_until};

    pub struct Alarm;

    impl Alarm {
        pub fn of_this_runtime() -> Self {
            Self
        }

        /// Waits until `at`.
        pub async fn wait_until(&self, at: Instant) {
            sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::poll;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Nor in that of a wait before it, whether that has rung by then and nobody heard, or was to ring later.
    #[tokio::test]
    async fn no_wait_ends_before_its_time() {
        let alarm = Alarm::of_this_runtime();
        let ms = Duration::from_millis(1);
        for (first, unheard_for, second) in [(0, 0, 2), (1, 20, 50), (60_000, 0, 1), (3, 0, 0)] {
            {
                let mut given_up = std::pin::pin!(alarm.wait_until(Instant::now() + first * ms));
                let _ = poll!(&mut given_up);
                sleep(unheard_for * ms).await;
            }
            let until = Instant::now() + second * ms;
            alarm.wait_until(until).await;
            assert!(until <= Instant::now(), "{first}, {second}");
        }
    }
}
