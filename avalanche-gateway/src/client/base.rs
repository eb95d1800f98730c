//! Where a client sends its requests, and what goes with each.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;

use super::ClientError;

/// An URL that was checked, and perhaps a token, which is never shown.
#[derive(Clone)]
pub(super) struct Base {
    url: String,
    token: Option<HeaderValue>,
}

impl Base {
    pub(super) fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |reason: &str| ClientError::Url { url: url.to_owned(), reason: reason.into() };
        let trimmed = url.trim_end_matches('/');
        let uri: Uri = trimmed.parse().map_err(|_| wrong("it cannot be read"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("TLS is for a proxy in between")),
            _ => return Err(wrong("it does not begin with http://")),
        }
        if uri.authority().is_none_or(|authority| authority.host().is_empty()) {
            return Err(wrong("it has no host"));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        Ok(Self { url: trimmed.to_owned(), token: None })
    }

    pub(super) fn set_token(&mut self, token: &str) -> Result<(), ClientError> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        self.token = Some(value);
        Ok(())
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) const fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    /// The URL of a path.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base")
            .field("url", &self.url)
            .field("token", &self.token.is_some())
            .finish()
    }
}
