//! What somebody asks for with one command, and what may mean a hundred thousand rows: done in pieces, a transaction
//! each, so that no webhook waits for all of it. What one piece has done stays when a later one fails.

use std::collections::BTreeSet;

use super::SqliteOutbox;
use super::dead_letters::{self, Replayable};
use crate::outbox::{Direction, LetterSelection, OutboxError, Replayed};

/// Rows of one transaction.
const PIECE: usize = 256;

impl SqliteOutbox {
    /// Appends dead letters again, in their original order, as far as the budgets have room.
    pub(super) async fn replay_in_pieces(
        &self,
        selection: LetterSelection,
    ) -> Result<Replayed, OutboxError> {
        let chosen = self
            .writer
            .call(move |ledger| dead_letters::replayable(ledger, selection))
            .await?;
        let mut done = 0;
        for piece in chosen.chunks(PIECE) {
            let appended = self.replay_piece(piece.to_vec()).await?;
            done += appended;
            if appended < piece.len() {
                break;
            }
        }
        let (appended, left) = chosen.split_at(done);
        let lanes: BTreeSet<_> = appended.iter().map(|letter| letter.lane.clone()).collect();
        Ok(Replayed {
            lanes: lanes.into_iter().collect(),
            messages: appended.len() as u64,
            left: left.len() as u64,
        })
    }

    async fn replay_piece(&self, piece: Vec<Replayable>) -> Result<usize, OutboxError> {
        let now = self.clock.now();
        let rooms = Direction::ALL.map(|direction| self.room_of(direction));
        self.writer
            .call(move |ledger| {
                dead_letters::replay(ledger, &piece, |direction| rooms[direction as usize], now)
            })
            .await
    }

    /// Removes dead letters. Says how many.
    pub(super) async fn purge_in_pieces(
        &self,
        selection: LetterSelection,
    ) -> Result<u64, OutboxError> {
        let chosen = self
            .writer
            .call(move |ledger| dead_letters::ids(ledger, selection))
            .await?;
        let mut removed = 0;
        for piece in chosen.chunks(PIECE) {
            let piece = piece.to_vec();
            removed += self
                .writer
                .call(move |ledger| dead_letters::purge(ledger, &piece))
                .await?;
        }
        Ok(removed)
    }
}
