//! The serving role: stand-ins that say who they are and what reached them.

mod amqp;
mod connection;
mod echo;
mod http;
mod issuer;
mod llm;
mod mark;
mod mcp;
mod metadata;
mod postgres;
mod raw;
mod redis;
mod server;
mod tls;
mod udp;

pub use server::{ServeError, Server};
