//! The bodies of all requests under way, bounded together: many slow strangers cannot fill the memory.
//!
//! Room is taken as bytes arrive, not as they are announced: an announcement costs nothing.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Larger bodies are refused: Genesys' own limit for a body is 512,000 bytes, Twilio's messages are far smaller.
const LARGEST_BODY: usize = 1024 * 1024;
/// Bytes of all bodies together; a usual one has a thousand.
const ALL_BODIES: usize = 16 * 1024 * 1024;

/// Room for bodies.
#[derive(Debug)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_BODIES)))
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than any that the platforms send.
    TooLarge,
    /// Too many bytes of others are held.
    NoRoom,
    /// It broke off, or is not what its headers say.
    Broken,
}

impl Bodies {
    /// Reads a body to its end. Its room is given back when the second part is dropped.
    pub(super) async fn read(
        &self,
        body: Body,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Unread> {
        let mut chunks = body.into_data_stream();
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut whole = BytesMut::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Unread::Broken)?;
            if whole.len() + chunk.len() > LARGEST_BODY {
                return Err(Unread::TooLarge);
            }
            let bytes = u32::try_from(chunk.len()).map_err(|_| Unread::TooLarge)?;
            let room = Arc::clone(&self.0)
                .try_acquire_many_owned(bytes)
                .map_err(|_| Unread::NoRoom)?;
            match &mut held {
                None => held = Some(room),
                Some(held) => held.merge(room),
            }
            whole.extend_from_slice(&chunk);
        }
        Ok((whole.freeze(), held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let bodies = Bodies::default();
        let most = bodies.read(Body::from(vec![7; LARGEST_BODY])).await;
        assert_eq!(most.map(|(body, _)| body.len()).ok(), Some(LARGEST_BODY));
        let more = bodies.read(Body::from(vec![7; LARGEST_BODY + 1])).await;
        assert_eq!(more.err(), Some(Unread::TooLarge));
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_give_their_room_back() {
        let bodies = Bodies::default();
        let mut held = Vec::new();
        for _ in 0..ALL_BODIES / LARGEST_BODY {
            held.push(bodies.read(Body::from(vec![7; LARGEST_BODY])).await.ok());
        }
        assert!(held.iter().all(Option::is_some));
        let one_more = bodies.read(Body::from("x")).await;
        assert_eq!(one_more.err(), Some(Unread::NoRoom));
        held.pop();
        assert!(bodies.read(Body::from("x")).await.is_ok());
    }
}
