//! In which language a browser is answered.

use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::Markup;

use super::page;
use crate::language::Language;

/// The language that the browser asks for; else that of the process.
pub fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|accepted| accepted.to_str().ok());
    accepted.and_then(Language::of_browser).unwrap_or_else(Language::now)
}

/// A page in that.
pub fn spoken(headers: &HeaderMap, make: impl FnOnce() -> Markup) -> Markup {
    language(headers).speak(make)
}

pub async fn not_found(headers: HeaderMap) -> Response {
    (StatusCode::NOT_FOUND, spoken(&headers, page::not_found)).into_response()
}
