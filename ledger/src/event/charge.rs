//! What an event charges, and how that is posted.

use super::{Event, Kind};
use crate::carry::{Carries, Carry};
use crate::fees::{DataFees, Fees};
use crate::money::{Micros, Multiplier};
use crate::posting::{Account, Entry, Posting, credit, debit};
use crate::token::Side;

/// What a charging event moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// What the impression was sold or bought for.
    pub media: Micros,
    /// A bill's fee of the platform.
    pub platform: Micros,
    /// What a bill owes the providers of data, in the order of its fees.
    pub data: Vec<Micros>,
    /// What a sale's publisher gets of it.
    pub earned: Micros,
}

impl Charge {
    /// What providers of data get in all.
    pub fn data_cost(&self) -> Micros {
        Micros(self.data.iter().map(|amount| amount.0).sum())
    }

    /// What the payer owes.
    pub fn gross(&self) -> Micros {
        Micros(self.media.0 + self.platform.0 + self.data_cost().0)
    }
}

impl Event {
    /// The key under which the price's remainder is carried: the same on both sides. Showings that
    /// count for several impressions have one of their own, as their remainders are finer.
    pub fn carry_key(&self) -> String {
        let side = self.kind.charges().map_or("none", Side::label);
        format!(
            "{side}|{}|{}|{}|{}{}",
            self.exchange,
            self.seat,
            self.line_item,
            self.currency,
            self.finer()
        )
    }

    fn finer(&self) -> &'static str {
        match self.multiplier {
            Multiplier::ONE => "",
            _ => "|showing",
        }
    }

    /// The key under which the remainder of the publisher's share is carried. The share is part
    /// of it: a remainder left by one share would make an impression at another earn more than
    /// it cost.
    pub fn share_key(&self) -> String {
        format!(
            "share|{}|{}|{}",
            self.publisher, self.currency, self.share_ppm
        )
    }

    /// What a bill costs beside the media.
    pub fn fees(&self) -> Fees<'_> {
        Fees {
            platform_ppm: self.platform_ppm,
            data: DataFees::read(&self.data).unwrap_or_default(),
        }
    }

    /// The most that the event can take from its budgets.
    pub fn most(&self) -> Micros {
        self.fees().most_for(self.cpm, self.multiplier)
    }

    /// What a charging event moves, its remainders carried on; nothing for any other. What a bill
    /// does not find in its budgets pays the platform no fee.
    ///
    /// # Errors
    /// Where the carries fail.
    pub fn charge<C: Carries>(&self, carries: &mut C, funded: bool) -> Result<Charge, C::Error> {
        let (price, times) = (self.cpm, self.multiplier);
        if self.kind.charges().is_none() {
            return Ok(Charge::default());
        }
        let media = carries.take(self.carry_key(), |carry| carry.priced(price, times))?;
        let mut charge = Charge {
            media,
            ..Charge::default()
        };
        match self.kind {
            Kind::Sale => {
                let share = |carry: &mut Carry| carry.share(media, self.share_ppm);
                let earned = carries.take(self.share_key(), share)?;
                debug_assert!((Micros(0)..=media).contains(&earned), "a share is a part");
                charge.earned = Micros(earned.0.clamp(0, media.0));
            }
            Kind::Bill => {
                for (provider, price) in self.fees().data.each() {
                    let key = self.data_key(provider);
                    let cost = carries.take(key, |carry| carry.priced(price, times))?;
                    charge.data.push(cost);
                }
                if funded {
                    charge.platform = self.platform(media, carries)?;
                }
            }
            Kind::Win | Kind::Loss | Kind::Impression | Kind::View | Kind::Click => {}
        }
        Ok(charge)
    }

    /// The charge of a bill for which its budgets had nothing after all.
    ///
    /// # Errors
    /// Where the carries fail.
    pub fn unfunded<C: Carries>(
        &self,
        charge: Charge,
        carries: &mut C,
    ) -> Result<Charge, C::Error> {
        self.platform(Micros(-charge.media.0), carries)?;
        Ok(Charge {
            platform: Micros(0),
            ..charge
        })
    }

    /// The platform's fee on media that cost `media`.
    fn platform<C: Carries>(&self, media: Micros, carries: &mut C) -> Result<Micros, C::Error> {
        let ppm = i64::from(self.platform_ppm);
        if ppm == 0 {
            return Ok(Micros(0));
        }
        let key = format!("platform|{}|{}|{ppm}", self.advertiser, self.currency);
        carries.take(key, |carry| carry.share(media, ppm))
    }

    /// The key under which the remainder of a provider's price is carried.
    fn data_key(&self, provider: &str) -> String {
        format!(
            "data|{provider}|{}|{}{}",
            self.line_item,
            self.currency,
            self.finer()
        )
    }

    /// The posting of a charging event.
    pub fn posting(&self, charge: &Charge, funded: bool) -> Posting {
        Posting::new(self.currency, self.entries(charge, funded))
            .expect("both sides are made of the same amounts, which are not negative")
    }

    /// The lines of the posting, those of nothing too.
    pub(crate) fn entries(&self, charge: &Charge, funded: bool) -> Vec<Entry> {
        let cost = charge.media;
        match self.kind {
            Kind::Bill => {
                let payer = if funded {
                    Account::Advertiser(self.advertiser.clone())
                } else {
                    Account::OverDelivery
                };
                let (exchange, seat) = (self.exchange.clone(), self.seat.clone());
                let mut entries = vec![
                    debit(payer, charge.gross()),
                    credit(Account::Media { exchange, seat }, cost),
                ];
                if funded && self.platform_ppm > 0 {
                    entries.push(credit(Account::PlatformFee, charge.platform));
                }
                let providers = self.fees().data.each().zip(&charge.data);
                entries.extend(providers.map(|((provider, _), amount)| {
                    credit(Account::Data(provider.to_owned()), *amount)
                }));
                entries
            }
            Kind::Sale => {
                let (partner, seat) = (self.partner.clone(), self.seat.clone());
                vec![
                    debit(Account::Buyer { partner, seat }, cost),
                    credit(Account::Publisher(self.publisher.clone()), charge.earned),
                    credit(Account::ExchangeFee, Micros(cost.0 - charge.earned.0)),
                ]
            }
            Kind::Win | Kind::Loss | Kind::Impression | Kind::View | Kind::Click => Vec::new(),
        }
    }
}
