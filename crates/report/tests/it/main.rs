//! Reports: what they say, that they say the same, and what they leave behind.

mod consistency;
mod diff;
mod files;
mod fixture;
mod html;
mod reach;
mod terminal;
mod text;
