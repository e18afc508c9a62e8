//! The bytes of a token: a version, the id of the key, which parts follow, then the claims in a
//! fixed order; numbers that are mostly small in as few bytes as they need, texts behind their
//! length. What can be worked out from the rest is not written, since an answer carries each
//! bid's token five times.

use super::{Claims, Sale, Side, VERSION};
use crate::budget::{Day, Draws};
use crate::exposure::Exposure;
use crate::fees::{DataFees, Fees};
use crate::money::Multiplier;

/// The most bytes of a number of 64 bits.
const MOST_BYTES: usize = 10;

/// Which parts a token has that others lack.
#[derive(Clone, Copy)]
struct Parts(u16);

impl Parts {
    const RESERVED: u16 = 1;
    const SEVERAL: u16 = 1 << 1;
    /// A key of settlement that is not the one of the ids.
    const OWN_KEY: u16 = 1 << 2;
    /// The seat is the advertiser.
    const OWN_SEAT: u16 = 1 << 3;
    const USER: u16 = 1 << 4;
    const COUNTED: u16 = 1 << 5;
    /// The impression is counted for another key than the user's.
    const ANOTHER: u16 = 1 << 6;
    const HOUSEHOLD: u16 = 1 << 7;
    /// The advertiser pays more than the media.
    const FEES: u16 = 1 << 8;
    const ALL: u16 = (1 << 9) - 1;

    fn of(claims: &Claims<'_>) -> Self {
        let exposure = &claims.exposure;
        let counted = exposure.counts();
        let parts = [
            (Self::RESERVED, claims.reservation.is_some()),
            (Self::SEVERAL, claims.multiplier != Multiplier::ONE),
            (Self::OWN_KEY, claims.own_key.is_some()),
            (Self::OWN_SEAT, claims.seat == claims.advertiser),
            (Self::USER, claims.user != 0),
            (Self::COUNTED, counted),
            (Self::ANOTHER, counted && exposure.user != claims.user),
            (Self::HOUSEHOLD, counted && exposure.household != 0),
            (Self::FEES, !claims.fees.are_none()),
        ];
        let bits = parts.into_iter().map(|(bit, has)| bit * u16::from(has));
        Self(bits.sum())
    }

