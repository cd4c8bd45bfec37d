//! A file of results, as a browser keeps it.

use std::path::Path;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::report;

/// Of a file, read at a time. Bytes.
const PIECE_LEN: usize = 64 * 1024;

/// The file `name` of `folder`; `None`: there is none, or it is none of the results.
pub async fn sent(folder: &Path, name: &str) -> Option<Response> {
    sent_of(folder, name, ()).await
}

/// The same of a folder that `held` keeps there: until the file was sent.
pub async fn sent_of(folder: &Path, name: &str, held: impl Send + 'static) -> Option<Response> {
    let name = Some(name).filter(|name| report::is_file(name))?;
    let file = File::open(folder.join(name)).await.ok()?;
    let pieces = unfold((file, held), async |(mut file, held)| {
        let mut piece = vec![0; PIECE_LEN];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(n) => {
                piece.truncate(n);
                Some((Ok(Bytes::from(piece)), (file, held)))
            }
            Err(error) => Some((Err(error), (file, held))),
        }
    });
    // A browser is to keep it, and to show nothing of it as a page of ours.
    let kept = format!("attachment; filename=\"{name}\"");
    let head = [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, kept)];
    Some((head, Body::from_stream(pieces)).into_response())
}
