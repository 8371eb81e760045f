//! The ids that Genesys Cloud gives out. They are opaque: compared and repeated, never taken apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of an Open Messaging integration (a UUID today).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntegrationId(String);

/// The id that Genesys gave to one of its outbound messages; receipts refer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenesysMessageId(String);

macro_rules! opaque_id {
    ($name:ident) => {
        impl $name {
            /// Takes the id as the platform wrote it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as the platform wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(IntegrationId);
opaque_id!(GenesysMessageId);
