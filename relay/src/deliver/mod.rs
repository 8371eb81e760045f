//! Canonical message to platform call. Pure: what is called and when is decided in [`crate::dispatch`].

pub mod notice;
pub mod split;
pub mod to_genesys;
