//! LOOKUP and FOUND: the account of a handle, or the handle of an account.

use crate::error::DecodeError;
use crate::id::UserId;
use crate::limits::HANDLE_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// What is known, of which the other is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupQuery<'a> {
    /// Whose handle is this?
    Handle(&'a str),
    /// Which handle has this account?
    User(UserId),
}

/// Wire: request varint · user u64 (0 when asked by handle) · handle text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// Comes back in the answer.
    pub request: u64,
    /// What is asked.
    pub query: LookupQuery<'a>,
}

impl<'a> Lookup<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (request, user) = (reader.varint()?, reader.u64()?);
        let handle = reader.text(HANDLE_BYTES_MAX)?;
        let query = match user {
            0 => LookupQuery::Handle(handle),
            user => LookupQuery::User(UserId(user)),
        };
        Ok(Self { request, query })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        match self.query {
            LookupQuery::Handle(handle) => {
                writer.u64(0);
                writer.text(handle);
            }
            LookupQuery::User(user) => {
                writer.user(user);
                writer.text("");
            }
        }
    }
}

/// Wire: request varint · user u64 · handle text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The LOOKUP's number.
    pub request: u64,
    /// The account,
    pub user: UserId,
    /// and its handle.
    pub handle: &'a str,
}

impl<'a> Found<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            request: reader.varint()?,
            user: reader.user()?,
            handle: reader.text(HANDLE_BYTES_MAX)?,
        })
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) {
        writer.varint(self.request);
        writer.user(self.user);
        writer.text(self.handle);
    }
}
