//! Shared code of the measuring programs in `src/bin/`.

pub mod bare;
pub mod fairness;
pub mod flood;
pub mod message;
pub mod nats;
pub mod node;
pub mod ping_pong;
pub mod plot;
pub mod stats;
pub mod table;
pub mod tcp;
