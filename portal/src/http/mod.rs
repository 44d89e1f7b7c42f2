//! The API under `/api/v1`: one file per resource, and the bodies that server and clients share.

pub mod dto;
