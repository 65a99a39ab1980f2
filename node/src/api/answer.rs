//! What the API sends back: a status, a JSON body, and the headers that every answer carries. CORS
//! is added here and nowhere else, so it is complete and there exactly once (interfaces.md §1).

use archivas_core::storage::StorageError;
use bytes::Bytes;
use serde::Serialize;

/// The media type of all answers but metrics.
pub const JSON: &str = "application/json";
/// How long browsers may remember a preflight, in seconds.
const PREFLIGHT_SECONDS: &str = "86400";

/// An answer, ready to be written to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAnswer {
    /// HTTP status code.
    pub status: u16,
    /// Media type of the body; empty when there is none.
    pub content_type: &'static str,
    /// Further headers, CORS among them; no name twice.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Bytes,
}

impl ApiAnswer {
    /// An answer with that body and the CORS headers.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, POST, OPTIONS"),
            ("access-control-allow-headers", "Content-Type"),
        ];
        Self {
            status,
            content_type,
            headers,
            body: body.into(),
        }
    }

    /// 200 with `value` as JSON.
    pub fn ok(value: &impl Serialize) -> Self {
        Self::json(200, value)
    }

    /// `value` as JSON under that status.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("answers are plain structs with string keys");
        Self::new(status, JSON, body)
    }

    /// The answer to every `OPTIONS` request.
    pub fn preflight() -> Self {
        let mut answer = Self::new(204, "", Bytes::new());
        answer
            .headers
            .push(("access-control-max-age", PREFLIGHT_SECONDS));
        answer
    }
}

/// A request that gets no answer of the route's own shape, but the error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status code.
    pub status: u16,
    /// The error for programs, in `snake_case`.
    pub code: &'static str,
    /// The error for people: one sentence.
    pub sentence: String,
    /// One header more than usual, where the status demands it.
    pub header: Option<(&'static str, &'static str)>,
    /// What the database said, when it could not be read: the node ends with it.
    pub broken: Option<StorageError>,
}

impl ApiError {
    /// An error of that status.
    pub fn new(status: u16, code: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            status,
            code,
            sentence: sentence.into(),
            header: None,
            broken: None,
        }
    }

    /// 400: the request cannot be read.
    pub fn malformed(code: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(400, code, sentence)
    }

    /// 404: there is no such thing.
    pub fn unknown(sentence: impl Into<String>) -> Self {
        Self::new(404, "not_found", sentence)
    }

    /// 503: the node cannot answer now.
    pub fn not_ready(code: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(503, code, sentence)
    }

    /// 405: `allow` lists what the route takes.
    pub fn wrong_method(allow: &'static str) -> Self {
        let sentence = format!("this route takes {allow}");
        let header = Some(("allow", allow));
        Self {
            header,
            ..Self::new(405, "method_not_allowed", sentence)
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        // The operator reads the details in the log; a stranger needs none of them.
        tracing::error!(%error, "a request could not read the database");
        Self {
            broken: Some(error),
            ..Self::not_ready("storage_failed", "the node cannot read its database")
        }
    }
}

/// The error object, the same for every route.
#[derive(Serialize)]
struct ErrorBody<'a> {
    ok: bool,
    error: &'a str,
    code: &'a str,
}

impl From<ApiError> for ApiAnswer {
    fn from(error: ApiError) -> Self {
        let body = ErrorBody {
            ok: false,
            error: &error.sentence,
            code: error.code,
        };
        let mut answer = Self::json(error.status, &body);
        answer.headers.extend(error.header);
        answer
    }
}

/// A well-formed submission that the node does not take: 200, so that old wallets read the body.
pub fn refused(code: &str, sentence: &str) -> ApiAnswer {
    ApiAnswer::ok(&ErrorBody {
        ok: false,
        error: sentence,
        code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_json_object_with_its_status_and_headers() {
        let answer = ApiAnswer::from(ApiError::wrong_method("POST, OPTIONS"));
        assert_eq!(answer.status, 405);
        let body = "{\"ok\":false,\"error\":\"this route takes POST, OPTIONS\",\
                    \"code\":\"method_not_allowed\"}";
        assert_eq!(answer.body, body);
        assert!(answer.headers.contains(&("allow", "POST, OPTIONS")));
    }

    #[test]
    fn every_answer_carries_each_cors_header_exactly_once() {
        let answers = [
            ApiAnswer::preflight(),
            ApiAnswer::ok(&1),
            refused("nonce_too_low", "the nonce was used"),
            ApiError::unknown("no such block").into(),
        ];
        for answer in answers {
            for name in ["origin", "methods", "headers"] {
                let name = format!("access-control-allow-{name}");
                let count = answer
                    .headers
                    .iter()
                    .filter(|(key, _)| *key == name)
                    .count();
                assert_eq!(count, 1, "{name}");
            }
        }
    }
}
