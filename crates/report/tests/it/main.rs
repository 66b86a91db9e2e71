//! Reports: what they say, that they say the same, and what they leave behind.

mod bundle;
mod consistency;
mod diff;
mod files;
mod fixture;
mod formats;
mod history;
mod html;
mod reach;
mod schemas;
mod terminal;
mod text;
