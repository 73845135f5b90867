//! An answer before it is given its HTTP form.

use std::fs::File;

use serde::Serialize;
use serde_json::Value;

use super::{Failure, Request};

/// Media type of JSON bodies.
pub(super) const JSON: &str = "application/json";

/// An answer before it is given its HTTP form.
#[derive(Debug)]
pub(super) struct Reply {
    /// HTTP status.
    pub(super) status: u16,
    /// Media type, none for an answer without a body.
    pub(super) media: Option<&'static str>,
    /// Body.
    pub(super) content: Content,
    /// Header `Location`.
    pub(super) location: Option<String>,
}

/// A body.
#[derive(Debug)]
pub(super) enum Content {
    /// As a whole; empty for none.
    Text(String),
    /// A file of so many bytes, read while it leaves.
    File(File, u64),
}

impl Reply {
    /// A body of some type.
    pub(super) fn text(status: u16, media: &'static str, body: String) -> Self {
        Self { status, media: Some(media), content: Content::Text(body), location: None }
    }

    /// A file with status 200.
    pub(super) fn file(media: &'static str, file: File, length: u64) -> Self {
        Self { status: 200, media: Some(media), content: Content::File(file, length), location: None }
    }

    /// A JSON answer with status 200.
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::json_with(200, value)
    }

    pub(super) fn json_with(status: u16, value: &impl Serialize) -> Self {
        Self::text(status, JSON, serde_json::to_string(value).expect("these values have text keys only"))
    }

    /// A status without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, media: None, content: Content::Text(String::new()), location: None }
    }

    /// What was asked for is elsewhere.
    pub(super) fn moved(location: String) -> Self {
        Self { location: Some(location), ..Self::empty(301) }
    }

    pub(super) fn not_found() -> Self {
        Self::empty(404)
    }

    /// The object the original sends when a handler fails (06 §4.4).
    pub(super) fn error(status: u16, description: &str) -> Self {
        let description = Value::String(description.to_owned());
        Self::text(status, JSON, format!("{{\"error\": {status}, \"description\": {description}}}"))
    }

    /// Invalid JSON in a request; the text begins as the original's does.
    pub(super) fn bad_json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = format!("[json.exception.parse_error.101] parse error at line {line}, column {column}: {error}");
        Self::error(500, &text)
    }

    /// Bytes of the body.
    pub(super) fn length(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::File(_, length) => *length,
        }
    }

    /// Wraps a JSON body for a `jsonp` request (06 §4.3).
    ///
    /// Deliberate: only plain function names are taken, so that the answer cannot become other script.
    pub(super) fn wrapped(mut self, request: &Request) -> Self {
        let Some(function) = request.parameter("jsonp") else { return self };
        let plain = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
        if self.media != Some(JSON) || function.is_empty() || function.len() > 64 || !function.chars().all(plain) {
            return self;
        }
        let Content::Text(body) = &self.content else { return self };
        // Quirk (06 §4.3): a network that is not joined reads as null.
        let missing = self.status == 404 && request.path.starts_with("/network/");
        let body = if missing { "null" } else { body };
        self.content = Content::Text(format!("{function}({body});"));
        self.media = Some("application/javascript");
        self
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Stopping => Self::error(503, &failure.to_string()),
            Failure::Refused(text) => Self::error(400, text),
            Failure::Internal(text) => Self::error(500, text),
        }
    }
}
