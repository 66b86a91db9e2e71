//! The dialling role: flows in, answers out.

mod dns;
mod ending;
mod exchange;
mod flow;
mod http;
mod icmp;
mod lines;
mod mark;
mod member;
mod ping;
mod question;
mod record;
mod session;
mod tcp;
mod tls;
mod tunnel;
mod udp;

pub use dns::{Settings, SettingsError};
pub use session::{Dialler, SessionError, Summary};
