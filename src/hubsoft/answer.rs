//! What came back, read to its end within bounds; or why nothing did.

use std::error::Error;
use std::io;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::{Response, header};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::verdict::{Exchange, http_date, retry_after, retry_after_of_body};
use super::words;
use crate::delivery::Fault;

/// The longest body that is read, unpacked. A page of 50 tickets has some 200 KiB.
pub(super) const BODY_LEN_MAX: usize = 1024 * 1024;

/// Reads an answer whose head has come, until the time is over.
pub(super) async fn read<B>(response: Response<B>, until: Instant) -> Exchange
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = response.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let body = timeout_at(until, whole(body)).await.unwrap_or(Err(Fault::Timeout));
    answered(head.status.as_u16(), text(header::DATE), text(header::RETRY_AFTER), body)
}

/// `date` and `wait` as the headers have them.
pub(super) fn answered(
    status: u16,
    date: Option<&str>,
    wait: Option<&str>,
    body: Result<Bytes, Fault>,
) -> Exchange {
    let now = Timestamp::now();
    let date = date.and_then(http_date);
    let in_header = wait.and_then(|header| retry_after(header, date, now));
    let in_body = body.as_ref().ok().and_then(|body| retry_after_of_body(status, body, date, now));
    Exchange::Answered { status, retry_after: in_header.max(in_body), date, body }
}

async fn whole(mut body: impl Body<Data = Bytes> + Unpin) -> Result<Bytes, Fault> {
    // Most answers come in one piece, which is then not copied.
    let Some(first) = chunk(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = chunk(&mut body).await? else { return capped(first) };
    let mut all = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(chunk_bytes) = next {
        if BODY_LEN_MAX < all.len() + chunk_bytes.len() {
            return Err(Fault::TooLarge);
        }
        all.extend_from_slice(&chunk_bytes);
        next = chunk(&mut body).await?;
    }
    Ok(all.freeze())
}

fn capped(body: Bytes) -> Result<Bytes, Fault> {
    if BODY_LEN_MAX < body.len() { Err(Fault::TooLarge) } else { Ok(body) }
}

async fn chunk(body: &mut (impl Body<Data = Bytes> + Unpin)) -> Result<Option<Bytes>, Fault> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Fault::Cut),
            // Trailers say nothing to us.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// `at`: the address that was tried; nothing of the path, which may name a service.
pub(super) fn unconnected(error: &(dyn Error + 'static), at: Option<Box<str>>) -> Fault {
    // The words of the innermost cause; the outer ones repeat the URL.
    let innermost = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let innermost = words::capped(&innermost).into_boxed_str();
    if let Some(tls) = causes(error).find_map(tls_error) {
        return Fault::Tls { at, cause: words::capped(&tls).into_boxed_str() };
    }
    if causes(error).any(|cause| cause.to_string() == "dns error") {
        return Fault::Dns { at, cause: innermost };
    }
    let is_late = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    };
    Fault::Connect { at, cause: (!causes(error).any(is_late)).then_some(innermost) }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// rustls's own error hides inside an `io::Error`, or two, which do not name it as their source.
fn tls_error(cause: &(dyn Error + 'static)) -> Option<String> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls.to_string());
    }
    tls_error(cause.downcast_ref::<io::Error>()?.get_ref()?)
}
