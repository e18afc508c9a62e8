//! The bytes of a token: a version, the id of the key, then the claims in a fixed order, numbers
//! little-endian and texts behind their length.

use super::{Claims, Sale, Side, VERSION};
use crate::budget::{Day, Draws};
use crate::exposure::Exposure;
use crate::money::Multiplier;

/// Bits that say which parts follow that most tokens lack.
const RESERVED: u8 = 1;
const SEVERAL: u8 = 2;

/// The bytes of a token while they are written. Ordinary tokens fit on the stack.
pub(super) struct Payload {
    inline: [u8; 512],
    length: usize,
    spilled: Vec<u8>,
}

impl Payload {
    pub(super) fn new() -> Self {
        Self {
            inline: [0; 512],
            length: 0,
            spilled: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        if self.spilled.is_empty() {
            &self.inline[..self.length]
        } else {
            &self.spilled
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.spilled.is_empty() && end <= self.inline.len() {
            self.inline[self.length..end].copy_from_slice(bytes);
            self.length = end;
            return;
        }
        if self.spilled.is_empty() {
            self.spilled.extend_from_slice(&self.inline[..self.length]);
        }
        self.spilled.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        // A length takes two bytes; what exceeds them cannot come from a bounded request.
        let cut = text.floor_char_boundary(usize::from(u16::MAX));
        self.put(&(cut as u16).to_le_bytes());
        self.put(&text.as_bytes()[..cut]);
    }

    /// How many scopes are counted, and only where any is, which and whose.
    fn exposure(&mut self, exposure: &Exposure) {
        self.put(&[exposure.scopes().count() as u8]);
        if !exposure.counts() {
            return;
        }
        for key in [exposure.user, exposure.household] {
            self.put(&key.to_le_bytes());
        }
        for scope in exposure.scopes() {
            self.put(&scope.to_le_bytes());
        }
    }

    /// All but the URL, which comes last.
    pub(super) fn claims(&mut self, key: u8, claims: &Claims<'_>) {
        self.put(&[VERSION, key]);
        self.put(&[claims.side as u8]);
        self.put(&claims.expires_at.to_le_bytes());
        self.put(&claims.key);
        let several = claims.multiplier != Multiplier::ONE;
        let reserved = u8::from(claims.reservation.is_some()) * RESERVED;
        self.put(&[reserved | (u8::from(several) * SEVERAL)]);
        if let Some((epoch, slot, generation)) = claims.reservation {
            for part in [epoch, slot, generation] {
                self.put(&part.to_le_bytes());
            }
        }
        if several {
            self.put(&claims.multiplier.millionths().to_le_bytes());
        }
        self.put(&claims.cpm.to_le_bytes());
        self.put(&claims.currency);
        self.put(&claims.day.0.to_le_bytes());
        self.put(&[claims.draws.bits()]);
        self.put(&claims.user.to_le_bytes());
        self.exposure(&claims.exposure);
        if claims.side == Side::Exchange {
            self.put(&claims.sale.share_ppm.to_le_bytes());
            self.put(&[u8::from(claims.sale.allow_private)]);
        }
        for text in [
            claims.exchange,
            claims.seat,
            claims.advertiser,
            claims.campaign,
            claims.auction,
            claims.imp,
            claims.bid,
            claims.line_item,
            claims.creative,
            claims.publisher,
            claims.placement,
            claims.partner,
        ] {
            self.text(text);
        }
    }
}

/// Reads what a [`Payload`] wrote; every length is checked, nothing is copied.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(u16::from_le_bytes(self.take()?));
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn exposure(&mut self) -> Option<Exposure> {
        let [count] = self.take()?;
        let mut exposure = Exposure::default();
        if count == 0 {
            return Some(exposure);
        }
        exposure.user = u64::from_le_bytes(self.take()?);
        exposure.household = u64::from_le_bytes(self.take()?);
        for scope in exposure.scopes.get_mut(..usize::from(count))? {
            *scope = self.number().filter(|scope| *scope != 0)?;
        }
        Some(exposure)
    }

    fn sale(&mut self) -> Option<Sale> {
        let share_ppm = self.number()?;
        let allow_private = match self.take()? {
            [0] => false,
            [1] => true,
            [_] => return None,
        };
        Some(Sale {
            share_ppm,
            allow_private,
        })
    }

    pub(super) fn claims(mut self) -> Option<Claims<'a>> {
        let side = match self.take()? {
            [0] => Side::Bidder,
            [1] => Side::Exchange,
            [_] => return None,
        };
        let expires_at = self.number()?;
        let key = self.take()?;
        let [has] = self.take()?;
        let reservation = match has & RESERVED {
            0 => None,
            _ => Some((self.number()?, self.number()?, self.number()?)),
        };
        let multiplier = match has & SEVERAL {
            0 => Multiplier::ONE,
            _ => Multiplier::new(i64::from_le_bytes(self.take()?))?,
        };
        let claims = Claims {
            side,
            expires_at,
            key,
            reservation,
            multiplier,
            cpm: i64::from_le_bytes(self.take()?),
            currency: self.take()?,
            day: Day(self.number()?),
            draws: Draws::from_bits(u8::from_le_bytes(self.take()?))?,
            user: u64::from_le_bytes(self.take()?),
            exposure: self.exposure()?,
            sale: match side {
                Side::Bidder => Sale::default(),
                Side::Exchange => self.sale()?,
            },
            exchange: self.text()?,
            seat: self.text()?,
            advertiser: self.text()?,
            campaign: self.text()?,
            auction: self.text()?,
            imp: self.text()?,
            bid: self.text()?,
            line_item: self.text()?,
            creative: self.text()?,
            publisher: self.text()?,
            placement: self.text()?,
            partner: self.text()?,
            url: self.text()?,
        };
        self.0.is_empty().then_some(claims)
    }
}
