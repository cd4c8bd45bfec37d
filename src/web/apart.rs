//! What works on a thread of its own: while a long sheet is read, taken in or written, pages are answered.

use std::panic::resume_unwind;

use tokio::runtime;
use tokio::task::spawn_blocking;

/// Does all of `work` there. It ends by itself: dropping this does not end it.
pub async fn apart<W: Future<Output = ()>>(work: impl FnOnce() -> W + Send + 'static) {
    let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() else {
        // The system has no more of what it takes: rather slow than not at all.
        return work().await;
    };
    let works = spawn_blocking(move || runtime.block_on(work()));
    works.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;

    use super::super::{Site, serve};
    use crate::app::place::Outboxes;
    use crate::outbox::Way;
    use crate::settings::Sources;

    /// Longer than any answer takes here.
    const LONG: Duration = Duration::from_secs(20);

    /// Seen (in reading): what was written of a batch, a workbook of a million rows, held up all others.
    #[tokio::test]
    async fn pages_are_answered_while_something_is_done_with_rows() {
        let here = tempfile::tempdir().unwrap();
        let outboxes =
            Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (site, ordered) = Site::new(at, None, None, outboxes, Sources::default(), |_, _| 0, stop);
        let (answered, waits) = mpsc::channel();
        let deed = site.deeds.done(move || async move { waits.recv_timeout(LONG).is_ok() });
        let browser = async {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let head = format!("GET /style.css HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.read_to_string(&mut String::new()).await.unwrap();
            let _ = answered.send(());
        };
        let asks = async {
            let (was_answered, ()) = tokio::join!(deed, browser);
            site.stop.cancel();
            was_answered
        };
        let (was_answered, ()) = tokio::join!(asks, serve(listener, Arc::clone(&site), ordered));
        assert_eq!(was_answered, Ok(true));
    }
}
