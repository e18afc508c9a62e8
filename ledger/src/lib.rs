//! Money that cannot go missing.
//!
//! A bid holds its full price on a *lease* ([`lease`], [`reservation`]): atomics in memory, spent
//! ahead of any database. A notice becomes an [`event`], charged once and posted in balance
//! ([`posting`]) by one writer ([`writer`]) over one store ([`store`]); it is acknowledged when
//! its transaction is durable. A statement ([`statement`]) is computed twice, from the balances
//! and from the event log alone.
//!
//! Everything here is sans-IO but `store/sqlite`, which opens a file, and `writer`, which runs
//! the one thread that may wait for it.

pub mod auction;
pub mod budget;
pub mod carry;
pub mod conversion;
pub mod currency;
pub mod event;
pub mod exposure;
pub mod fees;
pub mod invariant;
pub mod lease;
pub mod letter;
pub mod money;
pub mod posting;
pub mod reservation;
pub mod statement;
pub mod store;
pub mod token;
pub mod writer;

pub use auction::{AuctionLog, AuctionRecord, BidRecord, ImpRecord};
pub use budget::{BudgetKey, Day, Draws, MonthOf, Unit};
pub use carry::Carry;
pub use conversion::{Conversion, Converted, Credit, Windows};
pub use currency::{Currency, RateTable};
pub use event::{Event, Outcome, Refusal};
pub use exposure::{Exposure, Shown};
pub use fees::{DataFees, Fees};
pub use lease::{Amount, Book, BudgetPath, BudgetSlot};
pub use letter::DeadLetter;
pub use money::{Cpm, Micros, MoneyError, Multiplier, NoMultiplier};
pub use posting::Posting;
pub use reservation::{Refused, ReservationId, Reservations};