    /// `None` where a part is told that this version does not know.
    fn read(bits: u16) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Self(bits))
    }

    fn has(self, part: u16) -> bool {
        self.0 & part != 0
    }
}

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

    /// A few bytes whose number is known, which needs no call to copy.
    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        match self.inline[self.length..].first_chunk_mut() {
            Some(place) if self.spilled.is_empty() => {
                *place = bytes;
                self.length += N;
            }
            _ => self.put(&bytes),
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
        // What exceeds two bytes of length cannot come from a bounded request.
        let cut = text.floor_char_boundary(usize::from(u16::MAX));
        self.number(cut as u64);
        self.put(&text.as_bytes()[..cut]);
    }

    /// Seven bits a byte, the lowest first, the highest bit where more follow (LEB128).
    #[inline]
    fn number(&mut self, mut number: u64) {
        if number < 0x80 {
            return self.fixed([number as u8]);
        }
        let mut bytes = [0; MOST_BYTES];
        let mut length = 0;
        while number > 0x7f {
            bytes[length] = number as u8 | 0x80;
            number >>= 7;
            length += 1;
        }
        bytes[length] = number as u8;
        self.put(&bytes[..=length]);
    }

    /// The user, and where the impression is counted, whose it is and against what.
    fn people(&mut self, claims: &Claims<'_>, parts: Parts) {
        let exposure = &claims.exposure;
        if parts.has(Parts::USER) {
            self.fixed(claims.user.to_le_bytes());
        }
        if parts.has(Parts::ANOTHER) {
            self.fixed(exposure.user.to_le_bytes());
        }
        if parts.has(Parts::HOUSEHOLD) {
            self.fixed(exposure.household.to_le_bytes());
        }
        if parts.has(Parts::COUNTED) {
            self.fixed([exposure.scopes().count() as u8]);
            for scope in exposure.scopes() {
                self.fixed(scope.to_le_bytes());
            }
        }
    }

    /// All but the URL, which comes last.
    pub(super) fn claims(&mut self, key: u8, claims: &Claims<'_>) {
        let parts = Parts::of(claims);
        self.fixed([VERSION, key, claims.side as u8]);
        self.fixed(parts.0.to_le_bytes());
        self.fixed(claims.expires_at.to_le_bytes());
        if let Some(key) = &claims.own_key {
            self.fixed(*key);
        }
        if let Some((epoch, slot, generation)) = claims.reservation {
            for part in [epoch, slot, generation] {
                self.number(part.into());
            }
        }
        if parts.has(Parts::SEVERAL) {
            self.fixed(claims.multiplier.millionths().to_le_bytes());
        }
        self.number(claims.cpm as u64);
        self.fixed(claims.currency);
        if parts.has(Parts::FEES) {
            self.number(claims.fees.platform_ppm.into());
            self.text(claims.fees.data.text());
        }
        self.number(claims.day.0.into());
        self.fixed([claims.draws.bits()]);
        self.people(claims, parts);
        if claims.side == Side::Exchange {
            self.fixed(claims.sale.share_ppm.to_le_bytes());
            self.fixed([u8::from(claims.sale.allow_private)]);
        }
        if !parts.has(Parts::OWN_SEAT) {
            self.text(claims.seat);
        }
        for text in [
            claims.exchange,
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

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// The number of the fewest bytes that its first bits need.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..MOST_BYTES as u32 {
            let [byte] = self.take()?;
            let bits = u64::from(byte & 0x7f);
            let moved = bits << (7 * place);
            if moved >> (7 * place) != bits {
                return None;
            }
            number |= moved;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn narrow(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    /// The user, and for whom and against what the impression counts.
    fn people(&mut self, parts: Parts) -> Option<(u64, Exposure)> {
        let has = |part| parts.has(part);
        let user = if has(Parts::USER) { self.long()? } else { 0 };
        let mut exposure = Exposure::default();
        if !has(Parts::COUNTED) {
            return (!has(Parts::ANOTHER) && !has(Parts::HOUSEHOLD)).then_some((user, exposure));
        }
        exposure.user = if has(Parts::ANOTHER) {
            self.long()?
        } else {
            user
        };
        if has(Parts::HOUSEHOLD) {
            exposure.household = self.long()?;
        }
        let [count] = self.take()?;
        for scope in exposure.scopes.get_mut(..usize::from(count))? {
            let number = u32::from_le_bytes(self.take()?);
            *scope = Some(number).filter(|scope| *scope != 0)?;
        }
        Some((user, exposure))
    }

    fn sale(&mut self) -> Option<Sale> {
        let share_ppm = u32::from_le_bytes(self.take()?);
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
        let parts = Parts::read(u16::from_le_bytes(self.take()?))?;
        let expires_at = u32::from_le_bytes(self.take()?);
        let own_key = if parts.has(Parts::OWN_KEY) {
            Some(self.take()?)
        } else {
            None
        };
        let reservation = if parts.has(Parts::RESERVED) {
            Some((self.narrow()?, self.narrow()?, self.narrow()?))
        } else {
            None
        };
        let multiplier = if parts.has(Parts::SEVERAL) {
            Multiplier::new(i64::from_le_bytes(self.take()?))?
        } else {
            Multiplier::ONE
        };
        let cpm = self.number()? as i64;
        let currency = self.take()?;
        let fees = if parts.has(Parts::FEES) {
            Fees {
                platform_ppm: self.narrow().filter(|ppm| *ppm <= 1_000_000)?,
                data: DataFees::read(self.text()?)?,
            }
        } else {
            Fees::default()
        };
        let day = Day(self.narrow()?);
        let draws = Draws::from_bits(u8::from_le_bytes(self.take()?));
        let (user, exposure) = self.people(parts)?;
        let sale = match side {
            Side::Bidder => Sale::default(),
            Side::Exchange => self.sale()?,
        };
        let seat = if parts.has(Parts::OWN_SEAT) {
            None
        } else {
            Some(self.text()?)
        };
        let (exchange, advertiser) = (self.text()?, self.text()?);
        let claims = Claims {
            side,
            expires_at,
            own_key,
            reservation,
            multiplier,
            cpm,
            currency,
            fees,
            day,
            draws,
            user,
            exposure,
            sale,
            exchange,
            seat: seat.unwrap_or(advertiser),
            advertiser,
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
