//! What happens on one connection: transport, frames, and which of them are legal when.

pub mod codec;
pub mod conn;
pub mod credit;
pub mod inbound;
pub mod session;
pub mod signatures;
pub mod tls;
