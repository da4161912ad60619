//! HTTP/1 (RFC 9112): the first request with whatever could make two readers disagree about it, the requests after it,
//! and the server's first answer.

mod body;
mod head;
mod request;
mod response;

pub use request::Request;

pub(super) use request::{bare, is_authority, recognise as request};
pub(super) use response::recognise as response;
